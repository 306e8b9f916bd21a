/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/flush.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"

/* Headers of a statmetric message take up to this much beside payload and fields. */
enum { STATMETRIC_OVERHEAD_BYTES = 768 };

static uint64_t interval_ns(const struct flusher *flusher, unsigned index)
{
    return (uint64_t)flusher->plan->accumulators[index].config.ticker_interval * CLOCK_NS_PER_S;
}

static uint64_t next_multiple(uint64_t now_ns, uint64_t interval)
{
    return (now_ns / interval + 1) * interval;
}

int flusher_init(struct flusher *flusher, uint64_t now_ns, struct err *err)
{
    for (unsigned i = 0; i < flusher->plan->accumulator_count; i++) {
        struct flush_job *job = &flusher->jobs[i];
        if (accum_new(&flusher->plan->accumulators[i].config, &job->accum, err) != 0)
            return -1;
        job->next_ns = next_multiple(now_ns, interval_ns(flusher, i));
    }
    return 0;
}

void flusher_fini(struct flusher *flusher)
{
    for (unsigned i = 0; i < PLAN_ACCUMULATORS_MAX; i++)
        accum_free(flusher->jobs[i].accum);
}

static void request(struct flusher *flusher, unsigned index, uint64_t now_ns)
{
    struct flush_job *job = &flusher->jobs[index];
    for (unsigned w = 0; w < flusher->worker_count; w++)
        shard_request(flusher->workers[w].shards[index]);
    job->state = FLUSH_REQUESTED;
    job->flush_ns = now_ns;
    job->merged = 0;
}

/* Samples refused since the last flush become visible in the overflow series. */
static void add_refused(struct flusher *flusher, unsigned index)
{
    struct flush_job *job = &flusher->jobs[index];
    uint64_t refused = 0;
    for (unsigned w = 0; w < flusher->worker_count; w++)
        refused += atomic_load_explicit(&flusher->workers[w].refused[index], memory_order_relaxed);
    accum_overflow(job->accum, refused - job->refused);
    job->refused = refused;
}

/* Merges workers in turn, each as soon as its side is ready. True when all are merged. */
static bool merge(struct flusher *flusher, unsigned index)
{
    struct flush_job *job = &flusher->jobs[index];
    uint64_t *values = flusher->counters->values;
    while (job->merged < flusher->worker_count) {
        struct worker *worker = &flusher->workers[job->merged];
        struct shard *shard = worker->shards[index];
        if (!shard_ready(shard)) /* acquires what the worker did before its shard_poll() */
            return false;
        uint64_t handed = atomic_load_explicit(&worker->handed[index], memory_order_relaxed);
        values[COUNTER_SAMPLES_TAKEN] += handed - job->taken[job->merged];
        job->taken[job->merged] = handed;
        values[COUNTER_SAMPLES_FLUSHED] += accum_merge(job->accum, shard);
        job->merged++;
    }
    add_refused(flusher, index);
    return true;
}

struct emit_context {
    struct flusher *flusher;
    unsigned index;
};

