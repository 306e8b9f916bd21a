/* SPDX-License-Identifier: MPL-2.0
 *
 * stats_parse.c - benchmark: statsd lines of every form in memory to samples, on one core.
 *
 * Place:   bench.h has the convention; stats_shard.c has aggregation beside it.
 * Method:  the value is metrics per second of statsd_parse(). Datagrams of up to 1,432 bytes (or of
 *          one line) over all names are made first, and parsed again and again. Names have 20 to 36
 *          bytes. Exact: every line and every value gives a sample.
 */
#include "stats/statsd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

enum { PAYLOAD_MAX = 1432, LINE_MAX_BYTES = 400, BATCH = 64, VALUES_EACH = 16, NAME_VARIANTS = 17 };

struct shape {
    uint32_t names;
    const char *ending; /* behind the value: "|c" */
    uint32_t dialects;
    bool single;  /* one line in each datagram */
    bool packed;  /* VALUES_EACH values in each line */
    bool has_name_tags;
};

struct piece {
    uint32_t offset, size;
};

struct rig {
    char *bytes;
    struct piece *pieces; /* datagrams */
    uint32_t piece_count;
    uint64_t metrics; /* of one cycle */
    struct statsd_parser parser;
};

static int put_name(char *line, const struct shape *shape, uint32_t i)
{
    static const char filler[] = ".requests.duration.total";
    int tail = (int)(i % NAME_VARIANTS);
    return snprintf(line, LINE_MAX_BYTES, "app%u.host%04u.m%07u%.*s%s", i % 8, i % 1000, i, tail,
                    filler, shape->has_name_tags ? ";env=prod;region=eu-west-1;service=web" : "");
}

static int put_line(char *line, const struct shape *shape, uint32_t i, uint32_t *seed)
{
    int len = put_name(line, shape, i);
    unsigned values = shape->packed ? VALUES_EACH : 1;
    for (unsigned v = 0; v < values; v++) {
        *seed = *seed * 1664525 + 1013904223;
        len += snprintf(line + len, (size_t)(LINE_MAX_BYTES - len), ":%u", (*seed >> 8) % 10000);
    }
    len += snprintf(line + len, (size_t)(LINE_MAX_BYTES - len), "%s", shape->ending);
    return len;
}

static int fill(struct rig *rig, const struct shape *shape)
{
    uint32_t lines = shape->names < 65536 ? 65536 : shape->names;
    uint32_t seed = 1, at = 0;
    rig->bytes = malloc((size_t)lines * LINE_MAX_BYTES);
    rig->pieces = malloc((size_t)lines * sizeof(*rig->pieces));
    if (rig->bytes == NULL || rig->pieces == NULL)
        return -1;
    struct piece *piece = NULL;
    for (uint32_t i = 0; i < lines; i++) {
        char line[LINE_MAX_BYTES];
        uint32_t len = (uint32_t)put_line(line, shape, i % shape->names, &seed);
        if (piece == NULL || shape->single || piece->size + 1 + len > PAYLOAD_MAX) {
            piece = &rig->pieces[rig->piece_count++];
            *piece = (struct piece){at, 0};
        } else {
            rig->bytes[at++] = '\n';
            piece->size++;
        }
        memcpy(rig->bytes + at, line, len);
        at += len;
        piece->size += len;
    }
    rig->metrics = (uint64_t)lines * (shape->packed ? VALUES_EACH : 1);
    return 0;
}

static uint64_t parse(struct rig *rig, uint64_t first, unsigned count)
{
    struct statsd_sample samples[STATSD_BURST];
    uint64_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct piece *piece = &rig->pieces[(first + i) % rig->piece_count];
        for (size_t offset = 0; offset < piece->size;) {
            total += statsd_parse(&rig->parser, rig->bytes + piece->offset, piece->size, &offset,
                                  samples);
            if (statsd_is_full(&rig->parser))
                statsd_release(&rig->parser);
        }
    }
    statsd_release(&rig->parser);
    return total;
}

static int setup(struct bench_run *run)
{
    const struct shape *shape = run->bench_case->arg;
    struct rig *rig = calloc(1, sizeof(*rig));
    run->state = rig;
    if (rig == NULL || fill(rig, shape) != 0)
        return bench_error(run, "out of memory");
    statsd_init(&rig->parser, &(struct statsd_settings){.dialects = shape->dialects});
    uint64_t got = parse(rig, 0, rig->piece_count);
    if (got != rig->metrics)
        return bench_error(run, "%lu samples of %lu metrics", (unsigned long)got,
                           (unsigned long)rig->metrics);
    bench_param(run, "names", shape->names);
    bench_param_text(run, "ending", shape->ending);
    bench_param_text(run, "traffic", shape->single ? "one line each" : "packed, 1,432 bytes");
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct rig *rig = run->state;
    if (rig == NULL)
        return;
    free(rig->bytes);
    free(rig->pieces);
    free(rig);
}

static int run_case(struct bench_run *run)
{
    struct rig *rig = run->state;
    uint64_t next = 0, samples = 0;
    uint64_t lines = rig->parser.counts.lines, extras = rig->parser.counts.extras;
    bench_pin(bench_cpu(0));
    bench_start(run);
    while (bench_goes_on(run)) {
        samples += parse(rig, next, BATCH);
        next += BATCH;
    }
    bench_stop(run, samples);
    bench_figure(run, "ns_per_metric", 1e9 / run->value);
    const struct statsd_counts *counts = &rig->parser.counts;
    if (counts->lines - lines + counts->extras - extras != samples)
        return bench_inexact(run, "%lu samples of %lu lines", (unsigned long)samples,
                             (unsigned long)(counts->lines - lines));
    return 0;
}

enum { DOG = 1 << STATSD_DOG, GRAPHITE = 1 << STATSD_GRAPHITE, ETSY = 1 << STATSD_ETSY };

#define CASE(title, ...)                                                                           \
    {                                                                                              \
        .name = title, .run = run_case, .unit = "metrics/s", .setup = setup, .teardown = teardown, \
        .arg = &(const struct shape){__VA_ARGS__}                                                  \
    }

static const struct bench_case cases[] = {
    CASE("names-1k", .names = 1000, .ending = "|c"),
    CASE("names-10k", .names = 10000, .ending = "|c"),
    CASE("names-100k", .names = 100000, .ending = "|c"),
    CASE("names-1M", .names = 1000000, .ending = "|c"),
    CASE("timers-10k", .names = 10000, .ending = "|ms"),
    CASE("single-10k", .names = 10000, .ending = "|c", .single = true),
    CASE("sampled-10k", .names = 10000, .ending = "|c|@0.5"),
    CASE("values-10k", .names = 10000, .ending = "|ms", .packed = true),
    CASE("wide-10k", .names = 10000, .ending = "|c", .dialects = DOG | GRAPHITE),
    CASE("etsy-10k", .names = 10000, .ending = "|c", .dialects = ETSY),
    CASE("dog-tags-10k", .names = 10000, .dialects = DOG,
         .ending = "|c|#env:prod,region:eu-west-1,service:web"),
    CASE("name-tags-10k", .names = 10000, .ending = "|c", .dialects = GRAPHITE,
         .has_name_tags = true),
};

int main(int argc, char **argv)
{
    const struct bench bench = {
        .name = "stats_parse",
        .help = "statsd lines of all forms parsed by one core, without packets",
        .cases = cases,
        .case_count = sizeof(cases) / sizeof(cases[0]),
    };
    return bench_main(&bench, argc, argv);
}
