/* SPDX-License-Identifier: MPL-2.0
 *
 * decimal.h - numbers to text, as "%f", "%d" and JavaScript write them, without a locale.
 *
 * Place:   stats/accum_flush.c: two or more numbers for each series and flush; stats/emit_etsy.c.
 * Threads: no state.
 */
#ifndef STATS_DECIMAL_H
#define STATS_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_MAX = 320 }; /* of the largest double: sign, 309 digits, point, 6 digits */

/* Six decimals, the exact value rounded half to even, as C's and Go's "%f". `value` must be finite.
 * Writes no NUL. Returns the length. */
size_t decimal_put_fixed6(char text[DECIMAL_MAX], double value);

/* The shortest text that reads back as `value`, which must be finite; with an exponent below 1e-6
 * and from 1e21 on. That is how JavaScript writes numbers. */
size_t decimal_put_shortest(char text[DECIMAL_MAX], double value);

size_t decimal_put_int64(char text[DECIMAL_MAX], int64_t value);

#endif
