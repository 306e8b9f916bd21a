/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_emit.h"

#include <string.h>

#include "matcher/regex_shape.h"
#include "matcher/utf8_text.h"

struct emitter {
    const struct regex *regex;
    struct buffer *out;
    enum regex_coding coding;
    bool batch;
};

static int emit_node(const struct emitter *to, uint32_t index);

static const struct code_range *class_ranges(const struct emitter *to,
                                             const struct regex_node *node)
{
    return to->regex->pool.ranges + node->range_first;
}

static int emit_text(const struct emitter *to, const char *text)
{
    return buffer_append_text(to->out, text);
}

static bool is_plain(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
           (point >= 'a' && point <= 'z') || point == ' ' || point == '_';
}

static int emit_point(const struct emitter *to, uint32_t point)
{
    if (is_plain(point))
        return buffer_printf(to->out, "%c", (int)point);
    return buffer_printf(to->out, to->coding == REGEX_AS_UTF8 ? "\\x{%x}" : "\\x%02x", point);
}

static int emit_range(const struct emitter *to, uint32_t low, uint32_t high)
{
    int rc = emit_point(to, low);

    if (rc == 0 && high > low) {
        rc = emit_text(to, "-");
        if (rc == 0)
            rc = emit_point(to, high);
    }
    return rc;
}

/* "[...]" in UTF mode. */
static int emit_utf8_class(const struct emitter *to, const struct regex_node *node)
{
    const struct code_range *ranges = class_ranges(to, node);
    int rc = emit_text(to, node->range_count ? "[" : "[^\\x{0}-\\x{10ffff}");

    for (uint32_t i = 0; i < node->range_count && rc == 0; i++)
        rc = emit_range(to, ranges[i].low, ranges[i].high);
    return rc < 0 ? rc : emit_text(to, "]");
}

/* "|bytes" for each member beyond ASCII, the first bar only when `bar`. */
static int emit_spelled(const struct emitter *to, const struct regex_node *node, bool bar)
{
    const struct code_range *ranges = class_ranges(to, node);
    int rc = 0;

    for (uint32_t i = 0; i < node->range_count; i++) {
        for (uint32_t c = ranges[i].low; c <= ranges[i].high && rc == 0; c++) {
            char text[UTF8_MAX];
            size_t len;

            if (c < 0x80)
                continue;
            rc = bar ? emit_text(to, "|") : 0;
            len = utf8_encode(c, text);
            for (size_t byte = 0; byte < len && rc == 0; byte++)
                rc = emit_point(to, (uint8_t)text[byte]);
            bar = true;
        }
    }
    return rc;
}

/* The ASCII part of a class as "[...", then `tail`, which closes it. */
static int emit_byte_set(const struct emitter *to, const struct regex_node *node, const char *tail)
{
    const struct code_range *ranges = class_ranges(to, node);
    int rc = emit_text(to, "[");

    for (uint32_t i = 0; i < node->range_count && rc == 0 && ranges[i].low < 0x80; i++)
        rc = emit_range(to, ranges[i].low, ranges[i].high < 0x80 ? ranges[i].high : 0x7F);
    return rc < 0 ? rc : emit_text(to, tail);
}

/* A class with members beyond ASCII, as bytes. */
static int emit_high_class(const struct emitter *to, const struct regex_node *node,
                           const struct regex_class_shape *shape)
{
    bool spelled = shape->high_count <= REGEX_SPELLED_MAX && to->coding != REGEX_AS_ROUGHLY;
    int rc = emit_text(to, "(?:");

    if (rc == 0 && shape->has_ascii)
        rc = emit_byte_set(to, node, spelled ? "]" : "]|");
    if (rc == 0 && spelled)
        rc = emit_spelled(to, node, shape->has_ascii);
    else if (rc == 0) /* any character; what comes next begins where it ends */
        rc = emit_text(to, "[\\xc2-\\xf4][\\x80-\\xbf]+");
    return rc < 0 ? rc : emit_text(to, ")");
}

