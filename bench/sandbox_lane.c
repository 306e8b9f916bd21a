/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_lane.c - messages from a lane through a Lua plugin in a real worker: hekad reads the
 *                  lane, hands over, and keeps the books.
 *
 * Place:   build/PRESET/bench/sandbox_lane. The worker has bench_cpu(0) to itself; bench_cpu(1) is
 *          shared by hekad and lane_feed, which writes the lane in the data plane's place. Scripts
 *          and messages are those of bench/sandbox.
 * Threads: one.
 * Memory:  a folder in $TMPDIR, removed at the end.
 * Failure: a message that is missing, or processed twice, makes the case inexact: what was written
 *          is what hekad's books say and what the script, or the output, has counted.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/access_message.h"
#include "bench/bench.h"
#include "bench/hekad_rig.h"
#include "bench/sandbox_scripts.h"
#include "bench/thread_time.h"
#include "core/check.h"
#include "core/clock.h"

enum {
    STEP_US = 5000,
    WARM_MS = 500,
    MEASURE_MS = 2000,
    MEASURE_QUICK_MS = 700,
    DRAIN_LIMIT_S = 20,
    END_LIMIT_MS = 60000
};

/* A worker that loses more of its core than this says nothing about its speed. */
static const double disturbed_share = 0.02;

struct lane_case {
    const char *consumer; /* of hekad's plan that the messages are for; its thread's name, too */
    bool has_line;
    const char *script; /* text, or NULL and: */
    const char *file;   /* in sandbox/lua */
    void (*write_sections)(FILE *file, const char *script, const char *dir);
    uint64_t (*count)(FILE *output); /* messages that the output says were processed */
};

struct session { /* one run */
    struct bench_run *run;
    const struct lane_case *lane_case;
    struct hekad_rig rig;
    pid_t worker, engine; /* heka-sandbox, its thread that runs scripts */
    pid_t thread;         /* hekad's for the plugin */
};

struct thread_look {
    struct thread_time time;
    uint64_t sleeps;
};

struct look {
    uint64_t time_ns, cycles, messages;
    struct thread_look worker, hekad, feed;
};

/* ---- what the output says ---- */

/* "N SUM" of the script `counter`, whose sum has to be that of N messages. */
static uint64_t count_text(FILE *output)
{
    unsigned long long count = 0, sum = 0, rounds, rest;
    if (fscanf(output, "%llu %llu", &count, &sum) != 2)
        return 0;
    rounds = count / ACCESS_MESSAGES;
    rest = count % ACCESS_MESSAGES;
    if (sum != rounds * ACCESS_MESSAGES * (ACCESS_MESSAGES - 1) / 2 + rest * (rest - 1) / 2)
        return 0;
    return count;
}

/* All cells of a circular buffer, behind the line that is its header. */
static uint64_t count_cells(FILE *output)
{
    char word[64];
    double sum = 0;
    int c;
    while ((c = getc(output)) != '\n' && c != EOF)
        ;
    while (fscanf(output, "%63s", word) == 1)
        if (strcmp(word, "nan") != 0)
            sum += strtod(word, NULL);
    return (uint64_t)sum;
}

static uint64_t count_lines(FILE *output)
{
    static char block[1 << 16];
    uint64_t lines = 0;
    size_t size;
    while ((size = fread(block, 1, sizeof(block), output)) > 0)
        for (size_t i = 0; i < size; i++)
            lines += block[i] == '\n';
    return lines;
}

/* Each message is one series with its columns. */
static uint64_t count_series(FILE *output)
{
    static const char key[] = "\"columns\":";
    uint64_t count = 0;
    unsigned seen = 0;
    int c;
    while ((c = getc_unlocked(output)) != EOF) {
        seen = c == key[seen] ? seen + 1 : c == key[0];
        if (key[seen] != '\0')
            continue;
        count++;
        seen = 0;
    }
    return count;
}

/* ---- configuration ---- */

#define MODULES "module_directory = \"" BENCH_LUA_DIR "/modules\"\n"

