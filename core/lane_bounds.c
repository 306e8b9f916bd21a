/* SPDX-License-Identifier: MPL-2.0 */
#include "core/lane_bounds.h"

enum { IS_CLOSED = 1 }; /* positions are multiples of 8 */

void lane_bounds_set_floor(struct lane_bounds *bounds, uint64_t position, uint64_t count)
{
    uint64_t next = atomic_load_explicit(&bounds->version, memory_order_relaxed) + 1;
    struct lane_mark *mark = &bounds->floors[next & 1];
    /* B1 pairs with B2: whoever sees this slot being written sees that it no longer holds. */
    atomic_store_explicit(&mark->position, position, memory_order_release);
    atomic_store_explicit(&mark->count, count, memory_order_release);
    /* C1 pairs with C2: the pair is whole. */
    atomic_store_explicit(&bounds->version, next, memory_order_release);
}

/* Goes round again only when the producer has moved the floor meanwhile, which it does once in a
 * sixteenth of the ring. */
struct lane_floor lane_bounds_floor(const struct lane_bounds *bounds)
{
    struct lane_floor floor;
    uint64_t version, again = atomic_load_explicit(&bounds->version, memory_order_acquire); /* C2 */
    do {
        version = again;
        const struct lane_mark *mark = &bounds->floors[version & 1];
        floor.position = atomic_load_explicit(&mark->position, memory_order_acquire); /* B2 */
        floor.count = atomic_load_explicit(&mark->count, memory_order_acquire);
        again = atomic_load_explicit(&bounds->version, memory_order_acquire);
    } while (again != version);
    return floor;
}

void lane_bounds_open(struct lane_bounds *bounds, uint64_t position)
{
    lane_bounds_set_floor(bounds, position, 0);
    atomic_store_explicit(&bounds->end, 0, memory_order_release);
}

void lane_bounds_close(struct lane_bounds *bounds, uint64_t position)
{
    /* Before the next lane_publish(), which is a release: see look() in lane_reader.c. */
    atomic_store_explicit(&bounds->end, position | IS_CLOSED, memory_order_release);
}

uint64_t lane_bounds_end(const struct lane_bounds *bounds)
{
    uint64_t end = atomic_load_explicit(&bounds->end, memory_order_relaxed);
    return end == 0 ? UINT64_MAX : end & ~(uint64_t)IS_CLOSED;
}
