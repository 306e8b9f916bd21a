/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_rate.c - statsd through the data plane at full speed, with every total checked.
 *
 * Place:   measures what rate_rig.c starts, and reads the lanes in hekad's place; bench/README.md
 *          says how to read the result.
 *          With replay_workers the ports deliver a file from memory, and nobody sends.
 * Threads: this one, and that of rate_reader.c.
 * Memory:  two numbers for each series.
 * Failure: anything that is not exact fails the case.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/rate_reader.h"
#include "bench/rate_rig.h"
#include "bench/statsd_check.h"
#include "bench/thread_time.h"
#include "bench/traffic.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/ledger.h"

enum {
    FIRST_FRAME_LIMIT_S = 10,
    QUIET_LIMIT_S = 10, /* for the last frames to be taken */
    WARM_MS = 1000,
    WARM_QUICK_MS = 500,
    MEASURE_MS = 4000,
    MEASURE_QUICK_MS = 1000,
    SPARE_MS = 500,          /* blast goes on while the last counters are read */
    REPORT_LIMIT_MS = 15000, /* beyond what blast sends */
    NUMBER_SIZE = 24
};

/* A worker that loses more of its core than this says nothing about its speed. */
static const double disturbed_share = 0.02;

/* EAL's name of the threads that poll. */
#define WORKER_THREAD "rte-worker"

struct rate_case {
    const struct traffic_params *params;
    const char *blast_kind;
    uint32_t payload_bytes; /* 0: as `params` have it */
    double goal;
    unsigned replay_workers; /* 0: blast sends from another core */
};

struct session { /* one run */
    struct bench_run *run;
    const struct rate_case *rate_case;
    const struct traffic *traffic;
    struct rate_rig rig;
    struct statsd_check *check;
    struct rate_reader reader;
    pid_t worker_tid; /* 0: not known */
    uint64_t warm_ms, measure_ms;
};

/* ---- counters ---- */

struct look { /* at the worker */
    uint64_t time_ns, cycles;
    uint64_t frames, bytes, metrics, polls, polls_empty;
    struct thread_time worker;
};

static unsigned worker_count(const struct session *session)
{
    unsigned workers = session->rate_case->replay_workers;
    return workers > 0 ? workers : 1;
}

static int take_look(struct session *session, struct look *look)
{
    struct rate_rig *rig = &session->rig;
    *look = (struct look){0};
    for (unsigned worker = 0; worker < worker_count(session); worker++) {
        struct counters counters = {0};
        const uint64_t *values = counters.values;
        if (!bench_child_runs(&rig->rig.plane) ||
            !counters_read(&rig->rig.segment.blocks[worker], &counters))
            return rate_rig_plane_failed(rig, "ended too early");
        look->frames += values[COUNTER_FRAMES_RX];
        look->bytes += values[COUNTER_BYTES_RX];
        look->metrics += values[COUNTER_SAMPLES_COUNTER] + values[COUNTER_SAMPLES_GAUGE] +
                         values[COUNTER_SAMPLES_TIMER];
        look->polls += values[COUNTER_POLLS];
        look->polls_empty += values[COUNTER_POLLS_EMPTY];
    }
    look->time_ns = clock_mono_ns();
    look->cycles = bench_cycles();
    if (session->worker_tid == 0)
        session->worker_tid = thread_time_find(rig->rig.plane.pid, WORKER_THREAD);
    thread_time_read(rig->rig.plane.pid, session->worker_tid, bench_cpu(0), &look->worker);
    return 0;
}

/* ---- exactness ---- */

static void expect(struct session *session, const char *what, uint64_t sent, uint64_t found)
{
    if (sent != found)
        bench_inexact(session->run, "%s: sent %llu, found %llu", what, (unsigned long long)sent,
                      (unsigned long long)found);
}

static void check_ledger(struct session *session, const struct counters *counters)
{
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++) {
        struct ledger_balance balance = ledger_balance(counters, (enum ledger_stage)stage);
        if (balance.residual != 0 || balance.in_flight != 0)
            bench_inexact(session->run, "ledger, stage %s: residual %lld, in flight %lld",
                          ledger_stage_name((enum ledger_stage)stage), (long long)balance.residual,
                          (long long)balance.in_flight);
    }
}

