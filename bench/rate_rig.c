/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/rate_rig.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/capture_file.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/paths.h"

enum {
    PATH_SIZE = RATE_RIG_PATH_SIZE,
    REPORT_SIZE = 4096,
    STEP_US = 2000,
    START_LIMIT_S = 30,
    BLAST_END_MS = 15000,
    PLANE_END_MS = 30000,
    LOG_LINES_SHOWN = 12,
    NAMES_SPARE = 1000,
    LANE_MBYTES_MIN = 64,
    LANE_MBYTES_MAX = 1024,
    LANE_BYTES_OF_NAME = 256 /* some flushes fit into a lane, so that a slow reader does not hurt */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void rate_rig_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool rate_rig_interrupted(void)
{
    return interrupted;
}

/* ---- logs ---- */

/* The last lines, on stderr. */
static void show_log(const char *path)
{
    char lines[LOG_LINES_SHOWN][256];
    unsigned count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(lines[count % LOG_LINES_SHOWN], sizeof(lines[0]), file) != NULL)
        count++;
    fclose(file);
    for (unsigned i = count > LOG_LINES_SHOWN ? count - LOG_LINES_SHOWN : 0; i < count; i++)
        fprintf(stderr, "  | %s", lines[i % LOG_LINES_SHOWN]);
}

int rate_rig_plane_failed(struct rate_rig *rig, const char *what)
{
    int rc = bench_error(rig->run, "heka-dataplane %s; the end of its log:", what);
    show_log(rig->plane_log);
    return rc;
}

int rate_rig_blast_failed(struct rate_rig *rig, const char *what)
{
    int rc = bench_error(rig->run, "blast %s; the end of its log:", what);
    show_log(rig->blast_log);
    return rc;
}

/* ---- files ---- */

static int write_json(struct rate_rig *rig, const char *path, json_t *object)
{
    CHECK(object != NULL);
    int rc = json_dump_file(object, path, JSON_INDENT(2));
    json_decref(object);
    return rc == 0 ? 0 : bench_error(rig->run, "cannot write %s", path);
}

static int lane_mbytes_for(uint32_t names)
{
    int mbytes = LANE_MBYTES_MIN;
    while (mbytes < LANE_MBYTES_MAX && mbytes * (1 << 20) / LANE_BYTES_OF_NAME < (int)names)
        mbytes *= 2;
    return mbytes;
}

/* The port that blast sends to, or one with a file for each worker. */
static json_t *port_json(const struct rate_rig *rig, unsigned index)
{
    char name[24], address[32], path[PATH_SIZE + 32];
    bool is_replay = rig->replay_workers > 0;
    snprintf(name, sizeof(name), "bench%u", index);
    snprintf(address, sizeof(address), "10.0.%u.1/24", index);
    snprintf(path, sizeof(path), "%s/%u.pcap", rig->dir, index);
    return json_pack("{s:s, s:s, s:s, s:s, s:[s], s:[{s:i, s:i}]}", "name", name, "profile",
                     is_replay ? "pcap_loop" : "vhost", "device", is_replay ? path : rig->socket,
                     "mac", "02:00:00:00:00:01", "addresses", address, "queues", "queue", 0, "core",
                     bench_cpu(index));
}

static unsigned port_count(const struct rate_rig *rig)
{
    return rig->replay_workers > 0 ? rig->replay_workers : 1;
}

static int write_core_map(struct rate_rig *rig, uint32_t names)
{
    json_t *workers = json_array(), *ports = json_array();
    for (unsigned i = 0; i < port_count(rig); i++) {
        json_array_append_new(workers, json_integer(bench_cpu(i)));
        json_array_append_new(ports, port_json(rig, i));
    }
    /* Housekeeping shares the generator's core, which has time to spare, and not the worker's. */
    json_t *map = json_pack("{s:i, s:o, s:i, s:b, s:b, s:o}", "main_core", bench_cpu(1), "workers",
                            workers, "lane_mbytes", lane_mbytes_for(names), "idle_sleep", 0,
                            "force", 1, "ports", ports);
    return write_json(rig, rig->core_map, map);
}

