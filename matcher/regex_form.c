/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_form.h"

#include "matcher/utf8_text.h"

/* The top-level members, as an array of indexes would be: first, and how many. */
static struct regex_span members_of(const struct regex *regex)
{
    struct regex_span span = regex_whole(regex);
    const struct regex_node *root = &regex->nodes[regex->root];

    if (root->op != REGEX_CONCAT)
        return span;
    span = (struct regex_span){regex, root->child, 0};
    for (uint32_t node = root->child; node; node = regex->nodes[node].next)
        span.count++;
    return span;
}

static const struct regex_node *member_at(const struct regex_span *span, uint32_t index)
{
    uint32_t node = span->first;

    while (index-- > 0)
        node = span->regex->nodes[node].next;
    return &span->regex->nodes[node];
}

static void drop_first(struct regex_span *span)
{
    span->first = span->regex->nodes[span->first].next;
    span->count--;
}

/* A search may begin and end anywhere, so what can match nothing at either end changes no
 * answer. */
static bool is_droppable(const struct regex_node *node)
{
    return node->nullable && !node->asserts;
}

/* Drops what can match nothing behind the last member that cannot. */
static void trim_end(struct regex_span *span)
{
    uint32_t kept = 0;
    uint32_t node = span->first;

    for (uint32_t i = 0; i < span->count; i++) {
        if (!is_droppable(&span->regex->nodes[node]))
            kept = i + 1;
        node = span->regex->nodes[node].next;
    }
    span->count = kept;
}

/* True when all members of `span` are single characters; their text goes to `literal`. */
static int take_literal(const struct regex_span *span, struct buffer *literal, bool *is_literal)
{
    uint32_t node = span->first;

    *is_literal = false;
    for (uint32_t i = 0; i < span->count; i++) {
        const struct regex_node *at = &span->regex->nodes[node];
        struct code_range range;
        char text[UTF8_MAX];
        int rc;

        if (at->op != REGEX_CLASS || at->range_count != 1)
            return 0;
        range = span->regex->pool.ranges[at->range_first];
        if (range.low != range.high || range.low == UTF8_INVALID)
            return 0;
        rc = buffer_append(literal, text, utf8_encode(range.low, text));
        if (rc < 0)
            return rc;
        node = at->next;
    }
    *is_literal = true;
    return 0;
}

int regex_form_of(const struct regex *regex, struct regex_form *form, struct buffer *literal)
{
    static const enum regex_form_type types[2][2] = {{REGEX_CONTAINS, REGEX_SUFFIX},
                                                     {REGEX_PREFIX, REGEX_EQUALS}};
    struct regex_span span = members_of(regex);
    struct regex_span inner;
    bool begins;
    bool ends;
    bool is_literal;
    int rc;

    while (span.count > 0 && is_droppable(member_at(&span, 0)))
        drop_first(&span);
    trim_end(&span);
    begins = span.count > 0 && member_at(&span, 0)->op == REGEX_BEGIN_TEXT;
    inner = span;
    if (begins)
        drop_first(&inner);
    ends = inner.count > 0 && member_at(&inner, inner.count - 1)->op == REGEX_END_TEXT;
    inner.count -= ends;
    rc = take_literal(&inner, literal, &is_literal);
    form->span = span;
    form->type = is_literal ? types[begins][ends] : REGEX_GENERAL;
    if (is_literal && inner.count == 0 && !(begins && ends))
        form->type = REGEX_ALWAYS;
    return rc;
}
