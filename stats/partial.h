/* SPDX-License-Identifier: MPL-2.0
 *
 * partial.h - what one series' samples of an interval add up to, in a form that can be merged with
 *             that of other hosts and sent: counts, sums, sketches.
 *
 * Place:   made by accum_partials(), taken by accum_merge_partial(). Bytes: docs/formats/sketch.md.
 * Threads: one owner.
 * Memory:  that of its sketch or set.
 * Failure: -ENOMEM; -EINVAL when two partials differ in type or in their sketches' parameters.
 *
 * Merging is exact: in any order the same result, bit by bit.
 */
#ifndef STATS_PARTIAL_H
#define STATS_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "stats/ddsketch.h"
#include "stats/exact_sum.h"
#include "stats/hyperloglog.h"
#include "stats/statsd.h"

struct partial {
    uint8_t type;                /* enum statsd_type; real counters are counters */
    uint16_t name_len, tags_len; /* the tags are the end of the name */
    const char *name;            /* borrowed */
    int64_t count;               /* counter, meter: held at the ends of 64 bits */
    /* Counter: of what is not whole. Gauge: of what was added. Timer, histogram, distribution: of
     * what its values stand for, by their sample rates. */
    struct exact_sum sum;
    bool is_set;       /* gauge: there is a value */
    double gauge;      /* the last one */
    uint64_t gauge_ns; /* when; larger wins, at the same time the larger value */
    struct ddsketch_config sketch_config;
    struct ddsketch sketch; /* timer, histogram, distribution */
    struct hyperloglog set; /* set */
};

/* An empty one. `type` below STATSD_TYPE_COUNT, name_len from 1 to STATSD_NAME_MAX. The name must
 * stay, and the partial must not move. Its sketch or set gets the parameters of the first that is
 * merged; without any it cannot be written. */
void partial_init(struct partial *partial, uint8_t type, const char *name, uint16_t name_len,
                  uint16_t tags_len);
void partial_fini(struct partial *partial); /* zeroed state is fine */

/* Adds `other`, whose name does not matter. */
int partial_merge(struct partial *partial, const struct partial *other);

/* Appends it. 0, -ENOMEM or -ENOSPC; the buffer is as it was then. Equal partials give equal
 * bytes. */
int partial_write(const struct partial *partial, struct buffer *out);

/* Reads one from bytes[*offset..size) and moves *offset behind it; the name is a view of the bytes.
 * `partial` must not move while it is in use. -EBADMSG for what partial_write() does not write;
 * -ENOMEM. */
int partial_read(const uint8_t *bytes, size_t size, size_t *offset, struct partial *partial);

#endif
