/* SPDX-License-Identifier: MPL-2.0
 *
 * segment.h - the shared memory between data plane and control plane: state, counters, lanes,
 *             cursors.
 *
 * Place:   files in a run directory: `segment` and `lane.N`, which the data plane writes and hekad
 *          maps read-only, and `cursors`, which hekad writes and the data plane maps read-only.
 *          Bytes: docs/formats/segment.md.
 * Threads: create, attach, detach [main]; the parts have the threads of lane.h and counters.h.
 * Memory:  mapped shared files; sizes are fixed at creation.
 * Failure: attach refuses another magic, version or layout.
 */
#ifndef CORE_SEGMENT_H
#define CORE_SEGMENT_H

#include <sys/types.h>

#include "core/counters.h"
#include "core/err.h"
#include "core/lane.h"

#define SEGMENT_MAGIC UINT64_C(0x31474553414b4548) /* "HEKASEG1" in little-endian memory */

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_LANES_MAX = 65,  /* one for each worker and one for housekeeping */
    SEGMENT_NAME_SIZE = 64
};

enum segment_state { SEGMENT_STARTING, SEGMENT_RUNNING, SEGMENT_STOPPING, SEGMENT_STOPPED };

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t counter_count; /* COUNTER_COUNT of the writer: part of the layout check */
    uint32_t lane_count;    /* lane i < lane_count - 1: worker i; the last one: housekeeping */
    uint32_t consumer_count;
    uint64_t lane_bytes;
    uint32_t pid; /* of the data plane */
    _Atomic uint32_t generation; /* that every producer has adopted */
    uint64_t started_wall_ns;
    _Atomic uint32_t state;              /* enum segment_state */
    _Alignas(64) _Atomic uint64_t heartbeat_ns[SEGMENT_LANES_MAX]; /* CLOCK_MONOTONIC, by block */
    _Atomic uint64_t accum_bytes;        /* memory of accumulators and shards, stated */
    _Atomic uint64_t series;             /* series known after the last flush */
};

struct segment_consumer { /* of one lane; the lane's producer writes */
    _Atomic uint64_t matched;   /* records committed with this consumer's bit */
    _Atomic uint64_t lane_full; /* messages dropped because this consumer was the slowest */
    _Atomic uint64_t start;     /* position at which the lane's records begin to concern it */
    _Atomic uint64_t admitted;  /* generation that said so; 0: none yet */
};
_Static_assert(sizeof(struct segment_consumer) == 32, "docs/formats/segment.md");
_Static_assert(offsetof(struct segment_consumer, start) == 16, "docs/formats/segment.md");

struct segment {
    struct segment_header *header; /* read-only for hekad, as all but `cursors` */
    struct counters_shared *blocks;      /* lane_count of them: one for each producer */
    struct segment_consumer *consumers;  /* [lane * consumer_count + consumer] */
    struct lane_cursor *cursors;         /* [lane * consumer_count + consumer] */
    struct lane_header *lanes[SEGMENT_LANES_MAX];
    size_t segment_bytes, cursors_bytes, lane_map_bytes;
    int lock_fd; /* the data plane holds a lock on `segment` while it lives */
};

struct segment_config {
    const char *dir; /* exists; files of an earlier data plane in it are replaced */
    unsigned lane_count, consumer_count;
    uint64_t lane_bytes; /* power of two */
    uint32_t generation;
    gid_t group; /* that may read lanes and write cursors; (gid_t)-1: leave */
};

/* [data plane] Refuses when a living data plane holds the directory. */
int segment_create(const struct segment_config *config, struct segment *segment, struct err *err);

/* [hekad] Waits for nothing: -EAGAIN when there is no segment yet or it is still being made. */
int segment_attach(const char *dir, struct segment *segment, struct err *err);

/* Unmaps; zeroed segments are fine. */
void segment_detach(struct segment *segment);

static inline struct lane_cursor *segment_cursor(const struct segment *segment, unsigned lane,
                                                 unsigned consumer)
{
    return &segment->cursors[lane * segment->header->consumer_count + consumer];
}

static inline struct segment_consumer *segment_consumer(const struct segment *segment,
                                                        unsigned lane, unsigned consumer)
{
    return &segment->consumers[lane * segment->header->consumer_count + consumer];
}

/* [a consumer] Opens lane `lane` for a consumer that `generation` (or an earlier one) has: at its
 * cursor, or at its start when it has not read yet. -EAGAIN: the producer has not adopted a
 * generation with this consumer yet, or not `admitted_at_least`, which tells a new consumer from
 * the slot's former one; 0: any. */
int segment_reader_init(const struct segment *segment, unsigned lane, unsigned consumer,
                        uint64_t admitted_at_least, struct lane_reader *reader);

/* Sums all blocks. False when one could not be read whole. */
bool segment_counters(const struct segment *segment, struct counters *sum);

#endif
