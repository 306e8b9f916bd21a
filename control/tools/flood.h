/* SPDX-License-Identifier: MPL-2.0
 *
 * flood.h - the messages of heka-flood: good, signed, damaged and oversized frames, by a seed.
 *
 * Place:   flood_main.c sends them.
 * Threads: one owner.
 * Memory:  two buffers of the largest frame.
 * Failure: what is damaged is so in a way that a receiver sees for certain, and exactly there: no
 *          damaged or oversized frame has a record separator in it that could begin another one.
 * Source:  Heka 0.11 heka-flood, which changes one random byte: perhaps to what it was, perhaps of
 *          a payload that nobody can know to be wrong.
 */
#ifndef CONTROL_TOOLS_FLOOD_H
#define CONTROL_TOOLS_FLOOD_H

#include "control/tools/flood_config.h"
#include "core/message.h"

enum flood_kind {
    FLOOD_GOOD,
    FLOOD_SIGNED,
    FLOOD_SIGNED_CORRUPT,  /* the HMAC is not that of the message */
    FLOOD_CORRUPT_START,   /* no record separator: garbage */
    FLOOD_CORRUPT_HEADER,  /* no unit separator: a bad header, then garbage */
    FLOOD_CORRUPT_MESSAGE, /* framed well, and no protobuf message */
    FLOOD_OVERSIZED,       /* larger than max_message_size, then garbage */
    FLOOD_KINDS
};

const char *flood_kind_name(enum flood_kind kind); /* "good", ... */

struct flood_source { /* what the seed does not decide */
    const char *hostname;
    int32_t pid;
};

struct flood_share { /* how often something is due, in millionths of a percent */
    uint64_t step, credit;
};

struct flood {
    const struct flood_config *config;
    struct flood_source source;
    uint64_t random;
    struct flood_share is_signed, is_oversized, is_corrupt, is_signed_corrupt;
    unsigned corrupt_kind; /* of FLOOD_CORRUPT_*, in turn */
    uint8_t *message, *frame;
    size_t capacity; /* of each */
};

/* 0, or -1 after adding to err: no memory, or messages of that size are too large. */
int flood_init(struct flood *flood, const struct flood_config *config,
               const struct flood_source *source, struct err *err);
void flood_fini(struct flood *flood); /* zeroed is fine */

/* Makes the next frame: flood->frame, *size bytes, until the next call. -1: it cannot be made. */
int flood_next(struct flood *flood, uint64_t now_ns, size_t *size, enum flood_kind *kind);

#endif
