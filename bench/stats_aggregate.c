/* SPDX-License-Identifier: MPL-2.0
 *
 * stats_aggregate.c - benchmark: what housekeeping does with an interval's series: merge a shard
 *                     into the accumulator, and write the flush.
 *
 * Place:   bench.h has the convention.
 * Method:  each run fills the shard, which is not timed, and then times accum_merge() and
 *          accum_flush() with messages of 60,000 bytes, by the time that the thread had its core.
 *          The value is series per second of both together. Exact: the samples that were merged,
 *          and the lines that came out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/clock.h"
#include "stats/accum.h"

enum { CHUNK_MAX = 60000, NAME_SIZE = 48, EXACT_MAX = 100 };

struct shape {
    uint32_t names;
    uint8_t type;
    uint32_t values; /* of each series; above EXACT_MAX a timer becomes a sketch */
    int naming;
};

struct rig {
    struct accum_config config;
    struct accum *accum;
    struct shard *shard;
    struct statsd_sample *samples; /* one for each series */
    char (*names)[NAME_SIZE];
    uint64_t lines;
};

static const int64_t ninety[] = {90};

static struct accum_config make_config(const struct shape *shape)
{
    return (struct accum_config){
        .emit_in_payload = true,
        .percent_threshold = {ninety, 1},
        .ticker_interval = 10,
        .message_type = "heka.statmetric",
        .global_prefix = "stats",
        .counter_prefix = "counters",
        .timer_prefix = "timers",
        .gauge_prefix = "gauges",
        .statsd_prefix = "statsd",
        .names_max = (int64_t)shape->names + 10,
        .timer_exact_max = EXACT_MAX,
        .sketch_mbytes = 4096,
        .naming = shape->naming,
        .etsy = {.legacy_namespace = true,
                 .prefix_stats = "statsd",
                 .flush_counts = true,
                 .key_name_sanitize = true},
    };
}

static void make_samples(struct rig *rig, const struct shape *shape)
{
    for (uint32_t i = 0; i < shape->names; i++) {
        int len =
            snprintf(rig->names[i], NAME_SIZE, "app%u.host%u.requests.%u", i % 7, i / 7 % 1000, i);
        rig->samples[i] = (struct statsd_sample){
            .name = rig->names[i],
            .name_len = (uint16_t)len,
            .type = shape->type,
            .hash = statsd_name_hash(rig->names[i], (size_t)len),
        };
    }
}

static int setup(struct bench_run *run)
{
    const struct shape *shape = run->bench_case->arg;
    uint64_t values = shape->type == STATSD_TIMER ? (uint64_t)shape->names * shape->values : 1;
    const struct shard_limits limits = {shape->names, 0, (uint32_t)values};
    struct rig *rig = calloc(1, sizeof(*rig));
    run->state = rig;
    if (rig == NULL)
        return bench_error(run, "out of memory");
    rig->config = make_config(shape);
    rig->samples = calloc(shape->names, sizeof(*rig->samples));
    rig->names = calloc(shape->names, NAME_SIZE);
    if (rig->samples == NULL || rig->names == NULL || shard_new(&limits, &rig->shard) != 0 ||
        accum_new(&rig->config, &rig->accum, NULL) != 0)
        return bench_error(run, "out of memory");
    make_samples(rig, shape);
    bench_param(run, "names", shape->names);
    bench_param(run, "values_each", shape->values);
    bench_param_text(run, "naming", shape->naming == ACCUM_ETSY ? "etsy" : "heka");
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct rig *rig = run->state;
    if (rig == NULL)
        return;
    accum_free(rig->accum);
    shard_free(rig->shard);
    free(rig->samples);
    free(rig->names);
    free(rig);
}

static void fill(struct rig *rig, const struct shape *shape)
{
    for (uint32_t v = 0; v < shape->values; v++) {
        for (uint32_t i = 0; i < shape->names; i++) {
            if (shape->type == STATSD_COUNTER)
                rig->samples[i].count = v + 1;
            else
                rig->samples[i].value = 1 + (double)((i * 2654435761U + v * 40503U) % 100000) / 16;
        }
        shard_add(rig->shard, rig->samples, shape->names);
    }
    shard_request(rig->shard);
    shard_poll(rig->shard);
}

