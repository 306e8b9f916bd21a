/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_emit.h"

#include <string.h>

#include "matcher/utf8_text.h"

enum { SPELLED_MAX = 8 /* characters beyond ASCII that a byte pattern spells out in one class */ };

struct class_shape {
    uint32_t high_count; /* members beyond ASCII */
    bool has_ascii;
    bool has_replacement; /* U+FFFD, which invalid bytes read as */
    bool is_wide;         /* all characters beyond ASCII */
};

static const struct code_range *class_ranges(const struct regex *regex,
                                             const struct regex_node *node)
{
    return regex->pool.ranges + node->range_first;
}

static struct class_shape class_shape_of(const struct regex *regex, const struct regex_node *node)
{
    const struct code_range *ranges = class_ranges(regex, node);
    struct class_shape shape = {0};

    for (uint32_t i = 0; i < node->range_count; i++) {
        uint32_t low = ranges[i].low < 0x80 ? 0x80 : ranges[i].low;

        shape.has_ascii |= ranges[i].low < 0x80;
        if (ranges[i].high < 0x80)
            continue;
        shape.high_count += ranges[i].high - low + 1;
        shape.has_replacement |= low <= UTF8_INVALID && UTF8_INVALID <= ranges[i].high;
    }
    shape.is_wide = shape.high_count == CODE_POINT_MAX + 1 - 0x80;
    return shape;
}

struct safety {
    bool has_wide;
    bool has_no_boundary;
    bool is_unsafe;
};

static void judge_node(const struct regex *regex, uint32_t index, bool starred, struct safety *out)
{
    const struct regex_node *node = &regex->nodes[index];
    bool star = node->op == REGEX_REPEAT && node->min == 0 && node->max == REGEX_INFINITE;

    if (node->op == REGEX_CLASS) {
        struct class_shape shape = class_shape_of(regex, node);

        out->has_wide |= shape.is_wide;
        if (shape.is_wide)
            out->is_unsafe |= !starred;
        else
            out->is_unsafe |= shape.high_count > SPELLED_MAX || shape.has_replacement;
    }
    out->has_no_boundary |= node->op == REGEX_NO_WORD_BOUNDARY;
    for (uint32_t child = node->child; child; child = regex->nodes[child].next)
        judge_node(regex, child, star, out);
}

bool regex_is_byte_safe(const struct regex_span *span)
{
    struct safety safety = {0};
    uint32_t node = span->first;

    for (uint32_t i = 0; i < span->count; i++) {
        judge_node(span->regex, node, false, &safety);
        node = span->regex->nodes[node].next;
    }
    return !safety.is_unsafe && !(safety.has_wide && safety.has_no_boundary);
}

static bool has_line_anchor(const struct regex *regex, uint32_t index)
{
    const struct regex_node *node = &regex->nodes[index];

    if (node->op == REGEX_BEGIN_LINE || node->op == REGEX_END_LINE)
        return true;
    for (uint32_t child = node->child; child; child = regex->nodes[child].next) {
        if (has_line_anchor(regex, child))
            return true;
    }
    return false;
}

bool regex_has_line_anchors(const struct regex_span *span)
{
    uint32_t node = span->first;

    for (uint32_t i = 0; i < span->count; i++) {
        if (has_line_anchor(span->regex, node))
            return true;
        node = span->regex->nodes[node].next;
    }
    return false;
}

/* What a pattern is written for. */
struct emitter {
    const struct regex *regex;
    struct buffer *out;
    enum regex_coding coding;
    enum regex_anchors anchors;
};

static bool is_plain(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
           (point >= 'a' && point <= 'z') || point == ' ' || point == '_';
}

static int emit_point(uint32_t point, enum regex_coding coding, struct buffer *out)
{
    if (is_plain(point))
        return buffer_printf(out, "%c", (int)point);
    return buffer_printf(out, coding == REGEX_AS_UTF8 ? "\\x{%x}" : "\\x%02x", point);
}

static int emit_range(uint32_t low, uint32_t high, enum regex_coding coding, struct buffer *out)
{
    int rc = emit_point(low, coding, out);

    if (rc == 0 && high > low) {
        rc = buffer_append_text(out, "-");
        if (rc == 0)
            rc = emit_point(high, coding, out);
    }
    return rc;
}

/* "[...]" in UTF mode. Surrogates are in no valid text and refused by PCRE2, so they are cut off. */
static int emit_utf8_class(const struct regex *regex, const struct regex_node *node,
                           struct buffer *out)
{
    const struct code_range *ranges = class_ranges(regex, node);
    unsigned written = 0;
    int rc = buffer_append_text(out, "[");

    for (uint32_t i = 0; i < node->range_count && rc == 0; i++) {
        uint32_t low = ranges[i].low;
        uint32_t high = ranges[i].high;

        low = low >= 0xD800 && low <= 0xDFFF ? 0xE000 : low;
        high = high >= 0xD800 && high <= 0xDFFF ? 0xD7FF : high;
        if (low > high)
            continue;
        written++;
        rc = emit_range(low, high, REGEX_AS_UTF8, out);
    }
    if (rc == 0 && written == 0) /* matches nothing */
        rc = buffer_append_text(out, "^\\x{0}-\\x{10ffff}");
    return rc < 0 ? rc : buffer_append_text(out, "]");
}

int regex_emit_bytes(const char *literal, size_t len, struct buffer *out)
{
    int rc = 0;

    for (size_t i = 0; i < len && rc == 0; i++)
        rc = emit_point((uint8_t)literal[i], REGEX_AS_BYTES, out);
    return rc;
}

