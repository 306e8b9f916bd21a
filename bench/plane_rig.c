/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/plane_rig.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/paths.h"

enum {
    PATH_SIZE = PLANE_RIG_PATH_SIZE,
    REPORT_SIZE = 4096,
    STEP_US = 2000,
    START_LIMIT_S = 30,
    BLAST_END_MS = 15000,
    PLANE_END_MS = 30000,
    LOST_PLANE_END_MS = 3000, /* when nothing that it has is wanted any more */
    LOG_LINES_SHOWN = 12
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void plane_rig_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool plane_rig_interrupted(void)
{
    return interrupted;
}

/* ---- logs ---- */

/* The last lines. */
static void add_log(const char *path, struct err *err)
{
    char lines[LOG_LINES_SHOWN][256];
    unsigned count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(lines[count % LOG_LINES_SHOWN], sizeof(lines[0]), file) != NULL) {
        char *line = lines[count++ % LOG_LINES_SHOWN];
        line[strcspn(line, "\n")] = '\0';
    }
    fclose(file);
    for (unsigned i = count > LOG_LINES_SHOWN ? count - LOG_LINES_SHOWN : 0; i < count; i++)
        err_add(err, "  | %s", lines[i % LOG_LINES_SHOWN]);
}

int plane_rig_plane_failed(struct plane_rig *rig, const char *what, struct err *err)
{
    err_add(err, "heka-dataplane %s; the end of its log:", what);
    add_log(rig->plane_log, err);
    return -1;
}

int plane_rig_blast_failed(struct plane_rig *rig, const char *what, struct err *err)
{
    err_add(err, "blast %s; the end of its log:", what);
    add_log(rig->blast_log, err);
    return -1;
}

/* ---- files ---- */

int plane_rig_use_dir(struct plane_rig *rig, const char *dir, struct err *err)
{
    const struct {
        char *path;
        const char *name;
    } files[] = {
        {rig->socket, "vhost.sock"},       {rig->core_map, "core-map.json"},
        {rig->plan, "plan.json"},          {rig->run_dir, "run"},
        {rig->plane_log, "dataplane.log"}, {rig->blast_log, "blast.log"},
    };
    if (strlen(dir) >= sizeof(rig->dir))
        return err_add(err, "%s: the path is too long", dir);
    snprintf(rig->dir, sizeof(rig->dir), "%s", dir);
    for (unsigned i = 0; i < ARRAY_COUNT(files); i++)
        snprintf(files[i].path, PATH_SIZE, "%s/%s", rig->dir, files[i].name);
    if (mkdir(rig->run_dir, 0755) != 0)
        return err_add(err, "cannot make %s: %s", rig->run_dir, strerror(errno));
    return 0;
}

