/* SPDX-License-Identifier: MPL-2.0
 *
 * name_class.h - does a name hold a byte of a set? 32 bytes at a time.
 *
 * Place:   stats/statsd.c, for dialects that look into names.
 * Threads: no state.
 * Memory:  reads exactly name[0..len), as name_hash.h does.
 * Source:  the two-table lookup by nibbles is that of simdjson's and Hyperscan's truffle/shufti: a
 *          byte is in the set when the tables' entries for its halves share a bit.
 */
#ifndef STATS_NAME_CLASS_H
#define STATS_NAME_CLASS_H

#include "core/check.h"
#include "stats/name_hash.h"

struct name_class {
    uint8_t low[16], high[16];
};

/* Sets of bytes with up to 8 different rows of 16 (checked). */
static inline void name_class_init(struct name_class *set, const bool members[256])
{
    uint16_t rows[8];
    unsigned row_count = 0;
    memset(set, 0, sizeof(*set));
    for (unsigned high = 0; high < 16; high++) {
        uint16_t row = 0;
        unsigned at = 0;
        for (unsigned low = 0; low < 16; low++)
            row = (uint16_t)(row | (unsigned)members[high * 16 + low] << low);
        if (row == 0)
            continue;
        while (at < row_count && rows[at] != row)
            at++;
        if (at == row_count) {
            CHECK(row_count < 8);
            rows[row_count++] = row;
        }
        set->high[high] = (uint8_t)(1U << at);
        for (unsigned low = 0; low < 16; low++)
            if ((row >> low & 1) != 0)
                set->low[low] = (uint8_t)(set->low[low] | 1U << at);
    }
}

static inline bool name_class_has(const struct name_class *set, char c)
{
    return (set->low[(uint8_t)c & 15] & set->high[(uint8_t)c >> 4]) != 0;
}

#if NAME_HASH_AVX2

/* What is no part of the name counts as `a`, which has to be in no set. */
static inline __m256i name_class_bits(const struct name_class *set, const char *name, size_t len,
                                      size_t at)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i mask = name_mask((int)(len / 4) - (int)(at / 4));
    __m256i part = name_load_part(name + at, mask);
    __m256i bytes = _mm256_blendv_epi8(_mm256_set1_epi8('a'), part, mask);
    __m256i low = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)set->low));
    __m256i high = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)set->high));
    low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    return _mm256_and_si256(low, high);
}

static inline bool name_class_any(const struct name_class *set, const char *name, size_t len)
{
    __m256i found = _mm256_or_si256(name_class_bits(set, name, len, 0),
                                    name_class_bits(set, name, len, NAME_BLOCK));
    for (size_t at = 2 * NAME_BLOCK; __builtin_expect(at < len, 0); at += NAME_BLOCK)
        found = _mm256_or_si256(found, name_class_bits(set, name, len, at));
    bool any = !_mm256_testz_si256(found, found);
    for (size_t at = len & ~(size_t)3; at < len; at++)
        any |= name_class_has(set, name[at]);
    return any;
}

#else

static inline bool name_class_any(const struct name_class *set, const char *name, size_t len)
{
    bool any = false;
    for (size_t at = 0; at < len; at++)
        any |= name_class_has(set, name[at]);
    return any;
}

#endif

#endif