/* How many datagrams each source sent: as blast says, or what each worker took from its file. */
static unsigned sent_datagrams(struct session *session, uint64_t counts[RATE_RIG_WORKERS_MAX])
{
    unsigned sources = session->rate_case->replay_workers;
    counts[0] = session->rig.rig.sent.frames;
    for (unsigned i = 0; i < sources; i++) {
        struct counters counters = {0};
        if (!counters_read(&session->rig.rig.segment.blocks[i], &counters))
            bench_inexact(session->run, "the counters of worker %u could not be read", i);
        counts[i] = counters.values[COUNTER_FRAMES_RX];
    }
    return sources > 0 ? sources : 1;
}

static void sum_sent(struct session *session, struct traffic_sum *sum)
{
    uint64_t counts[RATE_RIG_WORKERS_MAX];
    unsigned sources = sent_datagrams(session, counts);
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < sources; i++) {
        struct traffic_sum one;
        traffic_sum(session->traffic, 0, counts[i], &one);
        sum->datagrams += one.datagrams;
        sum->metrics += one.metrics;
        for (unsigned type = 0; type < TRAFFIC_TYPE_COUNT; type++)
            sum->samples[type] += one.samples[type];
    }
}

static void check_counters(struct session *session)
{
    const struct rate_rig *rig = &session->rig;
    struct counters counters = {0};
    const uint64_t *values = counters.values;
    struct traffic_sum sum;
    sum_sent(session, &sum);
    if (!segment_counters(&rig->rig.segment, &counters)) {
        bench_inexact(session->run, "the counters could not be read");
        return;
    }
    expect(session, "frames received", sum.datagrams, values[COUNTER_FRAMES_RX]);
    if (session->rate_case->replay_workers == 0)
        expect(session, "metrics by blast's account", sum.metrics, rig->rig.sent.metrics);
    expect(session, "lines", sum.metrics, values[COUNTER_STATSD_LINES]);
    expect(session, "counter samples", sum.samples[TRAFFIC_COUNTER],
           values[COUNTER_SAMPLES_COUNTER]);
    expect(session, "gauge samples", sum.samples[TRAFFIC_GAUGE], values[COUNTER_SAMPLES_GAUGE]);
    expect(session, "timer samples", sum.samples[TRAFFIC_TIMER], values[COUNTER_SAMPLES_TIMER]);
    expect(session, "samples flushed", sum.metrics, values[COUNTER_SAMPLES_FLUSHED]);
    expect(session, "messages read", values[COUNTER_MESSAGES_COMMITTED], session->reader.messages);
    check_ledger(session, &counters);
}

static void check_series(struct session *session)
{
    struct statsd_verdict verdict;
    if (session->reader.error != 0 || session->reader.malformed != 0)
        bench_inexact(session->run, "lanes: error %d, %llu malformed messages",
                      session->reader.error, (unsigned long long)session->reader.malformed);
    uint64_t counts[RATE_RIG_WORKERS_MAX];
    unsigned sources = sent_datagrams(session, counts);
    if (statsd_check_compare(session->check, counts, sources, &verdict))
        return;
    bench_inexact(session->run,
                  "%llu counters, %llu gauges, %llu timers are wrong; %llu lines of unknown "
                  "names, %llu malformed. %s",
                  (unsigned long long)verdict.wrong[TRAFFIC_COUNTER],
                  (unsigned long long)verdict.wrong[TRAFFIC_GAUGE],
                  (unsigned long long)verdict.wrong[TRAFFIC_TIMER],
                  (unsigned long long)verdict.unknown_lines,
                  (unsigned long long)verdict.malformed_lines, verdict.first_wrong);
}

/* ---- the rate ---- */

/* The share of the time that the worker had its core. Notes when others took too much of it. */
static double worker_share(struct session *session, const struct look *from, const struct look *to)
{
    double elapsed_ns = (double)(to->time_ns - from->time_ns);
    double run_ns = (double)(to->worker.run_ns - from->worker.run_ns);
    double lost_ns = (double)(to->worker.wait_ns - from->worker.wait_ns) +
                     (double)(to->worker.steal_ns - from->worker.steal_ns);
    if (run_ns <= 0)
        return 1; /* the kernel does not tell */
    bench_figure(session->run, "worker_lost_percent", 100 * lost_ns / elapsed_ns);
    if (lost_ns > disturbed_share * elapsed_ns)
        bench_disturbed(session->run);
    return run_ns < elapsed_ns ? run_ns / elapsed_ns : 1;
}

