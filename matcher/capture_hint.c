/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_hint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/capture_set.h"
#include "matcher/regex_emit.h"
#include "matcher/regex_shape.h"

struct piece { /* a literal of an expression */
    struct regex_span span;
    uint32_t expression;
    uint32_t letters;
    uint32_t owners; /* expressions that have it */
    char *pattern;   /* the same text means the same literal */
};

struct pieces {
    struct piece *items;
    uint32_t count;
    uint32_t capacity;
};

static bool is_letter(const struct regex *regex, uint32_t index)
{
    const struct regex_node *node = &regex->nodes[index];
    uint32_t members = 0;

    if (node->op != REGEX_CLASS)
        return false;
    for (uint32_t i = 0; i < node->range_count && members <= CAPTURE_HINT_LETTER_MAX; i++) {
        const struct code_range *range = &regex->pool.ranges[node->range_first + i];

        members += range->high - range->low + 1;
    }
    return members >= 1 && members <= CAPTURE_HINT_LETTER_MAX;
}

static int add_piece(struct pieces *pieces, const struct piece *piece)
{
    struct buffer text = {0};
    int rc;

    if (pieces->count == pieces->capacity) {
        uint32_t capacity = pieces->capacity ? pieces->capacity * 2 : 64;
        struct piece *items = realloc(pieces->items, capacity * sizeof *items);

        if (!items)
            return -ENOMEM;
        pieces->items = items;
        pieces->capacity = capacity;
    }
    rc = regex_emit(&piece->span, REGEX_AS_SCAN, &text);
    if (rc == 0)
        rc = buffer_append(&text, "", 1);
    if (rc < 0) {
        buffer_fini(&text);
        return rc;
    }
    pieces->items[pieces->count] = *piece;
    pieces->items[pieces->count++].pattern = text.data;
    return 0;
}

/* All literals in the concatenation of one expression; at the begin of the text with its anchor. */
static int add_pieces(struct pieces *pieces, const struct regex *regex, uint32_t expression)
{
    const struct regex_node *root = &regex->nodes[regex->root];
    uint32_t at = root->op == REGEX_CONCAT ? root->child : regex->root;
    int rc = 0;

    while (at && rc == 0) {
        struct piece piece = {.span = {regex, at, 0}, .expression = expression};
        uint32_t start = at;

        if (regex->nodes[at].op == REGEX_BEGIN_TEXT) {
            piece.span.count++;
            at = regex->nodes[at].next;
        }
        for (; at && is_letter(regex, at); at = regex->nodes[at].next) {
            piece.letters++;
            piece.span.count++;
        }
        if (piece.letters >= CAPTURE_HINT_LETTERS_MIN)
            rc = add_piece(pieces, &piece);
        else if (piece.letters == 0)
            at = regex->nodes[start].next;
    }
    return rc;
}

static int by_pattern(const void *left, const void *right)
{
    const struct piece *a = left;
    const struct piece *b = right;
    int order = strcmp(a->pattern, b->pattern);

    return order != 0 ? order : (a->expression > b->expression) - (a->expression < b->expression);
}

static void count_owners(struct pieces *pieces)
{
    uint32_t end;

    qsort(pieces->items, pieces->count, sizeof *pieces->items, by_pattern);
    for (uint32_t i = 0; i < pieces->count; i = end) {
        uint32_t owners = 1;

        for (end = i + 1; end < pieces->count; end++) {
            if (strcmp(pieces->items[end].pattern, pieces->items[i].pattern) != 0)
                break;
            owners += pieces->items[end].expression != pieces->items[end - 1].expression;
        }
        for (uint32_t j = i; j < end; j++)
            pieces->items[j].owners = owners;
    }
}

static bool is_better(const struct piece *piece, const struct piece *best)
{
    if (piece->owners != best->owners)
        return piece->owners < best->owners;
    return piece->letters > best->letters;
}

/* True when Hyperscan alone can tell whether the whole expression matches. */
static bool can_scan_whole(const struct regex *regex)
{
    struct regex_span whole = regex_whole(regex);
    struct regex_shape shape = regex_shape_of(&whole);

    return shape.is_scannable && shape.exact_weight <= SCAN_WEIGHT_MAX;
}

static void choose(const struct regex *const *expressions, uint32_t count,
                   const struct piece *const *best, struct regex_span *hints)
{
    uint32_t without = 0;

    for (uint32_t i = 0; i < count; i++)
        without += !best[i];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t owners = best[i] ? best[i]->owners : without;

        hints[i] = best[i] ? best[i]->span : (struct regex_span){expressions[i], 0, 0};
        if (owners > CAPTURE_SHARED_MAX && can_scan_whole(expressions[i]))
            hints[i] = regex_whole(expressions[i]);
    }
}

int capture_hints(const struct regex *const *expressions, uint32_t count, struct regex_span *hints)
{
    const struct piece **best = calloc(count + 1, sizeof(void *));
    struct pieces pieces = {0};
    int rc = best ? 0 : -ENOMEM;

    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = add_pieces(&pieces, expressions[i], i);
    if (rc == 0 && pieces.count > 0)
        count_owners(&pieces);
    for (uint32_t i = 0; i < pieces.count && rc == 0; i++) {
        const struct piece **mine = &best[pieces.items[i].expression];

        if (!*mine || is_better(&pieces.items[i], *mine))
            *mine = &pieces.items[i];
    }
    if (rc == 0)
        choose(expressions, count, best, hints);
    for (uint32_t i = 0; i < pieces.count; i++)
        free(pieces.items[i].pattern);
    free(pieces.items);
    free(best);
    return rc;
}

bool capture_hint_wants_utf8(const struct regex_span *hint)
{
    return !regex_shape_of(hint).is_byte_safe;
}
