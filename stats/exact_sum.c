/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/exact_sum.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/check.h"

enum { WORD_BITS = 64, MANTISSA_BITS = 52, EXPONENT_MAX = 0x7ff, LOWEST_EXPONENT = -1074 };

static void add_at(struct exact_sum *sum, unsigned at, uint64_t low, uint64_t high)
{
    unsigned carry = __builtin_add_overflow(sum->words[at], low, &sum->words[at]);
    uint64_t next = high + carry; /* high < 2^53 */
    for (at++; next != 0 && at < EXACT_SUM_WORDS; at++)
        next = __builtin_add_overflow(sum->words[at], next, &sum->words[at]);
}

static void subtract_at(struct exact_sum *sum, unsigned at, uint64_t low, uint64_t high)
{
    unsigned borrow = __builtin_sub_overflow(sum->words[at], low, &sum->words[at]);
    uint64_t next = high + borrow;
    for (at++; next != 0 && at < EXACT_SUM_WORDS; at++)
        next = __builtin_sub_overflow(sum->words[at], next, &sum->words[at]);
}

void exact_sum_add(struct exact_sum *sum, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & EXPONENT_MAX;
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    CHECK(exponent != EXPONENT_MAX);
    if (exponent != 0)
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    unsigned offset = exponent != 0 ? exponent - 1 : 0;
    unsigned shift = offset % WORD_BITS;
    uint64_t high = shift != 0 ? mantissa >> (WORD_BITS - shift) : 0;
    if (bits >> 63 != 0)
        subtract_at(sum, offset / WORD_BITS, mantissa << shift, high);
    else
        add_at(sum, offset / WORD_BITS, mantissa << shift, high);
}

void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other)
{
    unsigned carry = 0;
    for (unsigned i = 0; i < EXACT_SUM_WORDS; i++) {
        unsigned first = __builtin_add_overflow(sum->words[i], other->words[i], &sum->words[i]);
        carry = first | __builtin_add_overflow(sum->words[i], (uint64_t)carry, &sum->words[i]);
    }
}

bool exact_sum_is_negative(const struct exact_sum *sum)
{
    return sum->words[EXACT_SUM_WORDS - 1] >> 63 != 0;
}

static struct exact_sum magnitude_of(const struct exact_sum *sum)
{
    struct exact_sum magnitude = *sum;
    uint64_t carry = 1;
    if (!exact_sum_is_negative(sum))
        return magnitude;
    for (unsigned i = 0; i < EXACT_SUM_WORDS; i++)
        carry = __builtin_add_overflow(~sum->words[i], carry, &magnitude.words[i]);
    return magnitude;
}

static bool any_below(const struct exact_sum *sum, unsigned word)
{
    for (unsigned i = 0; i < word; i++)
        if (sum->words[i] != 0)
            return true;
    return false;
}

/* The 64 bits from the highest set one down, the last of them also set when anything follows them:
 * so its conversion to double rounds as the whole would. */
static double round_magnitude(const struct exact_sum *sum, unsigned top)
{
    unsigned shift = (unsigned)__builtin_clzll(sum->words[top]);
    uint64_t bits = sum->words[top] << shift;
    uint64_t below = top > 0 ? sum->words[top - 1] : 0;
    if (shift > 0)
        bits |= below >> (WORD_BITS - shift);
    bool rest = below << shift != 0 || (top > 0 && any_below(sum, top - 1));
    int exponent = (int)(top * WORD_BITS) - (int)shift + LOWEST_EXPONENT;
    if (exponent < LOWEST_EXPONENT) /* top is 0: there is nothing below, and all of it is exact */
        return ldexp((double)sum->words[top], LOWEST_EXPONENT);
    return ldexp((double)(bits | rest), exponent);
}

double exact_sum_value(const struct exact_sum *sum)
{
    struct exact_sum magnitude = magnitude_of(sum);
    unsigned top = EXACT_SUM_WORDS;
    while (top > 0 && magnitude.words[top - 1] == 0)
        top--;
    if (top == 0)
        return 0;
    double value = fmin(round_magnitude(&magnitude, top - 1), DBL_MAX);
    return exact_sum_is_negative(sum) ? -value : value;
}
