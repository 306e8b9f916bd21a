/* SPDX-License-Identifier: MPL-2.0
 *
 * message_rate.c - Heka frames over UDP through the whole product at full speed: split, decoded and
 *                  matched against 100 rules by one worker, one message of ten delivered through a
 *                  lane to a file by hekad; every delivered message compared with what was sent.
 *
 * Place:   build/PRESET/bench/message_rate. The port delivers a capture from memory (profile
 *          pcap_loop) on bench_cpu(0); hekad has the other core.
 * Threads: one.
 * Memory:  a folder in $TMPDIR, removed at the end, with what is delivered: 500 MB in 10 s.
 * Failure: a message that is missing, or there too often, makes the case inexact.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bench_child.h"
#include "bench/message_traffic.h"
#include "bench/thread_time.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/ledger.h"
#include "core/paths.h"
#include "core/segment.h"

enum {
    PATH_SIZE = 512,
    RULES = 100,
    STEP_US = 2000,
    START_LIMIT_S = 30,
    WARM_MS = 500,
    MEASURE_MS = 3000,
    MEASURE_QUICK_MS = 1000,
    END_LIMIT_MS = 60000,
    WORKER_BLOCK = 0
};

/* A worker that loses more of its core than this says nothing about its speed. */
static const double disturbed_share = 0.02;

struct message_session { /* one run */
    struct bench_run *run;
    char dir[PATH_SIZE];
    struct bench_child hekad;
    struct segment segment; /* also after the data plane's end */
    bool attached;
};

struct look {
    uint64_t time_ns, cycles, messages, bytes;
    struct thread_time worker;
};

static const char *in_dir(const struct message_session *session, const char *name, char *path)
{
    snprintf(path, PATH_SIZE + 32, "%s/%s", session->dir, name);
    return path;
}

/* ---- configuration ---- */

static void write_outputs(FILE *file, const char *dir)
{
    fprintf(file,
            "[wanted]\ntype = \"FileOutput\"\npath = \"%s/wanted.txt\"\nencoder = \"lines\"\n"
            "message_matcher = \"Type == '%s'\"\nflush_interval = 100\n",
            dir, MESSAGE_TRAFFIC_TYPE);
    for (unsigned i = 1; i < RULES; i++)
        fprintf(file,
                "[rule%u]\ntype = \"FileOutput\"\npath = \"%s/rest.txt\"\nencoder = \"lines\"\n"
                "message_matcher = \"Type == 'other%u' || (Fields[status] == %u && Payload =~ "
                "/request%u failed/)\"\n",
                i, dir, i, 200 + i, i);
    fprintf(file, "[lines]\ntype = \"PayloadEncoder\"\nappend_newlines = true\n");
}

static int write_config(struct message_session *session)
{
    char path[PATH_SIZE + 32];
    FILE *file = fopen(in_dir(session, "core_map.json", path), "we");
    if (file == NULL)
        return bench_error(session->run, "cannot write %s: %s", path, strerror(errno));
    fprintf(file,
            "{\"main_core\": %d, \"workers\": [%d], \"idle_sleep\": false, \"lane_mbytes\": 64, "
            "\"force\": true, \"ports\": [{\"name\": \"bench\", \"profile\": \"pcap_loop\", "
            "\"device\": \"%s/frames.pcap\", \"mac\": \"02:00:00:00:00:01\", "
            "\"addresses\": [\"10.0.0.1/24\"]}]}\n",
            bench_cpu(1), bench_cpu(0), session->dir);
    fclose(file);
    file = fopen(in_dir(session, "hekad.toml", path), "we");
    if (file == NULL)
        return bench_error(session->run, "cannot write %s: %s", path, strerror(errno));
    fprintf(file,
            "[hekad]\nbase_dir = \"%s/base\"\n[dataplane]\ncore_map = \"core_map.json\"\n"
            "run_dir = \"%s/run\"\n[frames]\ntype = \"UdpInput\"\naddress = \"10.0.0.1:5565\"\n"
            "splitter = \"HekaFramingSplitter\"\ndecoder = \"ProtobufDecoder\"\n",
            session->dir, session->dir);
    write_outputs(file, session->dir);
    return fclose(file) == 0 ? 0 : bench_error(session->run, "cannot write %s", path);
}

