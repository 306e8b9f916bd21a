/* SPDX-License-Identifier: MPL-2.0 */
#include "core/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "doubles are read in place");

struct wire_varint wire_varint_long(const uint8_t *at, const uint8_t *end, unsigned size_max)
{
    size_t left = (size_t)(end - at);
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
