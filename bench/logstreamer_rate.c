/* SPDX-License-Identifier: MPL-2.0
 *
 * logstreamer_rate.c - log lines from rotated files to a file, through hekad: bytes for each second
 * of CPU time that hekad takes, in all its threads, kernel included.
 *
 * Place:   starts ../bin/hekad with a LogstreamerInput, a FileOutput and a PayloadEncoder, in a
 *          folder on a tmpfs, so that no disk is measured.
 * Threads: one, which polls the size of the output.
 * Failure: a run is exact when the output is the files one behind the other, byte for byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bench_child.h"
#include "core/check.h"
#include "core/clock.h"

enum {
    FILES = 16,
    MBYTES_DEFAULT = 480,
    MBYTES_QUICK = 160,
    LIMIT_S = 60,
    LINE_MAX_SIZE = 4096,
    DIR_SIZE = 64,
    NAME_SIZE = 128,
    POLL_NS = 500000
};

struct rate {
    char dir[DIR_SIZE], program[PATH_MAX];
    uint64_t total; /* bytes of all files */
    struct bench_child hekad;
};

static const char configuration[] = "[hekad]\n"
                                    "base_dir = \"%s/base\"\n"
                                    "[logs]\n"
                                    "type = \"LogstreamerInput\"\n"
                                    "log_directory = \"%s/logs\"\n"
                                    "file_match = 'app\\.log\\.(?P<Seq>\\d+)'\n"
                                    "priority = [\"^Seq\"]\n"
                                    "[out]\n"
                                    "type = \"FileOutput\"\n"
                                    "message_matcher = \"Type == 'logfile'\"\n"
                                    "path = \"%s/out\"\n"
                                    "encoder = \"PayloadEncoder\"\n"
                                    "flush_interval = 0\n"
                                    "flush_count = 4294967295\n"
                                    "[PayloadEncoder]\n"
                                    "append_newlines = false\n";

/* ---- files ---- */

static void name_of(const struct rate *rate, const char *name, char path[NAME_SIZE])
{
    snprintf(path, NAME_SIZE, "%s/%s", rate->dir, name);
}

static void log_name(const struct rate *rate, unsigned index, char path[NAME_SIZE])
{
    snprintf(path, NAME_SIZE, "%s/logs/app.log.%u", rate->dir, FILES - index);
}

static size_t make_line(char *line, size_t size, uint64_t number)
{
    int len = snprintf(line, size,
                       "10.1.%u.%u - - [20/Nov/2026:18:%02u:%02u +0000] \"GET /item/%llu "
                       "HTTP/1.1\" 200 %llu \"-\" \"",
                       (unsigned)(number % 256), (unsigned)(number / 256 % 256),
                       (unsigned)(number / 60 % 60), (unsigned)(number % 60),
                       (unsigned long long)number, (unsigned long long)(number * 7919 % 100000));
    for (size_t i = (size_t)len; i < size - 2; i++)
        line[i] = (char)('a' + i % 26);
    line[size - 2] = '"';
    line[size - 1] = '\n';
    return size;
}

static int write_log(const char *path, uint64_t first, uint64_t count, size_t line_size)
{
    char line[LINE_MAX_SIZE];
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -errno;
    for (uint64_t i = 0; i < count; i++)
        fwrite(line, 1, make_line(line, line_size, first + i), file);
    return fclose(file) == 0 ? 0 : -errno;
}

static int write_logs(struct rate *rate, uint64_t bytes, size_t line_size)
{
    char path[NAME_SIZE];
    uint64_t count = bytes / FILES / line_size;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < FILES; i++) {
        log_name(rate, i, path);
        rc = write_log(path, i * count, count, line_size);
    }
    rate->total = FILES * count * line_size;
    return rc;
}

static int write_configuration(const struct rate *rate)
{
    char path[NAME_SIZE];
    name_of(rate, "hekad.toml", path);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -errno;
    fprintf(file, configuration, rate->dir, rate->dir, rate->dir);
    return fclose(file) == 0 ? 0 : -errno;
}

static void remove_tree(const struct rate *rate, const char *names)
{
    char command[2 * NAME_SIZE];
    snprintf(command, sizeof(command), "cd '%s' && rm -rf %s", rate->dir, names);
    int rc = system(command);
    (void)rc; /* what is left shows in the totals */
}

/* ---- one run ---- */

static uint64_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static uint64_t cpu_ns(pid_t pid)
{
    clockid_t id;
    return clock_getcpuclockid(pid, &id) == 0 ? clock_read_ns(id) : 0;
}

