/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_timer.h - the timer values of an interval, and their percentiles.
 *
 * Place:   stats/accum.c adds runs of values; stats/accum_flush.c computes.
 * Threads: one.
 * Memory:  grows by doubling to what one interval needs, and is kept.
 * Failure: accum_timers_add() returns false when out of memory; nothing has changed then. Computing
 *          needs no memory of its own.
 */
#ifndef STATS_ACCUM_TIMER_H
#define STATS_ACCUM_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

union accum_cell { /* a run is: cell of the run before + 1, number of values (with RUN_WEIGHTED:
                    * and as many weights), the values, the weights */
    uint64_t word;
    double value;
};

struct accum_timers {
    union accum_cell *cells;
    size_t used, capacity;
    double *sorted, *scratch; /* room for the values of the largest series */
    size_t sorted_capacity;
};

void accum_timers_fini(struct accum_timers *timers); /* zeroed state is empty */
void accum_timers_clear(struct accum_timers *timers);
size_t accum_timers_bytes(const struct accum_timers *timers);

struct accum_run {
    const double *values;
    const double *weights; /* NULL: 1 each */
    uint64_t count;
};

/* Adds a run to the series whose last run and number of values are given. */
bool accum_timers_add(struct accum_timers *timers, uint64_t *run, uint64_t *total,
                      const struct accum_run *add);

/* Takes the last run of a series; `run` is 0 behind the first one. */
struct accum_run accum_timers_run(const struct accum_timers *timers, uint64_t *run);

/* All zero without values. Sums that are not finite are held at the largest double. */
struct accum_timer_stats {
    uint64_t count;
    double lower, upper, sum, mean;
};

/* Sorts the values of a series and sums them in that order, so that the result does not depend on
 * who came first. They stay for accum_timers_percentile() until the next call. */
struct accum_timer_stats accum_timers_compute(struct accum_timers *timers, uint64_t run,
                                              uint64_t total);

/* Over the lowest `percent` (0 to 100) of the values: their mean and the largest of them. */
void accum_timers_percentile(const struct accum_timers *timers,
                             const struct accum_timer_stats *stats, int64_t percent, double *mean,
                             double *upper);

#endif
