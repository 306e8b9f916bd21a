/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_number.h - decimal numbers of statsd lines: exact, bounded, whatever the locale.
 *
 * Place:   stats/statsd.c, for what its fast path for short integers does not take.
 * Threads: no state. Memory: none but the stack.
 * Failure: false for what is no number; infinities are left to the caller's check.
 */
#ifndef STATS_STATSD_NUMBER_H
#define STATS_STATSD_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STATSD_NUMBER_MAX = 1024 }; /* characters of one number; longer ones are refused */

struct statsd_number {
    const char *digits; /* the text behind the sign, for numbers that need all digits */
    size_t digits_len;  /* up to the exponent's "e" or the end */
    uint64_t mantissa;  /* the first 19 digits that count */
    int exponent;       /* of ten, for `mantissa` */
    bool negative;
    bool integer;   /* neither a point nor an exponent */
    bool truncated; /* there are more digits than `mantissa` holds */
};

/* [+-] digits [. digits] [e [+-] digits] with at least one digit before the "e", as Go's ParseFloat
 * has it, without "inf", "nan", hexadecimal and underscores. */
bool statsd_number_parse(const char *text, size_t len, struct statsd_number *number);

/* The nearest double (as strtod), infinite when too large. Never -0. */
double statsd_number_double(const struct statsd_number *number);

/* An integer as it is. False when it is none or does not fit. */
bool statsd_number_int64(const struct statsd_number *number, int64_t *value);

#endif
