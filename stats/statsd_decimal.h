/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_decimal.h - short decimal numbers, which are most of those that are sent.
 *
 * Place:   stats/statsd.c and stats/statsd_line.c; statsd_number.h has all others.
 * Threads: no state.
 * Source:  digits and power of ten are both exact in a double, so that their quotient is rounded
 *          once (Clinger 1990).
 */
#ifndef STATS_STATSD_DECIMAL_H
#define STATS_STATSD_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

struct statsd_decimal { /* digits / 10^scale, exact in a double */
    int64_t digits;
    unsigned scale;
    bool point;
};

/* [+-]digits[.digits] of at most 15 digits from *at on, which moves behind it. */
static inline bool statsd_decimal_take(const char **at, const char *end,
                                       struct statsd_decimal *decimal)
{
    const char *c = *at;
    bool negative = c < end && *c == '-';
    uint64_t value = 0;
    unsigned count = 0, scale = 0, point = 0;
    c += c < end && (*c == '-' || *c == '+');
    for (; c < end; c++) {
        unsigned digit = (unsigned)(unsigned char)*c - '0';
        if (digit <= 9) {
            value = value * 10 + digit;
            count++;
            scale += point;
        } else if (*c == '.' && point == 0) {
            point = 1;
        } else {
            break;
        }
        if (count > 15)
            return false;
    }
    *at = c;
    decimal->digits = negative ? -(int64_t)value : (int64_t)value;
    decimal->scale = scale;
    decimal->point = point != 0;
    return count > 0;
}

/* -0 may be the result. */
static inline double statsd_decimal_double(const struct statsd_decimal *decimal)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    return (double)decimal->digits / tens[decimal->scale];
}

#endif
