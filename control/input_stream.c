/* SPDX-License-Identifier: MPL-2.0 */
#include "control/input_stream.h"

#include <stdlib.h>
#include <string.h>

#include "codec/split_buffer.h"
#include "codec/split_ledger.h"
#include "control/input_decoder.h"
#include "core/clock.h"

enum { HOSTNAME_SIZE = 256 };

struct input_stream {
    struct input_host *host;
    const struct splitter *splitter;
    const char *type;
    struct input_decoder *decoder; /* NULL: none */
    char hostname[HOSTNAME_SIZE]; /* empty: none */
    struct split_buffer buffer; /* datagrams are split by its stream, where they are */
};

/* ---- one record ---- */

static int make_message(struct input_stream *stream, const struct split_piece *piece,
                        const char *signer)
{
    struct msg_builder builder;
    const char *name = input_host_name(stream->host);
    if (stream->decoder != NULL)
        input_decoder_begin(stream->decoder, &builder, clock_wall_ns());
    else
        input_host_begin(stream->host, &builder, clock_wall_ns());
    msg_builder_type(&builder, stream->type, strlen(stream->type));
    msg_builder_logger(&builder, name, strlen(name));
    msg_builder_severity(&builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(&builder, piece->record.ptr, piece->record.len);
    if (stream->hostname[0] != '\0')
        msg_builder_hostname(&builder, stream->hostname, strlen(stream->hostname));
    if (stream->decoder != NULL)
        return input_decoder_take(stream->decoder, &builder, signer);
    input_host_counters(stream->host)->values[COUNTER_TEXT_MESSAGES]++;
    return input_host_inject(stream->host, &builder, signer);
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

static int take_buffered(struct input_stream *stream, enum split_source source)
{
    struct split_piece piece;
    int rc = 0;
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
    stream->decoder = config->take_decoder;
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
}
