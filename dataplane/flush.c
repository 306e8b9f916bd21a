/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/flush.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"

/* Headers of a statmetric message take up to this much beside payload and fields. */
enum { STATMETRIC_OVERHEAD_BYTES = 768 };

static uint64_t interval_ns(const struct flush_job *job)
{
    return (uint64_t)job->config->config.ticker_interval * CLOCK_NS_PER_S;
}

/* ---- jobs come and go ---- */

static bool is_of(const struct generation *generation, const struct flush_job *job)
{
    for (unsigned i = 0; i < generation->plan->accumulator_count; i++)
        if (generation->jobs[i] == job)
            return true;
    return false;
}

static void add_job(struct flusher *flusher, struct flush_job *job)
{
    for (unsigned i = 0; i < flusher->job_count; i++)
        if (flusher->jobs[i] == job)
            return;
    CHECK(flusher->job_count < FLUSH_JOBS_MAX);
    flusher->jobs[flusher->job_count++] = job;
}

void flusher_adopt(struct flusher *flusher, const struct generation *generation)
{
    for (unsigned i = 0; i < flusher->job_count; i++)
        if (!is_of(generation, flusher->jobs[i]))
            flusher->jobs[i]->is_leaving = true;
    for (unsigned i = 0; i < generation->plan->accumulator_count; i++)
        add_job(flusher, generation->jobs[i]);
}

static void remove_job(struct flusher *flusher, unsigned index)
{
    flush_job_free(flusher->jobs[index]);
    flusher->jobs[index] = flusher->jobs[--flusher->job_count];
}

void flusher_fini(struct flusher *flusher)
{
    while (flusher->job_count > 0)
        remove_job(flusher, 0);
}

bool flusher_is_crowded(const struct flusher *flusher)
{
    return flusher->job_count + PLAN_ACCUMULATORS_MAX > FLUSH_JOBS_MAX;
}

/* ---- one flush ---- */

static void request(struct flush_job *job, uint64_t flush_ns)
{
    for (unsigned w = 0; w < job->worker_count; w++) {
        shard_request(job->shards[w].shard);
        if (job->is_leaving) /* the worker has given it up: it is ours */
            worker_shard_hand_over(&job->shards[w]);
    }
    job->state = FLUSH_REQUESTED;
    job->flush_ns = flush_ns;
    job->merged = 0;
}

/* Samples refused since the last flush become visible in the overflow series. */
static void add_refused(struct flush_job *job)
{
    uint64_t refused = 0;
    for (unsigned w = 0; w < job->worker_count; w++)
        refused += atomic_load_explicit(&job->shards[w].refused, memory_order_relaxed);
    accum_overflow(job->accum, refused - job->refused);
    job->refused = refused;
}

/* What the accumulator itself refused; monotonic for each job. */
static void collect_accum(struct flush_job *job, uint64_t *values)
{
    const struct accum_counts *counts = accum_counts(job->accum);
    values[COUNTER_SAMPLES_NO_SERIES_ROOM] += counts->refused_samples - job->no_series_room;
    values[COUNTER_STATMETRIC_LONG_LINES] += counts->long_lines - job->long_lines;
    job->no_series_room = counts->refused_samples;
    job->long_lines = counts->long_lines;
}

/* Merges workers in turn, each as soon as its side is ready. True when all are merged. */
static bool merge(struct flush_job *job, uint64_t *values)
{
    while (job->merged < job->worker_count) {
        struct worker_shard *shard = &job->shards[job->merged];
        if (job->is_leaving)
            worker_shard_hand_over(shard);
        if (!shard_ready(shard->shard)) /* acquires what the worker did before its shard_poll() */
            return false;
        uint64_t handed = atomic_load_explicit(&shard->handed, memory_order_relaxed);
        values[COUNTER_SAMPLES_TAKEN] += handed - job->taken[job->merged];
        job->taken[job->merged] = handed;
        values[COUNTER_SAMPLES_FLUSHED] += accum_merge(job->accum, shard->shard);
        job->merged++;
    }
    add_refused(job);
    collect_accum(job, values);
    return true;
}

struct emit_context {
    struct message_sink *sink;
    const struct flush_job *job;
};

