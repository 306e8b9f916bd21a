/* SPDX-License-Identifier: MPL-2.0
 *
 * thresholds.h - all comparisons of one variable with < <= == >= > at once: the constants cut the
 * line into intervals, and each interval knows what is true in it.
 *
 * Place:   one for numbers and one for texts of each variable of a rule set.
 * Threads: immutable after init.
 * Memory:  a fire list for each constant and each gap; texts are borrowed.
 * Failure: -ENOMEM, -E2BIG for more than THRESHOLDS_MAX different constants.
 */
#ifndef MATCHER_THRESHOLDS_H
#define MATCHER_THRESHOLDS_H

#include "matcher/fires.h"
#include "matcher/rule_parse.h"

enum {
    THRESHOLDS_MAX = 1024,
    THRESHOLDS_SPAN_MAX = 4096 /* whole numbers that are looked up instead of searched for */
};

struct threshold { /* value COMPARE constant */
    enum rule_compare compare;
    double number;
    const char *text;
    size_t text_len;
    struct fire_list fires;
};

/* Zeroed is empty. */
struct thresholds {
    uint32_t count;           /* different constants */
    double *numbers;          /* sorted, NaN behind them, or */
    struct threshold *texts;  /* sorted */
    struct fire_list *ranges; /* 2 * count + 1: below [0], equal to [0], between [0] and [1], ... */
    uint16_t *places;         /* in `ranges`, of the whole numbers first .. first + span - 1 */
    int64_t first;
    uint64_t span; /* 0: the constants are too far apart */
};

int thresholds_init_numbers(struct thresholds *table, const struct threshold *items, size_t count,
                            struct fires *fires);
int thresholds_init_texts(struct thresholds *table, const struct threshold *items, size_t count,
                          struct fires *fires);
void thresholds_fini(struct thresholds *table);

/* Index into `ranges` of a value that is a number. */
static inline size_t thresholds_search(const struct thresholds *table, double value)
{
    const double *numbers = table->numbers;
    uint32_t left = table->count;

    /* no branch that depends on the value: it would be mispredicted half of the time */
    while (left > 1) {
        uint32_t half = left / 2;

        numbers += half * (size_t)(numbers[half - 1] < value);
        left -= half;
    }
    numbers += *numbers < value;
    return 2 * (size_t)(numbers - table->numbers) + (*numbers == value);
}

/* What is true of a value; `count` is not 0. NaN has no place: nothing is true of it. */
static inline struct fire_list thresholds_number(const struct thresholds *table, double value)
{
    uint64_t place;

    if (__builtin_isnan(value))
        return (struct fire_list){0, 0};
    /* bench/match rules-1000 (some 300 constants): 345 ns a message with searches, 270 ns so */
    if (value > -1e15 && value < 1e15 && (double)(int64_t)value == value) {
        place = (uint64_t)((int64_t)value - table->first);
        if (place < table->span)
            return table->ranges[table->places[place]];
    }
    return table->ranges[thresholds_search(table, value)];
}

struct fire_list thresholds_text(const struct thresholds *table, const char *value, size_t len);

#endif
