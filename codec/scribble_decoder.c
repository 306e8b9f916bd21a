/* SPDX-License-Identifier: MPL-2.0
 *
 * scribble_decoder.c - sets members and fields of each message to fixed texts.
 *
 * Source: Heka 0.11 ScribbleDecoder. A field is appended, also when there is one of its name.
 */
#include "codec/decoder.h"
#include "codec/message_template.h"

struct scribble_config {
    const struct conf_node *message_fields;
};

struct scribble_state {
    struct message_template *template;
};

static const struct schema_key keys[] = {
    {.key = "message_fields",
     .type = SCHEMA_NODE,
     .offset = offsetof(struct scribble_config, message_fields),
     .unit = "a table of texts",
     .help = "Members of the message, or fields as \"name\" or \"name|representation\", and the "
             "texts that they are set to."},
    {.key = NULL},
};

static const struct schema schema = {.name = "ScribbleDecoder", .keys = keys};

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    (void)host;
    const struct scribble_config *options = config;
    struct scribble_state *scribble = state;
    return message_template_new(options->message_fields, NULL, NULL, &scribble->template, err);
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    (void)config;
    const struct scribble_state *scribble = state;
    struct message_changes changes = {.timestamp_ns = message->timestamp_ns};
    struct msg_builder builder;
    size_t capacity = 0;
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL)
        return DECODE_E_ROOM;
    msg_builder_init(&builder, room, capacity);
    int rc =
        message_template_write(scribble->template, message, NULL, &changes, &builder, io->reason);
    if (rc == 0)
        io->commit(io->context, builder.size);
    return rc;
}

static void fini(void *state)
{
    struct scribble_state *scribble = state;
    message_template_free(scribble->template);
    scribble->template = NULL;
}

const struct decoder_ops scribble_decoder = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "ScribbleDecoder",
               .schema = &schema,
               .config_size = sizeof(struct scribble_config),
               .state_size = sizeof(struct scribble_state)},
    .init = init,
    .decode = decode,
    .fini = fini,
};
