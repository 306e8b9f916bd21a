/* SPDX-License-Identifier: MPL-2.0
 *
 * token_splitter.c - NullSplitter and TokenSplitter; the common options.
 */
#include <string.h>

#include "codec/splitter.h"
#include "codec/splitter_options.h"
#include "core/check.h"

/* ---- common options ---- */

#define COMMON(member) .key = #member, .offset = offsetof(struct splitter_options, member)
#define COMMON_KEYS(message_bytes)                                                                 \
    {                                                                                              \
        {COMMON(type), .type = SCHEMA_STRING,                                                      \
         .help = "Plugin type. Default: the section's name."},                                     \
            {COMMON(keep_truncated), .type = SCHEMA_BOOL, .def = "false",                          \
             .help = "Whether the start of a record that is too large is delivered."},             \
            {COMMON(use_message_bytes), .type = SCHEMA_BOOL, .def = message_bytes,                 \
             .help = "Whether a record is a message, for the decoder, and not a payload."},        \
            {COMMON(min_buffer_size),                                                              \
             .type = SCHEMA_INT,                                                                   \
             .min = 0,                                                                             \
             .max = INT32_MAX,                                                                     \
             .def = "0",                                                                           \
             .unit = "bytes",                                                                      \
             .help = "First size of a stream's buffer; 0: 8192, NullSplitter 65536, but not more " \
                     "than a record."},                                                            \
            {COMMON(deliver_incomplete_final), .type = SCHEMA_BOOL, .def = "false",                \
             .help = "Whether what is left at the end, without a delimiter, is a record."},        \
        {                                                                                          \
            .key = NULL                                                                            \
        }                                                                                          \
    }

static const struct schema_key common_keys[] = COMMON_KEYS("false");
static const struct schema_key framing_keys[] = COMMON_KEYS("true");
const struct schema splitter_common_schema = {"all splitters", common_keys};
const struct schema splitter_framing_schema = {"HekaFramingSplitter", framing_keys};

/* ---- NullSplitter ---- */

struct null_state {
    bool to_end;
};

static int init_null(struct splitter *splitter, const struct splitter_host *host, struct err *err)
{
    struct null_state *null = splitter->state;
    (void)err;
    null->to_end = host->null_to_end;
    return 0;
}

/* What one read gave is a record; a datagram is one, and a larger one is oversized. */
static void find_null(const struct splitter *splitter, struct split_stream *stream,
                      struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    const struct null_state *null = splitter->state;
    if (source != SPLIT_ENDS) {
        if (null->to_end || stream->is_rest)
            return;
        if (bytes.len > splitter->record_max)
            bytes.len = (uint32_t)splitter->record_max;
    }
    piece->outcome = SPLIT_RECORD;
    piece->record = bytes;
    piece->consumed = bytes.len;
}

static const struct schema_key null_keys[] = {{.key = NULL}};
static const struct schema null_schema = {"NullSplitter", null_keys};

const struct splitter_ops null_split_ops = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "NullSplitter",
               .schema = &null_schema,
               .state_size = sizeof(struct null_state)},
    .common = &splitter_common_schema,
    .is_preregistered = true,
    .buffer_size = 64 * 1024,
    .init = init_null,
    .find = find_null,
};

/* ---- TokenSplitter ---- */

static int init_token(struct splitter *splitter, const struct splitter_host *host, struct err *err)
{
    const struct token_split_config *config = splitter->config;
    (void)host;
    if (strlen(config->delimiter) != 1)
        return err_add(err, "TokenSplitter delimiter must be a single character.");
    return 0;
}

/* A count of 0 is one delimiter, too (Heka). */
static void find_token(const struct splitter *splitter, struct split_stream *stream,
                       struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    const struct token_split_config *config = splitter->config;
    (void)source;
    while (stream->seen < bytes.len) {
        const char *from = bytes.ptr + stream->seen;
        const char *found = memchr(from, config->delimiter[0], bytes.len - stream->seen);
        if (found == NULL) {
            stream->seen = bytes.len;
            return;
        }
        stream->seen = (size_t)(found - bytes.ptr) + 1;
        if (++stream->lines >= config->count) {
            piece->outcome = SPLIT_RECORD;
            piece->consumed = stream->seen;
            piece->record = (struct msg_slice){bytes.ptr, (uint32_t)stream->seen};
            return;
        }
    }
}

/* Delimiters in what was cut off count for the record. */
static void cut_token(const struct splitter *splitter, struct split_stream *stream,
                      struct msg_slice bytes, size_t size)
{
    const struct token_split_config *config = splitter->config;
    for (size_t i = 0; i < size; i++)
        stream->lines += bytes.ptr[i] == config->delimiter[0];
}

#define TOKEN(member) .key = #member, .offset = offsetof(struct token_split_config, member)
static const struct schema_key token_keys[] = {
    {TOKEN(delimiter), .type = SCHEMA_STRING, .def = "\n",
     .help = "The byte that ends a record, of which it is a part."},
    {TOKEN(count), .type = SCHEMA_INT, .def = "1", .min = 0, .max = UINT32_MAX,
     .help = "Which delimiter ends a record: the first, the second, ..."},
    {.key = NULL},
};
static const struct schema token_schema = {"TokenSplitter", token_keys};

const struct splitter_ops token_split_ops = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "TokenSplitter",
               .schema = &token_schema,
               .config_size = sizeof(struct token_split_config)},
    .common = &splitter_common_schema,
    .is_preregistered = true,
    .init = init_token,
    .find = find_token,
    .cut = cut_token,
};
