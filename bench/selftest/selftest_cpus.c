/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_cpus.c - workers and housekeeping are where the core map has them; generator and reader
 *                   of the lanes take what is left.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/selftest/selftest.h"

static bool is_worker(const struct selftest_cpus *cpus, int cpu)
{
    for (unsigned i = 0; i < cpus->worker_count; i++)
        if (cpus->workers[i] == cpu)
            return true;
    return false;
}

/* The last one that nobody has: the first ones are where the others run. */
static int find_free(const struct selftest_cpus *cpus, int but)
{
    int found = -1;
    for (unsigned n = 0; bench_cpu(n) >= 0; n++) {
        int cpu = bench_cpu(n);
        if (!is_worker(cpus, cpu) && cpu != cpus->main && cpu != but)
            found = cpu;
    }
    return found;
}

/* ---- other data planes ---- */

enum { PATH_SIZE = 300, LINE_SIZE = 128 };
#define PLANE_NAME    "heka-dataplane"
#define WORKER_PREFIX "rte-worker"

/* The line of /proc/NAME/FILE that begins with `prefix`. */
static bool read_proc(const char *name, const char *file, const char *prefix, char line[LINE_SIZE])
{
    char path[PATH_SIZE];
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%.250s/%s", name, file);
    FILE *opened = fopen(path, "re");
    while (opened != NULL && !found && fgets(line, LINE_SIZE, opened) != NULL)
        found = strncmp(line, prefix, strlen(prefix)) == 0;
    if (opened != NULL)
        fclose(opened);
    return found;
}

/* The CPU of a thread that polls; -1 for any other thread. */
static int polled_cpu(const char *thread)
{
    static const char allowed[] = "Cpus_allowed_list:";
    char line[LINE_SIZE];
    if (!read_proc(thread, "comm", WORKER_PREFIX, line) ||
        !read_proc(thread, "status", allowed, line))
        return -1;
    return (int)strtol(line + sizeof(allowed) - 1, NULL, 10);
}

static void look_for_workers(struct selftest *test, const char *pid)
{
    char path[PATH_SIZE], thread[PATH_SIZE];
    struct dirent *entry;
    snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
    DIR *tasks = opendir(path);
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        snprintf(thread, sizeof(thread), "%.20s/task/%.20s", pid, entry->d_name);
        int cpu = isdigit((unsigned char)entry->d_name[0]) ? polled_cpu(thread) : -1;
        if (cpu >= 0 && is_worker(&test->cpus, cpu))
            selftest_note(test,
                          "process %.20s, another data plane, polls on core %d: the rates "
                          "are those of what it leaves",
                          pid, cpu);
    }
    if (tasks != NULL)
        closedir(tasks);
}

static void look_for_planes(struct selftest *test)
{
    char line[LINE_SIZE];
    struct dirent *entry;
    DIR *processes = opendir("/proc");
    while (processes != NULL && (entry = readdir(processes)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_proc(entry->d_name, "comm", PLANE_NAME, line))
            look_for_workers(test, entry->d_name);
    if (processes != NULL)
        closedir(processes);
}

/* ---- */

void selftest_choose_cpus(struct selftest *test, const json_t *core_map)
{
    struct selftest_cpus *cpus = &test->cpus;
    json_t *core;
    size_t index;
    cpus->main = (int)json_integer_value(json_object_get(core_map, "main_core"));
    json_array_foreach(json_object_get(core_map, "workers"), index,
                       core) if (cpus->worker_count < SELFTEST_WORKERS_MAX)
        cpus->workers[cpus->worker_count++] = (int)json_integer_value(core);
    int generator = find_free(cpus, -1);
    int drain = find_free(cpus, generator);
    cpus->generator = generator >= 0 ? generator : cpus->main;
    cpus->drain = drain >= 0 ? drain : cpus->main;
    cpus->shares_main = cpus->generator == cpus->main;
    if (json_is_true(json_object_get(core_map, "idle_sleep")))
        selftest_note(test, "workers sleep a little when nothing arrives (idle_sleep of the core "
                            "map): without it more goes in");
    look_for_planes(test);
    cpus->shares_worker = is_worker(cpus, cpus->generator);
}
