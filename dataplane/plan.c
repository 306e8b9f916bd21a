/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/message.h"
#include "core/schema.h"

static const char *const kind_names[] = {"statsd", "text", NULL};
static const char *const splitter_names[] = {"null", "token", NULL};

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
    {.key = "consumers", .type = SCHEMA_NODE, .offset = offsetof(struct plan, consumer_nodes),
     .help = "Filters and outputs, in the order of the match mask."},
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
    {.key = "splitter", .type = SCHEMA_CHOICE, LISTENER(splitter), .choices = splitter_names,
     .def = "null", .help = "text: a message per datagram or per token."},
    {.key = "delimiter", .type = SCHEMA_STRING, LISTENER(delimiter), .def = "\n",
     .help = "text: one character that ends a token."},
    {.key = "count", .type = SCHEMA_INT, LISTENER(token_count), .min = 1, .max = 65535,
     .def = "1", .help = "text: delimiters per message."},
    {.key = "deliver_incomplete_final", .type = SCHEMA_BOOL, LISTENER(deliver_incomplete_final),
     .def = "false", .help = "text: deliver what is behind the last delimiter."},
    {.key = "set_hostname", .type = SCHEMA_BOOL, LISTENER(set_hostname), .def = "false",
     .help = "text: the sender's address as Hostname."},
    {0},
};
static const struct schema listener_schema = {"listener", listener_keys};

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
    if (plan->address_count + 2 > LISTENERS_MAX)
        return err_at(err, table->file, table->line, "more than %d addresses", LISTENERS_MAX);
    plan->listener_of_address[plan->address_count] = (uint16_t)plan->listener_count;
    plan->addresses[plan->address_count++] = address;
    if (listener->address_text[0] == ':') { /* no host: any IPv6 address as well */
        address.is_ipv6 = true;
        plan->listener_of_address[plan->address_count] = (uint16_t)plan->listener_count;
        plan->addresses[plan->address_count++] = address;
    }
    return 0;
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
    if (strlen(listener->delimiter) != 1)
        rc = err_at(err, table->file, table->line,
                    "delimiter: found '%s', allowed one character", listener->delimiter);
    rc |= add_address(plan, table, listener, err);
    plan->listener_count++;
    return rc;
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
    if (slot >= plan->slot_count)
        plan->slot_count = slot + 1;
    return 0;
}

static int compile_rules(struct plan *plan, struct err *err)
{
    for (unsigned slot = 0; slot < plan->slot_count; slot++)
        if (!sink_plan_has_slot(&plan->sink, slot))
            plan->consumers[slot] = (struct rule_text){.name = "", .text = "FALSE"};
    plan->sink.generation = (uint64_t)plan->generation;
    plan->sink.max_message_size = (uint64_t)plan->max_message_size;
    int rc = ruleset_compile(plan->consumers, plan->slot_count, &plan->rules, err);
    plan->sink.rules = plan->rules;
    return rc;
}

static int fill(struct plan *plan, struct err *err)
{
    int rc = schema_apply(&plan_schema, conf_root(plan->doc), "plan", NULL, plan->doc, plan, err);
    rc |= each_table(plan, plan->accumulator_nodes, PLAN_ACCUMULATORS_MAX, add_accumulator, err);
    rc |= each_table(plan, plan->listener_nodes, LISTENERS_MAX / 2, add_listener, err);
    rc |= each_table(plan, plan->consumer_nodes, PLAN_CONSUMERS_MAX, add_consumer, err);
    rc |= compile_rules(plan, err); /* finds its errors whatever else is wrong */
    if (rc != 0)
        return -1;
    if (plan->hostname == NULL || plan->hostname[0] == '\0') {
        if (gethostname(plan->own_hostname, sizeof(plan->own_hostname) - 1) != 0)
            snprintf(plan->own_hostname, sizeof(plan->own_hostname), "localhost");
        plan->hostname = plan->own_hostname;
    }
    plan->sink.hostname = plan->hostname;
    return listener_table_build(plan->addresses, plan->address_count, &plan->table, err);
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
    listener_table_free(plan->table);
    ruleset_free(plan->rules);
    conf_doc_free(plan->doc);
    free(plan);
}

bool plan_same_accumulator(const struct plan_accumulator *a, const struct plan_accumulator *b)
{
    return conf_equal(a->node, b->node);
}