static int report_rate(struct session *session, const struct look *from, const struct look *to)
{
    struct bench_run *run = session->run;
    double seconds = (double)(to->time_ns - from->time_ns) / (double)CLOCK_NS_PER_S;
    double metrics = (double)(to->metrics - from->metrics);
    double frames = (double)(to->frames - from->frames);
    double polls = (double)(to->polls - from->polls);
    double polls_full = polls - (double)(to->polls_empty - from->polls_empty);
    if (metrics <= 0 || frames <= 0 || seconds <= 0 || polls_full <= 0)
        return bench_error(run, "nothing arrived in the measured time");
    /* Of the worker alone: when others take its core, the cycles are theirs. */
    double cycles = (double)(to->cycles - from->cycles) * worker_share(session, from, to) *
                    worker_count(session);
    const struct segment_header *header = session->rig.rig.segment.header;
    bench_result(run, metrics / seconds, cycles / metrics);
    bench_figure(run, "packets_per_s", frames / seconds);
    bench_figure(run, "cycles_per_packet", cycles / frames);
    bench_figure(run, "gbit_per_s", (double)(to->bytes - from->bytes) * 8 / seconds / 1e9);
    bench_figure(run, "packets_per_poll", frames / polls_full);
    bench_figure(run, "empty_polls_percent", 100 * (polls - polls_full) / polls);
    bench_figure(run, "accum_mbytes",
                 (double)atomic_load_explicit(&header->accum_bytes, memory_order_relaxed) /
                     (1 << 20));
    return 0;
}

static const char *number(char text[NUMBER_SIZE], uint64_t value)
{
    snprintf(text, NUMBER_SIZE, "%llu", (unsigned long long)value);
    return text;
}

static uint32_t payload_bytes_of(const struct rate_case *rate_case)
{
    return rate_case->payload_bytes != 0 ? rate_case->payload_bytes
                                         : rate_case->params->payload_bytes;
}

static int start_blast(struct session *session)
{
    struct bench_run *run = session->run;
    uint64_t ms = session->warm_ms + session->measure_ms + SPARE_MS;
    struct traffic_params params = *session->rate_case->params;
    traffic_set_names(&params, (uint32_t)bench_option_value(run, "names"));
    char texts[5][NUMBER_SIZE], seconds[NUMBER_SIZE];
    snprintf(seconds, sizeof(seconds), "%.3f", (double)ms / 1000);
    // clang-format off
    const char *const options[] = {
        session->rate_case->blast_kind,
        "--names", number(texts[0], params.names),
        "--name-min", number(texts[1], params.name_bytes_min),
        "--seed", number(texts[2], bench_option_value(run, "seed")),
        "--sampled", number(texts[3], bench_option_value(run, "sampled")),
        "--payload", number(texts[4], payload_bytes_of(session->rate_case)),
        "--seconds", seconds,
        NULL};
    // clang-format on
    return rate_rig_blast(&session->rig, options);
}

static int measure(struct session *session)
{
    struct look from = {0}, to = {0};
    bool is_replay = session->rate_case->replay_workers > 0;
    int rc = is_replay ? 0 : start_blast(session);
    if (rc == 0)
        rc = rate_rig_wait_frames(&session->rig, 1, FIRST_FRAME_LIMIT_S);
    if (rc == 0)
        rc = rate_rig_sleep(&session->rig, session->warm_ms);
    if (rc == 0)
        rc = take_look(session, &from);
    if (rc == 0)
        rc = rate_rig_sleep(&session->rig, session->measure_ms);
    if (rc == 0)
        rc = take_look(session, &to);
    if (rc == 0)
        rc = report_rate(session, &from, &to);
    if (rc == 0 && !is_replay)
        rc = rate_rig_report(&session->rig, REPORT_LIMIT_MS);
    if (rc == 0 && !is_replay)
        rc = rate_rig_wait_frames(&session->rig, session->rig.rig.sent.frames, QUIET_LIMIT_S);
    return rc;
}

/* ---- one run ---- */

static int run_session(struct session *session)
{
    struct rate_rig *rig = &session->rig;
    int rc = rate_rig_open(rig, session->run, session->traffic, session->rate_case->replay_workers);
    if (rc == 0 &&
        rate_reader_start(&session->reader, &rig->rig.segment, session->check, bench_cpu(1)) != 0)
        rc = bench_error(session->run, "the lanes cannot be read");
    if (rc == 0)
        rc = measure(session);
    if (rc == 0)
        rc = rate_rig_stop(rig);
    rate_reader_finish(&session->reader);
    if (rc == 0) {
        check_counters(session);
        check_series(session);
    }
    return rc;
}

