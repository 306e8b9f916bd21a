/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_bounds.h - where the records of one consumer in a lane begin and end, said by the producer.
 *
 * Place:   lane.c sets them, lane_reader.c obeys; the memory is in core/segment.h.
 * Threads: open, close, set_floor [producer]; floor, end [the consumer].
 * Memory:  shared; read-only for the consumer.
 * Failure: a producer that dies at any instruction leaves a whole pair behind.
 *
 * A floor is a pair: a position, and how many of the consumer's records are before it. There is
 * room for two; the version says which one holds, the producer fills the other and then raises the
 * version.
 */
#ifndef CORE_LANE_BOUNDS_H
#define CORE_LANE_BOUNDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane_mark {
    _Atomic uint64_t position;
    _Atomic uint64_t count; /* of one consumer's records before it, since its admission */
};
_Static_assert(sizeof(struct lane_mark) == 16, "docs/formats/lane.md");
_Static_assert(offsetof(struct lane_mark, count) == 8, "docs/formats/lane.md");

struct lane_bounds {
    _Alignas(64) _Atomic uint64_t version;
    struct lane_mark floors[2]; /* [version & 1]: nothing before it is there any more */
    _Atomic uint64_t end;       /* 0: open; else nothing of its is behind position (end & ~1) */
};
_Static_assert(sizeof(struct lane_bounds) == 64, "docs/formats/segment.md");
_Static_assert(offsetof(struct lane_bounds, floors) == 8, "docs/formats/segment.md");
_Static_assert(offsetof(struct lane_bounds, end) == 40, "docs/formats/segment.md");

struct lane_floor {
    uint64_t position, count;
};

/* A consumer is admitted: its records begin at `position`, and none is before it. */
void lane_bounds_open(struct lane_bounds *bounds, uint64_t position);

/* It is dismissed: none is at `position` or behind it. */
void lane_bounds_close(struct lane_bounds *bounds, uint64_t position);

void lane_bounds_set_floor(struct lane_bounds *bounds, uint64_t position, uint64_t count);
struct lane_floor lane_bounds_floor(const struct lane_bounds *bounds);

/* UINT64_MAX: open. A head that was loaded before is not behind an end that is not seen yet. */
uint64_t lane_bounds_end(const struct lane_bounds *bounds);

/* ThreadSanitizer knows no fences. What they order is what lane_reader.c reads unseen by it, and
 * x86, where it runs, keeps both orders by itself. */
#if defined(__SANITIZE_THREAD__)
#define lane_fence(order) __asm__ volatile("" ::: "memory")
#else
#define lane_fence(order) atomic_thread_fence(order)
#endif

#endif
