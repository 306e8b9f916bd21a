/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/thresholds.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_texts(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    if (order != 0)
        return order;
    return a_len < b_len ? -1 : a_len > b_len;
}

static int order_numbers(const void *left, const void *right)
{
    const struct threshold *a = left;
    const struct threshold *b = right;

    return a->number < b->number ? -1 : a->number > b->number;
}

static int order_texts(const void *left, const void *right)
{
    const struct threshold *a = left;
    const struct threshold *b = right;

    return compare_texts(a->text, a->text_len, b->text, b->text_len);
}

/* Whether the comparison holds where the value is below (-1), at (0) or above (1) the constant. */
static bool holds(enum rule_compare compare, int side)
{
    switch (compare) {
    case RULE_EQ:
        return side == 0;
    case RULE_GT:
        return side > 0;
    case RULE_GE:
        return side >= 0;
    case RULE_LT:
        return side < 0;
    case RULE_LE:
        return side <= 0;
    default:
        return false;
    }
}

/* Numbers the constants of sorted `items` from 0: ranks[i] is that of items[i]. Returns how
 * many. */
static uint32_t rank_constants(const struct threshold *items, size_t count, uint32_t *ranks,
                               int (*order)(const void *, const void *))
{
    uint32_t rank = 0;

    for (size_t i = 0; i < count; i++) {
        rank += i > 0 && order(&items[i - 1], &items[i]) != 0;
        ranks[i] = rank;
    }
    return count > 0 ? rank + 1 : 0;
}

static int fill_ranges(struct thresholds *table, const struct threshold *items, size_t count,
                       const uint32_t *ranks, struct fires *fires)
{
    struct fire_list *lists = malloc(count * sizeof *lists);
    int rc = lists ? 0 : -ENOMEM;

    for (uint32_t range = 0; range < 2 * table->count + 1 && rc == 0; range++) {
        size_t used = 0;

        for (size_t i = 0; i < count; i++) {
            uint32_t at = 2 * ranks[i] + 1;

            if (holds(items[i].compare, range < at ? -1 : range > at))
                lists[used++] = items[i].fires;
        }
        rc = fires_merge(fires, lists, used, &table->ranges[range]);
    }
    free(lists);
    return rc;
}

static int keep_constants(struct thresholds *table, const struct threshold *items, size_t count,
                          const uint32_t *ranks, bool are_texts)
{
    if (are_texts)
        table->texts = malloc(table->count * sizeof *table->texts);
    else
        table->numbers = malloc((table->count + 1) * sizeof *table->numbers);
    if (!table->texts && !table->numbers)
        return -ENOMEM;
    if (!are_texts)
        table->numbers[table->count] = NAN;
    for (size_t i = 0; i < count; i++) {
        if (are_texts)
            table->texts[ranks[i]] = items[i];
        else
            table->numbers[ranks[i]] = items[i].number;
    }
    return 0;
}

/* The places of all whole numbers from the first constant to the last, if they are not too many. */
static int fill_places(struct thresholds *table)
{
    double low = floor(table->numbers[0]);
    double high = ceil(table->numbers[table->count - 1]);

    if (low < -1e15 || high > 1e15 || high - low >= THRESHOLDS_SPAN_MAX)
        return 0;
    table->first = (int64_t)low;
    table->span = (uint64_t)(high - low) + 1;
    table->places = malloc(table->span * sizeof *table->places);
    if (!table->places)
        return -ENOMEM;
    for (uint64_t i = 0; i < table->span; i++)
        table->places[i] = (uint16_t)thresholds_search(table, (double)(table->first + (int64_t)i));
    return 0;
}

static int init_sorted(struct thresholds *table, struct threshold *items, size_t count,
                       struct fires *fires, bool are_texts)
{
    int (*order)(const void *, const void *) = are_texts ? order_texts : order_numbers;
    uint32_t *ranks = malloc(count * sizeof *ranks);
    int rc = -ENOMEM;

    if (!ranks)
        return rc;
    qsort(items, count, sizeof *items, order);
    table->count = rank_constants(items, count, ranks, order);
    if (table->count > THRESHOLDS_MAX) {
        rc = -E2BIG;
        goto out;
    }
    table->ranges = calloc(2 * (size_t)table->count + 1, sizeof *table->ranges);
    if (table->ranges)
        rc = keep_constants(table, items, count, ranks, are_texts);
    if (rc == 0)
        rc = fill_ranges(table, items, count, ranks, fires);
    if (rc == 0 && !are_texts)
        rc = fill_places(table);
out:
    free(ranks);
    return rc;
}

static int init_table(struct thresholds *table, const struct threshold *items, size_t count,
                      struct fires *fires, bool are_texts)
{
    struct threshold *sorted;
    int rc;

    *table = (struct thresholds){0};
    if (count == 0)
        return 0;
    sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, items, count * sizeof *sorted);
    rc = init_sorted(table, sorted, count, fires, are_texts);
    free(sorted);
    if (rc < 0)
        thresholds_fini(table);
    return rc;
}

int thresholds_init_numbers(struct thresholds *table, const struct threshold *items, size_t count,
                            struct fires *fires)
{
    return init_table(table, items, count, fires, false);
}

int thresholds_init_texts(struct thresholds *table, const struct threshold *items, size_t count,
                          struct fires *fires)
{
    return init_table(table, items, count, fires, true);
}

void thresholds_fini(struct thresholds *table)
{
    free(table->numbers);
    free(table->texts);
    free(table->ranges);
    free(table->places);
    *table = (struct thresholds){0};
}

struct fire_list thresholds_text(const struct thresholds *table, const char *value, size_t len)
{
    uint32_t low = 0;
    uint32_t high = table->count;
    bool equal = false;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct threshold *at = &table->texts[middle];
        int order = compare_texts(at->text, at->text_len, value, len);

        equal |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return table->ranges[2 * low + equal];
}
