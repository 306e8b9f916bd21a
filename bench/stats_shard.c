/* SPDX-License-Identifier: MPL-2.0
 *
 * stats_shard.c - benchmark: statsd datagrams in memory, parsed, and parsed and aggregated, on one
 *                 core.
 *
 * Place:   bench.h has the convention, bench/traffic.h the datagrams.
 * Method:  the value is metrics per second of statsd_parse() alone (parse) or with shard_add()
 *          (names). A run goes over the traffic's cycle again and again; the flush in between is
 *          not timed. Exact: every sample, and the sums of counters and timers.
 */
#include "stats/shard.h"

#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/traffic.h"

enum { BATCH = 64 /* datagrams between two looks at the clock */ };

struct shape {
    uint32_t names;
    bool packed; /* else one line in each datagram */
    bool add;
};

struct rig {
    struct traffic *traffic;
    struct shard *shard;
    uint64_t next; /* datagram */
};

struct sums {
    uint64_t samples[STATSD_TYPE_COUNT], series;
    double values[STATSD_TYPE_COUNT];
};

static void add_series(void *arg, const struct shard_series *series)
{
    struct sums *sums = arg;
    sums->series++;
    sums->samples[series->type] += series->samples;
    if (series->type == STATSD_COUNTER)
        sums->values[STATSD_COUNTER] += (double)series->count;
    for (uint64_t i = 0; series->type == STATSD_TIMER && i < series->samples; i++)
        sums->values[STATSD_TIMER] += series->timers[i];
}

static struct sums take(struct shard *shard)
{
    struct sums sums = {0};
    shard_request(shard);
    shard_poll(shard);
    shard_take(shard, add_series, &sums);
    return sums;
}

/* Parses, and adds when there is a shard, collecting bursts over datagrams as a worker does.
 * Returns the number of samples. */
static uint64_t consume(const struct traffic *traffic, struct shard *shard, uint64_t first,
                        unsigned datagrams, struct statsd_parser *parser)
{
    static struct statsd_sample samples[2 * STATSD_BURST];
    unsigned held = 0;
    uint64_t total = 0;
    for (unsigned i = 0; i < datagrams; i++) {
        uint32_t size;
        const char *payload = traffic_payload(traffic, first + i, &size);
        for (size_t offset = 0; offset < size;) {
            unsigned count = statsd_parse(parser, payload, size, &offset, samples + held);
            total += count;
            held += count;
            if (held < STATSD_BURST)
                continue;
            if (shard != NULL)
                shard_add(shard, samples, held);
            held = 0;
        }
    }
    if (shard != NULL)
        shard_add(shard, samples, held);
    return total;
}

static int check(struct bench_run *run, const struct rig *rig, const struct sums *sums,
                 uint64_t first)
{
    struct traffic_sum expected;
    traffic_sum(rig->traffic, first, rig->next - first, &expected);
    for (unsigned type = 0; type < TRAFFIC_TYPE_COUNT; type++) {
        if (sums->samples[type] != expected.samples[type])
            return bench_inexact(run, "type %u: %lu samples of %lu", type,
                                 (unsigned long)sums->samples[type],
                                 (unsigned long)expected.samples[type]);
        if (type != STATSD_GAUGE && sums->values[type] != expected.sums[type])
            return bench_inexact(run, "type %u: the sum is %.17g, not %.17g", type,
                                 sums->values[type], expected.sums[type]);
    }
    return 0;
}

static int setup(struct bench_run *run)
{
    const struct shape *shape = run->bench_case->arg;
    const struct shard_limits limits = {shape->names, 0, 16 << 20};
    struct traffic_params params = shape->packed ? traffic_packed : traffic_single;
    struct rig *rig = calloc(1, sizeof(*rig));
    struct err err = {0};
    run->state = rig;
    params.names = shape->names;
    if (rig == NULL || traffic_new(&params, &rig->traffic, &err) != 0)
        return bench_error(run, "no traffic: %s", err.count > 0 ? err.texts[0] : "out of memory");
    if (shape->add && shard_new(&limits, &rig->shard) != 0)
        return bench_error(run, "no memory for a shard");
    bench_param(run, "names", shape->names);
    bench_param_text(run, "traffic", shape->packed ? "packed, 1,432 bytes" : "one line each");
    bench_param_text(run, "work", shape->add ? "parse and add" : "parse");
    if (rig->shard != NULL) { /* the names are known before the clock starts */
        static const struct statsd_settings settings;
        static struct statsd_parser parser;
        statsd_init(&parser, &settings);
        consume(rig->traffic, rig->shard, 0, traffic_cycle(rig->traffic), &parser);
        take(rig->shard);
    }
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct rig *rig = run->state;
    if (rig == NULL)
        return;
    traffic_free(rig->traffic);
    shard_free(rig->shard);
    free(rig);
}

static int run_case(struct bench_run *run)
{
    struct rig *rig = run->state;
    static const struct statsd_settings settings;
    static struct statsd_parser parser;
    uint64_t first = rig->next, samples = 0;
    statsd_init(&parser, &settings);
    bench_pin(bench_cpu(0));
    bench_start(run);
    while (bench_goes_on(run)) {
        samples += consume(rig->traffic, rig->shard, rig->next, BATCH, &parser);
        rig->next += BATCH;
    }
    bench_stop(run, samples);
    bench_figure(run, "ns_per_metric", 1e9 / run->value);
    struct traffic_sum expected;
    traffic_sum(rig->traffic, first, rig->next - first, &expected);
    if (samples != expected.metrics || parser.counts.lines != samples)
        return bench_inexact(run, "%lu samples of %lu lines", (unsigned long)samples,
                             (unsigned long)expected.metrics);
    if (rig->shard == NULL)
        return 0;
    struct sums sums = take(rig->shard);
    bench_figure(run, "shard_bytes", (double)shard_bytes(rig->shard));
    return check(run, rig, &sums, first);
}

static const struct shape parse_packed = {10000, true, false};
static const struct shape parse_single = {10000, false, false};
static const struct shape names_1k = {1000, true, true};
static const struct shape names_10k = {10000, true, true};
static const struct shape single_10k = {10000, false, true};
static const struct shape names_100k = {100000, true, true};
static const struct shape names_1m = {1000000, true, true};

#define CASE(title, shape)                                                                         \
    {                                                                                              \
        .name = title, .run = run_case, .unit = "metrics/s", .setup = setup, .teardown = teardown, \
        .arg = &(shape)                                                                            \
    }

static const struct bench_case cases[] = {
    CASE("parse-packed", parse_packed), CASE("parse-single", parse_single),
    CASE("names-1k", names_1k),         CASE("names-10k", names_10k),
    CASE("single-10k", single_10k),     CASE("names-100k", names_100k),
    CASE("names-1M", names_1m),
};

int main(int argc, char **argv)
{
    const struct bench bench = {
        .name = "stats_shard",
        .help = "statsd lines parsed and aggregated by one core, without packets",
        .cases = cases,
        .case_count = sizeof(cases) / sizeof(cases[0]),
    };
    return bench_main(&bench, argc, argv);
}
