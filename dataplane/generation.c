/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/generation.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/shard_totals.h"

/* ---- jobs ---- */

static int make_shards(struct flush_job *job, struct err *err)
{
    const struct accum_config *config = &job->config->config;
    struct shard_limits limits = {
        .names_max = (uint32_t)config->names_max,
        .timer_samples_max = (uint32_t)config->timer_samples_max,
    };
    job->shards = calloc(job->worker_count, sizeof(*job->shards));
    if (job->shards == NULL)
        return err_add(err, "out of memory");
    struct shard_guard guard = accum_guard(config);
    for (unsigned i = 0; i < job->worker_count; i++)
        if (shard_new(&limits, &job->shards[i].shard) != 0 ||
            shard_set_guard(job->shards[i].shard, &guard) != 0)
            return err_add(err, "accumulator '%s': no memory for %u names", job->config->name,
                           limits.names_max);
    return 0;
}

static struct flush_job *make_job(struct plan *plan, unsigned index, unsigned worker_count,
                                  uint64_t now_ns, struct err *err)
{
    struct flush_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    job->plan = plan_get(plan);
    job->config = &plan->accumulators[index];
    job->worker_count = worker_count;
    if (accum_new(&job->config->config, &job->accum, err) != 0 || make_shards(job, err) != 0) {
        flush_job_free(job);
        return NULL;
    }
    flush_times_init(&job->times, job->config->config.ticker_interval, now_ns);
    return job;
}

void flush_job_free(struct flush_job *job)
{
    if (job == NULL)
        return;
    for (unsigned i = 0; job->shards != NULL && i < job->worker_count; i++)
        shard_free(job->shards[i].shard);
    free(job->shards);
    accum_free(job->accum);
    plan_free(job->plan);
    free(job);
}

/* The previous generation's job for an accumulator of the same name and options, or NULL. */
static struct flush_job *find_kept(const struct plan *plan, unsigned index,
                                   const struct generation *previous)
{
    for (unsigned i = 0; previous != NULL && i < previous->plan->accumulator_count; i++)
        if (plan_same_accumulator(&plan->accumulators[index], &previous->plan->accumulators[i]))
            return previous->jobs[i];
    return NULL;
}

/* ---- generations ---- */

int generation_new(struct plan *plan, unsigned worker_count, const struct generation *previous,
                   uint64_t now_ns, struct generation **out, struct err *err)
{
    struct generation *generation = calloc(1, sizeof(*generation));
    if (generation == NULL)
        return err_add(err, "out of memory");
    generation->plan = plan_get(plan);
    generation->worker_count = worker_count;
    for (unsigned i = 0; i <= worker_count; i++)
        if (ruleset_scratch_new(plan->rules, &generation->scratches[i]) != 0)
            goto fail;
    if (previous != NULL)
        plan_keep_splitters(plan, previous->plan);
    for (unsigned i = 0; i < worker_count; i++)
        if (text_decoders_new(plan, &generation->decoders[i], err) != 0)
            goto fail;
    for (unsigned i = 0; i < plan->accumulator_count; i++) {
        generation->jobs[i] = find_kept(plan, i, previous);
        generation->is_kept[i] = generation->jobs[i] != NULL;
        if (!generation->is_kept[i])
            generation->jobs[i] = make_job(plan, i, worker_count, now_ns, err);
        if (generation->jobs[i] == NULL)
            goto fail;
    }
    *out = generation;
    return 0;
fail:
    generation_discard(generation);
    return err_add(err, "generation %lld cannot be made", (long long)plan->generation);
}

void generation_discard(struct generation *generation)
{
    if (generation == NULL)
        return;
    for (unsigned i = 0; i < PLAN_ACCUMULATORS_MAX; i++)
        if (!generation->is_kept[i])
            flush_job_free(generation->jobs[i]);
    generation_free(generation);
}

void generation_free(struct generation *generation)
{
    if (generation == NULL)
        return;
    for (unsigned i = 0; i <= CORE_MAP_WORKERS_MAX; i++)
        ruleset_scratch_free(generation->scratches[i]);
    for (unsigned i = 0; i < generation->worker_count; i++)
        text_decoders_free(generation->plan, generation->decoders[i]);
    plan_free(generation->plan);
    free(generation);
}

void worker_shard_hand_over(struct worker_shard *shard)
{
    if (LIKELY(!shard_requested(shard->shard)))
        return;
    struct shard_totals totals = {0};
    shard_totals_add(&totals, shard->shard);
    /* Before shard_poll() makes the side visible, whose release orders them. */
    atomic_store_explicit(&shard->handed, shard_totals_accepted(&totals), memory_order_relaxed);
    atomic_store_explicit(&shard->refused, shard_totals_refused(&totals), memory_order_relaxed);
    shard_poll(shard->shard);
}
