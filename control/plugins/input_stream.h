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
#include "control/plugins/input.h"

struct input_decoder; /* control/plugins/input_decoder.h */

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

/* Type and Logger of messages that are made here, from now on; the texts outlive the stream. */
void input_stream_set_source(struct input_stream *stream, const char *type, const char *logger);
/* Who writes all members behind Timestamp of messages that are made here, from now on, the payload
 * among them; NULL: nobody else. It is called before input_stream_*() returns. */
typedef void input_stream_decorate_fn(void *arg, struct msg_builder *builder,
                                      struct msg_slice payload);
void input_stream_set_decorator(struct input_stream *stream, input_stream_decorate_fn *decorate,
                                void *arg);
/* Timestamp of messages that are made here, from now on; 0: when they are made. */
void input_stream_set_time(struct input_stream *stream, uint64_t timestamp_ns);
/* The splitter has deliver_incomplete_final. */
bool input_stream_delivers_final(const struct input_stream *stream);
/* Bytes that input_stream_bytes() has to get at least, to get further. */
size_t input_stream_bytes_min(const struct input_stream *stream);

/* All of these: 0, or -ECANCELED when the input has to end. */

/* A whole datagram: what is left of it is not carried over to the next one. One that was cut counts
 * as text_cut, unless the splitter has keep_truncated. */
int input_stream_datagram(struct input_stream *stream, const void *bytes, size_t size, bool is_cut);
/* A whole body, of a request or an answer, or its first bytes: with NullSplitter it is one record,
 * and one that was cut counts as text_cut, unless the splitter has keep_truncated. */
int input_stream_body(struct input_stream *stream, const void *bytes, size_t size, bool is_cut);
/* So many bytes of a body are enough to know that it was cut. */
size_t input_stream_body_max(const struct input_stream *stream);
/* Room for more bytes of the stream, at least one; NULL when memory is out. Then `size` of it is
 * filled. */
void *input_stream_room(struct input_stream *stream, size_t *room);
int input_stream_filled(struct input_stream *stream, size_t size);
/* The same without a copy, instead of the two: bytes that begin where the last `consumed` ended. To
 * be given again, with more behind them: what was not consumed. */
int input_stream_bytes(struct input_stream *stream, const void *bytes, size_t size,
                       enum split_source source, size_t *consumed);
/* No bytes came for a while. */
int input_stream_pause(struct input_stream *stream);
/* End of the stream; it can begin anew. */
int input_stream_end(struct input_stream *stream);

#endif