int plane_rig_make_dir(struct plane_rig *rig, const char *name, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char dir[PLANE_RIG_DIR_SIZE];
    snprintf(dir, sizeof(dir), "%s/%s.XXXXXX",
             tmp != NULL && strlen(tmp) < sizeof(dir) / 2 ? tmp : "/tmp", name);
    if (mkdtemp(dir) == NULL)
        return err_add(err, "cannot make %s: %s", dir, strerror(errno));
    return plane_rig_use_dir(rig, dir, err);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

/* ---- programs ---- */

/* A program beside our own, at the first of the places `relative` to its folder. */
static int find_program(const char *const relative[2], char path[PATH_SIZE], struct err *err)
{
    char dir[PLANE_RIG_DIR_SIZE];
    int rc = paths_program_dir(dir, sizeof(dir));
    for (unsigned i = 0; i < 2 && rc == 0; i++) {
        int len = snprintf(path, PATH_SIZE, "%s/%s", dir, relative[i]);
        if (len < PATH_SIZE && access(path, X_OK) == 0)
            return 0;
    }
    return err_add(err, "%s is missing: build or install all of it", path);
}

static int launch_plane(struct plane_rig *rig, const char *program, const char *profile_dir,
                        struct err *err)
{
    static const char *const places[2] = {"../bin/heka-dataplane", "heka-dataplane"};
    char found[PATH_SIZE];
    if (program == NULL && find_program(places, found, err) != 0)
        return -1;
    const char *path = program != NULL ? program : found;
    const char *const argv[] = {
        path,         "--core-map", rig->core_map,
        "--plan",     rig->plan,    "--run-dir",
        rig->run_dir, "--no-drop",  profile_dir != NULL ? "--profile-dir" : NULL,
        profile_dir,  NULL,
    };
    int rc = bench_child_start(&rig->plane, argv, rig->plane_log, false);
    return rc == 0 ? 0 : err_add(err, "cannot start %s: %s", path, strerror(-rc));
}

static bool plane_is(const struct plane_rig *rig, enum segment_state state)
{
    return atomic_load_explicit(&rig->segment.header->state, memory_order_acquire) == state;
}

/* The run directory may still have the segment of the trial before. */
static bool plane_polls(struct plane_rig *rig)
{
    if (!rig->attached)
        rig->attached = segment_attach(rig->run_dir, &rig->segment, NULL) == 0;
    if (rig->attached && rig->segment.header->pid != (uint32_t)rig->plane.pid) {
        segment_detach(&rig->segment);
        rig->attached = false;
    }
    return rig->attached && plane_is(rig, SEGMENT_RUNNING);
}

int plane_rig_start(struct plane_rig *rig, const char *program, const char *profile_dir,
                    struct err *err)
{
    uint64_t limit_ns = clock_mono_ns() + START_LIMIT_S * CLOCK_NS_PER_S;
    rig->sent = (struct plane_rig_sent){0};
    if (launch_plane(rig, program, profile_dir, err) != 0)
        return -1;
    while (!plane_polls(rig)) {
        if (!bench_child_runs(&rig->plane))
            return plane_rig_plane_failed(rig, "ended at once", err);
        if (interrupted)
            return err_add(err, "interrupted");
        if (clock_mono_ns() > limit_ns)
            return plane_rig_plane_failed(rig, "does not begin to poll", err);
        usleep(STEP_US);
    }
    return 0;
}

int plane_rig_blast(struct plane_rig *rig, int cpu, const char *const options[], struct err *err)
{
    static const char *const places[2] = {"heka-blast", "../bench/blast"};
    char program[PATH_SIZE], cpu_text[24];
    if (find_program(places, program, err) != 0)
        return -1;
    snprintf(cpu_text, sizeof(cpu_text), "%d", cpu);
    const char *argv[PLANE_RIG_OPTIONS_MAX + 8] = {program, "--socket", rig->socket,
                                                   "--cpu", cpu_text,   "--hold"};
    unsigned count = 6;
    for (unsigned i = 0; options[i] != NULL; i++) {
        CHECK(i < PLANE_RIG_OPTIONS_MAX);
        argv[count++] = options[i];
    }
    int rc = bench_child_start(&rig->blast, argv, rig->blast_log, true);
    return rc == 0 ? 0 : err_add(err, "cannot start %s: %s", program, strerror(-rc));
}

/* Of all workers; the last lane is housekeeping's. */
static int read_frames(struct plane_rig *rig, uint64_t *frames, struct err *err)
{
    *frames = 0;
    for (unsigned i = 0; i + 1 < rig->segment.header->lane_count; i++) {
        struct counters counters = {0};
        if (!bench_child_runs(&rig->plane) || !counters_read(&rig->segment.blocks[i], &counters))
            return plane_rig_plane_failed(rig, "ended too early", err);
        *frames += counters.values[COUNTER_FRAMES_RX];
    }
    return 0;
}

int plane_rig_wait_frames(struct plane_rig *rig, uint64_t frames, unsigned patience_s,
                          struct err *err)
{
    uint64_t progress_ns = clock_mono_ns(), seen = 0, found = 0;
    int rc;
    while ((rc = read_frames(rig, &found, err)) == 0 && found < frames) {
        if (found != seen) {
            seen = found;
            progress_ns = clock_mono_ns();
        }
        if (interrupted)
            return err_add(err, "interrupted");
        if (rig->blast.pid != 0 && !bench_child_runs(&rig->blast))
            return plane_rig_blast_failed(rig, "ended too early", err);
        if (clock_mono_ns() - progress_ns > patience_s * CLOCK_NS_PER_S)
            return err_add(err, "%llu of %llu frames arrived", (unsigned long long)found,
                           (unsigned long long)frames);
        usleep(STEP_US);
    }
    return rc;
}

int plane_rig_sleep(double ms, struct err *err)
{
    uint64_t limit_ns = clock_mono_ns() + (uint64_t)(ms * CLOCK_NS_PER_MS);
    while (clock_mono_ns() < limit_ns) {
        if (interrupted)
            return err_add(err, "interrupted");
        usleep(STEP_US);
    }
    return 0;
}

static int take_report(struct plane_rig *rig, const char *line, int *stalled)
{
    struct plane_rig_sent *sent = &rig->sent;
    json_int_t frames = 0, metrics = 0, late = 0, refusals = 0;
    const char *dpdk = "";
    json_t *report = json_loads(line, 0, NULL);
    int rc = json_unpack(report, "{s:I, s:I, s:I, s:I, s:f, s:s, s:b}", "frames", &frames,
                         "metrics", &metrics, "late", &late, "refusals", &refusals, "elapsed_s",
                         &sent->elapsed_s, "dpdk", &dpdk, "stalled", stalled);
    sent->frames = (uint64_t)frames;
    sent->metrics = (uint64_t)metrics;
    sent->late = (uint64_t)late;
    sent->refusals = (uint64_t)refusals;
    snprintf(sent->dpdk, sizeof(sent->dpdk), "%s", rc == 0 ? dpdk : "");
    json_decref(report);
    return rc;
}

int plane_rig_report(struct plane_rig *rig, unsigned timeout_ms, struct err *err)
{
    char line[REPORT_SIZE];
    int stalled = 0;
    int rc = bench_child_read_line(&rig->blast, line, sizeof(line), (int)timeout_ms, &interrupted);
    if (rc == -EINTR)
        return err_add(err, "interrupted");
    if (rc != 0)
        return plane_rig_blast_failed(rig, rc == -EPIPE ? "ended too early" : "says nothing", err);
    rc = take_report(rig, line, &stalled);
    if (rc != 0 || stalled)
        return plane_rig_blast_failed(rig, rc != 0 ? "reports nonsense" : "could not send", err);
    return 0;
}

int plane_rig_stop(struct plane_rig *rig, struct err *err)
{
    if (rig->blast.pid != 0 && bench_child_end(&rig->blast, 0, BLAST_END_MS) != 0)
        return plane_rig_blast_failed(rig, "ended with an error", err);
    if (bench_child_end(&rig->plane, SIGTERM, PLANE_END_MS) != 0)
        return plane_rig_plane_failed(rig, "ended with an error", err);
    return plane_is(rig, SEGMENT_STOPPED)
               ? 0
               : plane_rig_plane_failed(rig, "did not stop in order", err);
}

/* Lanes in a hugetlbfs are not in the folder, and the next data plane removes them only if there is
 * one. */
static void remove_huge_lanes(const struct segment *segment)
{
    struct lane_file_place place = {0};
    memcpy(place.prefix, segment->header->lane_prefix, sizeof(segment->header->lane_prefix) - 1);
    if (place.prefix[0] != '\0')
        lane_file_remove(&place, segment->header->lane_count);
}

void plane_rig_end(struct plane_rig *rig)
{
    if (rig->blast.pid != 0)
        bench_child_end(&rig->blast, SIGKILL, 0);
    if (rig->plane.pid != 0)
        bench_child_end(&rig->plane, SIGTERM, LOST_PLANE_END_MS);
    if (rig->attached) {
        remove_huge_lanes(&rig->segment);
        segment_detach(&rig->segment);
    }
    rig->attached = false;
}

void plane_rig_close(struct plane_rig *rig)
{
    plane_rig_end(rig);
    if (rig->dir[0] != '\0')
        nftw(rig->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    rig->dir[0] = '\0';
}
