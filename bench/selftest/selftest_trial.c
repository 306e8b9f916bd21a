/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_trial.c - one trial: a data plane of its own, traffic at one rate, all totals compared.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/selftest/selftest.h"
#include "bench/selftest/selftest_drain.h"
#include "bench/statsd_check.h"
#include "bench/thread_time.h"
#include "core/clock.h"
#include "core/ledger.h"

enum {
    STEP_US = 2000,
    FIRST_FRAME_LIMIT_S = 10,
    QUIET_LIMIT_S = 10, /* for the last frames to be taken */
    SPARE_MS = 300,     /* blast goes on while the last counters are read */
    WARM_MS_MAX = 500,
    REPORT_LIMIT_MS = 15000, /* beyond what blast sends */
    DEPTH = 256,             /* frames that blast makes up for: a quarter of the ring */
    NUMBER_SIZE = 24,
    WATCH_QUIET_MS = 3000,
    FAILED_END_MS = 3000 /* for the data plane of a trial that came to nothing */
};

#define WORKER_THREAD "rte-worker" /* EAL's name of the threads that poll */

/* A generator that reaches less of what it was asked for is the limit. */
static const double reached_share = 0.9;
/* Of a worker's time that others had; beyond it, it is what the ring was full for. */
static const double lost_share = 0.02;
/* A ring that is full at more of the bursts has a receiver that is the limit. */
static const double full_share = 0.05;
static const double burst_frames = 32;

struct look { /* at all workers */
    uint64_t time_ns, cycles, frames, bytes, items, busy;
    struct thread_time worker; /* the first one */
};

struct session { /* one trial */
    struct selftest *test;
    struct selftest_trial *trial;
    struct selftest_drain drain;
    struct err *err;
    pid_t worker_tid;
};

/* ---- looks ---- */

static uint64_t items_of(const struct selftest *test, const uint64_t *values)
{
    return test->target.kind == SELFTEST_STATSD || test->target.kind == SELFTEST_WATCH
               ? values[COUNTER_SAMPLES_COUNTER] + values[COUNTER_SAMPLES_GAUGE] +
                     values[COUNTER_SAMPLES_TIMER] + values[COUNTER_TEXT_PIECES]
               : values[COUNTER_TEXT_PIECES];
}

static int take_look(struct session *session, struct look *look)
{
    struct plane_rig *rig = &session->test->rig;
    *look = (struct look){0};
    for (unsigned i = 0; i + 1 < rig->segment.header->lane_count; i++) {
        struct counters counters = {0};
        if (!bench_child_runs(&rig->plane) || !counters_read(&rig->segment.blocks[i], &counters))
            return plane_rig_plane_failed(rig, "ended too early", session->err);
        look->frames += counters.values[COUNTER_FRAMES_RX];
        look->bytes += counters.values[COUNTER_BYTES_RX];
        look->items += items_of(session->test, counters.values);
        look->busy += counters.values[COUNTER_CYCLES_BUSY];
    }
    look->time_ns = clock_mono_ns();
    look->cycles = bench_cycles();
    if (session->worker_tid == 0)
        session->worker_tid = thread_time_find(rig->plane.pid, WORKER_THREAD);
    thread_time_read(rig->plane.pid, session->worker_tid, session->test->cpus.workers[0],
                     &look->worker);
    return 0;
}

/* ---- figures ---- */

static void take_figures(struct session *session, const struct look *from, const struct look *to)
{
    struct selftest_trial *trial = session->trial;
    double ns = (double)(to->time_ns - from->time_ns);
    double frames = (double)(to->frames - from->frames);
    double items = (double)(to->items - from->items);
    double busy = (double)(to->busy - from->busy);
    double cycles = (double)(to->cycles - from->cycles);
    double lost_ns = (double)(to->worker.wait_ns - from->worker.wait_ns) +
                     (double)(to->worker.steal_ns - from->worker.steal_ns);
    unsigned workers = session->test->target.queues;
    trial->packets_per_s = frames / ns * 1e9;
    trial->items_per_s = items / ns * 1e9;
    trial->gbit_per_s = (double)(to->bytes - from->bytes) * 8 / ns;
    trial->cycles_per_packet = frames > 0 ? busy / frames : 0;
    trial->cycles_per_item = items > 0 ? busy / items : 0;
    trial->busy_percent = cycles > 0 && workers > 0 ? 100 * busy / cycles / workers : 0;
    trial->lost_percent = ns > 0 ? 100 * lost_ns / ns : 0;
}

