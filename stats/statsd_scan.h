/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_scan.h - the places of ':' and line feed in a block of bytes.
 *
 * Place:   stats/statsd.c. AVX2, SSE2 or plain C, as compiled; all find the same.
 * Threads: no state.
 * Memory:  reads exactly the bytes asked for: what is no whole block is covered by loads that
 *          overlap.
 */
#ifndef STATS_STATSD_SCAN_H
#define STATS_STATSD_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stats/name_hash.h"

#if !defined(HEKA_STATS_PLAIN) && defined(__SSE2__)
#include <immintrin.h>
#endif

enum {
    SCAN_BLOCK = 64,
    SCAN_BEFORE = 32, /* bytes up to the end of a short line that are loaded */
    SCAN_ENOUGH = 128, /* marks after which scanning stops: 64 lines */
    SCAN_MARKS_MAX = SCAN_ENOUGH + SCAN_BLOCK + 8
};

#if !defined(HEKA_STATS_PLAIN) && defined(__SSE2__)
static inline uint64_t scan_bytes_16(__m128i v)
{
    __m128i colons = _mm_cmpeq_epi8(v, _mm_set1_epi8(':'));
    __m128i feeds = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(colons, feeds));
}
#endif

static inline uint64_t scan_16(const char *bytes)
{
#if !defined(HEKA_STATS_PLAIN) && defined(__SSE2__)
    return scan_bytes_16(_mm_loadu_si128((const __m128i *)(const void *)bytes));
#else
    uint64_t mask = 0;
    for (unsigned i = 0; i < 16; i++)
        mask |= (uint64_t)((bytes[i] == ':') | (bytes[i] == '\n')) << i;
    return mask;
#endif
}

#if NAME_HASH_AVX2
static inline uint64_t scan_bytes_32(__m256i v)
{
    __m256i colons = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(':'));
    __m256i feeds = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n'));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(colons, feeds));
}
#endif

static inline uint64_t scan_32(const char *bytes)
{
#if NAME_HASH_AVX2
    return scan_bytes_32(_mm256_loadu_si256((const __m256i *)(const void *)bytes));
#else
    return scan_16(bytes) | scan_16(bytes + 16) << 16;
#endif
}

static inline uint64_t scan_64(const char *bytes)
{
    return scan_32(bytes) | scan_32(bytes + 32) << 32;
}

/* The same for `size` < SCAN_BLOCK bytes. */
static inline uint64_t scan_short(const char *bytes, size_t size)
{
    if (size >= 32)
        return scan_32(bytes) | scan_32(bytes + size - 32) << (size - 32);
#if NAME_HASH_AVX2
    if (size >= 4) { /* whole words of 4 bytes, and the last 4 bytes; no branch for their number */
        int last;
        memcpy(&last, bytes + size - 4, 4);
        __m256i words = name_load_part(bytes, name_mask((int)(size / 4)));
        return scan_bytes_32(words) | (scan_bytes_16(_mm_cvtsi32_si128(last)) << (size - 4));
    }
#else
    if (size >= 16)
        return scan_16(bytes) | scan_16(bytes + size - 16) << (size - 16);
#endif
    char block[16] = {0};
    memcpy(block, bytes, size);
    return scan_16(block);
}

/* Appends the place of each bit; writes up to 8 places behind the last. */
static inline unsigned scan_put(uint32_t *marks, unsigned count, uint32_t base, uint64_t mask)
{
    unsigned found = (unsigned)__builtin_popcountll(mask);
    unsigned end = count + found;
#if !defined(HEKA_STATS_PLAIN) && defined(__BMI__)
    /* Most blocks hold 6 marks or fewer: no branch that depends on their number. _tzcnt_u64(0) is
     * 64, so the places behind the last are wrong but defined. */
    for (unsigned i = 0; i < 6; i++) {
        marks[count + i] = base + (uint32_t)_tzcnt_u64(mask);
        mask &= mask - 1;
    }
    count += 6;
#endif
    while (count < end) {
        marks[count++] = base + (uint32_t)__builtin_ctzll(mask);
        mask &= mask - 1;
    }
    return end;
}

/* Fills `marks` until there are SCAN_ENOUGH or the bytes end, where `size` itself is the last mark.
 * Returns the number of marks. */
static inline unsigned scan_marks(const char *bytes, size_t size, uint32_t marks[SCAN_MARKS_MAX])
{
    unsigned count = 0;
    size_t at = 0;
    for (; size - at >= SCAN_BLOCK; at += SCAN_BLOCK) {
        if (count >= SCAN_ENOUGH)
            return count;
        count = scan_put(marks, count, (uint32_t)at, scan_64(bytes + at));
    }
    if (count >= SCAN_ENOUGH)
        return count;
    size_t rest = size - at;
    uint64_t mask = 0;
    if (at > 0 && rest > 0)
        mask = scan_64(bytes + size - SCAN_BLOCK) >> (SCAN_BLOCK - rest);
    else if (rest > 0)
        mask = scan_short(bytes, rest);
    count = scan_put(marks, count, (uint32_t)at, mask);
    marks[count++] = (uint32_t)size;
    return count;
}

#endif