static int write_plan(struct rate_rig *rig, uint32_t names)
{
    json_t *listeners = json_array();
    for (unsigned i = 0; i < port_count(rig); i++) {
        char name[24], address[32];
        snprintf(name, sizeof(name), "statsd%u", i);
        snprintf(address, sizeof(address), "10.0.%u.1:8125", i);
        json_array_append_new(listeners,
                              json_pack("{s:s, s:s, s:s, s:s}", "name", name, "kind", "statsd",
                                        "address", address, "accumulator", "accum"));
    }
    json_t *plan =
        json_pack("{s:s, s:[{s:s, s:i, s:b, s:i}], s:o, s:[{s:s, s:s}]}", "hostname", "bench",
                  "accumulators", "name", "accum", "ticker_interval", 1, "legacy_namespaces", 0,
                  "names_max", (int)names + NAMES_SPARE, "listeners", listeners, "consumers",
                  "name", "bench", "message_matcher", "TRUE");
    return write_json(rig, rig->plan, plan);
}

/* The traffic's cycle as a capture file for the port of that index. */
static int write_capture(struct rate_rig *rig, const struct traffic *traffic, unsigned index)
{
    struct traffic_route route = traffic_route_default;
    struct capture_file capture;
    uint8_t frame[TRAFFIC_FRAME_MAX];
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof(path), "%s/%u.pcap", rig->dir, index);
    route.dst_ip += index << 8;
    int rc = capture_file_open(&capture, path);
    for (uint32_t k = 0; k < traffic_cycle(traffic) && rc == 0; k++)
        capture_file_add(&capture, frame, traffic_frame(traffic, &route, k, frame));
    if (rc == 0)
        rc = capture_file_close(&capture);
    return rc == 0 ? 0 : bench_error(rig->run, "cannot write %s: %s", path, strerror(-rc));
}

static int make_dir(struct rate_rig *rig)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(rig->dir, sizeof(rig->dir), "%s/statsd_rate.XXXXXX",
             tmp != NULL && strlen(tmp) < PATH_SIZE / 2 ? tmp : "/tmp");
    if (mkdtemp(rig->dir) != NULL)
        return 0;
    int rc = bench_error(rig->run, "cannot make %s: %s", rig->dir, strerror(errno));
    rig->dir[0] = '\0';
    return rc;
}

