/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/splitter.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/frame.h"

const struct splitter_ops *const splitter_types[] = {
    &null_split_ops,
    &token_split_ops,
    &regex_split_ops,
    &pattern_split_ops,
    &framing_split_ops,
    &octet_split_ops,
    NULL,
};

const struct splitter_ops *splitter_by_name(const char *name)
{
    for (const struct splitter_ops *const *ops = splitter_types; *ops != NULL; ops++) {
        if (strcmp((*ops)->plugin.name, name) == 0)
            return *ops;
    }
    return NULL;
}

const char *split_outcome_name(enum split_outcome outcome)
{
    static const char *const names[SPLIT_OUTCOMES] = {
        "more",       "record",    "truncated", "final",          "empty",
        "incomplete", "oversized", "rest",      "garbage",        "bad_header",
        "too_large",  "no_hmac",   "bad_hmac",  "unknown_signer", "unknown_hash",
    };
    return names[outcome];
}

/* ---- a section ---- */

enum { BUFFER_SIZE = 8192 };

/* A default that is too large is no fault of the configuration's. */
static int set_buffer_size(struct splitter *splitter, struct err *err)
{
    int64_t *size = &splitter->common.min_buffer_size;
    int64_t max = (int64_t)splitter->record_max;
    if (*size > max)
        return err_add(err, "min_buffer_size: %lld is more than the largest record, %lld",
                       (long long)*size, (long long)max);
    if (*size == 0)
        *size = splitter->ops->buffer_size > 0 ? splitter->ops->buffer_size : BUFFER_SIZE;
    if (*size > max)
        *size = max;
    return 0;
}

int splitter_init(struct splitter *splitter, const struct splitter_ops *ops, const void *config,
                  const struct splitter_options *common, const struct splitter_host *host,
                  struct err *err)
{
    *splitter = (struct splitter){
        .ops = ops,
        .config = config,
        .common = *common,
        .message_max = host->message_max,
        .record_max = host->message_max + FRAME_OVERHEAD_MAX,
    };
    CHECK(host->message_max > 0 && host->message_max < INT32_MAX - FRAME_OVERHEAD_MAX - UINT16_MAX);
    if (set_buffer_size(splitter, err) != 0)
        return -1;
    splitter->state = calloc(1, ops->plugin.state_size + 1);
    if (splitter->state == NULL)
        return err_add(err, "out of memory");
    if (ops->init != NULL && ops->init(splitter, host, err) != 0) {
        splitter_fini(splitter);
        return -1;
    }
    return 0;
}

void splitter_fini(struct splitter *splitter)
{
    if (splitter->state != NULL && splitter->ops->fini != NULL)
        splitter->ops->fini(splitter);
    free(splitter->state);
    *splitter = (struct splitter){0};
}

size_t splitter_buffer_max(const struct splitter *splitter)
{
    return splitter->record_max + 1 + splitter->ops->extra;
}

/* ---- a stream ---- */

size_t splitter_stream_size(const struct splitter *splitter)
{
    return sizeof(struct split_stream) + splitter->search_size;
}

static void begin_piece(struct split_stream *stream)
{
    stream->lines = 0;
    stream->seen = 0;
    stream->line = 0;
    if (stream->splitter->search_size > 0)
        memset(stream->search, 0, SPLIT_SEARCH_HEAD);
}

void split_stream_init(struct split_stream *stream, const struct splitter *splitter)
{
    stream->splitter = splitter;
    stream->is_rest = false;
    stream->skip = 0;
    begin_piece(stream);
}

/* More than a record may have: what can be one is cut off, the rest is looked for from now on. */
static void cut(struct split_stream *stream, struct msg_slice bytes, struct split_piece *piece)
{
    const struct splitter *splitter = stream->splitter;
    size_t start = piece->record.ptr != NULL ? (size_t)(piece->record.ptr - bytes.ptr) : 0;
    bool keeps = splitter->common.keep_truncated && !stream->is_rest;
    piece->outcome = stream->is_rest ? SPLIT_REST : keeps ? SPLIT_TRUNCATED : SPLIT_OVERSIZED;
    piece->consumed = start + splitter->record_max;
    CHECK(piece->consumed <= bytes.len);
    piece->record =
        (struct msg_slice){bytes.ptr + start, keeps ? (uint32_t)splitter->record_max : 0};
    begin_piece(stream);
    if (splitter->ops->cut != NULL)
        splitter->ops->cut(splitter, stream, bytes, piece->consumed);
    else
        stream->skip = 0;
    stream->is_rest = true;
}

/* What is left over when the source ends. */
static void take_final(const struct split_stream *stream, struct msg_slice bytes,
                       struct split_piece *piece)
{
    bool keeps = stream->splitter->common.deliver_incomplete_final && piece->record.len > 0;
    piece->outcome = stream->is_rest ? SPLIT_REST : keeps ? SPLIT_FINAL : SPLIT_INCOMPLETE;
    piece->consumed = bytes.len;
}

static void take_found(struct split_stream *stream, struct split_piece *piece)
{
    if (stream->is_rest)
        piece->outcome = SPLIT_REST;
    stream->is_rest = false;
    begin_piece(stream);
}

/* A full window is all that a decision may take: as if the source ended there. But for the rest of
 * a record, which goes on until something ends it. */
static void find_piece(struct split_stream *stream, struct msg_slice bytes,
                       enum split_source source, struct split_piece *piece)
{
    const struct splitter *splitter = stream->splitter;
    size_t window_max = splitter_buffer_max(splitter);
    bool is_full = bytes.len >= window_max;
    struct msg_slice window = {bytes.ptr, is_full ? (uint32_t)window_max : bytes.len};
    if (is_full)
        source = stream->is_rest ? SPLIT_GOES_ON : SPLIT_ENDS;
    splitter->ops->find(splitter, stream, window, source, piece);
    bool is_found = piece->outcome != SPLIT_MORE;
    bool is_over = !is_found && !is_full && source == SPLIT_ENDS;
    if (is_over && piece->record.ptr == NULL)
        piece->record = bytes;
    bool is_large = (is_found || is_over) && piece->record.len > splitter->record_max;
    if ((!is_found && is_full) || (is_large && !stream->is_rest))
        cut(stream, window, piece);
    else if (is_found)
        take_found(stream, piece);
    else if (is_over)
        take_final(stream, bytes, piece);
}

enum split_outcome split_next(struct split_stream *stream, struct msg_slice bytes,
                              enum split_source source, struct split_piece *piece,
                              struct split_counts *counts)
{
    *piece = (struct split_piece){.outcome = SPLIT_MORE};
    if (bytes.len > 0)
        find_piece(stream, bytes, source, piece);
    if (!split_is_record(piece->outcome))
        piece->record = (struct msg_slice){0};
    if (source == SPLIT_ENDS && piece->consumed == bytes.len)
        split_stream_init(stream, stream->splitter);
    if (counts != NULL && piece->outcome != SPLIT_MORE) {
        counts->pieces[piece->outcome]++;
        counts->bytes[piece->outcome] += piece->consumed;
    }
    return piece->outcome;
}