/* What was full first. */
static void name_limit(struct session *session)
{
    struct selftest_trial *trial = session->trial;
    const uint64_t *values = trial->counters.values;
    const struct plane_rig_sent *sent = &session->test->rig.sent;
    double late_flush_us = values[COUNTER_FLUSHES] > 0 ? (double)values[COUNTER_FLUSH_LATE_US] /
                                                             (double)values[COUNTER_FLUSHES]
                                                       : 0;
    bool ring_was_full =
        trial->rate > 0 ? trial->late > 0
                        : (double)sent->refusals * burst_frames > full_share * (double)sent->frames;
    if (trial->limit[0] != '\0')
        return; /* the books say it */
    if (ring_was_full && trial->lost_percent > 100 * lost_share)
        trial->limit = "worker, whose core others had, too";
    else if (ring_was_full)
        trial->limit = "worker";
    else if (late_flush_us > 1e6)
        trial->limit = "housekeeping";
    else if (trial->rate <= 0 || trial->packets_per_s < reached_share * trial->rate)
        trial->limit = "generator";
}

static void judge(struct session *session)
{
    struct selftest_trial *trial = session->trial;
    const struct selftest_options *options = &session->test->options;
    bool is_open_loop = trial->rate > 0;
    uint64_t lost = trial->dropped + (is_open_loop ? trial->late : 0);
    trial->loss = trial->sent > 0 ? (double)lost / (double)trial->sent : 1;
    trial->passed = trial->exact && trial->loss <= options->loss;
    if (trial->exact && trial->dropped == 0 && is_open_loop && trial->late > 0)
        snprintf(trial->why, sizeof(trial->why), "%llu frames found the ring full",
                 (unsigned long long)trial->late);
    name_limit(session);
}

/* ---- exactness beyond the books ---- */

static void __attribute__((format(printf, 2, 3)))
inexact(struct selftest_trial *trial, const char *format, ...)
{
    va_list args;
    if (!trial->exact)
        return;
    trial->exact = false;
    va_start(args, format);
    vsnprintf(trial->why, sizeof(trial->why), format, args);
    va_end(args);
}

static void compare(struct selftest_trial *trial, const char *what, uint64_t sent, uint64_t found)
{
    if (sent != found)
        inexact(trial, "%s: sent %llu, found %llu", what, (unsigned long long)sent,
                (unsigned long long)found);
}

static void check_statsd(struct session *session)
{
    struct selftest_trial *trial = session->trial;
    const uint64_t *values = trial->counters.values;
    struct statsd_verdict verdict;
    struct traffic_sum sum;
    traffic_sum(session->test->traffic, 0, trial->sent, &sum);
    compare(trial, "lines", sum.metrics, values[COUNTER_STATSD_LINES]);
    if (trial->dropped > 0)
        return; /* by name, and so the values are less */
    compare(trial, "counter samples", sum.samples[TRAFFIC_COUNTER],
            values[COUNTER_SAMPLES_COUNTER]);
    compare(trial, "gauge samples", sum.samples[TRAFFIC_GAUGE], values[COUNTER_SAMPLES_GAUGE]);
    compare(trial, "timer samples", sum.samples[TRAFFIC_TIMER], values[COUNTER_SAMPLES_TIMER]);
    compare(trial, "samples flushed", sum.metrics, values[COUNTER_SAMPLES_FLUSHED]);
    if (!statsd_check_compare(session->drain.check, &trial->sent, 1, &verdict))
        inexact(trial, "series are wrong (%llu unknown lines): %s",
                (unsigned long long)verdict.unknown_lines, verdict.first_wrong);
}