static void write_filter(FILE *file, const char *script, const char *dir)
{
    fprintf(file,
            "[frames]\ntype = \"UdpInput\"\naddress = \"10.0.0.1:5565\"\n"
            "splitter = \"HekaFramingSplitter\"\ndecoder = \"ProtobufDecoder\"\n"
            "[lua]\ntype = \"SandboxFilter\"\nfilename = \"%s\"\n" MODULES
            "message_matcher = \"Type == 'access'\"\nticker_interval = 0\n"
            "timer_event_on_shutdown = true\noutput_limit = 0\n"
            "[wanted]\ntype = \"FileOutput\"\npath = \"%s/wanted\"\nencoder = \"text\"\n"
            "message_matcher = \"Logger == 'lua'\"\nflush_interval = 10\n"
            "[text]\ntype = \"PayloadEncoder\"\nappend_newlines = false\n",
            script, dir);
}

static void write_decoder(FILE *file, const char *script, const char *dir)
{
    fprintf(file,
            "[lines]\ntype = \"UdpInput\"\naddress = \"10.0.0.1:5565\"\n"
            "splitter = \"NullSplitter\"\ndecoder = \"nginx\"\n"
            "[nginx]\ntype = \"SandboxDecoder\"\nfilename = \"%s\"\n" MODULES
            "[nginx.config]\ntype = \"nginx.access\"\nlog_format = '" ACCESS_LOG_FORMAT "'\n"
            "[wanted]\ntype = \"FileOutput\"\npath = \"%s/wanted\"\nencoder = \"text\"\n"
            "message_matcher = \"Type == 'nginx.access'\"\nflush_interval = 10\n"
            "[text]\ntype = \"PayloadEncoder\"\nappend_newlines = true\n",
            script, dir);
}

static void write_encoder(FILE *file, const char *script, const char *dir)
{
    fprintf(file,
            "[frames]\ntype = \"UdpInput\"\naddress = \"10.0.0.1:5565\"\n"
            "splitter = \"HekaFramingSplitter\"\ndecoder = \"ProtobufDecoder\"\n"
            "[influx]\ntype = \"SandboxEncoder\"\nfilename = \"%s\"\n" MODULES
            "[wanted]\ntype = \"FileOutput\"\npath = \"%s/wanted\"\nencoder = \"influx\"\n"
            "message_matcher = \"Type == 'access'\"\nflush_interval = 10\n",
            script, dir);
}

static int write_core_map(struct session *session)
{
    FILE *file = hekad_rig_create(&session->rig, "core_map.json");
    if (file == NULL)
        return -1;
    fprintf(file,
            "{\"main_core\": %d, \"workers\": [%d], \"force\": true, \"ports\": [{\"name\": "
            "\"bench\", \"profile\": \"pcap_loop\", \"device\": \"unused\", \"mac\": "
            "\"02:00:00:00:00:01\", \"addresses\": [\"10.0.0.1/24\"]}]}\n",
            bench_cpu(1), bench_cpu(0));
    return fclose(file);
}

static int write_script(struct session *session)
{
    FILE *file = hekad_rig_create(&session->rig, "filter.lua");
    if (file == NULL)
        return -1;
    fputs(session->lane_case->script, file);
    return fclose(file);
}

static int write_config(struct session *session)
{
    const struct lane_case *lane_case = session->lane_case;
    char program[HEKAD_RIG_PATH_SIZE], own[HEKAD_RIG_PATH_SIZE];
    const char *script = lane_case->file;
    if (hekad_rig_program(&session->rig, "lane_feed", program) != 0)
        return -1;
    if (script == NULL)
        script = hekad_rig_path(&session->rig, "filter.lua", own);
    FILE *file = hekad_rig_create(&session->rig, "hekad.toml");
    if (file == NULL)
        return -1;
    fprintf(file,
            "[hekad]\nbase_dir = \"%s/base\"\n[dataplane]\ncore_map = \"core_map.json\"\n"
            "run_dir = \"%s/run\"\nprogram = \"%s\"\n",
            session->rig.dir, session->rig.dir, program);
    lane_case->write_sections(file, script, session->rig.dir);
    return fclose(file);
}