static int emit_class(const struct emitter *to, const struct regex_node *node)
{
    const struct code_range *ranges = class_ranges(to, node);
    struct regex_class_shape shape;

    if (node->range_count == 1 && ranges[0].low == ranges[0].high && ranges[0].low < 0x80)
        return emit_point(to, ranges[0].low);
    if (to->coding == REGEX_AS_UTF8)
        return emit_utf8_class(to, node);
    shape = regex_class_shape_of(to->regex, node);
    if (shape.high_count > 0)
        return emit_high_class(to, node, &shape);
    return shape.has_ascii ? emit_byte_set(to, node, "]") : emit_text(to, "[^\\x00-\\xff]");
}

/* The children with `separator` between, in a group. */
static int emit_children(const struct emitter *to, uint32_t child, const char *separator)
{
    int rc = emit_text(to, "(?:");

    while (child && rc == 0) {
        rc = emit_node(to, child);
        child = to->regex->nodes[child].next;
        if (rc == 0 && child)
            rc = emit_text(to, separator);
    }
    return rc < 0 ? rc : emit_text(to, ")");
}

/* Any number of characters out of a class that has all of them beyond ASCII: any bytes of those,
 * behind the first byte of a character when there has to be one. */
static int emit_wide_run(const struct emitter *to, const struct regex_node *node,
                         const struct regex_node *class)
{
    int rc = node->min ? emit_byte_set(to, class, "\\xc2-\\xf4]") : 0;

    return rc < 0 ? rc : emit_byte_set(to, class, to->batch ? "\\x80-\\xf4]*" : "\\x80-\\xff]*");
}

static bool is_wide_run(const struct emitter *to, const struct regex_node *node)
{
    const struct regex_node *child = &to->regex->nodes[node->child];

    return to->coding != REGEX_AS_UTF8 && child->op == REGEX_CLASS && node->max == REGEX_INFINITE &&
           node->min <= 1 && regex_class_shape_of(to->regex, child).is_wide;
}

static int emit_count(const struct emitter *to, uint32_t min, uint32_t max)
{
    if (to->coding == REGEX_AS_ROUGHLY && max > REGEX_ROUGH_REPEAT_MAX) {
        max = REGEX_INFINITE;
        min = min > REGEX_ROUGH_REPEAT_MAX ? REGEX_ROUGH_REPEAT_MAX : min;
    }
    if (max == REGEX_INFINITE && min <= 1)
        return emit_text(to, min ? ")+" : ")*");
    if (max == REGEX_INFINITE)
        return buffer_printf(to->out, "){%u,}", min);
    return buffer_printf(to->out, "){%u,%u}", min, max);
}

static int emit_repeat(const struct emitter *to, const struct regex_node *node)
{
    int rc;

    if (is_wide_run(to, node))
        return emit_wide_run(to, node, &to->regex->nodes[node->child]);
    rc = emit_text(to, "(?:");
    if (rc == 0)
        rc = emit_node(to, node->child);
    return rc < 0 ? rc : emit_count(to, node->min, node->max);
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
    bool is_line = op == REGEX_BEGIN_LINE || op == REGEX_END_LINE;

    if (to->batch && (op == REGEX_BEGIN_TEXT || op == REGEX_END_TEXT))
        return buffer_printf(to->out, "\\x%02x",
                             op == REGEX_BEGIN_TEXT ? REGEX_BATCH_BEGIN : REGEX_BATCH_END);
    return emit_text(to, is_line && to->coding == REGEX_AS_ROUGHLY ? "(?:)" : texts[op]);
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
        return emit_text(to, "(?:)");
    default:
        return emit_anchor(to, node->op);
    }
}

int regex_emit(const struct regex_span *span, unsigned coding, struct buffer *out)
{
    struct emitter to = {span->regex, out, (enum regex_coding)(coding & ~(unsigned)REGEX_BATCH),
                         (coding & REGEX_BATCH) != 0};
    uint32_t node = span->first;
    int rc = 0;

    for (uint32_t i = 0; i < span->count && rc == 0; i++) {
        rc = emit_node(&to, node);
        node = span->regex->nodes[node].next;
    }
    return rc;
}
