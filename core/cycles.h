/* SPDX-License-Identifier: MPL-2.0
 *
 * cycles.h - the processor's own clock, for what is shorter than a system call.
 *
 * Place:   costs that status shows: message_sink.c, matcher/rule_cost.c.
 * Threads: any. Differences of one thread count; a thread that moves to another core may see a
 *          small jump.
 */
#ifndef CORE_CYCLES_H
#define CORE_CYCLES_H

#include "core/clock.h"

/* x86-64: time-stamp counter, which runs at one rate whatever the core does; ARM64: the generic
 * timer; elsewhere nanoseconds. */
static inline uint64_t cycles_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return clock_mono_ns();
#endif
}

#endif