static int make_files(struct session *session)
{
    char settings[128];
    snprintf(settings, sizeof(settings), "%d %s %s", bench_cpu(1), session->lane_case->consumer,
             session->lane_case->has_line ? "line" : "");
    setenv("LANE_FEED", settings, 1);
    int rc = hekad_rig_open(&session->rig, session->run);
    if (rc == 0)
        rc = write_core_map(session);
    if (rc == 0 && session->lane_case->script != NULL)
        rc = write_script(session);
    return rc != 0 ? rc : write_config(session);
}

/* ---- threads ---- */

static bool is_named(pid_t pid, const char *name)
{
    char path[64], comm[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(comm, sizeof(comm), file) == NULL)
            comm[0] = '\0';
        fclose(file);
    }
    return strncmp(comm, name, strlen(name)) == 0;
}

/* hekad's worker, which one of its threads has started; 0: there is none yet. */
static pid_t find_worker(pid_t hekad)
{
    char path[300];
    pid_t worker = 0;
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)hekad);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && worker == 0 && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)hekad, entry->d_name);
        FILE *file = fopen(path, "re");
        while (file != NULL && fscanf(file, "%d", &child) == 1)
            if (is_named(child, "heka-sandbox"))
                worker = child;
        if (file != NULL)
            fclose(file);
    }
    if (dir != NULL)
        closedir(dir);
    return worker;
}

static void pin_process(pid_t pid, int cpu)
{
    char path[64];
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((unsigned)cpu, &cpus);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            sched_setaffinity((pid_t)strtol(entry->d_name, NULL, 10), sizeof(cpus), &cpus);
    if (dir != NULL)
        closedir(dir);
}

static void look_at_thread(pid_t pid, pid_t tid, int cpu, struct thread_look *look)
{
    char path[64], line[128];
    unsigned long long sleeps = 0;
    thread_time_read(pid, tid, cpu, &look->time);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &sleeps) == 1)
            break;
    if (file != NULL)
        fclose(file);
    look->sleeps = sleeps;
}

/* The thread that ran longest. */
static pid_t find_busiest(pid_t pid)
{
    char path[64];
    struct thread_time found;
    uint64_t run_ns = 0;
    pid_t busiest = pid;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid == 0 || !thread_time_read(pid, tid, 0, &found) || found.run_ns <= run_ns)
            continue;
        run_ns = found.run_ns;
        busiest = tid;
    }
    if (dir != NULL)
        closedir(dir);
    return busiest;
}

static pid_t feed_of(const struct session *session)
{
    return (pid_t)session->rig.segment.header->pid;
}

static int place_threads(struct session *session)
{
    session->worker = find_worker(session->rig.hekad.pid);
    session->thread = thread_time_find(session->rig.hekad.pid, session->lane_case->consumer);
    if (session->worker == 0 || session->thread == 0)
        return hekad_rig_failed(&session->rig, "has no worker, or no thread for the plugin");
    pin_process(session->rig.hekad.pid, bench_cpu(1));
    pin_process(session->worker, bench_cpu(0));
    return 0;
}

/* ---- books ---- */

static json_t *read_status(struct session *session)
{
    char program[HEKAD_RIG_PATH_SIZE], command[2 * HEKAD_RIG_PATH_SIZE + 64];
    if (hekad_rig_program(&session->rig, "../bin/hekad", program) != 0)
        return NULL;
    snprintf(command, sizeof(command), "%s status -json -run-dir %s/run", program,
             session->rig.dir);
    FILE *pipe = popen(command, "re");
    json_t *status = pipe != NULL ? json_loadf(pipe, 0, NULL) : NULL;
    if (pipe != NULL)
        pclose(pipe);
    return status;
}

