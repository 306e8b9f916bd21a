/* SPDX-License-Identifier: MPL-2.0
 *
 * encoder.h - message to bytes.
 *
 * Place:   each output owns one encoder instance; builtin_encoders lists the types.
 * Threads: one instance belongs to one output's thread.
 * Memory:  `config` (filled from the schema) and `state` are the host's and outlive the instance.
 * Failure: encode returns a negative errno; the output counts the message as encode_failed.
 */
#ifndef CODEC_ENCODER_H
#define CODEC_ENCODER_H

#include "core/buffer.h"
#include "core/message.h"
#include "core/plugin.h"

struct encoder_ops {
    struct plugin_ops plugin;
    /* `name` is that of its section. May be NULL. 0, or -1 after adding to err. */
    int (*init)(void *state, const void *config, const char *name, struct err *err);
    /* Appends the encoded message to `out`. 0, or negative errno and `out` as it was.
     * Appending nothing with 0 means: nothing to send for this message. */
    int (*encode)(void *state, const void *config, const struct msg_view *message,
                  struct buffer *out);
    void (*fini)(void *state); /* may be NULL */
};

extern const struct encoder_ops es_json_encoder, es_logstash_v0_encoder;
extern const struct encoder_ops payload_encoder, protobuf_encoder, rst_encoder;
extern const struct encoder_ops *const builtin_encoders[]; /* ended by NULL */
const struct encoder_ops *encoder_by_name(const char *name);

#endif
