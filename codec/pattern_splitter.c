/* SPDX-License-Identifier: MPL-2.0
 *
 * pattern_splitter.c - PatternGroupingSplitter: neighbouring lines that match are one record.
 *
 * Source: Heka 0.11. It tested a second line together with the first, so that the second was always
 *         joined; and it ended a group with the bytes that it happened to have. Here each line
 *         stands for itself, and a group ends with a line that does not match, with max_lines, when
 *         the source pauses or ends, or before it gets too large.
 */
#include "codec/splitter.h"
#include "codec/splitter_expression.h"
#include "codec/splitter_options.h"

struct pattern_split_state {
    struct split_expression delimiter, grouping;
};

static int init(struct splitter *splitter, const struct splitter_host *host, struct err *err)
{
    const struct pattern_split_config *config = splitter->config;
    struct pattern_split_state *pattern = splitter->state;
    int rc = split_compile(host, "delimiter", config->delimiter, &pattern->delimiter, err);
    rc |= split_compile(host, "grouping", config->grouping, &pattern->grouping, err);
    if (rc != 0)
        return -1;
    if (pattern->delimiter.matches_empty)
        return err_add(err, "delimiter: matches the empty text, so it delimits nothing");
    splitter->search_size = pattern->delimiter.search_size + pattern->grouping.search_size;
    return 0;
}

static bool is_grouped(const struct pattern_split_state *pattern, struct split_stream *stream,
                       const char *line, size_t size)
{
    struct split_match match;
    uint8_t *search = stream->search + pattern->delimiter.search_size;
    split_search_again(search);
    return split_find(&pattern->grouping, search, (struct msg_slice){line, (uint32_t)size}, true,
                      &match) != 0;
}

static void set_piece(struct split_piece *piece, const char *bytes, size_t size)
{
    piece->outcome = SPLIT_RECORD;
    piece->consumed = size;
    piece->record = (struct msg_slice){bytes, (uint32_t)size};
}

/* A line with its delimiter ends at `end`. The first line is tested with its delimiter, the others
 * without, as in Heka. True when the record is known. */
static bool take_line(const struct splitter *splitter, struct split_stream *stream,
                      const char *bytes, const struct split_match *match, struct split_piece *piece)
{
    const struct pattern_split_state *pattern = splitter->state;
    const struct pattern_split_config *config = splitter->config;
    bool is_first = stream->lines == 0;
    size_t text_end = is_first ? match->end : match->start;
    bool is_in = !stream->is_rest && (is_first || match->end <= splitter->record_max) &&
                 is_grouped(pattern, stream, bytes + stream->line, text_end - stream->line);
    if (is_in || is_first)
        stream->line = match->end;
    stream->lines += is_in;
    if (is_in && stream->lines < config->max_lines)
        return false;
    set_piece(piece, bytes, stream->line);
    return true;
}

static void find(const struct splitter *splitter, struct split_stream *stream,
                 struct msg_slice bytes, enum split_source source, struct split_piece *piece)
{
    const struct pattern_split_state *pattern = splitter->state;
    struct split_match match;
    for (;;) {
        struct msg_slice rest = {bytes.ptr + stream->line, bytes.len - (uint32_t)stream->line};
        if (!split_find(&pattern->delimiter, stream->search, rest, source == SPLIT_ENDS, &match))
            break;
        match.start += stream->line;
        match.end += stream->line;
        split_search_again(stream->search);
        if (take_line(splitter, stream, bytes.ptr, &match, piece))
            return;
    }
    if (stream->lines > 0 && source != SPLIT_GOES_ON)
        set_piece(piece, bytes.ptr, stream->line);
}

#define PATTERN(member) .key = #member, .offset = offsetof(struct pattern_split_config, member)
static const struct schema_key keys[] = {
    {PATTERN(delimiter), .type = SCHEMA_STRING, .def = "\n",
     .help = "Expression (RE2) that matches the end of a line, and is part of it."},
    {PATTERN(grouping), .type = SCHEMA_STRING, .def = "",
     .help = "Neighbouring lines that this expression matches are one record."},
    {PATTERN(max_lines), .type = SCHEMA_INT, .def = "99", .min = 1, .max = INT32_MAX,
     .unit = "lines", .help = "Most lines of a record."},
    {.key = NULL},
};
static const struct schema schema = {"PatternGroupingSplitter", keys};

const struct splitter_ops pattern_split_ops = {
    .plugin = {.abi = PLUGIN_ABI,
               .name = "PatternGroupingSplitter",
               .schema = &schema,
               .config_size = sizeof(struct pattern_split_config),
               .state_size = sizeof(struct pattern_split_state)},
    .common = &splitter_common_schema,
    .is_preregistered = true,
    .sees_pauses = true,
    .extra = SPLIT_DELIMITER_MAX,
    .init = init,
    .find = find,
};
