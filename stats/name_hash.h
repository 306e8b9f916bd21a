/* SPDX-License-Identifier: MPL-2.0
 *
 * name_hash.h - hash and comparison of metric names, 32 bytes at a time and never a byte outside.
 *
 * Place:   stats/statsd.c hashes once; stats/shard.c and stats/accum.c compare.
 * Threads: no state.
 * Memory:  reads exactly name[0..len): the last block is a masked load of whole words plus the last
 *          four bytes, so a name may end at the end of its buffer.
 * Source:  the lane step is that of XXH3 (multiply the two halves of a keyed word, add the word),
 *          the end is one 64 x 64 to 128-bit multiplication folded. The keys are the process's own
 *          once name_key_seed() has been called, so that nobody outside can choose names that
 *          collide: what it costs is in docs/decisions/0008-statsd-dialects.md.
 */
#ifndef STATS_NAME_HASH_H
#define STATS_NAME_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) && !defined(HEKA_STATS_PLAIN)
#include <immintrin.h>
#define NAME_HASH_AVX2 1
#else
#define NAME_HASH_AVX2 0
#endif

enum { NAME_BLOCK = 32 };

struct name_key {
    uint64_t lanes[4];
    uint64_t sum, tail;
} __attribute__((aligned(32)));

extern struct name_key name_key;             /* of this process */
extern const struct name_key name_key_fixed; /* the same everywhere and for ever */

/* Gives the process keys that nobody knows: at the start of a program, before any hash. Tests and
 * replays do without, and are the same each time. */
void name_key_seed(void);

/* The last four bytes, so that the part behind the last whole word of 4 counts; all of a name that
 * is shorter. */
static inline uint32_t name_tail(const char *name, size_t len)
{
    uint32_t tail = 0;
    if (len >= 4) {
        memcpy(&tail, name + len - 4, 4);
        return tail;
    }
    for (size_t i = 0; i < len; i++)
        tail |= (uint32_t)(uint8_t)name[i] << (8 * i);
    return tail;
}

static inline uint64_t name_finish(uint64_t sum, uint32_t tail, size_t len,
                                   const struct name_key *key)
{
    unsigned __int128 product =
        (unsigned __int128)(sum ^ key->sum) * (((uint64_t)tail << 32 | (uint32_t)len) ^ key->tail);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#if NAME_HASH_AVX2

/* All bits of the first `words` words of 4 bytes. */
static inline __m256i name_mask(int words)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(words), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __m256i name_load_part(const char *name, __m256i mask)
{
    return _mm256_maskload_epi32((const int *)(const void *)name, mask);
}

static inline __m256i name_step(__m256i sum, __m256i words, const struct name_key *key)
{
    const __m256i keys = _mm256_load_si256((const __m256i *)(const void *)key->lanes);
    __m256i keyed = _mm256_xor_si256(words, keys);
    __m256i product = _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32));
    /* The sum is turned by one word of 4 bytes, so that blocks do not commute. */
    sum = _mm256_add_epi64(_mm256_shuffle_epi32(sum, 0xb1), words);
    return _mm256_add_epi64(sum, product);
}

/* The words of the block at `at` that belong to the name: none when it ends before. */
static inline __m256i name_block(const char *name, size_t len, size_t at)
{
    /* A negative number of words makes an empty mask, and nothing is read then. */
    __m256i mask = name_mask((int)(len / 4) - (int)(at / 4));
    return name_load_part(name + at, mask);
}

static inline uint64_t name_end(__m256i sum, const char *name, size_t len,
                                const struct name_key *key)
{
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
    return name_finish((uint64_t)_mm_cvtsi128_si64(half), name_tail(name, len), len, key);
}

/* Names of up to 64 bytes take no branch that depends on their length: it would be mispredicted for
 * a quarter of names of 20 to 36 bytes, and costs more than the second block. */
static inline uint64_t name_hash_keyed(const char *name, size_t len, const struct name_key *key)
{
    __m256i sum = name_step(_mm256_setzero_si256(), name_block(name, len, 0), key);
    sum = name_step(sum, name_block(name, len, NAME_BLOCK), key);
    for (size_t at = 2 * NAME_BLOCK; __builtin_expect(at < len, 0); at += NAME_BLOCK)
        sum = name_step(sum, name_block(name, len, at), key);
    return name_end(sum, name, len, key);
}

/* The same for names of up to 32 bytes, without looking for more. */
static inline uint64_t name_hash_short(const char *name, size_t len)
{
    __m256i sum = name_step(_mm256_setzero_si256(), name_block(name, len, 0), &name_key);
    sum = name_step(sum, _mm256_setzero_si256(), &name_key);
    return name_end(sum, name, len, &name_key);
}

static inline __m256i name_differ(const char *a, const char *b, size_t len, size_t at)
{
    return _mm256_xor_si256(name_block(a, len, at), name_block(b, len, at));
}

/* Both sides are read up to `len` only. */
static inline bool name_equal(const char *a, const char *b, size_t len)
{
    __m256i differ = _mm256_or_si256(name_differ(a, b, len, 0), name_differ(a, b, len, NAME_BLOCK));
    for (size_t at = 2 * NAME_BLOCK; __builtin_expect(at < len, 0); at += NAME_BLOCK)
        differ = _mm256_or_si256(differ, name_differ(a, b, len, at));
    return _mm256_testz_si256(differ, differ) && name_tail(a, len) == name_tail(b, len);
}

#else

static inline void name_step(uint64_t sums[4], const uint64_t words[4], const struct name_key *key)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t keyed = words[i] ^ key->lanes[i];
        uint64_t turned = sums[i] << 32 | sums[i] >> 32;
        sums[i] = turned + words[i] + (keyed & UINT32_MAX) * (keyed >> 32);
    }
}

static inline uint64_t name_hash_keyed(const char *name, size_t len, const struct name_key *key)
{
    uint64_t sums[4] = {0};
    for (size_t at = 0; at < 2 * NAME_BLOCK || at < len; at += NAME_BLOCK) {
        uint64_t words[4] = {0};
        size_t whole = len & ~(size_t)3;
        if (at < whole)
            memcpy(words, name + at, whole - at < NAME_BLOCK ? whole - at : NAME_BLOCK);
        name_step(sums, words, key);
    }
    return name_finish(sums[0] + sums[1] + sums[2] + sums[3], name_tail(name, len), len, key);
}

static inline uint64_t name_hash_short(const char *name, size_t len)
{
    return name_hash_keyed(name, len, &name_key);
}

static inline bool name_equal(const char *a, const char *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

#endif

static inline uint64_t name_hash(const char *name, size_t len)
{
    return name_hash_keyed(name, len, &name_key);
}

#endif