static int emit_chunk(void *arg, const struct accum_chunk *chunk)
{
    const struct emit_context *context = arg;
    const struct plan_accumulator *config = context->job->config;
    const char *hostname = context->sink->plan->hostname;
    struct msg_builder builder;
    message_sink_begin(context->sink, &builder, context->job->flush_ns);
    msg_builder_type(&builder, config->config.message_type, strlen(config->config.message_type));
    msg_builder_logger(&builder, config->name, strlen(config->name));
    msg_builder_severity(&builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(&builder, chunk->payload, chunk->payload_size);
    msg_builder_pid(&builder, (int32_t)getpid());
    msg_builder_hostname(&builder, hostname, strlen(hostname));
    msg_builder_raw(&builder, chunk->fields, chunk->fields_size);
    return message_sink_put(context->sink, &builder, 0, context->job->flush_ns);
}

/* Rates are over the configured interval, as in Heka, or over as many of them as have passed when a
 * flush had to wait. */
static double elapsed_s(const struct flush_job *job)
{
    uint64_t interval = interval_ns(job);
    uint64_t intervals = 1;
    if (job->last_ns != 0 && job->flush_ns > job->last_ns + interval)
        intervals = (job->flush_ns - job->last_ns + interval / 2) / interval;
    return (double)intervals * (double)interval / (double)CLOCK_NS_PER_S;
}

static size_t chunk_max(const struct message_sink *sink)
{
    return sink->plan->max_message_size - STATMETRIC_OVERHEAD_BYTES;
}

/* True when the flush is written. */
static bool emit(struct flusher *flusher, struct flush_job *job)
{
    struct emit_context context = {flusher->sink, job};
    if (accum_flush(job->accum, job->flush_ns, elapsed_s(job), chunk_max(flusher->sink),
                    emit_chunk, &context) != 0)
        return false;
    flusher->counters->values[COUNTER_FLUSHES]++;
    collect_accum(job, flusher->counters->values);
    job->last_ns = job->flush_ns;
    return true;
}

/* Goes on with the flush that is under way, as far as it can. */
static void go_on(struct flusher *flusher, struct flush_job *job)
{
    if (job->state == FLUSH_REQUESTED && merge(job, flusher->counters->values))
        job->state = FLUSH_EMITTING;
    if (job->state == FLUSH_EMITTING && emit(flusher, job))
        job->state = FLUSH_IDLE;
}

static void step_job(struct flusher *flusher, struct flush_job *job, uint64_t now_ns)
{
    if (job->state == FLUSH_IDLE && now_ns >= job->next_ns) {
        uint64_t interval = interval_ns(job);
        request(job, job->next_ns);
        job->next_ns = (now_ns / interval + 1) * interval;
    }
    go_on(flusher, job);
}

/* A leaving job finishes what is under way, flushes once more and is gone. True when it is. */
static bool step_leaving(struct flusher *flusher, struct flush_job *job, uint64_t now_ns)
{
    bool is_last = job->state == FLUSH_IDLE;
    if (is_last)
        request(job, now_ns);
    go_on(flusher, job);
    return is_last ? job->state == FLUSH_IDLE : false;
}

bool flush_step(struct flusher *flusher, uint64_t now_ns)
{
    bool busy = false;
    for (unsigned i = 0; i < flusher->job_count;) {
        struct flush_job *job = flusher->jobs[i];
        if (job->is_leaving && step_leaving(flusher, job, now_ns)) {
            remove_job(flusher, i);
            continue;
        }
        if (!job->is_leaving)
            step_job(flusher, job, now_ns);
        busy |= job->state != FLUSH_IDLE || job->is_leaving;
        i++;
    }
    return busy;
}

void flush_all(struct flusher *flusher, uint64_t now_ns)
{
    for (unsigned i = 0; i < flusher->job_count; i++)
        flusher->jobs[i]->next_ns = now_ns;
}

/* ---- end ---- */

static int drop_chunk(void *arg, const struct accum_chunk *chunk)
{
    const struct emit_context *context = arg;
    (void)chunk;
    message_sink_drop(context->sink);
    return 0;
}

void flush_abandon(struct flusher *flusher)
{
    for (unsigned i = 0; i < flusher->job_count; i++) {
        struct flush_job *job = flusher->jobs[i];
        struct emit_context context = {flusher->sink, job};
        if (job->state != FLUSH_EMITTING)
            continue;
        accum_flush(job->accum, job->flush_ns, elapsed_s(job), chunk_max(flusher->sink),
                    drop_chunk, &context);
        job->state = FLUSH_IDLE;
    }
}

size_t flusher_bytes(const struct flusher *flusher)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < flusher->job_count; i++) {
        const struct flush_job *job = flusher->jobs[i];
        bytes += accum_bytes(job->accum);
        for (unsigned w = 0; w < job->worker_count; w++)
            bytes += shard_bytes(job->shards[w].shard);
    }
    return bytes;
}

uint64_t flusher_series(const struct flusher *flusher)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < flusher->job_count; i++) {
        uint64_t counts[STATSD_TYPE_COUNT];
        accum_series(flusher->jobs[i]->accum, counts);
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
            sum += counts[type];
    }
    return sum;
}
