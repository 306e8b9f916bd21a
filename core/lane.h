/* SPDX-License-Identifier: MPL-2.0
 *
 * lane.h - single-producer, many-consumer ring of message records in shared memory.
 *
 * Place:   dataplane workers, housekeeping and hekad's producers write; control/lanes/reader.c
 *          reads, each consumer with a cursor of its own in each lane, as in a disruptor. Bytes:
 *          docs/formats/lane.md.
 * Threads: reserve, commit, publish, admit, dismiss [producer]; next, take, release [the consumer
 *          that owns the cursor].
 * Memory:  mapped by core/segment.c; the ring's capacity is fixed, a power of two bytes. Consumers
 *          map it read-only. The producer believes nothing that consumers write: cursors are
 *          range-checked, and what moves a floor is the producer's own memory only.
 * Failure: lane_reserve() returns NULL when the slowest consumer with LANE_BLOCK has not freed
 *          enough and names that consumer; the caller counts it. Nothing blocks. A consumer with
 *          LANE_DROP is overrun, and knows exactly how many records it did not get.
 */
#ifndef CORE_LANE_H
#define CORE_LANE_H

#include <stdatomic.h>

#include "core/lane_bounds.h"
#include "core/record.h"

#define LANE_MAGIC UINT64_C(0x31454e414c4b4548) /* "HEKLANE1" in little-endian memory */

enum {
    LANE_VERSION = 2,
    LANE_BYTES_MIN = 1 << 16,
    LANE_BYTES_MAX = 1 << 30,
    LANE_HEADER_BYTES = 4096,
    LANE_PLACES = 32 /* remembered for droppers, a sixteenth of the ring apart */
};

enum lane_policy {
    LANE_BLOCK, /* the lane waits for this consumer: nothing is lost */
    LANE_DROP   /* it does not: the oldest records of this consumer are overwritten */
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
_Static_assert(offsetof(struct lane_header, magic) == 0, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_header, version) == 8, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_header, index) == 12, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_header, capacity_bytes) == 16, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_header, consumer_count) == 24, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_header, head) == 64, "docs/formats/lane.md");
_Static_assert(sizeof(struct lane_header) <= LANE_HEADER_BYTES, "docs/formats/lane.md");

struct lane_cursor {                    /* in the cursors file; its consumer writes */
    _Alignas(64) _Atomic uint64_t tail; /* bytes that the consumer has released since creation */
    _Atomic uint64_t admitted;          /* of the admission that all this is about */
    struct lane_mark marks[2];          /* the one whose position is `tail` says how many */
};
_Static_assert(sizeof(struct lane_cursor) == 64, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_cursor, tail) == 0, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_cursor, admitted) == 8, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_cursor, marks) == 16, "docs/formats/lane.md");

/* ---- producer ---- */

struct lane_place { /* a boundary between records that the producer remembers */
    uint64_t position;
    uint64_t counts[RECORD_CONSUMERS_MAX]; /* of droppers: as in struct lane_mark */
};

struct lane_writer {
    struct lane_header *header;
    uint8_t *ring;
    uint64_t capacity;
    const struct lane_cursor *cursors; /* consumer_count of them */
    unsigned consumer_count;
    uint64_t holding[RECORD_MASK_WORDS];         /* consumers that hold the lane back */
    uint64_t head;                               /* committed, perhaps not published */
    uint64_t min_tail;                           /* no consumer that holds is behind this */
    uint64_t tails[RECORD_CONSUMERS_MAX];        /* last valid cursors, or floors */
    uint64_t seen[RECORD_CONSUMERS_MAX];         /* last cursors as read */
    uint64_t dismissed_at[RECORD_CONSUMERS_MAX]; /* holds until it is here; UINT64_MAX: stays */
    unsigned slowest;                            /* consumer that min_tail belongs to */
    uint64_t bad_cursor_count;
    struct lane_bounds *bounds[RECORD_CONSUMERS_MAX]; /* as admitted; may be NULL */
    uint64_t dropping[RECORD_MASK_WORDS];             /* those that hold with LANE_DROP */
    bool has_droppers;
    uint64_t counts[RECORD_CONSUMERS_MAX]; /* droppers: records committed since admission */
    struct lane_place *places;             /* LANE_PLACES of them; the caller's */
    uint64_t place_count;                  /* so far; the newest is [(place_count - 1) % ...] */
};

/* `header` and `ring` are fresh zeroed memory; capacity a power of two within LANE_BYTES_*. All
 * consumers hold the lane back, from its beginning. */
void lane_writer_init(struct lane_writer *writer, struct lane_header *header,
                      const struct lane_cursor *cursors, unsigned consumer_count, uint32_t index,
                      uint64_t capacity);

/* LANE_PLACES zeroed places, which must be there before a consumer is admitted with LANE_DROP. */
void lane_set_places(struct lane_writer *writer, struct lane_place *places);

