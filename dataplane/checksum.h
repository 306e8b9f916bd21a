/* SPDX-License-Identifier: MPL-2.0
 *
 * checksum.h - the Internet checksum over contiguous bytes, inlined into its callers.
 *
 * Place:   packet.c, ip.c, udp.h, icmp.c, nd.c. Sums are of 16-bit words in memory order, which
 *          one's complement arithmetic allows; a sum is folded once, at its end. Compilers make SSE
 *          or AVX2 of the loop (figures: docs/formats/packet.md; intrinsics gained nothing).
 * Threads: no state.
 * Source:  RFC 1071 (sum), RFC 768 and 8200 section 8.1 (pseudo-headers).
 */
#ifndef DATAPLANE_CHECKSUM_H
#define DATAPLANE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "dataplane/octets.h"

enum {
    CHECKSUM_SIZE_MIN = 8,   /* bytes that checksum_add needs */
    CHECKSUM_SHORT_MAX = 32, /* bytes that checksum_add_short takes */
    CHECKSUM_VALID = 0xFFFF  /* folded sum of data with its checksum in place */
};

/* The two halves of eight bytes, so that no carry is lost: room for 2^31 of them. */
static inline uint64_t checksum_halves(uint64_t word)
{
    return (word & UINT32_MAX) + (word >> 32);
}

static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = checksum_halves(sum);
    sum = checksum_halves(sum);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)sum;
}

/* Whether `sum`, which is not 0, folds to CHECKSUM_VALID: it does when 65535 divides it. Then, and
 * only then, the product with the inverse of 65535 modulo 2^64 is the quotient, and that small. */
static inline bool checksum_is_valid(uint64_t sum)
{
    return sum * UINT64_C(0xFFFEFFFEFFFEFFFF) <= UINT64_C(0x0001000100010001);
}

/* Adds the 16-bit words of data[0..size) to `sum`; an odd last byte is padded with zero. `size` is
 * at least CHECKSUM_SIZE_MIN: the rest behind the last whole 8 bytes is read together with bytes
 * before it, which are shifted out, instead of in a branch for each size. */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size / 8; i++)
        sum += checksum_halves(octets_load64(data + 8 * i));
    unsigned rest_bits = 8 * (unsigned)(size % 8);
    return sum + checksum_halves(octets_load64(data + size - 8) >> 1 >> (63 - rest_bits));
}

/* The same for up to CHECKSUM_SHORT_MAX bytes, without a branch that depends on their number: whole
 * words of 4 bytes, and what is left of the last 4 bytes. */
static inline uint64_t checksum_add_short(uint64_t sum, const uint8_t *data, size_t size)
{
#if defined(__AVX2__)
    const __m256i low = _mm256_set1_epi16(0xFF), zero = _mm256_setzero_si256();
    __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)size >> 2),
                                      _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i words = _mm256_maskload_epi32((const int *)(const void *)data, mask);
    __m256i lows = _mm256_sad_epu8(_mm256_and_si256(words, low), zero);
    __m256i highs = _mm256_sad_epu8(_mm256_srli_epi16(words, 8), zero);
    __m256i sums = _mm256_add_epi64(lows, _mm256_slli_epi64(highs, 8));
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    half = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
    uint64_t last = octets_load32(data + size - 4);
    return sum + (uint64_t)_mm_cvtsi128_si64(half) + (last >> (32 - 8 * (size & 3)));
#else
    return checksum_add(sum, data, size);
#endif
}

/* The header without options, of every ordinary packet. */
static inline uint64_t checksum_ip4_20(const uint8_t *ip)
{
    return checksum_halves(octets_load64(ip)) + checksum_halves(octets_load64(ip + 8)) +
           octets_load32(ip + 16);
}

/* `addresses`: source and destination, which lie behind each other in both headers. */
static inline uint64_t checksum_pseudo4(const uint8_t *addresses, uint8_t protocol, uint32_t size)
{
    return checksum_halves(octets_load64(addresses)) + ((uint32_t)protocol << 8) +
           __builtin_bswap16((uint16_t)size);
}

static inline uint64_t checksum_pseudo6(const uint8_t *addresses, uint8_t protocol, uint32_t size)
{
    uint64_t sum = __builtin_bswap32(size) + (uint64_t)((uint32_t)protocol << 8);
    for (unsigned i = 0; i < 32; i += 8)
        sum += checksum_halves(octets_load64(addresses + i));
    return sum;
}

#endif
