/* SPDX-License-Identifier: MPL-2.0 */
#include "core/bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

/* The order that nobody is missed by: a waiter says that it waits, then compares the number; who
 * rings changes the number, then looks for waiters. All four are sequentially consistent (the
 * comparison is the kernel's, behind a full barrier), so one of the two sees the other. */

static void futex_wake(const _Atomic uint32_t *word, int flags)
{
    syscall(SYS_futex, word, FUTEX_WAKE | flags, INT_MAX, NULL, NULL, 0);
}

static void futex_wait(const _Atomic uint32_t *word, int flags, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec timeout = {(time_t)(timeout_ns / CLOCK_NS_PER_S),
                               (long)(timeout_ns % CLOCK_NS_PER_S)};
    syscall(SYS_futex, word, FUTEX_WAIT | flags, seen, &timeout, NULL, 0);
}

uint32_t bell_rings(const struct bell *bell)
{
    return atomic_load_explicit(&bell->rings, memory_order_acquire);
}

void bell_ring(struct bell *bell)
{
    atomic_fetch_add_explicit(&bell->rings, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&bell->waiters, memory_order_seq_cst) != 0)
        futex_wake(&bell->rings, FUTEX_PRIVATE_FLAG);
}

void bell_wait(struct bell *bell, uint32_t seen, uint64_t timeout_ns)
{
    if (bell_rings(bell) != seen)
        return;
    atomic_fetch_add_explicit(&bell->waiters, 1, memory_order_seq_cst);
    futex_wait(&bell->rings, FUTEX_PRIVATE_FLAG, seen, timeout_ns);
    atomic_fetch_sub_explicit(&bell->waiters, 1, memory_order_relaxed);
}

void bell_ring_shared(_Atomic uint32_t *rings, const _Atomic uint32_t *waiters)
{
    atomic_fetch_add_explicit(rings, 1, memory_order_seq_cst);
    if (atomic_load_explicit(waiters, memory_order_seq_cst) != 0)
        futex_wake(rings, 0);
}

void bell_wait_shared(const _Atomic uint32_t *rings, _Atomic uint32_t *waiters, uint32_t seen,
                      uint64_t timeout_ns)
{
    if (atomic_load_explicit(rings, memory_order_acquire) != seen)
        return;
    atomic_store_explicit(waiters, 1, memory_order_seq_cst);
    futex_wait(rings, 0, seen, timeout_ns);
    atomic_store_explicit(waiters, 0, memory_order_relaxed);
}

void bell_wake_shared(const _Atomic uint32_t *rings)
{
    futex_wake(rings, 0);
}
