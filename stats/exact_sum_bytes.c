/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/exact_sum_bytes.h"

/* More than 2^64 of the largest doubles make, and far enough from where merging would wrap. */
#define SUM_TOP_MAX (INT64_C(1) << 52)

/* Words that a shorter number's sign would fill are left out at the top, zeros at the bottom. */
int exact_sum_write(const struct exact_sum *sum, struct buffer *out)
{
    uint64_t fill = exact_sum_is_negative(sum) ? UINT64_MAX : 0;
    unsigned first = 0, end = EXACT_SUM_WORDS;
    while (first < end && sum->words[first] == 0)
        first++;
    while (end > first && sum->words[end - 1] == fill)
        end--;
    int rc = sketch_put_fixed(out, first % EXACT_SUM_WORDS, 1);
    rc = rc != 0 ? rc : sketch_put_fixed(out, end - first, 1);
    rc = rc != 0 ? rc : sketch_put_fixed(out, fill & 1, 1);
    for (unsigned i = first; rc == 0 && i < end; i++)
        rc = sketch_put_fixed(out, sum->words[i], 8);
    return rc;
}

void exact_sum_read(struct sketch_reader *in, struct exact_sum *sum)
{
    unsigned first = (unsigned)sketch_take_fixed(in, 1);
    unsigned count = (unsigned)sketch_take_fixed(in, 1);
    uint64_t sign = sketch_take_fixed(in, 1);
    uint64_t fill = sign != 0 ? UINT64_MAX : 0;
    if (sign > 1 || first + count > EXACT_SUM_WORDS) {
        in->is_bad = true;
        return;
    }
    for (unsigned i = 0; i < count; i++)
        sum->words[first + i] = sketch_take_fixed(in, 8);
    for (unsigned i = first + count; i < EXACT_SUM_WORDS; i++)
        sum->words[i] = fill;
    bool is_zero = count == 0 && sign == 0;
    bool is_short = is_zero ? first == 0
                            : first < EXACT_SUM_WORDS && sum->words[first] != 0 &&
                                  (count == 0 || sum->words[first + count - 1] != fill);
    int64_t top = (int64_t)sum->words[EXACT_SUM_WORDS - 1];
    if (!is_short || (top < 0) != (sign != 0) || top >= SUM_TOP_MAX || top < -SUM_TOP_MAX)
        in->is_bad = true;
}
