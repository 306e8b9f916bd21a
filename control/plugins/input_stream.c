/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/input_stream.h"

#include <stdlib.h>
#include <string.h>

#include "codec/split_buffer.h"
#include "codec/split_ledger.h"
#include "control/plugins/input_decoder.h"
#include "core/clock.h"

enum {
    HOSTNAME_SIZE = 256,
    HEAD_SIZE = 768,
    TAIL_SIZE = HOSTNAME_SIZE + 8,
    CLOCK_EVERY = 32 /* messages that are made at the same time; a call reads the clock anew */
};

struct input_stream {
    struct input_host *host;
    const struct splitter *splitter;
    const char *type, *logger;
    struct input_decoder *decoder; /* NULL: none */
    char hostname[HOSTNAME_SIZE];  /* empty: none */
    /* The members that are the same in all messages, encoded: in front of and behind the payload;
     * head_size 0: they did not fit. */
    uint8_t head[HEAD_SIZE], tail[TAIL_SIZE];
    size_t head_size, tail_size;
    uint64_t now_ns;
    unsigned now_left;                  /* messages that it is good for */
    input_stream_decorate_fn *decorate; /* or NULL */
    void *decorate_arg;
    uint64_t timestamp_ns;      /* 0: now */
    struct split_buffer buffer; /* datagrams are split by its stream, where they are */
};

/* ---- one record ---- */

static void write_head(const struct input_stream *stream, struct msg_builder *builder)
{
    msg_builder_type(builder, stream->type, strlen(stream->type));
    msg_builder_logger(builder, stream->logger, strlen(stream->logger));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
}

/* What it is called has changed. */
static void encode_members(struct input_stream *stream)
{
    struct msg_builder head, tail;
    msg_builder_init(&head, stream->head, sizeof(stream->head));
    write_head(stream, &head);
    stream->head_size = head.failed ? 0 : head.size;
    msg_builder_init(&tail, stream->tail, sizeof(stream->tail));
    if (stream->hostname[0] != '\0')
        msg_builder_hostname(&tail, stream->hostname, strlen(stream->hostname));
    stream->tail_size = tail.size;
}

static void write_members(struct input_stream *stream, struct msg_builder *builder,
                          struct msg_slice payload)
{
    if (stream->decorate != NULL) {
        stream->decorate(stream->decorate_arg, builder, payload);
        return;
    }
    if (stream->head_size > 0)
        msg_builder_raw(builder, stream->head, stream->head_size);
    else
        write_head(stream, builder);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_raw(builder, stream->tail, stream->tail_size);
}

static uint64_t now(struct input_stream *stream)
{
    if (stream->now_left-- == 0) {
        stream->now_ns = clock_wall_ns();
        stream->now_left = CLOCK_EVERY - 1;
    }
    return stream->now_ns;
}

static int make_message(struct input_stream *stream, const struct split_piece *piece,
                        const char *signer)
{
    struct msg_builder builder;
    uint64_t now_ns = now(stream);
    uint64_t timestamp_ns = stream->timestamp_ns != 0 ? stream->timestamp_ns : now_ns;
    if (stream->decoder != NULL)
        input_decoder_begin(stream->decoder, &builder, timestamp_ns);
    else
        input_host_begin(stream->host, &builder, timestamp_ns);
    write_members(stream, &builder, piece->record);
    if (stream->decoder != NULL)
        return input_decoder_take(stream->decoder, &builder, signer);
    input_host_counters(stream->host)->values[COUNTER_TEXT_MESSAGES]++;
    return input_host_inject_at(stream->host, &builder, signer, now_ns);
}

static int take_record(struct input_stream *stream, const struct split_piece *piece)
{
    if (stream->splitter->common.use_message_bytes && stream->decoder == NULL) {
        input_host_counters(stream->host)->values[COUNTER_TEXT_MESSAGES]++;
        return input_host_inject_bytes(stream->host, piece->record.ptr, piece->record.len,
                                       piece->signer);
    }
    return make_message(stream, piece, piece->signer);
}

static int take_piece(struct input_stream *stream, const struct split_piece *piece)
{
    split_ledger_count(input_host_counters(stream->host), piece->outcome);
    return split_is_record(piece->outcome) ? take_record(stream, piece) : 0;
}

/* ---- datagrams ---- */

static int take_datagram(struct input_stream *stream, struct msg_slice bytes)
{
    struct split_stream *split = stream->buffer.stream;
    struct split_piece piece;
    stream->now_left = 0;
    while (split_next(split, bytes, SPLIT_ENDS, &piece, NULL) != SPLIT_MORE) {
        int rc = take_piece(stream, &piece);
        if (rc != 0) { /* in the middle: the next one starts afresh */
            split_stream_init(split, stream->splitter);
            return rc;
        }
        bytes.ptr += piece.consumed;
        bytes.len -= (uint32_t)piece.consumed;
    }
    return 0;
}

