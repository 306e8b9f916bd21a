/* SPDX-License-Identifier: MPL-2.0
 *
 * generation.h - a plan made ready to run: matcher scratch, shards and flush jobs for every
 *                producer.
 *
 * Place:   housekeeping makes one at start and one for each reload; workers adopt it between two
 *          turns.
 * Threads: made and freed by housekeeping; read by workers from the offer until they have adopted
 *          the next one.
 * Memory:  accumulators that a reload does not change (same name, same options) keep their shards
 *          and what is in them; the rest is new. The plan of an accumulator lives as long as it.
 * Failure: generation_new() changes nothing that runs.
 */
#ifndef DATAPLANE_GENERATION_H
#define DATAPLANE_GENERATION_H

#include <stdatomic.h>

#include "core/core_map.h"
#include "core/talkers.h"
#include "dataplane/plan.h"
#include "dataplane/text_listener.h"
#include "stats/accum.h"
#include "stats/shard.h"
#include "stats/statmetric.h"

struct worker_shard { /* a worker's part of one accumulator */
    struct shard *shard;
    /* Samples handed over and samples refused so far; written before the shard is ready. [any] */
    _Atomic uint64_t handed, refused;
};

enum flush_state { FLUSH_IDLE, FLUSH_REQUESTED, FLUSH_EMITTING };

struct flush_job { /* one accumulator, housekeeping's side (flush.h) */
    struct plan *plan; /* a reference: the configuration below lives in it */
    const struct plan_accumulator *config;
    struct accum *accum;
    struct worker_shard *shards; /* by worker */
    unsigned worker_count;
    enum flush_state state;
    bool is_leaving;     /* no worker has it any more: its values go on, then it is freed */
    bool is_last;        /* leaving: the workers' last sides have been asked for */
    struct flush_times times; /* by the wall clock */
    unsigned merged;     /* workers merged in this flush */
    uint64_t taken[CORE_MAP_WORKERS_MAX]; /* samples taken so far, by worker */
    uint64_t refused;    /* samples that found no room in shards, as known so far */
    uint64_t refused_by[CORE_MAP_WORKERS_MAX]; /* the same by worker */
    struct statmetric_seen seen;
    bool is_due;         /* the interval has ended: accepted_due is of then */
    bool is_timely;      /* the flush under way has an interval whose end is in late_from */
    uint64_t accepted_due[CORE_MAP_WORKERS_MAX], late_from[CORE_MAP_WORKERS_MAX];
    struct talkers refused_now;  /* prefixes, of the workers merged in this flush */
    struct talkers refused_most; /* of all of them, as of the last flush */
};

struct generation {
    struct plan *plan; /* a reference */
    struct ruleset_scratch *scratches[CORE_MAP_WORKERS_MAX + 1]; /* the last: housekeeping */
    struct flush_job *jobs[PLAN_ACCUMULATORS_MAX];               /* by accumulator */
    bool is_kept[PLAN_ACCUMULATORS_MAX]; /* jobs[i] is the previous generation's too */
    struct text_decoder *decoders[CORE_MAP_WORKERS_MAX]; /* of each worker, by listener */
    unsigned worker_count;
};

/* `plan` gets a reference. `previous` may be NULL. 0, or -1 after adding to err. */
int generation_new(struct plan *plan, unsigned worker_count, const struct generation *previous,
                   uint64_t now_ns, struct generation **out, struct err *err);

/* Frees a generation that was never offered, with the jobs that only it has. */
void generation_discard(struct generation *generation);
/* Frees a generation that nobody uses any more, but not its jobs. */
void generation_free(struct generation *generation);

void flush_job_free(struct flush_job *job); /* NULL is fine */

/* Gives the shard's side to housekeeping if it asked for it. [who owns the shard] */
void worker_shard_hand_over(struct worker_shard *shard);

#endif
