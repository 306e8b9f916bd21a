/* SPDX-License-Identifier: MPL-2.0
 *
 * hyperloglog.h - how many different members a set has: exact up to a limit, then estimated.
 *
 * Place:   stats/accum_set.c. Bytes: docs/formats/sketch.md.
 * Threads: one owner.
 * Memory:  allocates; up to 4 * exact_max hashes of 8 bytes while exact, then 2^precision bytes.
 * Failure: -ENOMEM changes nothing. Sketches of other parameters are not merged: -EINVAL.
 * Source:  Flajolet, Fusy, Gandouet, Meunier: "HyperLogLog" (2007); the estimate, which needs no
 *          correction of its ends: Ertl, "New cardinality estimation algorithms for HyperLogLog
 *          sketches" (2017), section 4.
 *
 * Members are 64-bit hashes, all bits of them good (statsd_member_hash()): "exact" is up to two
 * members having one hash, 1 in 10^11 for 16,384 of them. The estimate's standard error is
 * 1.04 / sqrt(2^precision): 0.81 % at 14. Merging is exact: in any order the same result.
 */
#ifndef STATS_HYPERLOGLOG_H
#define STATS_HYPERLOGLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"

enum {
    HYPERLOGLOG_PRECISION_MIN = 4,
    HYPERLOGLOG_PRECISION_MAX = 18,
    HYPERLOGLOG_PRECISION_DEFAULT = 14,
    HYPERLOGLOG_EXACT_MAX = 1 << 20
};

struct hyperloglog_config {
    unsigned precision; /* HYPERLOGLOG_PRECISION_MIN to _MAX */
    uint32_t exact_max; /* members that are kept as they are, 0 to HYPERLOGLOG_EXACT_MAX */
};

struct hyperloglog {
    struct hyperloglog_config config;
    uint32_t count;      /* while exact: hashes */
    uint32_t slot_count; /* a power of two, or 0 */
    bool has_zero;       /* while exact: the hash 0 is there; it is in no slot */
    uint64_t *slots;     /* while exact: at most half of them are not 0 */
    uint8_t *registers;  /* NULL while exact */
};

/* -EINVAL for a configuration out of range. */
int hyperloglog_init(struct hyperloglog *set, const struct hyperloglog_config *config);
void hyperloglog_fini(struct hyperloglog *set); /* zeroed state is fine; empties it */
size_t hyperloglog_bytes(const struct hyperloglog *set);

int hyperloglog_add(struct hyperloglog *set, uint64_t hash);
int hyperloglog_merge(struct hyperloglog *set, const struct hyperloglog *other);

bool hyperloglog_is_exact(const struct hyperloglog *set);
/* Members: their number while it is exact, else the estimate rounded. */
uint64_t hyperloglog_count(const struct hyperloglog *set);

/* ---- bytes (hyperloglog_bytes.c) ---- */

/* Appends the set. 0, -ENOMEM, or the buffer's -ENOSPC; the buffer is as it was then. Equal sets
 * give equal bytes. */
int hyperloglog_write(const struct hyperloglog *set, struct buffer *out);

/* Reads one set from bytes[*offset..size) and moves *offset behind it. -EBADMSG for what
 * hyperloglog_write() does not write; -ENOMEM. */
int hyperloglog_read(const uint8_t *bytes, size_t size, size_t *offset, struct hyperloglog *set);

#endif
