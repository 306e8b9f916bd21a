/* SPDX-License-Identifier: MPL-2.0
 *
 * protobuf_encoder.c - the message's bytes as they are; the output adds framing when it wants it.
 *
 * Source: Heka 0.11 ProtobufEncoder.
 */
#include "codec/encoder.h"

static const struct schema_key keys[] = {{.key = NULL}};

static const struct schema schema = {.name = "ProtobufEncoder", .keys = keys};

static int encode(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out)
{
    (void)state;
    (void)config;
    return buffer_append(out, message->bytes, message->size);
}

const struct encoder_ops protobuf_encoder = {
    .plugin = {.abi = PLUGIN_ABI, .name = "ProtobufEncoder", .schema = &schema},
    .encode = encode,
};