static uint64_t measure_ms_of(const struct bench_run *run)
{
    uint64_t seconds = bench_option_value(run, "seconds");
    if (seconds != 0)
        return seconds * 1000;
    return run->quick ? MEASURE_QUICK_MS : MEASURE_MS;
}

static int run_once(struct bench_run *run)
{
    struct session *session = calloc(1, sizeof(*session));
    CHECK(session != NULL);
    session->run = run;
    session->rate_case = run->bench_case->arg;
    session->traffic = run->state;
    session->warm_ms = run->quick ? WARM_QUICK_MS : WARM_MS;
    session->measure_ms = measure_ms_of(run);
    bench_pin(bench_cpu(1)); /* the worker's core is the worker's alone */
    CHECK(statsd_check_new(session->traffic, &session->check) == 0);
    int rc = run_session(session);
    rate_rig_close(&session->rig);
    statsd_check_free(session->check);
    free(session);
    return rc;
}

static int set_up(struct bench_run *run)
{
    const struct rate_case *rate_case = run->bench_case->arg;
    struct traffic_params params = *rate_case->params;
    struct traffic *traffic = NULL;
    struct traffic_sum sum;
    struct err err = {0};
    if (plane_rig_interrupted())
        return bench_error(run, "interrupted");
    params.payload_bytes = payload_bytes_of(rate_case);
    if (rate_case->replay_workers > 1)
        params.gauge_percent = 0; /* the last value of two senders is anybody's */
    traffic_set_names(&params, (uint32_t)bench_option_value(run, "names"));
    params.seed = bench_option_value(run, "seed");
    params.sampled_percent = (uint32_t)bench_option_value(run, "sampled");
    if (traffic_new(&params, &traffic, &err) != 0) {
        err_print(&err, stderr);
        return -1;
    }
    run->state = traffic;
    traffic_sum(traffic, 0, traffic_cycle(traffic), &sum);
    bench_param(run, "goal", rate_case->goal);
    bench_param(run, "payload_bytes", (double)sum.payload_bytes / (double)sum.datagrams);
    bench_param(run, "metrics_per_packet", (double)sum.metrics / (double)sum.datagrams);
    bench_param(run, "gauge_percent", params.gauge_percent);
    bench_param(run, "timer_percent", params.timer_percent);
    bench_param(run, "measure_ms", (double)measure_ms_of(run));
    bench_param(run, "worker_cpu", bench_cpu(0));
    bench_param(run, "generator_cpu", bench_cpu(1));
    return 0;
}

static void tear_down(struct bench_run *run)
{
    traffic_free(run->state);
}

static const struct rate_case packed = {&traffic_packed, "--packed", 0, 34e6, 0};
static const struct rate_case single = {&traffic_single, "--single", 0, 14.88e6, 0};
static const struct rate_case payload_128 = {&traffic_packed, "--packed", 128, 0, 0};
static const struct rate_case payload_256 = {&traffic_packed, "--packed", 256, 0, 0};
static const struct rate_case payload_512 = {&traffic_packed, "--packed", 512, 0, 0};

static const struct rate_case one_worker = {&traffic_packed, "", 0, 0, 1};
static const struct rate_case two_workers = {&traffic_packed, "", 0, 0, 2};

/* clang-format off */
#define CASE(label, parameters)                                                                    \
    {.name = (label), .run = run_once, .unit = "metrics/s", .setup = set_up,                       \
     .teardown = tear_down, .arg = &(parameters), .runs = 3, .runs_quick = 2, .two_cores = true}
/* clang-format on */
static const struct bench_case cases[] = {
    CASE("packed", packed),           CASE("single", single),
    CASE("payload-128", payload_128), CASE("payload-256", payload_256),
    CASE("payload-512", payload_512), CASE("one-worker", one_worker),
    CASE("two-workers", two_workers),
};
#undef CASE

int main(int argc, char **argv)
{
    static struct bench_option options[] = {
        {"names", "distinct series", 10000, 1, TRAFFIC_NAMES_MAX},
        {"seed", "of the traffic", 1, 0, UINT32_MAX},
        {"sampled", "percent of the counter samples sent with |@0.5", 0, 0, 100},
        {"seconds", "measured time of each run; 0: 4, with --quick 1", 0, 0, 600},
    };
    static const struct bench bench = {
        .name = "statsd_rate",
        .help = "Statsd from another core through the data plane's one worker: parsed,\n"
                "aggregated, flushed, read from the lane, every total compared with what was\n"
                "sent. one-worker, two-workers: the same from memory, on one core and on two.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    plane_rig_catch_signals();
    return bench_main(&bench, argc, argv);
}