int input_stream_datagram(struct input_stream *stream, const void *bytes, size_t size, bool is_cut)
{
    struct counters *counters = input_host_counters(stream->host);
    if (size == 0) {
        split_ledger_count(counters, SPLIT_EMPTY);
        return 0;
    }
    if (is_cut && !stream->splitter->common.keep_truncated) {
        counters->values[COUNTER_TEXT_PIECES]++;
        counters->values[COUNTER_TEXT_CUT]++;
        return 0;
    }
    return take_datagram(stream, (struct msg_slice){bytes, (uint32_t)size});
}

/* ---- a stream ---- */

int input_stream_bytes(struct input_stream *stream, const void *bytes, size_t size,
                       enum split_source source, size_t *consumed)
{
    struct split_piece piece;
    const char *at = bytes;
    int rc = 0;
    *consumed = 0;
    stream->now_left = 0;
    while (rc == 0) {
        const struct msg_slice rest = {at + *consumed, (uint32_t)(size - *consumed)};
        if (split_next(stream->buffer.stream, rest, source, &piece, NULL) == SPLIT_MORE)
            break;
        rc = take_piece(stream, &piece);
        *consumed += piece.consumed;
    }
    return rc;
}

static int take_buffered(struct input_stream *stream, enum split_source source)
{
    struct split_piece piece;
    int rc = 0;
    stream->now_left = 0;
    while (rc == 0 && split_buffer_next(&stream->buffer, source, &piece, NULL) != SPLIT_MORE)
        rc = take_piece(stream, &piece);
    return rc;
}

void *input_stream_room(struct input_stream *stream, size_t *room)
{
    return split_buffer_room(&stream->buffer, room);
}

int input_stream_filled(struct input_stream *stream, size_t size)
{
    split_buffer_add(&stream->buffer, size);
    return take_buffered(stream, SPLIT_GOES_ON);
}

int input_stream_pause(struct input_stream *stream)
{
    return take_buffered(stream, SPLIT_PAUSES);
}

int input_stream_end(struct input_stream *stream)
{
    return take_buffered(stream, SPLIT_ENDS);
}

/* ---- a whole body ---- */

size_t input_stream_body_max(const struct input_stream *stream)
{
    if (stream->splitter->ops == &null_split_ops)
        return stream->splitter->record_max + 1;
    return SIZE_MAX;
}

int input_stream_body(struct input_stream *stream, const void *bytes, size_t size, bool is_cut)
{
    if (stream->splitter->ops == &null_split_ops) {
        size_t size_max = stream->splitter->record_max;
        return input_stream_datagram(stream, bytes, size < size_max ? size : size_max,
                                     is_cut || size > size_max);
    }
    const char *at = bytes;
    int rc = 0;
    while (rc == 0 && size > 0) {
        size_t room;
        char *to = input_stream_room(stream, &room);
        if (to == NULL) {
            input_host_counters(stream->host)->values[COUNTER_TEXT_PIECES]++;
            input_host_counters(stream->host)->values[COUNTER_TEXT_CUT]++;
            break;
        }
        size_t consumed = size < room ? size : room;
        memcpy(to, at, consumed);
        at += consumed;
        size -= consumed;
        rc = input_stream_filled(stream, consumed);
    }
    return rc != 0 ? rc : input_stream_end(stream);
}

/* ---- memory ---- */

struct input_stream *input_stream_new(const struct input_stream_config *config, struct err *err)
{
    struct input_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL || split_buffer_init(&stream->buffer, config->splitter) != 0) {
        free(stream);
        input_decoder_free(config->take_decoder);
        err_add(err, "out of memory");
        return NULL;
    }
    stream->host = config->host;
    stream->splitter = config->splitter;
    stream->type = config->type;
    stream->logger = input_host_name(config->host);
    stream->decoder = config->take_decoder;
    encode_members(stream);
    return stream;
}

void input_stream_free(struct input_stream *stream)
{
    if (stream == NULL)
        return;
    split_buffer_fini(&stream->buffer);
    input_decoder_free(stream->decoder);
    free(stream);
}

void input_stream_set_hostname(struct input_stream *stream, const char *hostname)
{
    snprintf(stream->hostname, sizeof(stream->hostname), "%s", hostname != NULL ? hostname : "");
    encode_members(stream);
}

void input_stream_set_decorator(struct input_stream *stream, input_stream_decorate_fn *decorate,
                                void *arg)
{
    stream->decorate = decorate;
    stream->decorate_arg = arg;
}

void input_stream_set_time(struct input_stream *stream, uint64_t timestamp_ns)
{
    stream->timestamp_ns = timestamp_ns;
}

void input_stream_set_source(struct input_stream *stream, const char *type, const char *logger)
{
    stream->type = type;
    stream->logger = logger;
    encode_members(stream);
}

bool input_stream_delivers_final(const struct input_stream *stream)
{
    return stream->splitter->common.deliver_incomplete_final;
}

size_t input_stream_bytes_min(const struct input_stream *stream)
{
    return splitter_buffer_max(stream->splitter);
}
