/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_ring.h - bytes in frames from one process to another, in shared memory, one writer and
 *                  one reader.
 *
 * Place:   sandbox_channel.h has two of them for each sandboxed plugin. Bytes:
 *          docs/formats/sandbox_worker.md.
 * Threads: writer and reader may be in different processes; each struct belongs to one thread.
 * Memory:  mapped by the channel; capacity is a power of two.
 * Failure: neither side believes the other. A position that makes no sense is -EPROTO, and no byte
 *          beyond the ring is read or written whatever the other side does.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_RING_H
#define CONTROL_SANDBOX_SANDBOX_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox_positions {              /* of one ring; bytes since creation */
    _Alignas(64) _Atomic uint64_t head; /* the writer's */
    _Alignas(64) _Atomic uint64_t tail; /* the reader's */
};

struct sandbox_frame {
    uint32_t size_bytes; /* of frame and body with padding, a multiple of 8 */
    uint16_t type;       /* 0: fills the end of the ring, and nothing behind `type` is set */
    uint16_t hops;
    uint32_t body_size;
    uint32_t code;
    uint64_t value;
};
_Static_assert(sizeof(struct sandbox_frame) == 24, "docs/formats/sandbox_worker.md");
_Static_assert(offsetof(struct sandbox_frame, hops) == 6, "docs/formats/sandbox_worker.md");
_Static_assert(offsetof(struct sandbox_frame, code) == 12, "docs/formats/sandbox_worker.md");
_Static_assert(offsetof(struct sandbox_frame, value) == 16, "docs/formats/sandbox_worker.md");

enum { SANDBOX_RING_ALIGN = 8, SANDBOX_FRAME_FILL = 0 };

struct sandbox_ring { /* one side's view */
    struct sandbox_positions *positions;
    uint8_t *bytes;
    uint64_t capacity;
    uint64_t head, tail; /* own one: perhaps not published; the other's: as seen last */
    uint64_t published;  /* writer: the head as the reader sees it */
    uint64_t floor;      /* writer: nothing from here on is overwritten; UINT64_MAX: the tail */
};

/* Goes on at the positions that are there. 0 or -EPROTO. */
int sandbox_ring_open(struct sandbox_ring *ring, struct sandbox_positions *positions,
                      uint8_t *bytes, uint64_t capacity);

/* ---- writer ---- */

/* Bytes of a frame with such a body. */
static inline uint64_t sandbox_ring_frame_size(uint64_t body_size)
{
    return (sizeof(struct sandbox_frame) + body_size + SANDBOX_RING_ALIGN - 1) &
           ~(uint64_t)(SANDBOX_RING_ALIGN - 1);
}

/* Adds one frame and its body, which the reader sees after sandbox_ring_publish(); size_bytes and
 * body_size are set. 0, -EAGAIN when there is no room, -EMSGSIZE when there never is, -EPROTO. */
int sandbox_ring_add(struct sandbox_ring *ring, const struct sandbox_frame *frame, const void *body,
                     size_t body_size);
void sandbox_ring_publish(struct sandbox_ring *ring);
/* Both. */
int sandbox_ring_write(struct sandbox_ring *ring, const struct sandbox_frame *frame,
                       const void *body, size_t body_size);
/* True when frames of so many bytes together, none larger than `largest`, find room. */
bool sandbox_ring_has_room(struct sandbox_ring *ring, uint64_t bytes, uint64_t largest);
/* The reader's position, checked: 0 or -EPROTO. */
int sandbox_ring_look(struct sandbox_ring *ring);
/* While there is no reader: the next one begins at `position`, which is not before the floor. */
void sandbox_ring_rewind(struct sandbox_ring *ring, uint64_t position);

/* ---- reader ---- */

/* The next frame, copied, and where its body is (which the writer may still change: copy it before
 * believing it). 1; 0 when there is none; or -EPROTO. */
int sandbox_ring_read(struct sandbox_ring *ring, struct sandbox_frame *frame, const void **body);
/* Is done with the frame that was read last; the writer learns it by the next
 * sandbox_ring_give_back(). */
static inline void sandbox_ring_pass(struct sandbox_ring *ring, const struct sandbox_frame *frame)
{
    ring->tail += frame->size_bytes;
}
void sandbox_ring_give_back(struct sandbox_ring *ring);
/* Both. */
void sandbox_ring_release(struct sandbox_ring *ring, const struct sandbox_frame *frame);

#endif
