/* SPDX-License-Identifier: MPL-2.0
 *
 * record.h - one record of a lane: fixed header, match mask, message bytes.
 *
 * Place:   written by the lane's producer, read by every consumer. Bytes: docs/formats/lane.md.
 */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_CONSUMERS_MAX = 256,
    RECORD_MASK_WORDS = RECORD_CONSUMERS_MAX / 64,
    RECORD_ALIGN = 8
};

enum record_type {
    RECORD_MESSAGE = 1,
    RECORD_PAD = 2 /* filler up to the end of the ring; only size_bytes counts */
};

struct record {
    uint32_t size_bytes; /* whole record with header and padding, a multiple of RECORD_ALIGN */
    uint16_t type;       /* enum record_type */
    uint16_t hops;       /* 0 from an input, + 1 for each filter that injected */
    uint32_t generation; /* the plan that matched it */
    uint32_t message_size;
    uint64_t ingest_ns;               /* wall clock when the packet was taken */
    uint32_t origin;                  /* index of the listener or plugin in the plan */
    uint32_t signer;                  /* 0 = none, else index + 1 of the plan's signers */
    uint64_t mask[RECORD_MASK_WORDS]; /* bit c: consumer c of the plan wants it */
    uint8_t message[];
};
_Static_assert(sizeof(struct record) == 64, "docs/formats/lane.md");
#define RECORD_AT(member, offset)                                                                  \
    _Static_assert(offsetof(struct record, member) == (offset), "docs/formats/lane.md")
RECORD_AT(size_bytes, 0);
RECORD_AT(type, 4);
RECORD_AT(hops, 6);
RECORD_AT(generation, 8);
RECORD_AT(message_size, 12);
RECORD_AT(ingest_ns, 16);
RECORD_AT(origin, 24);
RECORD_AT(signer, 28);
RECORD_AT(mask, 32);
RECORD_AT(message, 64);
#undef RECORD_AT

static inline uint32_t record_size_for(uint32_t message_size)
{
    uint32_t size = (uint32_t)sizeof(struct record) + message_size;
    return (size + RECORD_ALIGN - 1) & ~(uint32_t)(RECORD_ALIGN - 1);
}

static inline bool record_wanted_by(const struct record *record, unsigned consumer)
{
    return (record->mask[consumer / 64] >> (consumer % 64)) & 1;
}

#endif
