/* SPDX-License-Identifier: MPL-2.0
 *
 * input_stream.h - bytes of a connection or of datagrams to messages, by splitter and decoder.
 *
 * Place:   inputs of hekad that take bytes; made by input_host_stream().
 * Threads: the input's.
 * Memory:  a buffer of the splitter's min_buffer_size, which grows to what one record may need.
 * Failure: every piece ends in a counter of the stage `text`; messages in the stage `message`.
 * Source:  Heka 0.11: Logger is the input's name, and so is Type; Payload is the record. With a
 *          decoder that message is what it gets.
 */
#ifndef CONTROL_INPUT_STREAM_H
#define CONTROL_INPUT_STREAM_H

#include "codec/splitter.h"
#include "control/input.h"

struct input_decoder; /* control/input_decoder.h */

struct input_stream_config {
    struct input_host *host;
    const struct splitter *splitter;
    const char *type; /* of messages that are made here; Logger is the host's name */
    struct input_decoder *take_decoder; /* NULL: none; freed with the stream */
};

struct input_stream *input_stream_new(const struct input_stream_config *config, struct err *err);
void input_stream_free(struct input_stream *stream); /* NULL is fine */

/* Hostname of messages that are made here, from now on; copied. NULL: none. */
void input_stream_set_hostname(struct input_stream *stream, const char *hostname);

/* All of these: 0, or -ECANCELED when the input has to end. */

/* A whole datagram: what is left of it is not carried over to the next one. One that was cut counts
 * as text_cut, unless the splitter has keep_truncated. */
int input_stream_datagram(struct input_stream *stream, const void *bytes, size_t size,
                          bool is_cut);
/* Room for more bytes of the stream, at least one; NULL when memory is out. Then `size` of it is
 * filled. */
void *input_stream_room(struct input_stream *stream, size_t *room);
int input_stream_filled(struct input_stream *stream, size_t size);
/* No bytes came for a while. */
int input_stream_pause(struct input_stream *stream);
/* End of the stream; it can begin anew. */
int input_stream_end(struct input_stream *stream);

#endif
