/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/flush.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "stats/shard_totals.h"
#include "stats/statsd_talkers.h"

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

static void request(struct flush_job *job)
{
    for (unsigned w = 0; w < job->worker_count; w++) {
        shard_request(job->shards[w].shard);
        if (job->is_leaving) /* the worker has given it up: it is ours */
            worker_shard_hand_over(&job->shards[w]);
    }
    job->state = FLUSH_REQUESTED;
    job->merged = 0;
    job->refused_now = (struct talkers){0};
    job->is_timely = job->is_due;
    if (job->is_due)
        memcpy(job->late_from, job->accepted_due, sizeof(job->late_from));
    job->is_due = false;
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

/* Says which prefixes' samples a worker refused, when it has refused more than before. */
static void name_offenders(const struct flush_job *job, unsigned worker, uint64_t refused)
{
    struct shard_offender found[3];
    unsigned count = shard_offenders(job->shards[worker].shard, found, ARRAY_COUNT(found));
    char text[3 * (SHARD_OFFENDER_TEXT + 32)] = "";
    size_t at = 0;
    for (unsigned i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"%s\" %llu", i > 0 ? ", " : "",
                               found[i].prefix, (unsigned long long)found[i].refused);
    log_info("accumulator '%s', worker %u: refused %llu samples since the last flush; prefixes "
             "with the most refused new names so far: %s",
             job->config->name, worker, (unsigned long long)refused, count > 0 ? text : "none");
}

/* The interval has ended: what workers accept from here on and still hand over with it is late. A
 * flush that is under way does not end that. */
static void note_due(struct flush_job *job, uint64_t now_ns)
{
    if (job->is_due || now_ns < job->times.next_ns)
        return;
    job->is_due = true;
    for (unsigned w = 0; w < job->worker_count; w++) {
        struct shard_totals totals = {0};
        shard_totals_add(&totals, job->shards[w].shard);
        job->accepted_due[w] = shard_totals_accepted(&totals);
    }
}

/* Merges workers in turn, each as soon as its side is ready. True when all are merged. */
static bool merge(struct flusher *flusher, struct flush_job *job)
{
    uint64_t *values = flusher->counters->values;
    while (job->merged < job->worker_count) {
        struct worker_shard *shard = &job->shards[job->merged];
        if (job->is_leaving)
            worker_shard_hand_over(shard);
        if (!shard_ready(shard->shard)) /* acquires what the worker did before its shard_poll() */
            return false;
        uint64_t handed = atomic_load_explicit(&shard->handed, memory_order_relaxed);
        values[COUNTER_SAMPLES_TAKEN] += handed - job->taken[job->merged];
        job->taken[job->merged] = handed;
        if (job->is_timely && handed > job->late_from[job->merged])
            values[COUNTER_SAMPLES_LATE] += handed - job->late_from[job->merged];
        uint64_t refused = atomic_load_explicit(&shard->refused, memory_order_relaxed);
        if (flusher->names_offenders && refused != job->refused_by[job->merged])
            name_offenders(job, job->merged, refused - job->refused_by[job->merged]);
        job->refused_by[job->merged] = refused;
        statsd_talkers_refused(&job->refused_now, shard->shard, job->config->name);
        values[COUNTER_SAMPLES_FLUSHED] += accum_merge(job->accum, shard->shard);
        job->merged++;
    }
    job->refused_most = job->refused_now;
    add_refused(job);
    statmetric_collect(&job->seen, job->accum, flusher->counters);
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
    uint64_t flush_ns = context->job->times.flush_ns;
    struct statmetric_origin origin = {
        .message_type = config->config.message_type,
        .logger = config->name,
        .hostname = context->sink->plan->hostname,
        .pid = (int32_t)getpid(),
    };
    struct msg_builder builder;
    message_sink_begin(context->sink, &builder, flush_ns);
    statmetric_build(&builder, &origin, chunk);
    return message_sink_put(context->sink, &builder, 0, flush_ns);
}

static size_t chunk_max(const struct message_sink *sink)
{
    return statmetric_chunk_max(sink->plan->max_message_size);
}

/* True when the flush is written. */
static bool emit(struct flusher *flusher, struct flush_job *job)
{
    struct emit_context context = {flusher->sink, job};
    if (accum_flush(job->accum, job->times.flush_ns, flush_times_elapsed_s(&job->times),
                    chunk_max(flusher->sink), emit_chunk, &context) != 0)
        return false;
    flusher->counters->values[COUNTER_FLUSHES]++;
    statmetric_collect(&job->seen, job->accum, flusher->counters);
    flush_times_end(&job->times);
    return true;
}

/* Goes on with the flush that is under way, as far as it can. */
static void go_on(struct flusher *flusher, struct flush_job *job)
{
    if (job->state == FLUSH_REQUESTED && merge(flusher, job))
        job->state = FLUSH_EMITTING;
    if (job->state == FLUSH_EMITTING && emit(flusher, job))
        job->state = FLUSH_IDLE;
}

static void step_job(struct flusher *flusher, struct flush_job *job, uint64_t now_ns)
{
    note_due(job, now_ns);
    if (job->state == FLUSH_IDLE && flush_times_begin(&job->times, now_ns)) {
        flush_times_count(&job->times, now_ns, flusher->counters);
        request(job);
    }
    go_on(flusher, job);
}

/* The job that took a leaving one's place: of the same name. NULL when the accumulator is gone. */
static struct flush_job *successor(const struct flusher *flusher, const struct flush_job *job)
{
    for (unsigned i = 0; i < flusher->job_count; i++)
        if (!flusher->jobs[i]->is_leaving &&
            strcmp(flusher->jobs[i]->config->name, job->config->name) == 0)
            return flusher->jobs[i];
    return NULL;
}

static bool has_predecessor(const struct flusher *flusher, const struct flush_job *job)
{
    for (unsigned i = 0; i < flusher->job_count; i++)
        if (flusher->jobs[i]->is_leaving && successor(flusher, flusher->jobs[i]) == job)
            return true;
    return false;
}

/* What a job held goes on into its successor's next flush, so that Graphite gets one value for each
 * series and interval. False while one of them has a flush to finish. */
static bool hand_on(struct flusher *flusher, struct flush_job *job)
{
    struct flush_job *to = successor(flusher, job);
    if (to == NULL || to->state != FLUSH_IDLE || accum_absorb(to->accum, job->accum) != 0)
        return false;
    flush_times_follow(&to->times, &job->times);
    return true;
}

/* A leaving job finishes what is under way, hands on what it has or, without a successor, flushes
 * once more, and is gone. True when it is. */
static bool step_leaving(struct flusher *flusher, struct flush_job *job, uint64_t now_ns)
{
    if (!job->is_last && job->state == FLUSH_IDLE) {
        flush_times_begin_now(&job->times, now_ns);
        job->is_last = true;
        request(job);
    }
    if (job->is_last && job->state == FLUSH_REQUESTED && merge(flusher, job))
        job->state = FLUSH_EMITTING;
    if (job->is_last && job->state == FLUSH_EMITTING && !accum_is_flushing(job->accum) &&
        successor(flusher, job) != NULL)
        return hand_on(flusher, job);
    go_on(flusher, job);
    return job->is_last && job->state == FLUSH_IDLE;
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
        if (!job->is_leaving && (job->state != FLUSH_IDLE || !has_predecessor(flusher, job)))
            step_job(flusher, job, now_ns);
        busy |= job->state != FLUSH_IDLE || job->is_leaving;
        i++;
    }
    return busy;
}

void flush_all(struct flusher *flusher, uint64_t now_ns)
{
    for (unsigned i = 0; i < flusher->job_count; i++)
        flusher->jobs[i]->times.next_ns = now_ns;
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
        accum_flush(job->accum, job->times.flush_ns, flush_times_elapsed_s(&job->times),
                    chunk_max(flusher->sink), drop_chunk, &context);
        job->state = FLUSH_IDLE;
    }
}

void flusher_talkers(const struct flusher *flusher, struct talkers *talkers)
{
    for (unsigned i = 0; i < flusher->job_count; i++) {
        const struct talkers *refused = &flusher->jobs[i]->refused_most;
        for (unsigned j = 0; j < refused->prefix_count; j++)
            talkers_add_prefix(talkers, &refused->prefixes[j]);
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
