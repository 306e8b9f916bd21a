/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/message.h"
#include "core/schema.h"
#include "dataplane/plan_splitter.h"
#include "matcher/database.h"

enum { PATH_SIZE = 1024 };

static const char *const kind_names[] = {"statsd", "text", NULL};
static const char *const net_names[] = {"udp", "tcp", NULL};
static const char *const policy_names[] = {"block", "drop", NULL}; /* enum lane_policy */

#define DATABASE(member) .key = #member, .offset = offsetof(struct plan_rules, member)
static const struct schema_key database_keys[] = {
    {DATABASE(file), .type = SCHEMA_STRING, .help = "Name of a file in the plan's folder."},
    {DATABASE(digest), .type = SCHEMA_STRING, .help = "XXH3-128 of its bytes, 32 digits."},
    {0},
};
static const struct schema database_schema = {"rules", database_keys};

static const struct schema_key plan_keys[] = {
    {.key = "generation", .type = SCHEMA_INT, .offset = offsetof(struct plan, generation),
     .min = 0, .max = UINT32_MAX, .def = "1", .help = "Number that records of this plan carry."},
    {.key = "hostname", .type = SCHEMA_STRING, .offset = offsetof(struct plan, hostname),
     .help = "Hostname of statmetric messages."},
    {.key = "max_message_size", .type = SCHEMA_INT,
     .offset = offsetof(struct plan, max_message_size), .min = 1025, .max = 16 << 20,
     .def = "65536", .unit = "bytes", .help = "Larger messages are counted and dropped."},
    {.key = "accumulators", .type = SCHEMA_NODE,
     .offset = offsetof(struct plan, accumulator_nodes), .help = "StatAccumInputs."},
    {.key = "listeners", .type = SCHEMA_NODE, .offset = offsetof(struct plan, listener_nodes),
     .help = "UDP inputs."},
    {.key = "decoders", .type = SCHEMA_NODE, .offset = offsetof(struct plan, decoder_nodes),
     .help = "Sections of decoders, with name and type."},
    {.key = "consumers", .type = SCHEMA_NODE, .offset = offsetof(struct plan, consumer_nodes),
     .help = "Filters and outputs, in the order of the match mask."},
    {.key = "rules", .type = SCHEMA_TABLE, .sub = &database_schema,
     .offset = offsetof(struct plan, database),
     .help = "The consumers' rules, compiled. Without it they are compiled when the plan is read."},
    {0},
};
static const struct schema plan_schema = {"plan", plan_keys};

static const struct schema_key accumulator_keys[] = {
    {.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .offset = offsetof(struct plan_accumulator, name), .help = "Logger of its messages."},
    {0},
};
static const struct schema accumulator_schema = {"accumulator", accumulator_keys};

#define LISTENER(member) .offset = offsetof(struct plan_listener, member)
static const struct schema_key listener_keys[] = {
    {.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, LISTENER(name),
     .help = "Logger and Type of its messages."},
    {.key = "kind", .type = SCHEMA_CHOICE, .flags = SCHEMA_REQUIRED, LISTENER(kind),
     .choices = kind_names, .help = "What its datagrams are."},
    {.key = "address", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, LISTENER(address_text),
     .help = "IP:PORT; an all-zero IP means any address of the port."},
    {.key = "accumulator", .type = SCHEMA_STRING, LISTENER(accumulator_name),
     .help = "statsd: the accumulator's name."},
    {.key = "max_msg_size", .type = SCHEMA_INT, LISTENER(max_msg_size), .min = 0, .max = 65535,
     .def = "0", .unit = "bytes", .help = "statsd: datagrams are cut here; 0: never."},
    STATSD_OPTION_ROWS(struct plan_listener, lines),
    {.key = "net", .type = SCHEMA_CHOICE, LISTENER(net), .choices = net_names, .def = "udp",
     .help = "Datagrams or connections."},
    {.key = "splitter", .type = SCHEMA_NODE, LISTENER(splitter_node),
     .unit = "a splitter's type, or a table with type and options",
     .help = "text: how bytes become pieces; default: NullSplitter."},
    {.key = "set_hostname", .type = SCHEMA_BOOL, LISTENER(set_hostname), .def = "false",
     .help = "text: the sender's address as Hostname, over TCP with its port."},
    {.key = "decoder", .type = SCHEMA_STRING, LISTENER(decoder_name),
     .help = "text: name of one of the decoders."},
    {.key = "send_decode_failures", .type = SCHEMA_BOOL, LISTENER(send_decode_failures),
     .def = "false", .help = "text: pass on what the decoder does not take, marked."},
    {0},
};
static const struct schema listener_schema = {"listener", listener_keys};

