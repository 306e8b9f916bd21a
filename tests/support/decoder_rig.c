/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/decoder_rig.h"

#include <stdlib.h>
#include <string.h>

#include "codec/multi_decoder.h"

struct section_config {
    const char *type;
};

static const struct schema_key section_keys[] = {
    {.key = "type", .type = SCHEMA_STRING, .offset = offsetof(struct section_config, type)},
    {.key = NULL},
};

static const struct schema section_schema = {.name = "decoder", .keys = section_keys};

/* ---- expressions ---- */

static int match_source(void *context, struct msg_slice text, const struct msg_slice **values)
{
    const struct decoder_rig_source *source = context;
    return capture_set_match(source->rig->set, source->rig->scratch, source->index, text, values);
}

static int64_t next_source(void *set_context, uint32_t from, struct msg_slice text)
{
    const struct decoder_rig *rig = set_context;
    return capture_set_next(rig->set, rig->scratch, from, text);
}

static int compile(void *context, const char *regex, struct capture_source *source, struct err *err)
{
    struct decoder_rig *rig = context;
    struct regex_fault fault = {0};
    int64_t index = capture_set_add(rig->set, regex, strlen(regex), &fault);
    if (index < 0 || index >= DECODER_RIG_MAX)
        return err_add(err, "position %zu: %s", fault.position, fault.text);
    rig->sources[index] = (struct decoder_rig_source){rig, (uint32_t)index};
    *source = (struct capture_source){
        .names = capture_set_names(rig->set, (uint32_t)index),
        .match = match_source,
        .context = &rig->sources[index],
        .next = next_source,
        .set_context = rig,
        .index = (uint32_t)index,
    };
    return 0;
}

/* ---- instances ---- */

static int find(void *context, const char *name, struct decoder *decoder, struct err *err);

static const struct decoder_ops *ops_of(const struct conf_node *section)
{
    const struct conf_node *type = conf_get(section, "type");
    return decoder_by_name(type != NULL && type->type == CONF_STRING ? type->str : section->key);
}

static void forget(void *context)
{
    struct decoder_rig *rig = context;
    capture_scratch_forget(rig->scratch);
}

static int make(struct decoder_rig *rig, const struct conf_node *section, struct decoder *decoder,
                struct err *err)
{
    static const struct schema *const also[] = {&section_schema, NULL};
    struct decoder_host host = {.context = rig,
                                .message_size_max = rig->room_size,
                                .compile = compile,
                                .find = find,
                                .forget = forget};
    const struct decoder_ops *ops = ops_of(section);
    struct decoder_rig_instance *instance = &rig->instances[rig->count];
    if (ops == NULL || rig->count == DECODER_RIG_MAX)
        return err_add(err, "%s: no such type, or too many", section->key);
    rig->count++;
    instance->config = calloc(1, ops->plugin.config_size);
    instance->state = calloc(1, ops->plugin.state_size);
    if (instance->config == NULL || instance->state == NULL)
        return err_add(err, "out of memory");
    instance->decoder = (struct decoder){ops, instance->state, instance->config, section->key};
    if (schema_apply(ops->plugin.schema, section, section->key, also, rig->doc, instance->config,
                     err) != 0)
        return -1;
    *decoder = instance->decoder;
    return ops->init(instance->state, instance->config, &host, err);
}

static int find(void *context, const char *name, struct decoder *decoder, struct err *err)
{
    struct decoder_rig *rig = context;
    const struct conf_node *section = conf_get(conf_root(rig->doc), name);
    return section != NULL ? make(rig, section, decoder, err) : -1;
}