static int make_files(struct rate_rig *rig, const struct traffic *traffic)
{
    uint32_t names = traffic_names(traffic);
    int rc = make_dir(rig);
    if (rc != 0)
        return rc;
    snprintf(rig->socket, sizeof(rig->socket), "%s/vhost.sock", rig->dir);
    snprintf(rig->core_map, sizeof(rig->core_map), "%s/core-map.json", rig->dir);
    snprintf(rig->plan, sizeof(rig->plan), "%s/plan.json", rig->dir);
    snprintf(rig->run_dir, sizeof(rig->run_dir), "%s/run", rig->dir);
    snprintf(rig->plane_log, sizeof(rig->plane_log), "%s/dataplane.log", rig->dir);
    snprintf(rig->blast_log, sizeof(rig->blast_log), "%s/blast.log", rig->dir);
    if (mkdir(rig->run_dir, 0755) != 0)
        return bench_error(rig->run, "cannot make %s: %s", rig->run_dir, strerror(errno));
    for (unsigned i = 0; i < rig->replay_workers && rc == 0; i++)
        rc = write_capture(rig, traffic, i);
    if (rc == 0)
        rc = write_core_map(rig, names);
    return rc != 0 ? rc : write_plan(rig, names);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

/* ---- programs ---- */

/* A program beside our own, `relative` to its folder. */
static int find_program(struct rate_rig *rig, const char *relative, char *path, size_t size)
{
    char dir[PATH_SIZE];
    int rc = paths_program_dir(dir, sizeof(dir));
    snprintf(path, size, "%s/%s", dir, relative);
    if (rc == 0 && access(path, X_OK) == 0)
        return 0;
    return bench_error(rig->run, "%s is missing: build the whole preset", path);
}

static int start_plane(struct rate_rig *rig)
{
    char program[PATH_SIZE + 32];
    int rc = find_program(rig, "../bin/heka-dataplane", program, sizeof(program));
    if (rc != 0)
        return rc;
    const char *const argv[] = {program,     "--core-map", rig->core_map, "--plan", rig->plan,
                                "--run-dir", rig->run_dir, "--no-drop",   NULL};
    rc = bench_child_start(&rig->plane, argv, rig->plane_log, false);
    return rc == 0 ? 0 : bench_error(rig->run, "cannot start %s: %s", program, strerror(-rc));
}

static bool plane_is(const struct rate_rig *rig, enum segment_state state)
{
    return atomic_load_explicit(&rig->segment.header->state, memory_order_acquire) == state;
}

static bool plane_polls(struct rate_rig *rig)
{
    if (!rig->attached)
        rig->attached = segment_attach(rig->run_dir, &rig->segment, NULL) == 0;
    return rig->attached && plane_is(rig, SEGMENT_RUNNING);
}

static int wait_for_plane(struct rate_rig *rig)
{
    uint64_t limit_ns = clock_mono_ns() + START_LIMIT_S * CLOCK_NS_PER_S;
    while (!plane_polls(rig)) {
        if (!bench_child_runs(&rig->plane))
            return rate_rig_plane_failed(rig, "ended at once");
        if (interrupted)
            return bench_error(rig->run, "interrupted");
        if (clock_mono_ns() > limit_ns)
            return rate_rig_plane_failed(rig, "does not begin to poll");
        usleep(STEP_US);
    }
    return 0;
}

int rate_rig_open(struct rate_rig *rig, struct bench_run *run, const struct traffic *traffic,
                  unsigned replay_workers)
{
    CHECK(replay_workers <= RATE_RIG_WORKERS_MAX);
    *rig = (struct rate_rig){.run = run, .replay_workers = replay_workers};
    int rc = make_files(rig, traffic);
    if (rc == 0)
        rc = start_plane(rig);
    return rc == 0 ? wait_for_plane(rig) : rc;
}

int rate_rig_blast(struct rate_rig *rig, const char *const options[])
{
    char program[PATH_SIZE + 32], cpu[24];
    int rc = find_program(rig, "blast", program, sizeof(program));
    if (rc != 0)
        return rc;
    snprintf(cpu, sizeof(cpu), "%d", bench_cpu(1));
    const char *argv[RATE_RIG_OPTIONS_MAX + 8] = {program, "--socket", rig->socket,
                                                  "--cpu", cpu,        "--hold"};
    unsigned count = 6;
    for (unsigned i = 0; options[i] != NULL; i++) {
        CHECK(i < RATE_RIG_OPTIONS_MAX);
        argv[count++] = options[i];
    }
    rc = bench_child_start(&rig->blast, argv, rig->blast_log, true);
    return rc == 0 ? 0 : bench_error(rig->run, "cannot start %s: %s", program, strerror(-rc));
}

int rate_rig_report(struct rate_rig *rig, unsigned timeout_ms)
{
    char line[REPORT_SIZE];
    json_int_t frames = 0, metrics = 0;
    int stalled = 0;
    int rc = bench_child_read_line(&rig->blast, line, sizeof(line), (int)timeout_ms, &interrupted);
    if (rc == -EINTR)
        return bench_error(rig->run, "interrupted");
    if (rc != 0)
        return rate_rig_blast_failed(rig, rc == -EPIPE ? "ended too early" : "says nothing");
    json_t *report = json_loads(line, 0, NULL);
    rc = json_unpack(report, "{s:I, s:I, s:b}", "frames", &frames, "metrics", &metrics, "stalled",
                     &stalled);
    json_decref(report);
    if (rc != 0 || stalled)
        return rate_rig_blast_failed(rig, rc != 0 ? "reports nonsense" : "could not send");
    rig->sent_frames = (uint64_t)frames;
    rig->sent_metrics = (uint64_t)metrics;
    return 0;
}

int rate_rig_stop(struct rate_rig *rig)
{
    if (rig->blast.pid != 0 && bench_child_end(&rig->blast, 0, BLAST_END_MS) != 0)
        return rate_rig_blast_failed(rig, "ended with an error");
    if (bench_child_end(&rig->plane, SIGTERM, PLANE_END_MS) != 0)
        return rate_rig_plane_failed(rig, "ended with an error");
    return plane_is(rig, SEGMENT_STOPPED) ? 0 : rate_rig_plane_failed(rig, "did not stop in order");
}

void rate_rig_close(struct rate_rig *rig)
{
    if (rig->blast.pid != 0)
        bench_child_end(&rig->blast, SIGKILL, 0);
    if (rig->plane.pid != 0)
        bench_child_end(&rig->plane, SIGKILL, 0);
    if (rig->attached)
        segment_detach(&rig->segment);
    rig->attached = false;
    if (rig->dir[0] != '\0')
        nftw(rig->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    rig->dir[0] = '\0';
}