struct plan_decoder {
    const char *name, *type;
};
static const struct schema_key decoder_keys[] = {
    {.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .offset = offsetof(struct plan_decoder, name), .help = "Of its section."},
    {.key = "type", .type = SCHEMA_STRING, .offset = offsetof(struct plan_decoder, type),
     .help = "PayloadRegexDecoder, ...; default: the name."},
    {0},
};
static const struct schema decoder_schema = {"decoder", decoder_keys};

#define CONSUMER(member) .offset = offsetof(struct plan_consumer, member)
static const struct schema_key consumer_keys[] = {
    {.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, CONSUMER(name),
     .help = "The filter or output."},
    {.key = "message_matcher", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, CONSUMER(text),
     .help = "Which messages it gets."},
    {.key = "message_signer", .type = SCHEMA_STRING, CONSUMER(signer),
     .help = "Only messages of this signer."},
    {.key = "slot", .type = SCHEMA_INT, CONSUMER(slot), .min = -1,
     .max = PLAN_CONSUMERS_MAX - 1, .def = "-1",
     .help = "Bit in the match mask; -1: its place in the list."},
    {.key = "decodes", .type = SCHEMA_STRING, CONSUMER(decodes),
     .help = "Name of a text listener without decoder: all of its pieces are for this consumer."},
    {.key = "policy", .type = SCHEMA_CHOICE, CONSUMER(policy), .choices = policy_names,
     .def = "block", .help = "When a lane is full: wait for this consumer, or drop its oldest."},
    {0},
};
static const struct schema consumer_schema = {"consumer", consumer_keys};

typedef int (*table_fn)(struct plan *plan, const struct conf_node *table, struct err *err);

/* Calls fn for each table of an array; NULL is an empty array. */
static int each_table(struct plan *plan, const struct conf_node *array, unsigned count_max,
                      table_fn fn, struct err *err)
{
    int rc = 0;
    if (array == NULL)
        return 0;
    if (array->type != CONF_ARRAY || array->count > count_max)
        return err_at(err, array->file, array->line,
                      "%s: found %s with %u elements, allowed an array of up to %u tables",
                      array->key, conf_type_name(array->type), array->count, count_max);
    for (const struct conf_node *table = array->first; table != NULL; table = table->next) {
        if (table->type != CONF_TABLE)
            rc = err_at(err, table->file, table->line, "%s: found %s, allowed a table", array->key,
                        conf_type_name(table->type));
        else if (fn(plan, table, err) != 0)
            rc = -1;
    }
    return rc;
}

/* What the accumulator itself would refuse at start. */
static int check_accumulator(const struct plan_accumulator *accumulator,
                             const struct conf_node *table, struct err *err)
{
    static struct err found;
    struct accum *trial = NULL;
    found.count = 0;
    int rc = accum_new(&accumulator->config, &trial, &found);
    accum_free(trial);
    for (unsigned i = 0; i < found.count && i < ERR_LIST_MAX; i++)
        err_at(err, table->file, table->line, "accumulator '%s': %s", accumulator->name,
               found.texts[i]);
    return rc;
}

