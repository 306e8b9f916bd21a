/* SPDX-License-Identifier: MPL-2.0
 *
 * sketch_bytes.h - the numbers that serialised sketches are made of, little-endian.
 *
 * Place:   stats/ddsketch_bytes.c, stats/hyperloglog_bytes.c, stats/partial_bytes.c.
 * Threads: no state outside the caller's.
 * Failure: readers set `is_bad` and give 0 from then on, so a whole structure is read before asking
 *          once. Writers return the buffer's error.
 */
#ifndef STATS_SKETCH_BYTES_H
#define STATS_SKETCH_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/buffer.h"

struct sketch_reader {
    const uint8_t *at, *end;
    bool is_bad;
};

static inline struct sketch_reader sketch_reader_of(const uint8_t *bytes, size_t size,
                                                    size_t offset)
{
    bool is_good = bytes != NULL && offset <= size;
    return (struct sketch_reader){.at = is_good ? bytes + offset : NULL,
                                  .end = is_good ? bytes + size : NULL,
                                  .is_bad = !is_good};
}

static inline const uint8_t *sketch_take(struct sketch_reader *in, size_t size)
{
    if (in->is_bad || (size_t)(in->end - in->at) < size) {
        in->is_bad = true;
        return NULL;
    }
    in->at += size;
    return in->at - size;
}

static inline uint64_t sketch_take_fixed(struct sketch_reader *in, unsigned size)
{
    const uint8_t *bytes = sketch_take(in, size);
    uint64_t value = 0;
    for (unsigned i = 0; bytes != NULL && i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static inline double sketch_take_double(struct sketch_reader *in)
{
    uint64_t bits = sketch_take_fixed(in, 8);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Base 128, lowest group first; the shortest form only. */
static inline uint64_t sketch_take_varint(struct sketch_reader *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = sketch_take_fixed(in, 1);
        if (shift == 63 && byte > 1)
            break;
        value |= (byte & 0x7f) << shift;
        if (byte >= 0x80)
            continue;
        if (byte == 0 && shift > 0)
            break;
        return in->is_bad ? 0 : value;
    }
    in->is_bad = true;
    return 0;
}

static inline int sketch_put_fixed(struct buffer *out, uint64_t value, unsigned size)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    return buffer_append(out, bytes, size);
}

static inline int sketch_put_double(struct buffer *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return sketch_put_fixed(out, bits, 8);
}

static inline int sketch_put_varint(struct buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    unsigned size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    return buffer_append(out, bytes, size);
}

/* Signed numbers as unsigned ones: 0, -1, 1, -2, ... */
static inline uint64_t sketch_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t sketch_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (UINT64_C(0) - (value & 1)));
}

#endif
