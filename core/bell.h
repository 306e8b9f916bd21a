/* SPDX-License-Identifier: MPL-2.0
 *
 * bell.h - wakes threads that wait for something to read: a number that only goes up, and a futex.
 *
 * Place:   control: every consumer waits on hekad's one bell; producers in hekad and lane_watch.c
 *          ring it. core/segment.h: the data plane's bell, whose two words lie in two files.
 * Threads: all of it [any].
 * Memory:  a zeroed struct bell is ready; it has to outlive its waiters.
 * Failure: nothing fails. Waiters may wake for nothing: they look again.
 *
 * How to wait without missing anything: take bell_rings(), look at what there is, and when there is
 * nothing bell_wait() with the number taken. How to ring: publish first, then bell_ring().
 */
#ifndef CORE_BELL_H
#define CORE_BELL_H

#include <stdatomic.h>
#include <stdint.h>

struct bell {
    _Atomic uint32_t rings, waiters;
};

uint32_t bell_rings(const struct bell *bell);

/* A system call only when somebody waits. What was published before is seen by whoever sees the new
 * number. */
void bell_ring(struct bell *bell);

/* Returns when the number is no longer `seen`, at once when it is not, or after timeout_ns. */
void bell_wait(struct bell *bell, uint32_t seen, uint64_t timeout_ns);

/* The same between processes, for one waiter: `rings` belongs to the one that rings and may be
 * mapped read-only by the other, `waiters` the other way round. Whatever is in the other's word,
 * the worst that comes of it is a system call or a wait until timeout_ns. */
void bell_ring_shared(_Atomic uint32_t *rings, const _Atomic uint32_t *waiters);
void bell_wait_shared(const _Atomic uint32_t *rings, _Atomic uint32_t *waiters, uint32_t seen,
                      uint64_t timeout_ns);
/* [the waiter's process] Makes bell_wait_shared() return early. */
void bell_wake_shared(const _Atomic uint32_t *rings);

#endif
