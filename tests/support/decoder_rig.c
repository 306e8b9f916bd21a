/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/decoder_rig.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

struct section_config {
    const char *type;
};

static const struct schema_key section_keys[] = {
    {.key = "type", .type = SCHEMA_STRING, .offset = offsetof(struct section_config, type)},
    {.key = NULL},
};

static const struct schema section_schema = {.name = "decoder", .keys = section_keys};

static const struct conf_node *find(void *context, const char *name, struct conf_doc **doc)
{
    struct decoder_rig *rig = context;
    const struct conf_node *section = conf_get(conf_root(rig->doc), name);
    *doc = rig->doc;
    return section != NULL && section->type == CONF_TABLE ? section : NULL;
}

int decoder_rig_init(struct decoder_rig *rig, const char *toml, const char *name, struct err *err)
{
    if (rig->room_size == 0)
        rig->room_size = MSG_SIZE_DEFAULT_MAX;
    rig->room = malloc(rig->room_size);
    if (rig->room == NULL)
        return err_add(err, "out of memory");
    if (toml_parse(toml, strlen(toml), "case.toml", NULL, &rig->doc, err) != 0)
        return -1;
    struct decoder_program_config config = {
        .name = name,
        .find = find,
        .context = rig,
        .common = &section_schema,
        .message_size_max = rig->room_size,
    };
    if (decoder_program_new(&config, &rig->program, err) != 0 ||
        decoder_runner_new(rig->program, &rig->runner, err) != 0)
        return -1;
    rig->root = decoder_runner_root(rig->runner);
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
    decoder_runner_free(rig->runner);
    decoder_program_free(rig->program);
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
    int rc = decoder_runner_decode(rig->runner, message, &io);
    memcpy(rig->notes, io.notes, sizeof(rig->notes));
    return rc;
}

int decoder_rig_decode_text(struct decoder_rig *rig, struct msg_slice payload, int64_t now_ns)
{
    enum { HEAD_MAX = 64 };
    static const uint8_t uuid[MSG_UUID_SIZE] = {1, 2, 3};
    struct msg_builder builder;
    struct msg_view message;
    uint8_t *wide = malloc(payload.len + HEAD_MAX);
    CHECK(wide != NULL);
    msg_builder_init(&builder, wide, payload.len + HEAD_MAX);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_payload(&builder, payload.ptr, payload.len);
    CHECK(msg_builder_finish(&builder) > 0);
    uint8_t *bytes = malloc(builder.size);
    CHECK(bytes != NULL);
    memcpy(bytes, wide, builder.size);
    CHECK(msg_view_init(&message, bytes, builder.size) == 0);
    int rc = decoder_rig_decode(rig, &message, now_ns);
    free(bytes);
    free(wide);
    return rc;
}