static json_int_t in_flight(const json_t *status)
{
    size_t i;
    json_t *stage;
    json_int_t sum = 0;
    json_array_foreach(json_object_get(status, "stages"), i, stage) sum +=
        json_integer_value(json_object_get(stage, "in_flight"));
    return sum;
}

static json_int_t delivered(const json_t *status, const char *name)
{
    static const char *const lists[] = {"filters", "outputs", "consumers"};
    size_t i;
    json_t *row;
    for (unsigned k = 0; k < ARRAY_COUNT(lists); k++)
        json_array_foreach(json_object_get(status, lists[k]), i,
                           row) if (strcmp(json_string_value(json_object_get(row, "name")), name) ==
                                    0) return json_integer_value(json_object_get(row, "delivered"));
    return -1;
}

/* All that was written is done. */
static int wait_for_end(struct session *session, uint64_t *messages)
{
    uint64_t until_ns = clock_mono_ns() + DRAIN_LIMIT_S * CLOCK_NS_PER_S;
    kill(feed_of(session), SIGUSR1);
    for (;;) {
        usleep(STEP_US * 10);
        struct counters counters = {0};
        json_t *status = read_status(session);
        counters_read(&session->rig.segment.blocks[0], &counters);
        *messages = counters.values[COUNTER_MESSAGES_COMMITTED];
        json_int_t residual = json_integer_value(json_object_get(status, "residual"));
        json_int_t done = delivered(status, session->lane_case->consumer);
        bool is_quiet = status != NULL && in_flight(status) == 0;
        json_decref(status);
        if (is_quiet && residual == 0 && done == (json_int_t)*messages)
            return 0;
        if (clock_mono_ns() > until_ns)
            return bench_inexact(session->run, "%llu written, %lld delivered, residual %lld",
                                 (unsigned long long)*messages, (long long)done,
                                 (long long)residual);
    }
}

static int check_output(struct session *session, uint64_t messages)
{
    char path[HEKAD_RIG_PATH_SIZE];
    FILE *output = fopen(hekad_rig_path(&session->rig, "wanted", path), "re");
    if (output == NULL)
        return bench_error(session->run, "%s: %s", path, strerror(errno));
    uint64_t found = session->lane_case->count(output);
    fclose(output);
    if (found == messages)
        return 0;
    return bench_inexact(session->run, "of %llu messages the output shows %llu",
                         (unsigned long long)messages, (unsigned long long)found);
}

/* ---- one run ---- */

static int take_look(struct session *session, struct look *look)
{
    pid_t feed = feed_of(session);
    struct counters counters = {0};
    if (!bench_child_runs(&session->rig.hekad) ||
        !counters_read(&session->rig.segment.blocks[0], &counters))
        return hekad_rig_failed(&session->rig, "ended too early");
    look->time_ns = clock_mono_ns();
    look->cycles = bench_cycles();
    look->messages = counters.values[COUNTER_MESSAGES_COMMITTED];
    look_at_thread(session->worker, session->engine, bench_cpu(0), &look->worker);
    look_at_thread(session->rig.hekad.pid, session->thread, bench_cpu(1), &look->hekad);
    look_at_thread(feed, feed, bench_cpu(1), &look->feed);
    return 0;
}

static void report_thread(struct bench_run *run, const char *name, const struct thread_look *from,
                          const struct thread_look *to, double cycles_per_ns, double messages)
{
    char key[40];
    double run_ns = (double)(to->time.run_ns - from->time.run_ns);
    snprintf(key, sizeof(key), "%s_cycles", name);
    bench_figure(run, key, run_ns * cycles_per_ns / messages);
    snprintf(key, sizeof(key), "%s_messages_per_wake", name);
    bench_figure(run, key, messages / (double)(to->sleeps - from->sleeps + 1));
}