static int add_accumulator(struct plan *plan, const struct conf_node *table, struct err *err)
{
    static const struct schema *const with_options[] = {&accum_schema, NULL};
    static const struct schema *const with_name[] = {&accumulator_schema, NULL};
    struct plan_accumulator *accumulator = &plan->accumulators[plan->accumulator_count];
    int rc = schema_apply(&accumulator_schema, table, "accumulators", with_options, plan->doc,
                          accumulator, err);
    rc |= schema_apply(&accum_schema, table, "accumulators", with_name, plan->doc,
                       &accumulator->config, err);
    rc = rc == 0 ? check_accumulator(accumulator, table, err) : -1;
    for (unsigned i = 0; rc == 0 && i < plan->accumulator_count; i++)
        if (strcmp(plan->accumulators[i].name, accumulator->name) == 0)
            rc = err_at(err, table->file, table->line, "accumulator '%s' is there twice",
                        accumulator->name);
    if (rc != 0)
        return -1;
    accumulator->node = table;
    plan->accumulator_count++;
    return 0;
}

static int find_accumulator(struct plan *plan, struct plan_listener *listener)
{
    for (unsigned i = 0; listener->accumulator_name != NULL && i < plan->accumulator_count; i++) {
        if (strcmp(plan->accumulators[i].name, listener->accumulator_name) == 0) {
            listener->accumulator = i;
            listener->interval_s = (uint32_t)plan->accumulators[i].config.ticker_interval;
            return 0;
        }
    }
    return -1;
}

static int add_address(struct plan *plan, const struct conf_node *table,
                       const struct plan_listener *listener, struct err *err)
{
    struct listener_address address;
    if (listener_address_parse(listener->address_text, &address) != 0)
        return err_at(err, table->file, table->line, "address: found '%s', allowed IP:PORT",
                      listener->address_text);
    struct plan_addresses *addresses = &plan->addresses[listener->net];
    if (addresses->count + 2 > LISTENERS_MAX)
        return err_at(err, table->file, table->line, "more than %d addresses", LISTENERS_MAX);
    addresses->listeners[addresses->count] = (uint16_t)plan->listener_count;
    addresses->items[addresses->count++] = address;
    if (listener->address_text[0] == ':') { /* no host: any IPv6 address as well */
        address.is_ipv6 = true;
        addresses->listeners[addresses->count] = (uint16_t)plan->listener_count;
        addresses->items[addresses->count++] = address;
    }
    return 0;
}

static const struct conf_node *find_decoder(void *context, const char *name,
                                            struct conf_doc **doc)
{
    struct plan *plan = context;
    const struct conf_node *nodes = plan->decoder_nodes;
    *doc = plan->doc;
    if (nodes == NULL || nodes->type != CONF_ARRAY)
        return NULL;
    for (const struct conf_node *node = nodes->first; node != NULL; node = node->next) {
        const struct conf_node *found =
            node->type == CONF_TABLE ? conf_get(node, "name") : NULL;
        if (found != NULL && found->type == CONF_STRING && strcmp(found->str, name) == 0)
            return node;
    }
    return NULL;
}

static int add_decoder(struct plan *plan, const struct conf_node *table,
                       struct plan_listener *listener, struct err *err)
{
    if (listener->kind != PLAN_TEXT)
        return err_at(err, table->file, table->line, "decoder: only text listeners have one");
    for (unsigned i = 0; i < plan->listener_count; i++) {
        const struct plan_listener *other = &plan->listeners[i];
        if (other->decoder != NULL && strcmp(other->decoder_name, listener->decoder_name) == 0) {
            listener->decoder = other->decoder;
            return 0;
        }
    }
    struct decoder_program_config config = {
        .name = listener->decoder_name,
        .find = find_decoder,
        .context = plan,
        .common = &decoder_schema,
        .message_size_max = (size_t)plan->max_message_size,
    };
    struct decoder_program **program = &plan->decoders[plan->decoder_count];
    if (decoder_program_new(&config, program, err) != 0)
        return -1;
    listener->decoder = *program;
    plan->decoder_count++;
    return 0;
}

static int check_decoder(struct plan *plan, const struct conf_node *table, struct err *err)
{
    (void)plan;
    const struct conf_node *name = conf_get(table, "name");
    return name != NULL && name->type == CONF_STRING
               ? 0
               : err_at(err, table->file, table->line, "decoders: name: missing, required is a "
                        "string");
}

