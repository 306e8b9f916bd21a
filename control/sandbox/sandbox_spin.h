/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_spin.h - looks at a bell for a moment before its caller goes to sleep.
 *
 * Place:   sandbox_client.c waits for a call's answer with it, sandbox_worker.c for the next call:
 *          one that takes some microseconds is answered before a sleep would have begun.
 * Threads: one owner; the bell's number is written by the other process.
 * Failure: none. Where spinning is in vain (a slow script, no second core, nothing to do) it is
 *          tried ever more rarely, down to one wait of 64.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_SPIN_H
#define CONTROL_SANDBOX_SANDBOX_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"

/* Longer than it takes to wake the other side, else two that sleep would never come back. */
enum { SANDBOX_SPIN_NS = 100000, SANDBOX_SPIN_LOOKS = 16, SANDBOX_SPIN_FAILS_MAX = 6 };

struct sandbox_spin { /* zeroed: ready */
    unsigned rest;    /* waits that are not spun */
    unsigned fails;
};

static inline void sandbox_spin_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True when the number is no longer `seen`. */
static inline bool sandbox_spin(struct sandbox_spin *spin, const _Atomic uint32_t *rings,
                                uint32_t seen)
{
    if (spin->rest > 0) {
        spin->rest--;
        return false;
    }
    uint64_t until_ns = clock_mono_ns() + SANDBOX_SPIN_NS;
    do {
        for (unsigned i = 0; i < SANDBOX_SPIN_LOOKS; i++) {
            if (atomic_load_explicit(rings, memory_order_acquire) != seen) {
                spin->fails = 0;
                return true;
            }
            sandbox_spin_relax();
        }
    } while (clock_mono_ns() < until_ns);
    if (spin->fails < SANDBOX_SPIN_FAILS_MAX)
        spin->fails++;
    spin->rest = (1U << spin->fails) - 1;
    return false;
}

#endif
