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
#include "core/lane_file.h"
#include "core/talkers.h"

#define SEGMENT_MAGIC UINT64_C(0x31474553414b4548) /* "HEKASEG1" in little-endian memory */

enum {
    SEGMENT_VERSION = 3,
    SEGMENT_LANES_MAX = 65,  /* one for each worker and one for housekeeping */
    SEGMENT_NAME_SIZE = 64
};

/* Of lanes. As wanted: AUTO means huge ones when there are any; as found: never AUTO. */
enum segment_pages { SEGMENT_PAGES_NORMAL, SEGMENT_PAGES_AUTO, SEGMENT_PAGES_HUGE };

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
    _Atomic uint32_t bell;               /* rung when a lane has moved; core/bell.h */
    uint32_t lane_pages;                 /* enum segment_pages */
    _Alignas(64) _Atomic uint64_t heartbeat_ns[SEGMENT_LANES_MAX]; /* CLOCK_MONOTONIC, by block */
    _Atomic uint64_t accum_bytes;        /* memory of accumulators and shards, stated */
    _Atomic uint64_t series;             /* series known after the last flush */
    uint64_t lane_map_bytes;                 /* of each lane's file */
    char lane_prefix[LANE_FILE_HUGE_PREFIX_SIZE]; /* its path; empty: RUN_DIR/lane. */
};
#define SEGMENT_AT(member, offset)                                                                 \
    _Static_assert(offsetof(struct segment_header, member) == (offset), "docs/formats/segment.md")
SEGMENT_AT(magic, 0);
SEGMENT_AT(version, 8);
SEGMENT_AT(counter_count, 12);
SEGMENT_AT(lane_count, 16);
SEGMENT_AT(consumer_count, 20);
SEGMENT_AT(lane_bytes, 24);
SEGMENT_AT(pid, 32);
SEGMENT_AT(generation, 36);
SEGMENT_AT(started_wall_ns, 40);
SEGMENT_AT(state, 48);
SEGMENT_AT(bell, 52);
SEGMENT_AT(lane_pages, 56);
SEGMENT_AT(heartbeat_ns, 64);
SEGMENT_AT(accum_bytes, 584);
SEGMENT_AT(series, 592);
SEGMENT_AT(lane_map_bytes, 600);
SEGMENT_AT(lane_prefix, 608);
_Static_assert(sizeof(struct segment_header) == 832, "docs/formats/segment.md");
#undef SEGMENT_AT

struct segment_consumer { /* of one lane; the lane's producer writes */
    _Alignas(64) _Atomic uint64_t matched; /* records committed with its bit since admission */
    _Atomic uint64_t lane_full; /* messages dropped because this consumer was the slowest */
    _Atomic uint64_t admitted;  /* generation that admitted it; 0: none yet */
    _Atomic uint32_t policy;    /* enum lane_policy; holds until the next admission */
    struct lane_bounds bounds;
};
_Static_assert(sizeof(struct segment_consumer) == 128, "docs/formats/segment.md");
_Static_assert(offsetof(struct segment_consumer, lane_full) == 8, "docs/formats/segment.md");
_Static_assert(offsetof(struct segment_consumer, admitted) == 16, "docs/formats/segment.md");
_Static_assert(offsetof(struct segment_consumer, policy) == 24, "docs/formats/segment.md");
_Static_assert(offsetof(struct segment_consumer, bounds) == 64, "docs/formats/segment.md");

struct segment_listener { /* behind the cursors; hekad writes */
    _Alignas(64) _Atomic uint32_t waiters; /* 1 while hekad waits for the bell */
};
_Static_assert(sizeof(struct segment_listener) == 64, "docs/formats/segment.md");

struct segment {
    struct segment_header *header; /* read-only for hekad, as all but `cursors` */
    struct counters_shared *blocks;      /* lane_count of them: one for each producer */
    struct segment_consumer *consumers;  /* [lane * consumer_count + consumer] */
    struct talkers_shared *talkers;      /* behind the consumers */
    struct lane_cursor *cursors;         /* [lane * consumer_count + consumer] */
    struct segment_listener *listener;   /* in the file of the cursors */
    struct lane_header *lanes[SEGMENT_LANES_MAX];
    size_t segment_bytes, cursors_bytes, lane_map_bytes;
    uint64_t heads_rung; /* [segment_ring] sum of the heads at the last ring */
    int lock_fd; /* the data plane holds a lock on `segment` while it lives */
};

struct segment_config {
    const char *dir; /* exists; files of an earlier data plane in it are replaced */
    unsigned lane_count, consumer_count;
    uint64_t lane_bytes; /* power of two */
    enum segment_pages lane_pages;
    uint32_t generation;
    gid_t group; /* that may read lanes and write cursors; (gid_t)-1: leave */
};

/* [data plane] Refuses when a living data plane holds the directory. Removes the lanes that an
 * earlier one left in a hugetlbfs. */
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
 * cursor, or at its floor when it has not read yet. reader->policy is what the producer admitted it
 * with. -EAGAIN: the producer has not adopted a generation with this consumer yet, or not
 * `admitted_at_least`, which tells a new consumer from the slot's former one; 0: any. */
int segment_reader_init(const struct segment *segment, unsigned lane, unsigned consumer,
                        uint64_t admitted_at_least, struct lane_reader *reader);

/* [the producers' side, one thread] Rings hekad's bell when a lane has been published to since the
 * last call. Returns whether it has. A system call only when hekad waits. */
bool segment_ring(struct segment *segment);

/* [hekad, one thread] Waits until the bell's number is no longer `seen`, at most timeout_ns.
 * Returns the number. */
uint32_t segment_wait(const struct segment *segment, uint32_t seen, uint64_t timeout_ns);
/* [hekad] Makes segment_wait() return early. */
void segment_wake(const struct segment *segment);

/* Sums all blocks. False when one could not be read whole. */
bool segment_counters(const struct segment *segment, struct counters *sum);

#endif