static int count_lines(void *arg, const struct accum_chunk *chunk)
{
    uint64_t *lines = arg;
    for (const char *at = chunk->payload, *end = at + chunk->payload_size;
         (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        ++*lines;
    return 0;
}

/* With numStats, and the number of sketches when there are any. */
static uint64_t lines_expected(const struct shape *shape)
{
    uint64_t each = shape->type == STATSD_COUNTER ? 2 : 8;
    bool has_sketches = shape->type == STATSD_TIMER && shape->values > EXACT_MAX;
    return each * shape->names + 1 + has_sketches;
}

/* Others who take the core do not count. */
static uint64_t thread_ns(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int run_case(struct bench_run *run)
{
    const struct shape *shape = run->bench_case->arg;
    struct rig *rig = run->state;
    uint64_t merge_ns = 0, flush_ns = 0, rounds = 0;
    bench_pin(bench_cpu(0));
    fill(rig, shape); /* the names are known before the clock starts */
    accum_merge(rig->accum, rig->shard);
    accum_flush(rig->accum, 0, 10, CHUNK_MAX, count_lines, &rig->lines);
    do {
        uint64_t samples = (uint64_t)shape->names * shape->values, lines = 0;
        fill(rig, shape);
        uint64_t start_ns = thread_ns();
        uint64_t merged = accum_merge(rig->accum, rig->shard);
        uint64_t middle_ns = thread_ns();
        accum_flush(rig->accum, 0, 10, CHUNK_MAX, count_lines, &lines);
        flush_ns += thread_ns() - middle_ns;
        merge_ns += middle_ns - start_ns;
        rounds++;
        if (merged != samples)
            return bench_inexact(run, "%lu samples of %lu", (unsigned long)merged,
                                 (unsigned long)samples);
        if (shape->naming == ACCUM_HEKA && lines != lines_expected(shape))
            return bench_inexact(run, "%lu lines of %lu", (unsigned long)lines,
                                 (unsigned long)lines_expected(shape));
    } while (merge_ns + flush_ns < run->target_ns / 2);
    double series = (double)rounds * shape->names;
    bench_result(run, series / ((double)(merge_ns + flush_ns) / 1e9), 0);
    bench_figure(run, "merge_ns_per_series", (double)merge_ns / series);
    bench_figure(run, "flush_ns_per_series", (double)flush_ns / series);
    bench_figure(run, "flush_ms", (double)flush_ns / (double)rounds / 1e6);
    bench_figure(run, "accum_bytes", (double)accum_bytes(rig->accum));
    return 0;
}

static const struct shape counters_1k = {1000, STATSD_COUNTER, 1, ACCUM_HEKA};
static const struct shape counters_10k = {10000, STATSD_COUNTER, 1, ACCUM_HEKA};
static const struct shape counters_100k = {100000, STATSD_COUNTER, 1, ACCUM_HEKA};
static const struct shape counters_1m = {1000000, STATSD_COUNTER, 1, ACCUM_HEKA};
static const struct shape timers_1k = {1000, STATSD_TIMER, 100, ACCUM_HEKA};
static const struct shape timers_10k = {10000, STATSD_TIMER, 20, ACCUM_HEKA};
static const struct shape timers_100k = {100000, STATSD_TIMER, 5, ACCUM_HEKA};
static const struct shape timers_1m = {1000000, STATSD_TIMER, 2, ACCUM_HEKA};
static const struct shape sketch_1k = {1000, STATSD_TIMER, 1000, ACCUM_HEKA};
static const struct shape sketch_10k = {10000, STATSD_TIMER, 120, ACCUM_HEKA};
static const struct shape etsy_10k = {10000, STATSD_TIMER, 20, ACCUM_ETSY};
static const struct shape etsy_counters_100k = {100000, STATSD_COUNTER, 1, ACCUM_ETSY};

#define CASE(title, shape)                                                                         \
    {                                                                                              \
        .name = title, .run = run_case, .unit = "series/s", .setup = setup, .teardown = teardown,  \
        .arg = &(shape)                                                                            \
    }

static const struct bench_case cases[] = {
    CASE("names-1k", counters_1k),     CASE("names-10k", counters_10k),
    CASE("names-100k", counters_100k), CASE("names-1M", counters_1m),
    CASE("timers-1k", timers_1k),      CASE("timers-10k", timers_10k),
    CASE("timers-100k", timers_100k),  CASE("timers-1M", timers_1m),
    CASE("sketch-1k", sketch_1k),      CASE("sketch-10k", sketch_10k),
    CASE("etsy-timers-10k", etsy_10k), CASE("etsy-names-100k", etsy_counters_100k),
};

int main(int argc, char **argv)
{
    const struct bench bench = {
        .name = "stats_aggregate",
        .help = "an interval's series merged and flushed by one core",
        .cases = cases,
        .case_count = sizeof(cases) / sizeof(cases[0]),
    };
    return bench_main(&bench, argc, argv);
}