/* From now on the consumer holds the lane back again, or is overrun, by `policy`, from the position
 * returned: its cursor counts from there, and is not believed while it is behind it. `bounds` tells
 * it so; NULL is possible with LANE_BLOCK. Publishes. */
uint64_t lane_admit(struct lane_writer *writer, unsigned consumer, enum lane_policy policy,
                    struct lane_bounds *bounds);

/* No record will be committed for this consumer any more: it holds the lane back only until it has
 * released what is there now. Publishes. */
void lane_dismiss(struct lane_writer *writer, unsigned consumer);

/* At creation: nobody holds the lane back until lane_admit(). */
void lane_dismiss_all(struct lane_writer *writer);

/* Room for a record with `message_size` bytes, at most a quarter of the ring. The record's
 * size_bytes is set. NULL when there is none: writer->slowest, with LANE_BLOCK, is whose fault it
 * is. A second call without commit in between gives up the first reservation. */
struct record *lane_reserve(struct lane_writer *writer, uint32_t message_size);

/* Largest message_size that lane_reserve() can ever give. */
uint32_t lane_message_max(const struct lane_writer *writer);

/* Makes the reserved record part of the lane with its final message_size (record->message_size, not
 * above what was reserved). Consumers see it after lane_publish(). */
void lane_commit(struct lane_writer *writer, struct record *record);
void lane_publish(struct lane_writer *writer);

/* True when every consumer has released everything. */
bool lane_drained(struct lane_writer *writer);

/* ---- consumer ---- */

struct lane_admission { /* what the producer says about a consumer; core/segment.h has it */
    const struct lane_bounds *bounds;
    uint64_t generation; /* not 0; tells this consumer from former ones of the same cursor */
    enum lane_policy policy;
};

struct lane_reader {
    const struct lane_header *header;
    const uint8_t *ring;
    uint64_t capacity;
    struct lane_cursor *cursor;
    const struct lane_bounds *bounds; /* NULL: the whole lane */
    enum lane_policy policy;
    unsigned consumer;
    uint64_t position; /* next byte to look at */
    uint64_t head;     /* what was published when last looked */
    uint64_t limit;    /* looks no further; UINT64_MAX: everywhere. The caller may set it */
    uint64_t base;     /* of its records, since admission: released by earlier readers */
    uint64_t count;    /* before `position` */
    uint64_t dropped;  /* by this reader: overwritten before they were read */
    uint64_t released; /* position */
    unsigned mark;     /* of the cursor: the one that holds */
    uint64_t peeked[sizeof(struct record) / 8]; /* LANE_DROP: copy of the header at `position` */
};

/* Starts at the cursor, as a consumer that the lane waits for. 0, or -EPROTO when header or cursor
 * make no sense. */
int lane_reader_init(struct lane_reader *reader, const struct lane_header *header,
                     struct lane_cursor *cursor, unsigned consumer);

/* The same for one that was admitted: at its cursor, or at its floor when it has not read yet or
 * was overrun. */
int lane_reader_init_admitted(struct lane_reader *reader, const struct lane_header *header,
                              struct lane_cursor *cursor, unsigned consumer,
                              const struct lane_admission *admission);

/* LANE_BLOCK: the next record for this consumer, or NULL; moves the position behind it and behind
 * all records of others. It stays valid until lane_release(). *skipped is increased by the records
 * of others. Records whose size makes no sense end the lane with -EPROTO in *error (a bug or
 * corruption). */
const struct record *lane_next(struct lane_reader *reader, uint64_t *skipped, int *error);

/* The same with any policy, as a copy of at most `size` bytes that is whole and stays. Returns the
 * size of the record, 0 when there is none; when it is more than `size` nothing was copied, and the
 * position is before it. The copy is aligned as `copy` is. */
uint32_t lane_take(struct lane_reader *reader, void *copy, size_t size, uint64_t *skipped,
                   int *error);

/* LANE_BLOCK: passes over records of others, up to the next that this consumer wants, and gives
 * them back. Nothing that was taken may be unreleased. */
void lane_skip(struct lane_reader *reader);

/* Gives everything before the position back to the producer, or what is before `position`, which is
 * behind `count` of this consumer's records. */
void lane_release(struct lane_reader *reader);
void lane_release_to(struct lane_reader *reader, uint64_t position, uint64_t count);

/* What lies between position and head, counted by a walk. Both are what *dropped and *ahead would
 * become if nothing more came: records that are there, and records that are overrun already. */
void lane_look_ahead(const struct lane_reader *reader, uint64_t *ahead, uint64_t *dropped);
uint64_t lane_count_ahead(const struct lane_reader *reader); /* the first of the two */

/* True when the producer said that there is nothing behind the position for this consumer. */
bool lane_is_at_end(const struct lane_reader *reader);

#endif