static int make_files(struct message_session *session)
{
    char path[PATH_SIZE + 32];
    const char *tmp = getenv("TMPDIR");
    snprintf(session->dir, sizeof(session->dir), "%s/message_rate.XXXXXX",
             tmp != NULL && strlen(tmp) < PATH_SIZE / 2 ? tmp : "/tmp");
    if (mkdtemp(session->dir) == NULL) {
        session->dir[0] = '\0';
        return bench_error(session->run, "cannot make a folder: %s", strerror(errno));
    }
    int rc = message_traffic_write(in_dir(session, "frames.pcap", path), NULL);
    if (rc != 0)
        return bench_error(session->run, "cannot write %s: %s", path, strerror(-rc));
    return write_config(session);
}

/* ---- the programs ---- */

static int failed(struct message_session *session, const char *what)
{
    char path[PATH_SIZE + 32], line[256];
    FILE *file = fopen(in_dir(session, "log", path), "re");
    int rc = bench_error(session->run, "hekad %s; the end of its log:", what);
    if (file == NULL)
        return rc;
    fseek(file, -2000, SEEK_END);
    while (fgets(line, sizeof(line), file) != NULL)
        fprintf(stderr, "  | %s", line);
    fclose(file);
    return rc;
}

static bool is_running(struct message_session *session)
{
    char path[PATH_SIZE + 32];
    if (!session->attached)
        session->attached =
            segment_attach(in_dir(session, "run", path), &session->segment, NULL) == 0;
    return session->attached && atomic_load_explicit(&session->segment.header->state,
                                                     memory_order_acquire) == SEGMENT_RUNNING;
}

