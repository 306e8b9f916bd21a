/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_values.h - one series' timer values of an interval, exact or from a sketch, as the namings
 *                  ask for them.
 *
 * Place:   stats/emit_heka.c and stats/emit_etsy.c, for one series after the other.
 * Threads: one.
 * Memory:  borrows the accumulator's scratch: until the next accum_values_of().
 */
#ifndef STATS_ACCUM_VALUES_H
#define STATS_ACCUM_VALUES_H

#include "stats/accum_state.h"

struct accum_values {
    uint64_t count; /* ranks: values, or with weights what they stand for */
    double weight;  /* what the values stand for, by their sample rates */
    double lower, upper, sum, mean;
    const struct accum_timers *timers; /* exact: sorted, and sums up to each */
    const struct ddsketch *sketch;     /* else */
};

/* Of a timer, histogram or distribution. All zero without values. */
struct accum_values accum_values_of(struct accum *accum, unsigned type,
                                    const struct accum_series *series);

struct accum_part { /* of the values in ascending order: the lowest `n` of them */
    double upper, sum;
};
/* n of 1 to values->count. */
struct accum_part accum_values_lowest(const struct accum_values *values, uint64_t n);

/* The sum of their squares; n from 0 on. */
double accum_values_squares(const struct accum_values *values, uint64_t n);

/* The n-th value in ascending order, n from 1 to values->count. */
double accum_values_at(const struct accum_values *values, uint64_t n);

/* The square root of the mean of squared differences from the mean. */
double accum_values_std(const struct accum_values *values);

/* How many values are less than `limit`. */
uint64_t accum_values_below(const struct accum_values *values, double limit);

#endif
