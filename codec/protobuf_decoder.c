/* SPDX-License-Identifier: MPL-2.0
 *
 * protobuf_decoder.c - a payload that is a Heka message becomes that message.
 *
 * Hosts that have the bytes at hand take them as they are, without a message around them.
 *
 * Source: Heka 0.11 ProtobufDecoder. It has no options, and exists without a section.
 */
#include <string.h>

#include "codec/decoder.h"

static const struct schema_key keys[] = {{.key = NULL}};
static const struct schema schema = {.name = "ProtobufDecoder", .keys = keys};

static int init(void *state, const void *config, const struct decoder_host *host, struct err *err)
{
    (void)state;
    (void)config;
    (void)host;
    (void)err;
    return 0;
}

static int decode(void *state, const void *config, const struct msg_view *message,
                  struct decode_io *io)
{
    (void)state;
    (void)config;
    struct msg_view inner;
    size_t capacity = 0;
    int rc = msg_view_init(&inner, message->payload.ptr, message->payload.len);
    if (rc != 0) {
        if (io->reason != NULL) {
            (void)buffer_append_text(io->reason, "no Heka message: ");
            (void)buffer_append_text(io->reason, msg_error_text(rc));
        }
        return DECODE_E_MALFORMED;
    }
    uint8_t *room = io->begin(io->context, &capacity);
    if (room == NULL || capacity < inner.size)
        return DECODE_E_ROOM;
    memcpy(room, inner.bytes, inner.size);
    io->commit(io->context, inner.size);
    return 0;
}

static void fini(void *state)
{
    (void)state;
}

const struct decoder_ops protobuf_decoder = {
    .plugin = {.abi = PLUGIN_ABI, .name = "ProtobufDecoder", .schema = &schema},
    .init = init,
    .decode = decode,
    .fini = fini,
};