static void check_all(struct session *session)
{
    struct selftest *test = session->test;
    struct selftest_trial *trial = session->trial;
    const uint64_t *values = trial->counters.values;
    selftest_check_books(test, trial);
    if (session->drain.error != 0 || session->drain.malformed != 0)
        inexact(trial, "lanes: error %d, %llu malformed messages", session->drain.error,
                (unsigned long long)session->drain.malformed);
    compare(trial, "records for consumers", selftest_drain_matched(&test->rig.segment),
            session->drain.records);
    if (test->target.kind == SELFTEST_WATCH)
        return;
    compare(trial, "frames", trial->sent, values[COUNTER_FRAMES_RX]);
    if (test->target.pieces > 0)
        compare(trial, "pieces of text", trial->sent * test->target.pieces,
                values[COUNTER_TEXT_PIECES]);
    if (test->target.kind == SELFTEST_STATSD)
        check_statsd(session);
}

/* ---- the programs ---- */

static unsigned own_consumer(const struct selftest *test)
{
    json_t *consumers = json_object_get(json_object_get(test->request, "plan"), "consumers");
    json_t *last = json_array_get(consumers, json_array_size(consumers) - 1);
    return (unsigned)json_integer_value(json_object_get(last, "slot"));
}

static int start_plane(struct session *session)
{
    struct selftest *test = session->test;
    struct selftest_drain *drain = &session->drain;
    const char *program = json_string_value(json_object_get(test->request, "program"));
    const char *profiles = json_string_value(json_object_get(test->request, "profile_dir"));
    int rc = plane_rig_start(&test->rig, program, profiles, session->err);
    drain->cpu = test->cpus.drain;
    drain->is_gentle = test->target.kind == SELFTEST_STATSD && test->cpus.drain == test->cpus.main;
    if (rc == 0 && test->target.kind == SELFTEST_STATSD)
        rc = statsd_check_new(test->traffic, &drain->check);
    if (rc == 0 && selftest_drain_start(drain, &test->rig.segment, own_consumer(test)) != 0)
        rc = err_add(session->err, "the lanes cannot be read");
    return rc;
}

static const char *number(char text[NUMBER_SIZE], double value)
{
    snprintf(text, NUMBER_SIZE, "%.0f", value);
    return text;
}

static const char *mac_text(const uint8_t mac[6], char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return text;
}

static const char *endpoint_text(uint32_t ip, uint16_t port, char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%u.%u.%u.%u:%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255,
             port);
    return text;
}

static double warm_ms(const struct selftest *test)
{
    double ms = test->options.seconds * 1000 / 4;
    return ms < WARM_MS_MAX ? ms : WARM_MS_MAX;
}

static int start_blast(struct session *session)
{
    const struct selftest *test = session->test;
    const struct traffic_params *params = &test->params;
    const struct traffic_route *route = &test->target.route;
    double ms = warm_ms(test) + test->options.seconds * 1000 + SPARE_MS;
    char texts[12][NUMBER_SIZE], seconds[NUMBER_SIZE];
    snprintf(seconds, sizeof(seconds), "%.3f", ms / 1000);
    // clang-format off
    const char *options[PLANE_RIG_OPTIONS_MAX] = {
        "--seconds", seconds,
        "--warm", number(texts[0], warm_ms(test)),
        "--depth", number(texts[1], DEPTH),
        "--dst-mac", mac_text(route->dst_mac, texts[2]),
        "--from", endpoint_text(route->src_ip, route->src_port, texts[3]),
        "--to", endpoint_text(route->dst_ip, route->dst_port, texts[4]),
        "--queues", number(texts[5], test->target.queues)};
    unsigned count = 14;
    const char *const statsd[] = {
        params->payload_bytes > 0 ? "--packed" : "--single",
        "--names", number(texts[6], params->names),
        "--name-min", number(texts[7], params->name_bytes_min),
        "--payload", number(texts[8], params->payload_bytes),
        "--gauges", number(texts[9], params->gauge_percent)};
    const char *const capture[] = {"--capture", test->target.capture};
    const char *const rate[] = {"--rate", number(texts[10], session->trial->rate)};
    // clang-format on
    bool is_statsd = test->target.kind == SELFTEST_STATSD;
    for (unsigned i = 0; i < sizeof(statsd) / sizeof(statsd[0]) && is_statsd; i++)
        options[count++] = statsd[i];
    for (unsigned i = 0; i < 2 && !is_statsd; i++)
        options[count++] = capture[i];
    for (unsigned i = 0; i < 2 && session->trial->rate > 0; i++)
        options[count++] = rate[i];
    return plane_rig_blast(&session->test->rig, test->cpus.generator, options, session->err);
}