/* "|bytes" for each member beyond ASCII. */
static int emit_spelled(const struct regex *regex, const struct regex_node *node, bool bar,
                        struct buffer *out)
{
    const struct code_range *ranges = class_ranges(regex, node);
    int rc = 0;

    for (uint32_t i = 0; i < node->range_count; i++) {
        for (uint32_t c = ranges[i].low; c <= ranges[i].high && rc == 0; c++) {
            char text[UTF8_MAX];

            if (c < 0x80 || (c >= 0xD800 && c <= 0xDFFF))
                continue;
            rc = bar ? buffer_append_text(out, "|") : 0;
            if (rc == 0)
                rc = regex_emit_bytes(text, utf8_encode(c, text), out);
            bar = true;
        }
    }
    return rc;
}

/* The ASCII part of a class as "[...]"; of a wide one with all bytes beyond. */
static int emit_byte_set(const struct regex *regex, const struct regex_node *node, bool wide,
                         struct buffer *out)
{
    const struct code_range *ranges = class_ranges(regex, node);
    int rc = buffer_append_text(out, "[");

    for (uint32_t i = 0; i < node->range_count && rc == 0 && ranges[i].low < 0x80; i++)
        rc = emit_range(ranges[i].low, ranges[i].high < 0x80 ? ranges[i].high : 0x7F,
                        REGEX_AS_BYTES, out);
    if (rc == 0)
        rc = buffer_append_text(out, wide ? "\\x80-\\xff]" : "]");
    return rc;
}

static int emit_byte_class(const struct regex *regex, const struct regex_node *node,
                           struct buffer *out)
{
    struct class_shape shape = class_shape_of(regex, node);
    int rc;

    if (shape.is_wide || (shape.has_ascii && shape.high_count == 0))
        return emit_byte_set(regex, node, shape.is_wide, out);
    if (shape.high_count == 0)
        return buffer_append_text(out, "[^\\x00-\\xff]");
    rc = buffer_append_text(out, "(?:");
    if (rc == 0 && shape.has_ascii)
        rc = emit_byte_set(regex, node, false, out);
    if (rc == 0)
        rc = emit_spelled(regex, node, shape.has_ascii, out);
    return rc < 0 ? rc : buffer_append_text(out, ")");
}

static int emit_class(const struct emitter *to, const struct regex_node *node)
{
    const struct code_range *ranges = class_ranges(to->regex, node);

    if (node->range_count == 1 && ranges[0].low == ranges[0].high && ranges[0].low < 0x80)
        return emit_point(ranges[0].low, to->coding, to->out);
    return to->coding == REGEX_AS_UTF8 ? emit_utf8_class(to->regex, node, to->out)
                                       : emit_byte_class(to->regex, node, to->out);
}

static int emit_node(const struct emitter *to, uint32_t index);

/* The children with `separator` between, in a group. */
static int emit_children(const struct emitter *to, uint32_t child, const char *separator)
{
    int rc = buffer_append_text(to->out, "(?:");

    while (child && rc == 0) {
        rc = emit_node(to, child);
        child = to->regex->nodes[child].next;
        if (rc == 0 && child)
            rc = buffer_append_text(to->out, separator);
    }
    return rc < 0 ? rc : buffer_append_text(to->out, ")");
}

static int emit_repeat(const struct emitter *to, const struct regex_node *node)
{
    int rc = buffer_append_text(to->out, "(?:");

    if (rc == 0)
        rc = emit_node(to, node->child);
    if (rc < 0)
        return rc;
    if (node->max == REGEX_INFINITE && node->min <= 1)
        return buffer_append_text(to->out, node->min ? ")+" : ")*");
    if (node->max == REGEX_INFINITE)
        return buffer_printf(to->out, "){%u,}", node->min);
    return buffer_printf(to->out, "){%u,%u}", node->min, node->max);
}

static int emit_anchor(const struct emitter *to, enum regex_op op)
{
    static const char *const texts[] = {
        [REGEX_BEGIN_TEXT] = "\\A",
        [REGEX_END_TEXT] = "\\z",
        [REGEX_BEGIN_LINE] = "(?:\\A|(?<=\\n))",
        [REGEX_END_LINE] = "(?:\\z|(?=\\n))",
        [REGEX_WORD_BOUNDARY] = "\\b",
        [REGEX_NO_WORD_BOUNDARY] = "\\B",
    };

    if (to->anchors == REGEX_DROP_LINES && (op == REGEX_BEGIN_LINE || op == REGEX_END_LINE))
        return buffer_append_text(to->out, "(?:)");
    return buffer_append_text(to->out, texts[op]);
}

static int emit_node(const struct emitter *to, uint32_t index)
{
    const struct regex_node *node = &to->regex->nodes[index];

    switch (node->op) {
    case REGEX_CLASS:
        return emit_class(to, node);
    case REGEX_CONCAT:
        return emit_children(to, node->child, "");
    case REGEX_ALTERNATE:
        return emit_children(to, node->child, "|");
    case REGEX_REPEAT:
        return emit_repeat(to, node);
    case REGEX_EMPTY:
        return buffer_append_text(to->out, "(?:)");
    default:
        return emit_anchor(to, node->op);
    }
}

int regex_emit(const struct regex_span *span, enum regex_coding coding, enum regex_anchors anchors,
               struct buffer *out)
{
    struct emitter to = {span->regex, out, coding, anchors};
    uint32_t node = span->first;
    int rc = 0;

    for (uint32_t i = 0; i < span->count && rc == 0; i++) {
        rc = emit_node(&to, node);
        node = span->regex->nodes[node].next;
    }
    return rc;
}
