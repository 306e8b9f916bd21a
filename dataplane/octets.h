/* SPDX-License-Identifier: MPL-2.0
 *
 * octets.h - reads and writes header fields at any alignment.
 *
 * Place:   packet.c and what it calls. `_be` functions convert, the others keep the order in
 *          memory.
 * Threads: no state.
 */
#ifndef DATAPLANE_OCTETS_H
#define DATAPLANE_OCTETS_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "masks and checksums assume it");

/* A constant as it looks in memory in network order, for comparison with octets_load16. */
#define OCTETS_BE16(value) ((uint16_t)(((value) & 0xFFu) << 8 | ((value) >> 8 & 0xFFu)))

static inline uint16_t octets_load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint32_t octets_load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t octets_load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint16_t octets_load_be16(const uint8_t *at)
{
    return __builtin_bswap16(octets_load16(at));
}

static inline uint32_t octets_load_be32(const uint8_t *at)
{
    return __builtin_bswap32(octets_load32(at));
}

static inline void octets_store16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof(value));
}

static inline void octets_store_be16(uint8_t *at, uint16_t value)
{
    octets_store16(at, __builtin_bswap16(value));
}

static inline void octets_store_be32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof(value));
}

#endif
