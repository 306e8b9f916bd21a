/* SPDX-License-Identifier: MPL-2.0
 *
 * octet_splitter.c - OctetCountingSplitter: syslog over TCP, "<length> <message>".
 *
 * Source: RFC 6587 sections 3.4.1 (octet counting) and 3.4.2 (lines, which many senders mix in or
 *         use instead: known by the "<" that a message starts with). Ours, not Heka's.
 */
#include <string.h>

#include "codec/splitter.h"
#include "codec/splitter_options.h"

enum { COUNT_DIGITS_MAX = 9 };

/* In garbage: up to the next newline nothing is a frame. */
#define SKIP_LINE SIZE_MAX

struct octet_frame {
    bool is_valid, is_whole; /* so far; the header is complete */
    size_t header_size;
    size_t size; /* of the message */
};

static struct octet_frame read_count(struct msg_slice bytes)
{
    struct octet_frame frame = {.is_valid = true};
    size_t i = 0;
    for (; i < bytes.len && bytes.ptr[i] >= '0' && bytes.ptr[i] <= '9'; i++) {
        if (i == COUNT_DIGITS_MAX || (i == 0 && bytes.ptr[i] == '0'))
            return (struct octet_frame){0};
        frame.size = frame.size * 10 + (size_t)(bytes.ptr[i] - '0');
    }
    if (i < bytes.len) {
        frame.is_whole = true;
        frame.is_valid = i > 0 && bytes.ptr[i] == ' ';
        frame.header_size = i + 1;
    }
    return frame;
}

static void set_piece(struct split_piece *piece, enum split_outcome outcome, size_t consumed)
{
    piece->outcome = outcome;
    piece->consumed = consumed;
}

/* Without an end it is garbage as far as the bytes go. */
static void find_garbage(struct split_stream *stream, struct msg_slice bytes,
                         struct split_piece *piece)
{
    const char *newline = memchr(bytes.ptr, '\n', bytes.len);
    stream->skip = newline != NULL ? 0 : SKIP_LINE;
    set_piece(piece, SPLIT_GARBAGE,
              newline != NULL ? (size_t)(newline - bytes.ptr) + 1 : bytes.len);
}

static void find_line(struct split_stream *stream, struct msg_slice bytes,
                      struct split_piece *piece)
{
    const char *newline = memchr(bytes.ptr + stream->seen, '\n', bytes.len - stream->seen);
    stream->seen = bytes.len;
    if (newline == NULL)
        return;
    size_t size = (size_t)(newline - bytes.ptr);
    piece->record = (struct msg_slice){bytes.ptr, (uint32_t)size};
    set_piece(piece, SPLIT_RECORD, size + 1);
}

static void find_counted(struct split_stream *stream, struct msg_slice bytes,
                         struct split_piece *piece)
{
    struct octet_frame frame = read_count(bytes);
    if (!frame.is_valid) {
        find_garbage(stream, bytes, piece);
        return;
    }
    size_t there = bytes.len - frame.header_size;
    bool has_all = frame.is_whole && there >= frame.size;
    size_t size = has_all ? frame.size : frame.is_whole ? there : 0;
    piece->record = (struct msg_slice){bytes.ptr + frame.header_size, (uint32_t)size};
    if (has_all)
        set_piece(piece, SPLIT_RECORD, frame.header_size + frame.size);
}

/* The end of a message whose start was cut off: a known number of bytes, or a line's end. */
static void find_rest(struct split_stream *stream, struct msg_slice bytes,
                      struct split_piece *piece)
{
    if (stream->skip == 0) {
        find_line(stream, bytes, piece);
    } else if (bytes.len >= stream->skip) {
        set_piece(piece, SPLIT_RECORD, stream->skip);
        stream->skip = 0;
    }
}

static void find(const struct splitter *splitter, struct split_stream *stream,
                 struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    const struct octet_split_config *config = splitter->config;
    (void)source;
    if (stream->is_rest)
        find_rest(stream, bytes, piece);
    else if (stream->skip == SKIP_LINE)
        find_garbage(stream, bytes, piece);
    else if (bytes.ptr[0] == '\n') /* behind a message, though it was counted */
        set_piece(piece, SPLIT_EMPTY, 1);
    else if (bytes.ptr[0] == '<' && config->non_transparent)
        find_line(stream, bytes, piece);
    else
        find_counted(stream, bytes, piece);
}

static void cut(const struct splitter *splitter, struct split_stream *stream,
                struct msg_slice bytes, size_t size)
{
    (void)splitter;
    if (stream->is_rest) {
        stream->skip -= stream->skip > 0 ? size : 0;
        return;
    }
    struct octet_frame frame = {0};
    if (bytes.ptr[0] != '<')
        frame = read_count(bytes);
    stream->skip = frame.is_whole ? frame.header_size + frame.size - size : 0;
}

#define OCTET(member) .key = #member, .offset = offsetof(struct octet_split_config, member)
static const struct schema_key keys[] = {
    {OCTET(non_transparent), .type = SCHEMA_BOOL, .def = "true",
     .help = "Whether a message that starts with \"<\" and not with a count is taken, too, up to "
             "the next newline."},
    {.key = NULL},
};
static const struct schema schema = {"OctetCountingSplitter", keys};

const struct splitter_ops octet_split_ops = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "OctetCountingSplitter",
               .schema = &schema,
               .config_size = sizeof(struct octet_split_config)},
    .common = &splitter_common_schema,
    .extra = COUNT_DIGITS_MAX + 1,
    .find = find,
    .cut = cut,
};