/* ---- a trial ---- */

static int send_and_look(struct session *session)
{
    struct selftest *test = session->test;
    struct look from = {0}, to = {0};
    int rc = start_blast(session);
    if (rc == 0)
        rc = plane_rig_wait_frames(&test->rig, 1, FIRST_FRAME_LIMIT_S, session->err);
    if (rc == 0)
        rc = plane_rig_sleep(warm_ms(test), session->err);
    if (rc == 0)
        rc = take_look(session, &from);
    if (rc == 0)
        rc = plane_rig_sleep(test->options.seconds * 1000, session->err);
    if (rc == 0)
        rc = take_look(session, &to);
    if (rc == 0)
        rc = plane_rig_report(&test->rig, REPORT_LIMIT_MS, session->err);
    if (rc == 0)
        rc = plane_rig_wait_frames(&test->rig, test->rig.sent.frames, QUIET_LIMIT_S, session->err);
    if (rc != 0)
        return rc;
    session->trial->sent = test->rig.sent.frames;
    session->trial->late = test->rig.sent.late;
    take_figures(session, &from, &to);
    return 0;
}

/* Until somebody who has sent stops, or the time is over. */
static int look_on(struct session *session)
{
    struct selftest *test = session->test;
    uint64_t over_ns = clock_mono_ns() + (uint64_t)(test->options.seconds * 1e9), moved_ns = 0;
    struct look first = {0}, last = {0}, now = {0};
    double fastest = 0;
    while (clock_mono_ns() < over_ns && !plane_rig_interrupted()) {
        if (take_look(session, &now) != 0)
            return -1;
        if (now.frames != last.frames && first.frames == 0)
            first = now;
        if (now.frames != last.frames)
            moved_ns = now.time_ns;
        if (moved_ns != 0 && now.time_ns - moved_ns > WATCH_QUIET_MS * CLOCK_NS_PER_MS)
            break;
        if (last.time_ns == 0 || now.time_ns - last.time_ns >= CLOCK_NS_PER_S) {
            double rate = last.time_ns != 0 ? (double)(now.frames - last.frames) /
                                                  (double)(now.time_ns - last.time_ns) * 1e9
                                            : 0;
            if (rate > fastest) {
                fastest = rate;
                take_figures(session, &last, &now);
            }
            last = now;
        }
        usleep(10 * STEP_US);
    }
    if (fastest <= 0 && first.time_ns != 0 && now.time_ns > first.time_ns)
        take_figures(session, &first, &now); /* it was over within a second */
    session->trial->sent = now.frames;
    return now.frames > 0 ? 0 : err_add(session->err, "no frame arrived");
}

static int run_session(struct session *session)
{
    struct selftest *test = session->test;
    bool is_watch = test->target.kind == SELFTEST_WATCH;
    int rc = start_plane(session);
    if (rc == 0)
        rc = is_watch ? look_on(session) : send_and_look(session);
    if (rc == 0)
        rc = plane_rig_stop(&test->rig, session->err);
    if (rc != 0) /* while somebody reads its lanes, it ends at once */
        bench_child_end(&test->rig.plane, SIGTERM, FAILED_END_MS);
    selftest_drain_finish(&session->drain);
    if (rc == 0 && !segment_counters(&test->rig.segment, &session->trial->counters))
        rc = err_add(session->err, "the counters could not be read");
    if (rc == 0) {
        check_all(session);
        judge(session);
    }
    return rc;
}

static struct selftest_trial *run(struct selftest *test, double rate, struct err *err)
{
    struct selftest_trial *trial = &test->trials[test->trial_count];
    struct session session = {.test = test, .trial = trial, .err = err};
    *trial = (struct selftest_trial){.rate = rate, .exact = true, .limit = ""};
    int rc = run_session(&session);
    /* What is not wanted any more must not wait for a reader. */
    plane_rig_end(&test->rig);
    statsd_check_free(session.drain.check);
    if (rc != 0)
        return NULL;
    test->trial_count++;
    return trial;
}

struct selftest_trial *selftest_run(struct selftest *test, double rate, struct err *err)
{
    return run(test, rate, err);
}

struct selftest_trial *selftest_watch(struct selftest *test, struct err *err)
{
    return run(test, 0, err);
}
