/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_drain.h - all consumers of all lanes, in hekad's place: records are read, counted and
 *                    given back, and nothing is delivered.
 *
 * Place:   selftest_trial.c.
 * Threads: start and finish [main]; one thread reads, and sleeps when there is nothing.
 * Memory:  a reader for each pair of lane and consumer.
 * Failure: a lane that makes no sense ends the reading with `error`.
 */
#ifndef BENCH_SELFTEST_SELFTEST_DRAIN_H
#define BENCH_SELFTEST_SELFTEST_DRAIN_H

#include <pthread.h>

#include "bench/statsd_check.h"
#include "core/segment.h"

struct selftest_drain { /* zero-initialised: not started */
    const struct segment *segment;
    struct statsd_check *check; /* NULL: payloads are not looked at */
    struct lane_reader *readers;
    unsigned reader_count, own_consumer; /* the one whose messages are checked */
    int cpu;
    bool is_gentle; /* lowest priority */
    pthread_t thread;
    bool started;
    _Atomic bool last_look;
    uint64_t records, malformed;
    int error;
};

/* 0, or negative when lanes or thread cannot be had. */
int selftest_drain_start(struct selftest_drain *drain, const struct segment *segment,
                         unsigned own_consumer);
/* Reads all lanes to their heads, once nobody writes them any more. Fine when not started. */
void selftest_drain_finish(struct selftest_drain *drain);

/* Records that were committed for somebody, by the lanes' own count. */
uint64_t selftest_drain_matched(const struct segment *segment);

#endif
