/* SPDX-License-Identifier: MPL-2.0
 *
 * statmetric.h - when an accumulator flushes, and what its messages look like.
 *
 * Place:   dataplane/flush.c and hekad's StatAccumInput.
 * Threads: no state but the caller's.
 * Source:  Heka 0.11 StatAccumInput (docs/formats/statsd.md).
 */
#ifndef STATS_STATMETRIC_H
#define STATS_STATMETRIC_H

#include "core/counters.h"
#include "core/message.h"
#include "stats/accum.h"

/* ---- when: at the multiples of the interval, by the wall clock ---- */

struct flush_times {
    uint64_t interval_ns;
    uint64_t next_ns;  /* of the next flush, a multiple of the interval */
    uint64_t flush_ns; /* of the flush that is going on */
    uint64_t last_ns;  /* of the one before; 0: none */
};

/* `interval_s` is the accumulator's ticker_interval. */
void flush_times_init(struct flush_times *times, int64_t interval_s, uint64_t now_ns);
/* True when a flush is due: it is the one of flush_ns from now on, and next_ns lies behind
 * now_ns. No two flushes are in the same second: stores keep one value of a series for each. */
bool flush_times_begin(struct flush_times *times, uint64_t now_ns);
/* What is late about the flush that has begun: adds to COUNTER_FLUSH_LATE_US. */
void flush_times_count(const struct flush_times *times, uint64_t now_ns,
                       struct counters *counters);
/* A flush out of turn, as the last one is: no interval ends with it. */
void flush_times_begin_now(struct flush_times *times, uint64_t now_ns);
void flush_times_end(struct flush_times *times);
/* Takes over from others, whose last flush is over: what they have flushed is not flushed again. */
void flush_times_follow(struct flush_times *times, const struct flush_times *former);
/* Rates are over the configured interval, as in Heka, or over as many of them as have passed when a
 * flush had to wait. */
double flush_times_elapsed_s(const struct flush_times *times);

/* ---- what ---- */

struct statmetric_origin {
    const char *message_type, *logger, *hostname;
    int32_t pid;
};

/* Bytes of a chunk, so that its message is not larger than `message_max`. */
size_t statmetric_chunk_max(size_t message_max);

/* The members behind Uuid and Timestamp. */
void statmetric_build(struct msg_builder *builder, const struct statmetric_origin *origin,
                      const struct accum_chunk *chunk);

/* ---- what an accumulator refused, into the ledger ---- */

struct statmetric_seen { /* zeroed: nothing yet */
    uint64_t no_series_room, long_lines;
};
/* Adds what is new since the last call. */
void statmetric_collect(struct statmetric_seen *seen, const struct accum *accum,
                        struct counters *counters);

#endif
