/* SPDX-License-Identifier: MPL-2.0
 *
 * input_decoder.h - a decoder at work in an input of hekad: messages around records to what they
 *                   mean.
 *
 * Place:   input_stream.c has one for each stream, decode_filter.c one for each input of the data
 *          plane whose decoder runs in hekad. Decoders: matcher/decoder_host.h.
 * Threads: the input's, or the filter's.
 * Memory:  one message, and the text of a failure.
 * Failure: a record that cannot be decoded ends in its counter of the stage `text`; with
 *          send_decode_failures it goes on, marked; with log_decode_failures the reason is logged,
 *          at most now and then.
 */
#ifndef CONTROL_INPUT_DECODER_H
#define CONTROL_INPUT_DECODER_H

#include "control/plugins/input.h"
#include "control/config/plugin_types.h"
#include "matcher/decoder_host.h"

struct input_decoder;

struct input_decoder_host { /* where what comes of the records goes */
    void *context;
    const char *name; /* of the input */
    /* As input_host_begin(), input_host_inject() and input_host_counters(). */
    void (*begin)(void *context, struct msg_builder *builder, uint64_t timestamp_ns);
    int (*inject)(void *context, const struct msg_builder *builder, const char *signer);
    struct counters *(*counters)(void *context);
};

struct input_decoder_config {
    struct input_decoder_host host;
    const struct decoder_program *program;
    const struct input_common *options;
    size_t message_max;
};

/* NULL after adding to `err`. */
struct input_decoder *input_decoder_new(const struct input_decoder_config *config, struct err *err);
void input_decoder_free(struct input_decoder *decoder); /* NULL is fine */

/* One message that is to be decoded, with Uuid and Timestamp written: the rest is the caller's.
 * Then take: 0, or -ECANCELED when the input has to end. `signer` is authentic, or NULL. */
void input_decoder_begin(struct input_decoder *decoder, struct msg_builder *builder,
                         uint64_t timestamp_ns);
int input_decoder_take(struct input_decoder *decoder, const struct msg_builder *builder,
                       const char *signer);
/* The same with a whole message, which is somebody else's. */
int input_decoder_take_message(struct input_decoder *decoder, const struct msg_view *message,
                               const char *signer);

#endif