static int emit_chunk(void *arg, const struct accum_chunk *chunk)
{
    struct emit_context *context = arg;
    struct flusher *flusher = context->flusher;
    const struct plan_accumulator *accumulator = &flusher->plan->accumulators[context->index];
    uint64_t flush_ns = flusher->jobs[context->index].flush_ns;
    struct msg_builder builder;
    message_sink_begin(flusher->sink, &builder, flush_ns);
    msg_builder_type(&builder, accumulator->config.message_type,
                     strlen(accumulator->config.message_type));
    msg_builder_logger(&builder, accumulator->name, strlen(accumulator->name));
    msg_builder_severity(&builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(&builder, chunk->payload, chunk->payload_size);
    msg_builder_pid(&builder, (int32_t)getpid());
    msg_builder_hostname(&builder, flusher->plan->hostname, strlen(flusher->plan->hostname));
    msg_builder_raw(&builder, chunk->fields, chunk->fields_size);
    return message_sink_put(flusher->sink, &builder, 0, flush_ns);
}

/* Rates are over the configured interval, as in Heka, or over as many of them as have passed when a
 * flush had to wait. */
static double elapsed_s(const struct flusher *flusher, unsigned index)
{
    const struct flush_job *job = &flusher->jobs[index];
    uint64_t interval = interval_ns(flusher, index);
    uint64_t intervals = 1;
    if (job->last_ns != 0 && job->flush_ns > job->last_ns + interval)
        intervals = (job->flush_ns - job->last_ns + interval / 2) / interval;
    return (double)intervals * (double)interval / (double)CLOCK_NS_PER_S;
}

/* True when the flush is written. */
static bool emit(struct flusher *flusher, unsigned index)
{
    struct flush_job *job = &flusher->jobs[index];
    struct emit_context context = {flusher, index};
    size_t chunk_max = (size_t)flusher->plan->max_message_size - STATMETRIC_OVERHEAD_BYTES;
    int rc = accum_flush(job->accum, job->flush_ns, elapsed_s(flusher, index), chunk_max,
                         emit_chunk, &context);
    if (rc != 0)
        return false;
    flusher->counters->values[COUNTER_FLUSHES]++;
    job->last_ns = job->flush_ns;
    return true;
}

static bool step_job(struct flusher *flusher, unsigned index, uint64_t now_ns)
{
    struct flush_job *job = &flusher->jobs[index];
    if (job->state == FLUSH_IDLE) {
        if (now_ns < job->next_ns)
            return false;
        request(flusher, index, job->next_ns);
        job->next_ns = next_multiple(now_ns, interval_ns(flusher, index));
    }
    if (job->state == FLUSH_REQUESTED && merge(flusher, index))
        job->state = FLUSH_EMITTING;
    if (job->state == FLUSH_EMITTING && emit(flusher, index))
        job->state = FLUSH_IDLE;
    return job->state != FLUSH_IDLE;
}

bool flush_step(struct flusher *flusher, uint64_t now_ns)
{
    bool busy = false;
    for (unsigned i = 0; i < flusher->plan->accumulator_count; i++)
        busy |= step_job(flusher, i, now_ns);
    return busy;
}

void flush_all(struct flusher *flusher, uint64_t now_ns)
{
    for (unsigned i = 0; i < flusher->plan->accumulator_count; i++)
        flusher->jobs[i].next_ns = now_ns;
}

static int drop_chunk(void *arg, const struct accum_chunk *chunk)
{
    struct emit_context *context = arg;
    struct message_sink *sink = context->flusher->sink;
    (void)chunk;
    sink->counters->values[COUNTER_MESSAGES_CREATED]++;
    sink->counters->values[COUNTER_MESSAGES_LANE_FULL]++;
    atomic_fetch_add_explicit(&sink->consumers[sink->lane->slowest].lane_full, 1,
                              memory_order_relaxed);
    return 0;
}

void flush_abandon(struct flusher *flusher)
{
    for (unsigned i = 0; i < flusher->plan->accumulator_count; i++) {
        struct flush_job *job = &flusher->jobs[i];
        struct emit_context context = {flusher, i};
        if (job->state != FLUSH_EMITTING)
            continue;
        accum_flush(job->accum, job->flush_ns, 1,
                    (size_t)flusher->plan->max_message_size - STATMETRIC_OVERHEAD_BYTES,
                    drop_chunk, &context);
        job->state = FLUSH_IDLE;
    }
}

size_t flusher_bytes(const struct flusher *flusher)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < flusher->plan->accumulator_count; i++) {
        bytes += accum_bytes(flusher->jobs[i].accum);
        for (unsigned w = 0; w < flusher->worker_count; w++)
            bytes += shard_bytes(flusher->workers[w].shards[i]);
    }
    return bytes;
}

uint64_t flusher_series(const struct flusher *flusher)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < flusher->plan->accumulator_count; i++) {
        uint64_t counts[STATSD_TYPE_COUNT];
        accum_series(flusher->jobs[i].accum, counts);
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
            sum += counts[type];
    }
    return sum;
}
