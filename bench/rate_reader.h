/* SPDX-License-Identifier: MPL-2.0
 *
 * rate_reader.h - consumer 0 of all lanes, on a thread of its own that hardly disturbs.
 *
 * Place:   bench/statsd_rate.c, in the role that hekad has.
 * Threads: start and finish [main]; the thread has the lowest priority and sleeps between looks.
 * Memory:  segment and check are the caller's, and the thread's alone until rate_reader_finish().
 */
#ifndef BENCH_RATE_READER_H
#define BENCH_RATE_READER_H

#include <pthread.h>

#include "bench/statsd_check.h"
#include "core/segment.h"

struct rate_reader { /* zero-initialised: not started */
    const struct segment *segment;
    struct statsd_check *check;
    struct lane_reader lanes[SEGMENT_LANES_MAX];
    int cpu;
    pthread_t thread;
    bool started;
    _Atomic bool last_look; /* end when the lanes are empty */
    uint64_t messages, malformed;
    int error; /* -EPROTO: a lane made no sense */
};

/* 0, or negative when lanes or thread cannot be had. */
int rate_reader_start(struct rate_reader *reader, const struct segment *segment,
                      struct statsd_check *check, int cpu);

/* Reads all lanes to their heads, once nobody writes them any more, and ends the thread. Fine when
 * it was not started. */
void rate_reader_finish(struct rate_reader *reader);

#endif