static void report(struct session *session, const struct look *from, const struct look *to)
{
    struct bench_run *run = session->run;
    double elapsed_ns = (double)(to->time_ns - from->time_ns);
    double messages = (double)(to->messages - from->messages);
    double cycles_per_ns = (double)(to->cycles - from->cycles) / elapsed_ns;
    double wait_ns = (double)(to->worker.time.wait_ns - from->worker.time.wait_ns);
    bench_result(run, messages / elapsed_ns * 1e9, (double)(to->cycles - from->cycles) / messages);
    report_thread(run, "worker", &from->worker, &to->worker, cycles_per_ns, messages);
    report_thread(run, "hekad", &from->hekad, &to->hekad, cycles_per_ns, messages);
    report_thread(run, "feed", &from->feed, &to->feed, cycles_per_ns, messages);
    bench_figure(run, "worker_busy_percent",
                 100 * (double)(to->worker.time.run_ns - from->worker.time.run_ns) / elapsed_ns);
    if (wait_ns / elapsed_ns > disturbed_share)
        bench_disturbed(run);
}

static int measure(struct session *session)
{
    struct look from = {0}, to = {0};
    uint64_t messages = 0;
    int rc = place_threads(session);
    usleep(WARM_MS * 1000);
    session->engine = find_busiest(session->worker);
    if (rc == 0)
        rc = take_look(session, &from);
    usleep((session->run->quick ? MEASURE_QUICK_MS : MEASURE_MS) * 1000);
    if (rc == 0)
        rc = take_look(session, &to);
    if (rc != 0)
        return rc;
    report(session, &from, &to);
    rc = wait_for_end(session, &messages);
    if (hekad_rig_stop(&session->rig, END_LIMIT_MS) != 0)
        return -1;
    return rc != 0 ? 0 : check_output(session, messages);
}

static int run_once(struct bench_run *run)
{
    struct session *session = calloc(1, sizeof(*session));
    CHECK(session != NULL);
    session->run = run;
    session->lane_case = run->bench_case->arg;
    int rc = make_files(session);
    if (rc == 0)
        rc = hekad_rig_start(&session->rig);
    if (rc == 0)
        rc = measure(session);
    hekad_rig_close(&session->rig);
    free(session);
    return rc;
}

static int set_up(struct bench_run *run)
{
    const struct lane_case *lane_case = run->bench_case->arg;
    uint8_t message[ACCESS_MESSAGE_SIZE];
    if (bench_cpu(1) < 0)
        return bench_skip(run, "one core only");
    bench_param(run, "message_bytes",
                (double)access_message_build(ACCESS_MESSAGES / 2, lane_case->has_line, message));
    bench_param(run, "message_fields", 3);
    bench_param(run, "lane_bytes", 1 << 20);
    return 0;
}

#define REPORT "function timer_event(ns) inject_payload('txt', 'n', n .. ' ' .. sum) end"

static const struct lane_case counter = {"lua", false,        SCRIPT_COUNTER REPORT,
                                         NULL,  write_filter, count_text};
static const struct lane_case http_status = {
    "lua", false, NULL, BENCH_LUA_DIR "/filters/http_status.lua", write_filter, count_cells};
static const struct lane_case nginx = {
    "lines", true, NULL, BENCH_LUA_DIR "/decoders/nginx_access.lua", write_decoder, count_lines};
static const struct lane_case influx = {"wanted",      false,
                                        NULL,          BENCH_LUA_DIR "/encoders/schema_influx.lua",
                                        write_encoder, count_series};

#define CASE(title, what)                                                                          \
    {                                                                                              \
        .name = title, .run = run_once, .unit = "messages/s", .setup = set_up, .arg = &(what),     \
        .runs = 3, .runs_quick = 2, .two_cores = true                                              \
    }

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        CASE("lane-counter", counter),
        CASE("lane-http_status", http_status),
        CASE("lane-nginx", nginx),
        CASE("lane-influx", influx),
    };
    static const struct bench bench = {
        .name = "sandbox_lane",
        .help = "Messages per second from a lane through a Lua plugin in a worker of hekad's.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases)};
    return bench_main(&bench, argc, argv);
}
