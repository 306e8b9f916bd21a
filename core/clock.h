/* SPDX-License-Identifier: MPL-2.0
 *
 * clock.h - time as a parameter.
 *
 * Place:   programs read a clock once per loop and pass now_ns on; everything below takes now_ns as
 *          an argument, so that tests and replays decide what time it is.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)

static inline uint64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Nanoseconds since the Unix epoch. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

/* Never goes back; no relation to the epoch. */
static inline uint64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

#endif
