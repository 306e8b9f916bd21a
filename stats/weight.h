/* SPDX-License-Identifier: MPL-2.0
 *
 * weight.h - sums of weights, held at 2^64 - 1: so they do not depend on the order of adding.
 */
#ifndef STATS_WEIGHT_H
#define STATS_WEIGHT_H

#include <stdint.h>

static inline uint64_t weight_sum(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

#endif
