/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_shape.h"

#include "matcher/utf8_text.h"

enum {
    SURROGATES = 0x800, /* that no class has */
    /* What {n,m} writes out takes Hyperscan longer than what stands there: 20 expressions
     * "a.{0,30}b.{0,30}c" took 1.25 s, 20 of the same length without {n,m} 0.04 s. */
    COPY_WEIGHT = 4
};

struct regex_class_shape regex_class_shape_of(const struct regex *regex,
                                              const struct regex_node *node)
{
    const struct code_range *ranges = regex->pool.ranges + node->range_first;
    struct regex_class_shape shape = {0};

    for (uint32_t i = 0; i < node->range_count; i++) {
        uint32_t low = ranges[i].low < 0x80 ? 0x80 : ranges[i].low;

        shape.has_ascii |= ranges[i].low < 0x80;
        if (ranges[i].high < 0x80)
            continue;
        shape.high_count += ranges[i].high - low + 1;
        shape.has_replacement |= low <= UTF8_INVALID && UTF8_INVALID <= ranges[i].high;
    }
    shape.is_wide = shape.high_count == CODE_POINT_MAX + 1 - 0x80 - SURROGATES;
    return shape;
}

/* Everything that is asked about a tree, in one walk. */
struct shape_walk {
    const struct regex *regex;
    bool has_single_wide; /* a wide class that is not under a star */
    bool has_narrow;      /* too many characters beyond ASCII to spell out, but not all */
    bool has_replacement; /* U+FFFD in a class that is not wide */
    bool has_no_boundary; /* \B, which would be true between the bytes of a character */
    bool has_line_anchor;
    uint32_t text_anchors; /* \A and \z */
};

static void look_at_class(struct shape_walk *walk, const struct regex_node *node, bool starred)
{
    struct regex_class_shape shape = regex_class_shape_of(walk->regex, node);

    walk->has_single_wide |= shape.is_wide && !starred;
    walk->has_narrow |= !shape.is_wide && shape.high_count > REGEX_SPELLED_MAX;
    walk->has_replacement |= !shape.is_wide && shape.has_replacement;
}

static void look_at(struct shape_walk *walk, uint32_t index, bool starred)
{
    const struct regex_node *node = &walk->regex->nodes[index];
    bool star = node->op == REGEX_REPEAT && node->min == 0 && node->max == REGEX_INFINITE;

    if (node->op == REGEX_CLASS)
        look_at_class(walk, node, starred);
    walk->has_no_boundary |= node->op == REGEX_NO_WORD_BOUNDARY;
    walk->has_line_anchor |= node->op == REGEX_BEGIN_LINE || node->op == REGEX_END_LINE;
    walk->text_anchors += node->op == REGEX_BEGIN_TEXT || node->op == REGEX_END_TEXT;
    for (uint32_t child = node->child; child; child = walk->regex->nodes[child].next)
        look_at(walk, child, star);
}

static uint64_t class_weight(const struct regex *regex, const struct regex_node *node)
{
    struct regex_class_shape shape = regex_class_shape_of(regex, node);

    if (shape.high_count == 0)
        return 1;
    return shape.high_count <= REGEX_SPELLED_MAX ? 1 + 2 * (uint64_t)shape.high_count : 3;
}

/* How often a pattern writes out the child of a repetition. */
static uint64_t copies_of(const struct regex_node *node, bool rough)
{
    uint64_t most = node->max == REGEX_INFINITE ? node->min : node->max;

    if (!rough)
        return most;
    if (node->max > REGEX_ROUGH_REPEAT_MAX) /* becomes {n,} */
        most = node->min;
    return most < REGEX_ROUGH_REPEAT_MAX ? most : REGEX_ROUGH_REPEAT_MAX;
}

/* Saturates far above any limit. Every node is visited once. */
static uint64_t weigh(const struct regex *regex, uint32_t index, bool rough)
{
    const struct regex_node *node = &regex->nodes[index];
    uint64_t copies = copies_of(node, rough);
    uint64_t weight = 1;

    if (node->op == REGEX_CLASS)
        return class_weight(regex, node);
    for (uint32_t child = node->child; child; child = regex->nodes[child].next)
        weight += weigh(regex, child, rough);
    if (node->op == REGEX_REPEAT && copies > 1)
        weight *= copies * (rough ? 1 : COPY_WEIGHT);
    return weight < UINT32_MAX ? weight : UINT32_MAX;
}

struct regex_shape regex_shape_of(const struct regex_span *span)
{
    struct shape_walk walk = {.regex = span->regex};
    uint64_t exact = 0;
    uint64_t rough = 0;
    uint32_t outer_anchors = 0; /* in front and at the end */
    uint32_t node = span->first;

    for (uint32_t i = 0; i < span->count; i++) {
        enum regex_op op = span->regex->nodes[node].op;

        outer_anchors += i == 0 && op == REGEX_BEGIN_TEXT;
        outer_anchors += i + 1 == span->count && op == REGEX_END_TEXT;
        look_at(&walk, node, false);
        exact += weigh(span->regex, node, false);
        rough += weigh(span->regex, node, true);
        node = span->regex->nodes[node].next;
    }
    return (struct regex_shape){
        .is_byte_safe = !walk.has_single_wide && !walk.has_narrow && !walk.has_replacement &&
                        !walk.has_no_boundary,
        .is_scannable = !walk.has_narrow && !walk.has_line_anchor && !walk.has_no_boundary,
        .is_batchable = walk.text_anchors == outer_anchors,
        .exact_weight = exact < UINT32_MAX ? (uint32_t)exact : UINT32_MAX,
        .rough_weight = rough < UINT32_MAX ? (uint32_t)rough : UINT32_MAX,
    };
}