/* Most resident memory so far, in megabytes. */
static double peak_mbytes(pid_t pid)
{
    char path[64], line[256];
    unsigned long kbytes = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kbytes = strtoul(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    return (double)kbytes / 1024;
}

/* A file in memory; NULL when it has another size. */
static char *map(const char *path, uint64_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *bytes =
        size_of(path) == size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    close(fd);
    return bytes != MAP_FAILED ? bytes : NULL;
}

static bool is_exact(const struct rate *rate, const char *out)
{
    char path[NAME_SIZE];
    uint64_t part = rate->total / FILES;
    char *bytes = map(out, rate->total);
    bool is_same = bytes != NULL;
    for (unsigned i = 0; is_same && i < FILES; i++) {
        log_name(rate, i, path);
        char *from = map(path, part);
        is_same = from != NULL && memcmp(from, bytes + i * part, part) == 0;
        if (from != NULL)
            munmap(from, part);
    }
    if (bytes != NULL)
        munmap(bytes, rate->total);
    return is_same;
}

static int start_hekad(struct rate *rate)
{
    char config[NAME_SIZE], run_dir[NAME_SIZE], log[NAME_SIZE];
    name_of(rate, "hekad.toml", config);
    name_of(rate, "run", run_dir);
    name_of(rate, "log", log);
    const char *const argv[] = {rate->program, "-config", config, "-run-dir", run_dir, NULL};
    return bench_child_start(&rate->hekad, argv, log, false);
}

/* Until all is written: the time since the first byte was, or 0. */
static uint64_t wait_for_output(struct rate *rate, const char *out)
{
    const struct timespec pause = {0, POLL_NS};
    uint64_t start_ns = clock_mono_ns(), first_ns = 0, now_ns = start_ns;
    for (;;) {
        uint64_t size = size_of(out);
        now_ns = clock_mono_ns();
        if (size > 0 && first_ns == 0)
            first_ns = now_ns;
        if (size >= rate->total)
            return now_ns > first_ns ? now_ns - first_ns : 1;
        if (!bench_child_runs(&rate->hekad) || now_ns - start_ns > LIMIT_S * CLOCK_NS_PER_S)
            return 0;
        nanosleep(&pause, NULL);
    }
}

static int run_case(struct bench_run *run)
{
    struct rate *rate = run->state;
    char out[NAME_SIZE];
    name_of(rate, "out", out);
    remove_tree(rate, "out base run");
    int rc = start_hekad(rate);
    if (rc != 0)
        return bench_error(run, "%s: %s", rate->program, strerror(-rc));
    uint64_t wall_ns = wait_for_output(rate, out);
    uint64_t used_ns = cpu_ns(rate->hekad.pid);
    double mbytes = peak_mbytes(rate->hekad.pid);
    rc = bench_child_end(&rate->hekad, SIGTERM, 20000);
    if (wall_ns == 0 || used_ns == 0 || rc != 0)
        return bench_error(run, "hekad ended, or did not write all; see %s/log", rate->dir);
    bench_result(run, (double)rate->total * 1e9 / (double)used_ns, 0);
    bench_figure(run, "wall_bytes_per_s", (double)rate->total * 1e9 / (double)wall_ns);
    bench_figure(run, "rss_max_mbytes", mbytes);
    if (!is_exact(rate, out))
        return bench_inexact(run, "the output is not what the files hold");
    return 0;
}

/* ---- the case ---- */

static int find_program(struct rate *rate)
{
    char self[PATH_MAX - 16];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len <= 0)
        return -ENOENT;
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(rate->program, sizeof(rate->program), "%s/../bin/hekad", self);
    return access(rate->program, X_OK) == 0 ? 0 : -errno;
}

static void teardown(struct bench_run *run)
{
    struct rate *rate = run->state;
    if (rate == NULL)
        return;
    bench_child_end(&rate->hekad, SIGKILL, 1000);
    remove_tree(rate, "*");
    rmdir(rate->dir);
    free(rate);
}

static int setup(struct bench_run *run)
{
    struct rate *rate = run->state = calloc(1, sizeof(*rate));
    const size_t *line_size = run->bench_case->arg;
    uint64_t mbytes = bench_option_value(run, "mbytes");
    char logs[NAME_SIZE];
    if (rate == NULL)
        return bench_error(run, "no memory");
    if (run->quick && mbytes > MBYTES_QUICK)
        mbytes = MBYTES_QUICK;
    snprintf(rate->dir, sizeof(rate->dir), "%s/heka-logs-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    name_of(rate, "logs", logs);
    if (mkdir(rate->dir, 0700) != 0 || mkdir(logs, 0700) != 0)
        return bench_error(run, "%s: %s", rate->dir, strerror(errno));
    if (find_program(rate) != 0)
        return bench_skip(run, "%s is not there", rate->program);
    if (write_logs(rate, mbytes << 20, *line_size) != 0 || write_configuration(rate) != 0)
        return bench_skip(run, "no room for %llu MB in %s", (unsigned long long)mbytes, rate->dir);
    bench_param(run, "line_size", (double)*line_size);
    bench_param(run, "files", FILES);
    bench_param(run, "mbytes", (double)mbytes);
    return 0;
}

static const size_t sizes[] = {200, 100, 500};

#define CASE(title, size)                                                                          \
    {                                                                                              \
        .name = title, .run = run_case, .unit = "bytes/s", .setup = setup, .teardown = teardown,   \
        .arg = size                                                                                \
    }

static const struct bench_case cases[] = {
    CASE("file-to-file", &sizes[0]),
    CASE("lines-100", &sizes[1]),
    CASE("lines-500", &sizes[2]),
};

int main(int argc, char **argv)
{
    static struct bench_option options[] = {
        {"mbytes", "megabytes of log files (--quick: 160 at most)", MBYTES_DEFAULT, 16, 16384},
    };
    static const struct bench bench = {
        .name = "logstreamer",
        .help = "Log lines from rotated files to a file through hekad, for each second of a core.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
        .options = options,
        .option_count = ARRAY_COUNT(options),
    };
    return bench_main(&bench, argc, argv);
}
