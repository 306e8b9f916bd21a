/* SPDX-License-Identifier: MPL-2.0
 *
 * flush.h - the flush of accumulators: ask the workers, merge, write statmetric messages.
 *
 * Place:   housekeeping.c calls flush_step() in its loop; replay.c too.
 * Threads: housekeeping only.
 * Memory:  jobs are the generation's; those that a reload takes out are freed here after a last
 *          flush.
 * Failure: when the lane is full the flush waits and goes on later with the same line; the workers
 *          keep adding meanwhile. Nothing is lost by waiting.
 * Source:  Heka 0.11 StatAccumInput (docs/formats/statsd.md).
 */
#ifndef DATAPLANE_FLUSH_H
#define DATAPLANE_FLUSH_H

#include "dataplane/generation.h"
#include "matcher/message_sink.h"

enum { FLUSH_JOBS_MAX = 4 * PLAN_ACCUMULATORS_MAX };

struct flusher {
    struct flush_job *jobs[FLUSH_JOBS_MAX]; /* of the generation, and those that are leaving */
    unsigned job_count;
    struct message_sink *sink;
    struct counters *counters; /* housekeeping's */
    bool names_offenders;      /* log whose samples were refused */
};

/* Takes over the jobs of a generation that every worker has adopted; jobs that it does not have
 * leave. */
void flusher_adopt(struct flusher *flusher, const struct generation *generation);
/* Frees all jobs. */
void flusher_fini(struct flusher *flusher);
/* True when so many jobs are leaving that another generation has to wait. */
bool flusher_is_crowded(const struct flusher *flusher);

/* Does what can be done now. True while a flush is going on. */
bool flush_step(struct flusher *flusher, uint64_t now_ns);

/* Makes every accumulator flush now: for the last time, at shutdown. */
void flush_all(struct flusher *flusher, uint64_t now_ns);

/* Gives up flushes that cannot be delivered: what is left is counted against the slowest
 * consumer. */
void flush_abandon(struct flusher *flusher);

/* Adds the prefixes of which the most samples were refused, as of the last flushes. */
void flusher_talkers(const struct flusher *flusher, struct talkers *talkers);

/* Memory of accumulators and shards, bytes; series known. */
size_t flusher_bytes(const struct flusher *flusher);
uint64_t flusher_series(const struct flusher *flusher);

#endif
