/* SPDX-License-Identifier: MPL-2.0
 *
 * exact_sum.h - sums of doubles without rounding, so that the order of adding does not matter.
 *
 * Place:   stats/ddsketch.c, whose merged sketches have to be equal bit by bit.
 * Threads: one owner.
 * Memory:  a fixed-point number as wide as all doubles and 2^64 additions: 272 bytes.
 * Failure: none; values must be finite.
 * Source:  Kulisch, "Computer Arithmetic and Validity": the long accumulator.
 */
#ifndef STATS_EXACT_SUM_H
#define STATS_EXACT_SUM_H

#include <stdbool.h>
#include <stdint.h>

enum { EXACT_SUM_WORDS = 34 };

/* Two's complement, least significant word first; bit 0 is 2^-1074. Zeroed state is 0. */
struct exact_sum {
    uint64_t words[EXACT_SUM_WORDS];
};

void exact_sum_add(struct exact_sum *sum, double value);
void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other);
bool exact_sum_is_negative(const struct exact_sum *sum);

/* The nearest double, ties to even; the largest of its sign when that would be infinite. */
double exact_sum_value(const struct exact_sum *sum);

#endif
