/* SPDX-License-Identifier: MPL-2.0
 *
 * lane.h - single-producer, many-consumer ring of message records in shared memory.
 *
 * Place:   dataplane workers and housekeeping produce; control/reader.c consumes, each consumer
 *          with a cursor of its own in each lane, as in a disruptor. Bytes: docs/formats/lane.md.
 * Threads: reserve, commit, publish [producer]; peek, next, release [the consumer that owns the
 *          cursor].
 * Memory:  mapped by core/segment.c; the ring's capacity is fixed, a power of two bytes. Consumers
 *          map it read-only. The producer believes nothing that consumers write: cursors are
 *          range-checked.
 * Failure: lane_reserve() returns NULL when the slowest consumer has not freed enough and names
 *          that consumer; the caller counts it. Nothing blocks.
 */
#ifndef CORE_LANE_H
#define CORE_LANE_H

#include <stdatomic.h>

#include "core/record.h"

#define LANE_MAGIC UINT64_C(0x31454e414c4b4548) /* "HEKLANE1" in little-endian memory */

enum {
    LANE_BYTES_MIN = 1 << 16,
    LANE_BYTES_MAX = 1 << 30,
    LANE_HEADER_BYTES = 4096
};

struct lane_header { /* first page of the lane's file; the producer writes */
    uint64_t magic;
    uint32_t version;
    uint32_t index;          /* of the lane in the segment */
    uint64_t capacity_bytes; /* of the ring behind this page */
    uint32_t consumer_count;
    uint32_t reserved;
    _Alignas(64) _Atomic uint64_t head; /* bytes published since creation */
};
_Static_assert(sizeof(struct lane_header) <= LANE_HEADER_BYTES, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_header, head) == 64, "docs/formats/lane.md");

struct lane_cursor { /* in the cursors file; its consumer writes */
    _Alignas(64) _Atomic uint64_t tail; /* bytes that the consumer has released since creation */
};
_Static_assert(sizeof(struct lane_cursor) == 64, "docs/formats/lane.md");

struct lane_writer {
    struct lane_header *header;
    uint8_t *ring;
    uint64_t capacity;
    const struct lane_cursor *cursors; /* consumer_count of them */
    unsigned consumer_count;
    uint64_t holding[RECORD_MASK_WORDS]; /* consumers that hold the lane back */
    uint64_t head;            /* committed, perhaps not published */
    uint64_t min_tail;        /* no consumer that holds is behind this */
    uint64_t tails[RECORD_CONSUMERS_MAX];      /* last valid cursors */
    uint64_t seen[RECORD_CONSUMERS_MAX];       /* last cursors as read */
    uint64_t dismissed_at[RECORD_CONSUMERS_MAX]; /* holds until it is here; UINT64_MAX: stays */
    unsigned slowest;         /* consumer that min_tail belongs to */
    uint64_t bad_cursor_count;
};

/* `header` and `ring` are fresh zeroed memory; capacity a power of two within LANE_BYTES_*. All
 * consumers hold the lane back, from its beginning. */
void lane_writer_init(struct lane_writer *writer, struct lane_header *header,
                      const struct lane_cursor *cursors, unsigned consumer_count,
                      uint32_t index, uint64_t capacity);

/* From now on the consumer holds the lane back again, from the position returned: its cursor counts
 * from there, and is not believed while it is behind it. Publishes. */
uint64_t lane_admit(struct lane_writer *writer, unsigned consumer);

/* No record will be committed for this consumer any more: it holds the lane back only until it has
 * released what is there now. Publishes. */
void lane_dismiss(struct lane_writer *writer, unsigned consumer);

/* At creation: nobody holds the lane back until lane_admit(). */
void lane_dismiss_all(struct lane_writer *writer);

/* Room for a record with `message_size` bytes, at most a quarter of the ring. The record's
 * size_bytes is set. NULL when there is none: writer->slowest tells whose fault. A second call
 * without commit in between gives up the first reservation. */
struct record *lane_reserve(struct lane_writer *writer, uint32_t message_size);

/* Largest message_size that lane_reserve() can ever give. */
uint32_t lane_message_max(const struct lane_writer *writer);

/* Makes the reserved record part of the lane with its final message_size (record->message_size, not
 * above what was reserved). Consumers see it after lane_publish(). */
void lane_commit(struct lane_writer *writer, struct record *record);
void lane_publish(struct lane_writer *writer);

/* True when every consumer has released everything. */
bool lane_drained(struct lane_writer *writer);

struct lane_reader {
    const struct lane_header *header;
    const uint8_t *ring;
    uint64_t capacity;
    struct lane_cursor *cursor;
    unsigned consumer;
    uint64_t position; /* next byte to look at */
    uint64_t head;     /* what was published when last looked */
};

/* Starts at the cursor. 0, or -EPROTO when header or cursor make no sense. */
int lane_reader_init(struct lane_reader *reader, const struct lane_header *header,
                     struct lane_cursor *cursor, unsigned consumer);

/* The next record for this consumer, or NULL; moves the position behind it and behind all records
 * of others. It stays valid until lane_release(). *skipped is increased by the records of others.
 * Records whose size makes no sense end the lane with -EPROTO in *error (a bug or corruption). */
const struct record *lane_next(struct lane_reader *reader, uint64_t *skipped, int *error);

/* Gives everything before the position back to the producer. */
void lane_release(struct lane_reader *reader);

/* Records for this consumer between position and head, counted by a walk. */
uint64_t lane_count_ahead(const struct lane_reader *reader);

#endif
