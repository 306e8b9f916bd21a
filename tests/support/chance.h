/* SPDX-License-Identifier: MPL-2.0
 *
 * chance.h - random numbers that are the same for the same seed, everywhere.
 *
 * Place:   tests with random cases; the state is the seed at first.
 * Threads: whoever owns the state.
 * Source:  chance_next() is splitmix64; chance_below() Knuth's linear congruential generator
 *          (MMIX), of which the upper half is used.
 */
#ifndef TESTS_CHANCE_H
#define TESTS_CHANCE_H

#include <stdint.h>

static inline uint64_t chance_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to limit - 1. */
static inline uint32_t chance_below(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

#endif