static int add_listener(struct plan *plan, const struct conf_node *table, struct err *err)
{
    struct plan_listener *listener = &plan->listeners[plan->listener_count];
    if (schema_apply(&listener_schema, table, "listeners", NULL, plan->doc, listener, err) != 0)
        return -1;
    int rc = 0;
    if (listener->kind == PLAN_STATSD && find_accumulator(plan, listener) != 0)
        rc = err_at(err, table->file, table->line,
                    "accumulator: found '%s', which is not in accumulators",
                    listener->accumulator_name != NULL ? listener->accumulator_name : "");
    listener->node = table;
    rc |= plan_splitter_make(plan, listener, err);
    if (listener->decoder_name != NULL && add_decoder(plan, table, listener, err) != 0)
        rc = -1;
    rc |= statsd_options_settings(&listener->lines, &listener->settings, err);
    rc |= add_address(plan, table, listener, err);
    plan->listener_count++;
    return rc;
}

struct plan_listener *plan_find_listener(struct plan *plan, const char *name)
{
    for (unsigned i = 0; i < plan->listener_count; i++)
        if (strcmp(plan->listeners[i].name, name) == 0)
            return &plan->listeners[i];
    return NULL;
}

static int set_decodes(struct plan *plan, const struct conf_node *table,
                       const struct plan_consumer *consumer, unsigned slot, struct err *err)
{
    struct plan_listener *listener =
        consumer->decodes != NULL ? plan_find_listener(plan, consumer->decodes) : NULL;
    if (consumer->decodes == NULL)
        return 0;
    if (listener == NULL || listener->kind != PLAN_TEXT || listener->decoder_name != NULL ||
        listener->is_undecoded)
        return err_at(err, table->file, table->line,
                      "decodes: found '%s', allowed a text listener without decoder, once",
                      consumer->decodes);
    listener->is_undecoded = true;
    listener->decoder_slot = slot;
    return 0;
}

static int add_consumer(struct plan *plan, const struct conf_node *table, struct err *err)
{
    struct plan_consumer consumer = {0};
    if (schema_apply(&consumer_schema, table, "consumers", NULL, plan->doc, &consumer, err) != 0)
        return -1;
    unsigned slot = consumer.slot >= 0 ? (unsigned)consumer.slot : plan->consumers_seen;
    plan->consumers_seen++;
    if (sink_plan_has_slot(&plan->sink, slot))
        return err_at(err, table->file, table->line, "slot: %u is taken by '%s'", slot,
                      plan->consumers[slot].name);
    plan->consumers[slot] =
        (struct rule_text){.name = consumer.name, .text = consumer.text, .signer = consumer.signer};
    plan->sink.slots[slot / 64] |= UINT64_C(1) << (slot % 64);
    if (consumer.policy == LANE_DROP)
        plan->sink.drops[slot / 64] |= UINT64_C(1) << (slot % 64);
    if (slot >= plan->slot_count)
        plan->slot_count = slot + 1;
    return set_decodes(plan, table, &consumer, slot, err);
}

/* The file lies beside the plan, wherever that is. */
static int load_rules(struct plan *plan, struct err *err)
{
    const struct plan_rules *database = &plan->database;
    const struct conf_node *root = conf_root(plan->doc);
    const char *slash = strrchr(root->file, '/');
    char path[PATH_SIZE];
    if (database->digest == NULL || strlen(database->digest) != RULESET_DIGEST_LEN)
        return err_at(err, root->file, conf_get(root, "rules")->line,
                      "rules: digest: found '%s', allowed %d hexadecimal digits",
                      database->digest != NULL ? database->digest : "", RULESET_DIGEST_LEN);
    if (strchr(database->file, '/') != NULL)
        return err_at(err, root->file, conf_get(root, "rules")->line,
                      "rules: file: found '%s', allowed a name without a folder", database->file);
    int folder_len = slash != NULL ? (int)(slash - root->file + 1) : 0;
    int len =
        snprintf(path, sizeof(path), "%.*s%s", folder_len, root->file, database->file);
    if (len < 0 || (size_t)len >= sizeof(path))
        return err_at(err, root->file, 0, "rules: the path is too long");
    return ruleset_load_file(path, database->digest, plan->consumers, plan->slot_count,
                             &plan->rules, err);
}

