/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_splitter.c - RegexSplitter: records between matches of an expression.
 */
#include <string.h>

#include "codec/splitter.h"
#include "codec/splitter_expression.h"
#include "codec/splitter_options.h"

struct regex_split_state {
    struct split_expression delimiter;
};

static int init(struct splitter *splitter, const struct splitter_host *host, struct err *err)
{
    const struct regex_split_config *config = splitter->config;
    struct regex_split_state *regex = splitter->state;
    if (split_compile(host, "delimiter", config->delimiter, &regex->delimiter, err) != 0)
        return -1;
    if (regex->delimiter.group_count > 1)
        return err_add(err, "delimiter: regex must not contain more than one capture group");
    if (regex->delimiter.matches_empty)
        return err_add(err, "delimiter: matches the empty text, so it delimits nothing");
    splitter->search_size = regex->delimiter.search_size;
    return 0;
}

/* A group says which part of the delimiter is kept, in front of it or behind. A group that took no
 * part keeps nothing. */
static void set_piece(const struct regex_split_config *config, const struct split_match *match,
                      const char *bytes, struct split_stream *stream, struct split_piece *piece)
{
    size_t record_size = match->start;
    piece->consumed = match->end;
    stream->skip = 0;
    if (match->capture_start != SIZE_MAX && config->delimiter_eol) {
        record_size = match->capture_end;
    } else if (match->capture_start != SIZE_MAX) {
        piece->consumed = match->capture_start;
        stream->skip = match->capture_end - match->capture_start;
    }
    piece->record = (struct msg_slice){bytes, (uint32_t)record_size};
    piece->outcome = record_size > 0 ? SPLIT_RECORD : SPLIT_EMPTY;
}

static void find(const struct splitter *splitter, struct split_stream *stream,
                 struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    const struct regex_split_state *regex = splitter->state;
    struct split_match match;
    while (stream->skip <= bytes.len) {
        size_t skip = stream->skip;
        struct msg_slice rest = {bytes.ptr + skip, bytes.len - (uint32_t)skip};
        if (!split_find(&regex->delimiter, stream->search, rest, source == SPLIT_ENDS, &match))
            return;
        match.start += skip;
        match.end += skip;
        if (match.capture_start != SIZE_MAX) {
            match.capture_start += skip;
            match.capture_end += skip;
        }
        set_piece(splitter->config, &match, bytes.ptr, stream, piece);
        if (piece->consumed > 0)
            return;
        /* What is kept begins right here, so nothing is in front of it: the next delimiter. */
        *piece = (struct split_piece){.outcome = SPLIT_MORE};
        stream->skip = match.capture_end > skip ? match.capture_end : match.end;
        split_search_again(stream->search);
    }
}

#define REGEX(member) .key = #member, .offset = offsetof(struct regex_split_config, member)
static const struct schema_key keys[] = {
    {REGEX(delimiter), .type = SCHEMA_STRING, .def = "\n",
     .help = "Expression (RE2) that matches between two records. Of what it matches the group is "
             "kept, if there is one, else nothing."},
    {REGEX(delimiter_eol), .type = SCHEMA_BOOL, .def = "true",
     .help = "Whether the group is the end of a record; else it is the start of the next one."},
    {.key = NULL},
};
static const struct schema schema = {"RegexSplitter", keys};

const struct splitter_ops regex_split_ops = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "RegexSplitter",
               .schema = &schema,
               .config_size = sizeof(struct regex_split_config),
               .state_size = sizeof(struct regex_split_state)},
    .common = &splitter_common_schema,
    .extra = SPLIT_DELIMITER_MAX,
    .init = init,
    .find = find,
};