/* Refuses circles among the multi-decoders before any is made. */
static int check_order(const struct decoder_rig *rig, struct err *err)
{
    struct multi_decoder_node nodes[DECODER_RIG_MAX];
    struct multi_decoder_config configs[DECODER_RIG_MAX];
    uint32_t order[DECODER_RIG_MAX];
    uint32_t count = 0;
    static const struct schema *const also[] = {&section_schema, NULL};
    const struct conf_node *section = conf_root(rig->doc)->first;
    for (; section != NULL && count < DECODER_RIG_MAX; section = section->next) {
        if (section->type != CONF_TABLE || ops_of(section) != &multi_decoder)
            continue;
        if (schema_apply(multi_decoder.plugin.schema, section, section->key, also, rig->doc,
                         &configs[count], err) != 0)
            return -1;
        nodes[count].name = section->key;
        nodes[count].subs = configs[count].subs;
        count++;
    }
    return multi_decoder_order(nodes, count, order, err);
}

int decoder_rig_init(struct decoder_rig *rig, const char *toml, const char *name, struct err *err)
{
    if (rig->room_size == 0)
        rig->room_size = MSG_SIZE_DEFAULT_MAX;
    rig->room = malloc(rig->room_size);
    if (rig->room == NULL || capture_set_new(&rig->set) < 0)
        return err_add(err, "out of memory");
    if (toml_parse(toml, strlen(toml), "case.toml", NULL, &rig->doc, err) != 0 ||
        check_order(rig, err) != 0)
        return -1;
    unsigned before = err->count;
    if (find(rig, name, &rig->root, err) != 0)
        return err->count > before ? -1 : err_add(err, "no section %s", name);
    if (capture_set_compile(rig->set, NULL) < 0 || capture_scratch_new(rig->set, &rig->scratch) < 0)
        return err_add(err, "the expressions do not compile");
    return 0;
}

static void drop_messages(struct decoder_rig *rig)
{
    for (unsigned i = 0; i < rig->message_count; i++)
        free(rig->messages[i]);
    rig->message_count = 0;
}

void decoder_rig_fini(struct decoder_rig *rig)
{
    drop_messages(rig);
    for (unsigned i = 0; i < rig->count; i++) {
        if (rig->instances[i].decoder.ops != NULL)
            rig->instances[i].decoder.ops->fini(rig->instances[i].state);
        free(rig->instances[i].config);
        free(rig->instances[i].state);
    }
    capture_scratch_free(rig->scratch);
    capture_set_free(rig->set);
    conf_doc_free(rig->doc);
    free(rig->room);
    buffer_fini(&rig->log);
    buffer_fini(&rig->reason);
    *rig = (struct decoder_rig){0};
}

/* ---- decoding ---- */

static uint8_t *begin(void *context, size_t *capacity)
{
    struct decoder_rig *rig = context;
    *capacity = rig->room_size;
    return rig->message_count < DECODER_RIG_MESSAGES ? rig->room : NULL;
}

/* A copy of exactly that size, so that reading behind it is seen. */
static void commit(void *context, size_t size)
{
    struct decoder_rig *rig = context;
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return;
    memcpy(copy, rig->room, size);
    rig->messages[rig->message_count] = copy;
    rig->sizes[rig->message_count++] = size;
}

static void take_log(void *log_context, const char *text)
{
    struct decoder_rig *rig = log_context;
    (void)buffer_append_text(&rig->log, text);
    (void)buffer_append_text(&rig->log, "\n");
}

int decoder_rig_decode(struct decoder_rig *rig, const struct msg_view *message, int64_t now_ns)
{
    struct decode_io io = {
        .context = rig,
        .begin = begin,
        .commit = commit,
        .log = rig->is_quiet ? NULL : take_log,
        .log_context = rig,
        .reason = rig->is_quiet ? NULL : &rig->reason,
        .now_ns = now_ns,
    };
    drop_messages(rig);
    buffer_clear(&rig->log);
    buffer_clear(&rig->reason);
    capture_scratch_forget(rig->scratch);
    int rc = rig->root.ops->decode(rig->root.state, rig->root.config, message, &io);
    memcpy(rig->notes, io.notes, sizeof(rig->notes));
    return rc;
}
