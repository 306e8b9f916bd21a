/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/sort_values.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    INSERTION_MAX = 24,
    RADIX_MIN = 200, /* fewer are merged faster */
    BINS = 256,
    DIGITS = sizeof(double)
};

/* ---- few: short runs by insertion, then merged by pairs ---- */

static void insertion_sort(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

/* Merges from[0..middle) and from[middle..count) to `to`. */
static void merge(const double *from, size_t middle, size_t count, double *to)
{
    size_t a = 0, b = middle;
    while (a < middle && b < count) {
        bool right = from[b] < from[a];
        *to++ = right ? from[b] : from[a];
        b += right;
        a += !right;
    }
    memcpy(to, from + a, (middle - a) * sizeof(*to));
    memcpy(to + (middle - a), from + b, (count - b) * sizeof(*to));
}

static size_t at_most(size_t value, size_t max)
{
    return value < max ? value : max;
}

static double *merge_sort(double *values, double *scratch, size_t count)
{
    for (size_t at = 0; at < count; at += INSERTION_MAX)
        insertion_sort(values + at, at_most(INSERTION_MAX, count - at));
    for (size_t width = INSERTION_MAX; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width)
            merge(values + at, at_most(width, count - at), at_most(2 * width, count - at),
                  scratch + at);
        double *swap = values;
        values = scratch;
        scratch = swap;
    }
    return values;
}

/* ---- many: by the bytes of keys that are ordered as the values are ---- */

/* Negative numbers upside down and below the others. */
static uint64_t key_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits ^ (-(bits >> 63) | UINT64_C(1) << 63);
}

static unsigned digit_of(double value, unsigned digit)
{
    return (unsigned)(key_of(value) >> (8 * digit)) & (BINS - 1);
}

static void count_digits(const double *values, size_t count, size_t bins[DIGITS][BINS])
{
    memset(bins, 0, DIGITS * BINS * sizeof(bins[0][0]));
    for (size_t i = 0; i < count; i++)
        for (unsigned digit = 0; digit < DIGITS; digit++)
            bins[digit][digit_of(values[i], digit)]++;
}

static void deal(const double *from, double *to, size_t count, unsigned digit, size_t bins[BINS])
{
    size_t at = 0;
    for (unsigned i = 0; i < BINS; i++) {
        size_t in_bin = bins[i];
        bins[i] = at;
        at += in_bin;
    }
    for (size_t i = 0; i < count; i++)
        to[bins[digit_of(from[i], digit)]++] = from[i];
}

static double *radix_sort(double *values, double *scratch, size_t count)
{
    size_t bins[DIGITS][BINS];
    count_digits(values, count, bins);
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        if (bins[digit][digit_of(values[0], digit)] == count)
            continue;
        deal(values, scratch, count, digit, bins[digit]);
        double *swap = values;
        values = scratch;
        scratch = swap;
    }
    return values;
}

double *sort_values(double *values, double *scratch, size_t count)
{
    return count < RADIX_MIN ? merge_sort(values, scratch, count)
                             : radix_sort(values, scratch, count);
}