static int start(struct message_session *session)
{
    char program[PATH_SIZE + 32], config[PATH_SIZE + 32], log[PATH_SIZE + 32];
    char dir[PATH_SIZE];
    if (paths_program_dir(dir, sizeof(dir)) != 0)
        return bench_error(session->run, "where this program is cannot be found");
    snprintf(program, sizeof(program), "%s/../bin/hekad", dir);
    const char *const argv[] = {program, "-config", in_dir(session, "hekad.toml", config), NULL};
    int rc = bench_child_start(&session->hekad, argv, in_dir(session, "log", log), false);
    if (rc != 0)
        return bench_error(session->run, "cannot start %s: %s", program, strerror(-rc));
    uint64_t limit_ns = clock_mono_ns() + START_LIMIT_S * CLOCK_NS_PER_S;
    while (!is_running(session)) {
        if (!bench_child_runs(&session->hekad))
            return failed(session, "ended at once");
        if (clock_mono_ns() > limit_ns)
            return failed(session, "does not start");
        usleep(STEP_US);
    }
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void close_session(struct message_session *session)
{
    if (session->hekad.pid != 0)
        bench_child_end(&session->hekad, SIGKILL, 0);
    if (session->attached)
        segment_detach(&session->segment);
    if (session->dir[0] != '\0')
        nftw(session->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- one run ---- */

static int take_look(struct message_session *session, struct look *look)
{
    struct counters counters = {0};
    pid_t plane = (pid_t)session->segment.header->pid;
    if (!bench_child_runs(&session->hekad) ||
        !counters_read(&session->segment.blocks[WORKER_BLOCK], &counters))
        return failed(session, "ended too early");
    *look = (struct look){.time_ns = clock_mono_ns(),
                          .cycles = bench_cycles(),
                          .messages = counters.values[COUNTER_MESSAGES_CREATED],
                          .bytes = counters.values[COUNTER_BYTES_RX]};
    thread_time_read(plane, thread_time_find(plane, "rte-worker"), bench_cpu(0), &look->worker);
    return 0;
}

static void report(struct message_session *session, const struct look *from, const struct look *to)
{
    double elapsed_ns = (double)(to->time_ns - from->time_ns);
    double run_ns = (double)(to->worker.run_ns - from->worker.run_ns);
    double messages = (double)(to->messages - from->messages);
    double share = run_ns > 0 && run_ns < elapsed_ns ? run_ns / elapsed_ns : 1;
    bench_result(session->run, messages / elapsed_ns * 1e9,
                 (double)(to->cycles - from->cycles) * share / messages);
    bench_figure(session->run, "gbit_per_s", (double)(to->bytes - from->bytes) * 8 / elapsed_ns);
    bench_figure(session->run, "worker_lost_percent", 100 * (1 - share));
    if (1 - share > disturbed_share)
        bench_disturbed(session->run);
}

static void check_books(struct message_session *session, uint64_t *datagrams)
{
    struct counters counters = {0};
    if (!segment_counters(&session->segment, &counters)) {
        bench_inexact(session->run, "the counters could not be read");
        return;
    }
    *datagrams = counters.values[COUNTER_FRAMES_RX];
    if (counters.values[COUNTER_MESSAGES_LANE_FULL] != 0)
        bench_inexact(session->run, "%llu messages found no room in the lane: hekad is the limit",
                      (unsigned long long)counters.values[COUNTER_MESSAGES_LANE_FULL]);
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++) {
        struct ledger_balance balance = ledger_balance(&counters, (enum ledger_stage)stage);
        if (balance.residual != 0 || balance.in_flight != 0)
            bench_inexact(session->run, "ledger, stage %s: residual %lld, in flight %lld",
                          ledger_stage_name((enum ledger_stage)stage), (long long)balance.residual,
                          (long long)balance.in_flight);
    }
}

static int check_delivered(struct message_session *session)
{
    char path[PATH_SIZE + 32];
    struct message_traffic_found found;
    uint64_t datagrams = 0;
    check_books(session, &datagrams);
    int rc = message_traffic_check(in_dir(session, "wanted.txt", path), datagrams, &found);
    if (rc != 0)
        return bench_error(session->run, "%s: %s", path, strerror(-rc));
    if (found.wrong + found.malformed != 0)
        bench_inexact(session->run,
                      "of %llu wanted messages %llu were delivered; %llu kinds in a wrong number, "
                      "%llu malformed lines",
                      (unsigned long long)found.expected, (unsigned long long)found.found,
                      (unsigned long long)found.wrong, (unsigned long long)found.malformed);
    bench_figure(session->run, "delivered", (double)found.found);
    return 0;
}

static int measure(struct message_session *session)
{
    struct look from = {0}, to = {0};
    usleep(WARM_MS * 1000);
    int rc = take_look(session, &from);
    usleep((session->run->quick ? MEASURE_QUICK_MS : MEASURE_MS) * 1000);
    if (rc == 0)
        rc = take_look(session, &to);
    if (rc != 0)
        return rc;
    report(session, &from, &to);
    if (bench_child_end(&session->hekad, SIGTERM, END_LIMIT_MS) != 0)
        return failed(session, "did not end in order");
    return check_delivered(session);
}

static int run_once(struct bench_run *run)
{
    struct message_session *session = calloc(1, sizeof(*session));
    CHECK(session != NULL);
    session->run = run;
    int rc = make_files(session);
    if (rc == 0)
        rc = start(session);
    if (rc == 0)
        rc = measure(session);
    close_session(session);
    free(session);
    return rc;
}

static int set_up(struct bench_run *run)
{
    bench_param(run, "message_bytes", MESSAGE_TRAFFIC_SIZE);
    bench_param(run, "messages_per_packet", MESSAGE_TRAFFIC_FRAMES);
    bench_param(run, "rules", RULES);
    bench_param(run, "wanted_percent", 100.0 / MESSAGE_TRAFFIC_WANTED_EACH);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {{.name = "frames",
                                               .run = run_once,
                                               .unit = "messages/s",
                                               .setup = set_up,
                                               .runs = 3,
                                               .runs_quick = 2,
                                               .two_cores = true}};
    static const struct bench bench = {
        .name = "message_rate",
        .help = "Heka frames over UDP, 100 rules, one of ten messages to a file by hekad.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases)};
    return bench_main(&bench, argc, argv);
}