static int make_rules(struct plan *plan, struct err *err)
{
    for (unsigned slot = 0; slot < plan->slot_count; slot++)
        if (!sink_plan_has_slot(&plan->sink, slot))
            plan->consumers[slot] = (struct rule_text){.name = "", .text = "FALSE"};
    plan->sink.generation = (uint64_t)plan->generation;
    plan->sink.max_message_size = (uint64_t)plan->max_message_size;
    int rc = plan->database.file != NULL
                 ? load_rules(plan, err)
                 : ruleset_compile(plan->consumers, plan->slot_count, &plan->rules, err);
    plan->sink.rules = plan->rules;
    return rc;
}

static int fill(struct plan *plan, struct err *err)
{
    int rc = schema_apply(&plan_schema, conf_root(plan->doc), "plan", NULL, plan->doc, plan, err);
    rc |= each_table(plan, plan->accumulator_nodes, PLAN_ACCUMULATORS_MAX, add_accumulator, err);
    rc |= each_table(plan, plan->decoder_nodes, PLAN_DECODERS_MAX, check_decoder, err);
    rc |= each_table(plan, plan->listener_nodes, LISTENERS_MAX / 2, add_listener, err);
    rc |= each_table(plan, plan->consumer_nodes, PLAN_CONSUMERS_MAX, add_consumer, err);
    rc |= make_rules(plan, err); /* finds its errors whatever else is wrong */
    if (rc != 0)
        return -1;
    if (plan->hostname == NULL || plan->hostname[0] == '\0') {
        if (gethostname(plan->own_hostname, sizeof(plan->own_hostname) - 1) != 0)
            snprintf(plan->own_hostname, sizeof(plan->own_hostname), "localhost");
        plan->hostname = plan->own_hostname;
    }
    plan->sink.hostname = plan->hostname;
    for (unsigned net = 0; net < PLAN_NETS; net++) {
        struct plan_addresses *addresses = &plan->addresses[net];
        rc |= listener_table_build(addresses->items, addresses->count, &addresses->table, err);
    }
    return rc;
}

/* Takes the document in any case. */
static int from_doc(struct conf_doc *take_doc, struct plan **out, struct err *err)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL) {
        conf_doc_free(take_doc);
        return err_add(err, "out of memory");
    }
    plan->doc = take_doc;
    plan->reference_count = 1;
    if (fill(plan, err) != 0) {
        plan_free(plan);
        return -1;
    }
    *out = plan;
    return 0;
}

int plan_load(const char *path, struct plan **out, struct err *err)
{
    struct conf_doc *doc = NULL;
    if (json_load(path, &doc, err) != 0)
        return -1;
    return from_doc(doc, out, err);
}

int plan_parse(const char *text, size_t text_len, const char *file, struct plan **out,
               struct err *err)
{
    struct conf_doc *doc = NULL;
    if (json_parse(text, text_len, file, &doc, err) != 0)
        return -1;
    return from_doc(doc, out, err);
}

struct plan *plan_get(struct plan *plan)
{
    plan->reference_count++;
    return plan;
}

void plan_free(struct plan *plan)
{
    if (plan == NULL || --plan->reference_count > 0)
        return;
    for (unsigned net = 0; net < PLAN_NETS; net++)
        listener_table_free(plan->addresses[net].table);
    for (unsigned i = 0; i < plan->listener_count; i++)
        plan_splitter_free(&plan->listeners[i]);
    split_regexes_fini(&plan->regexes);
    for (unsigned i = 0; i < plan->decoder_count; i++)
        decoder_program_free(plan->decoders[i]);
    ruleset_free(plan->rules);
    conf_doc_free(plan->doc);
    free(plan);
}

bool plan_same_accumulator(const struct plan_accumulator *a, const struct plan_accumulator *b)
{
    return conf_equal(a->node, b->node);
}
