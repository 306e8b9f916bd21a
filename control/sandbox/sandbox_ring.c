/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_ring.h"

#include <errno.h>
#include <string.h>

#include "core/check.h"

enum { CACHE_LINE = 64, PREFETCH_BYTES = 1024, PREFETCH_SIZE_MAX = 1024 };

int sandbox_ring_open(struct sandbox_ring *ring, struct sandbox_positions *positions,
                      uint8_t *bytes, uint64_t capacity)
{
    uint64_t head = atomic_load_explicit(&positions->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&positions->tail, memory_order_acquire);
    if (capacity == 0 || (capacity & (capacity - 1)) != 0 || tail > head ||
        head - tail > capacity || (head | tail) % SANDBOX_RING_ALIGN != 0)
        return -EPROTO;
    *ring = (struct sandbox_ring){
        .positions = positions,
        .bytes = bytes,
        .capacity = capacity,
        .head = head,
        .tail = tail,
        .published = head,
        .floor = UINT64_MAX,
    };
    return 0;
}

/* ---- writer ---- */

int sandbox_ring_look(struct sandbox_ring *ring)
{
    /* A1 pairs with R1 in sandbox_ring_give_back: the reader has done with what is before it. */
    uint64_t tail = atomic_load_explicit(&ring->positions->tail, memory_order_acquire);
    if (tail < ring->tail || tail > ring->published || tail % SANDBOX_RING_ALIGN != 0)
        return -EPROTO;
    ring->tail = tail;
    return 0;
}

void sandbox_ring_rewind(struct sandbox_ring *ring, uint64_t position)
{
    ring->tail = position;
    atomic_store_explicit(&ring->positions->tail, position, memory_order_release);
}

static uint64_t to_end(const struct sandbox_ring *ring, uint64_t position)
{
    return ring->capacity - (position & (ring->capacity - 1));
}

static uint8_t *at(const struct sandbox_ring *ring, uint64_t position)
{
    return ring->bytes + (position & (ring->capacity - 1));
}

static bool has_room(const struct sandbox_ring *ring, uint64_t bytes)
{
    uint64_t tail = ring->floor < ring->tail ? ring->floor : ring->tail;
    return ring->capacity - (ring->head - tail) >= bytes;
}

bool sandbox_ring_has_room(struct sandbox_ring *ring, uint64_t bytes, uint64_t largest)
{
    /* At most one filler, shorter than the frame that did not fit. */
    if (has_room(ring, bytes + largest))
        return true;
    return sandbox_ring_look(ring) == 0 && has_room(ring, bytes + largest);
}

static void fill_to_end(struct sandbox_ring *ring, uint64_t size)
{
    const uint32_t filler[2] = {(uint32_t)size, SANDBOX_FRAME_FILL};
    memcpy(at(ring, ring->head), filler, sizeof(filler));
    ring->head += size;
}

int sandbox_ring_add(struct sandbox_ring *ring, const struct sandbox_frame *frame, const void *body,
                     size_t body_size)
{
    struct sandbox_frame own = *frame;
    uint64_t size = sandbox_ring_frame_size(body_size), end = to_end(ring, ring->head);
    uint64_t filler = size > end ? end : 0;
    if (size > ring->capacity / 2)
        return -EMSGSIZE;
    if (!has_room(ring, size + filler)) {
        if (sandbox_ring_look(ring) != 0)
            return -EPROTO;
        if (!has_room(ring, size + filler))
            return -EAGAIN;
    }
    if (filler > 0)
        fill_to_end(ring, filler);
    own.size_bytes = (uint32_t)size;
    own.body_size = (uint32_t)body_size;
    memcpy(at(ring, ring->head), &own, sizeof(own));
    if (body_size > 0)
        memcpy(at(ring, ring->head) + sizeof(own), body, body_size);
    ring->head += size;
    return 0;
}

void sandbox_ring_publish(struct sandbox_ring *ring)
{
    if (ring->published == ring->head)
        return;
    ring->published = ring->head;
    /* R2 pairs with A2 in sandbox_ring_read: the frames are whole. */
    atomic_store_explicit(&ring->positions->head, ring->head, memory_order_release);
}

int sandbox_ring_write(struct sandbox_ring *ring, const struct sandbox_frame *frame,
                       const void *body, size_t body_size)
{
    int rc = sandbox_ring_add(ring, frame, body, body_size);
    if (rc == 0)
        sandbox_ring_publish(ring);
    return rc;
}

/* ---- reader ---- */

static int look_for_more(struct sandbox_ring *ring)
{
    /* A2 pairs with R2 in sandbox_ring_publish. */
    uint64_t head = atomic_load_explicit(&ring->positions->head, memory_order_acquire);
    if (head < ring->head || head - ring->tail > ring->capacity || head % SANDBOX_RING_ALIGN != 0)
        return -EPROTO;
    ring->head = head;
    return 0;
}

/* Its size is within what was published, and within the ring. */
static bool is_sane(const struct sandbox_ring *ring, const struct sandbox_frame *frame)
{
    uint64_t size = frame->size_bytes;
    if (size == 0 || size % SANDBOX_RING_ALIGN != 0 || size > ring->head - ring->tail ||
        size > to_end(ring, ring->tail))
        return false;
    return frame->type == SANDBOX_FRAME_FILL ||
           (size >= sizeof(*frame) && frame->body_size <= size - sizeof(*frame));
}

/* What is there some frames ahead comes from the writer's core: it is asked for early. */
static void prefetch_ahead(const struct sandbox_ring *ring, uint64_t size)
{
    uint64_t position = ring->tail + PREFETCH_BYTES, end = position + size;
    if (size > PREFETCH_SIZE_MAX || end > ring->head)
        return;
    for (; position < end; position += CACHE_LINE)
        __builtin_prefetch(at(ring, position), 0, 3);
}

int sandbox_ring_read(struct sandbox_ring *ring, struct sandbox_frame *frame, const void **body)
{
    for (;;) {
        if (ring->tail == ring->head && look_for_more(ring) != 0)
            return -EPROTO;
        if (ring->tail == ring->head)
            return 0;
        uint64_t left = to_end(ring, ring->tail);
        if (LIKELY(left >= sizeof(*frame))) {
            memcpy(frame, at(ring, ring->tail), sizeof(*frame));
        } else {
            *frame = (struct sandbox_frame){0};
            memcpy(frame, at(ring, ring->tail), left);
        }
        if (!is_sane(ring, frame))
            return -EPROTO;
        if (frame->type != SANDBOX_FRAME_FILL) {
            prefetch_ahead(ring, frame->size_bytes);
            *body = at(ring, ring->tail) + sizeof(*frame);
            return 1;
        }
        sandbox_ring_release(ring, frame);
    }
}

void sandbox_ring_give_back(struct sandbox_ring *ring)
{
    /* R1 pairs with A1 in sandbox_ring_look. */
    atomic_store_explicit(&ring->positions->tail, ring->tail, memory_order_release);
}

void sandbox_ring_release(struct sandbox_ring *ring, const struct sandbox_frame *frame)
{
    sandbox_ring_pass(ring, frame);
    sandbox_ring_give_back(ring);
}
