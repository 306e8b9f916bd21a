/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/code_points.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/unicode.h"

void code_points_fini(struct code_points *set)
{
    free(set->ranges);
    *set = (struct code_points){0};
}

int code_points_add(struct code_points *set, uint32_t low, uint32_t high)
{
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? set->capacity * 2 : 4;
        struct code_range *ranges = realloc(set->ranges, capacity * sizeof *ranges);

        if (!ranges)
            return -ENOMEM;
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = (struct code_range){low, high};
    return 0;
}

int code_points_add_all(struct code_points *set, const struct code_points *other)
{
    for (uint32_t i = 0; i < other->count; i++) {
        int rc = code_points_add(set, other->ranges[i].low, other->ranges[i].high);

        if (rc < 0)
            return rc;
    }
    return 0;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct code_range *a = left;
    const struct code_range *b = right;

    return a->low < b->low ? -1 : a->low > b->low;
}

void code_points_normalise(struct code_points *set)
{
    uint32_t kept = 0;

    if (set->count == 0)
        return;
    qsort(set->ranges, set->count, sizeof *set->ranges, compare_ranges);
    for (uint32_t i = 1; i < set->count; i++) {
        struct code_range *last = &set->ranges[kept];
        struct code_range range = set->ranges[i];

        if (range.low > last->high + 1)
            set->ranges[++kept] = range;
        else if (range.high > last->high)
            last->high = range.high;
    }
    set->count = kept + 1;
}

int code_points_negate(struct code_points *set)
{
    struct code_points result = {0};
    uint32_t low = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        if (set->ranges[i].low > low && code_points_add(&result, low, set->ranges[i].low - 1) < 0)
            goto fail;
        low = set->ranges[i].high + 1;
    }
    if (low <= CODE_POINT_MAX && code_points_add(&result, low, CODE_POINT_MAX) < 0)
        goto fail;
    code_points_fini(set);
    *set = result;
    return 0;
fail:
    code_points_fini(&result);
    return -ENOMEM;
}

bool code_points_contain(const struct code_range *ranges, uint32_t count, uint32_t code)
{
    uint32_t low = 0;
    uint32_t high = count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (code > ranges[middle].high)
            low = middle + 1;
        else if (code < ranges[middle].low)
            high = middle;
        else
            return true;
    }
    return false;
}

/* The part of the folding that concerns ASCII members. */
static int fold_ascii(struct code_points *set)
{
    uint32_t count = set->count;
    int rc = 0;

    for (uint32_t c = 'a'; c <= 'z' && rc == 0; c++) {
        uint32_t upper = c - 'a' + 'A';

        if (!code_points_contain(set->ranges, count, c) &&
            !code_points_contain(set->ranges, count, upper))
            continue;
        rc = code_points_add(set, c, c);
        if (rc == 0)
            rc = code_points_add(set, upper, upper);
        if (rc == 0 && c == 'k')
            rc = code_points_add(set, 0x212A, 0x212A); /* KELVIN SIGN */
        if (rc == 0 && c == 's')
            rc = code_points_add(set, 0x17F, 0x17F); /* LATIN SMALL LETTER LONG S */
    }
    code_points_normalise(set);
    return rc;
}

int code_points_fold(struct code_points *set)
{
    bool is_ascii = set->count == 0 || set->ranges[set->count - 1].high < 0x80;
    int rc;

    if (is_ascii)
        return fold_ascii(set);
    rc = unicode_add_folded(set);
    code_points_normalise(set);
    return rc;
}

int code_points_property(struct code_points *set, const char *name, size_t name_len)
{
    const struct code_points *table;
    int rc;

    if (name_len == 3 && memcmp(name, "Any", 3) == 0)
        return code_points_add(set, 0, CODE_POINT_MAX);
    rc = unicode_property(name, name_len, &table);
    return rc < 0 ? rc : code_points_add_all(set, table);
}
