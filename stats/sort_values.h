/* SPDX-License-Identifier: MPL-2.0
 *
 * sort_values.h - sorts the values of a timer.
 *
 * Place:   stats/accum_timer.c, when an interval ends: half of what housekeeping takes for timers.
 * Threads: no state.
 * Memory:  the caller's; no more than 20 KB of stack.
 * Source:  few values by insertion and merging; many by least-significant-digit radix sort, whose
 *          passes over bytes that all values share are left out: of whole milliseconds two or three
 *          of eight are done.
 */
#ifndef STATS_SORT_VALUES_H
#define STATS_SORT_VALUES_H

#include <stddef.h>

/* Sorts values[0..count), none of which is not a number, in ascending order; the result is in
 * `values` or in `scratch`, which has the same room: the one that is returned. */
double *sort_values(double *values, double *scratch, size_t count);

#endif
