/* SPDX-License-Identifier: MPL-2.0
 *
 * flush.h - the flush of accumulators: ask the workers, merge, write statmetric messages.
 *
 * Place:   housekeeping.c calls flush_step() in its loop; replay.c too.
 * Threads: housekeeping only.
 * Memory:  accumulators are allocated by flusher_init() and bounded by names_max.
 * Failure: when the lane is full the flush waits and goes on later with the same line; the workers
 *          keep adding meanwhile. Nothing is lost by waiting.
 * Source:  Heka 0.11 StatAccumInput (docs/formats/statsd.md).
 */
#ifndef DATAPLANE_FLUSH_H
#define DATAPLANE_FLUSH_H

#include "dataplane/worker.h"

enum flush_state { FLUSH_IDLE, FLUSH_REQUESTED, FLUSH_EMITTING };

struct flush_job { /* one accumulator */
    struct accum *accum;
    enum flush_state state;
    uint64_t next_ns;    /* wall clock of the next flush, a multiple of the interval */
    uint64_t flush_ns;   /* of the flush that is going on */
    uint64_t last_ns;    /* of the one before; 0: none */
    unsigned merged;     /* workers merged in this flush */
    uint64_t taken[CORE_MAP_WORKERS_MAX]; /* samples taken so far, by worker */
    uint64_t refused;    /* samples that found no room, as known so far */
};

struct flusher {
    const struct plan *plan;
    struct worker *workers;
    unsigned worker_count;
    struct message_sink *sink;
    struct counters *counters; /* housekeeping's */
    struct flush_job jobs[PLAN_ACCUMULATORS_MAX];
};

/* `flusher` is zeroed but for plan, workers, worker_count, sink and counters. */
int flusher_init(struct flusher *flusher, uint64_t now_ns, struct err *err);
void flusher_fini(struct flusher *flusher);

/* Does what can be done now. True while a flush is going on. */
bool flush_step(struct flusher *flusher, uint64_t now_ns);

/* Makes every accumulator flush now: for the last time, at shutdown. */
void flush_all(struct flusher *flusher, uint64_t now_ns);

/* Gives up flushes that cannot be delivered: what is left is counted against the slowest consumer. */
void flush_abandon(struct flusher *flusher);

/* Memory of accumulators and shards, bytes; series known. */
size_t flusher_bytes(const struct flusher *flusher);
uint64_t flusher_series(const struct flusher *flusher);

#endif
