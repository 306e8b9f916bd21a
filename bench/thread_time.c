/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/thread_time.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

enum { PATH_SIZE = 128 };

static bool has_name(pid_t pid, const char *tid, const char *prefix)
{
    char path[PATH_SIZE], name[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", (int)pid, tid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool found =
        fgets(name, sizeof(name), file) != NULL && strncmp(name, prefix, strlen(prefix)) == 0;
    fclose(file);
    return found;
}

pid_t thread_time_find(pid_t pid, const char *prefix)
{
    char path[PATH_SIZE];
    pid_t tid = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && tid == 0 && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && has_name(pid, entry->d_name, prefix))
            tid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (dir != NULL)
        closedir(dir);
    return tid;
}

/* Fields of a cpu line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks. */
static uint64_t read_steal_ns(int cpu)
{
    char line[512], prefix[16];
    unsigned long long steal = 0;
    FILE *file = fopen("/proc/stat", "re");
    int len = snprintf(prefix, sizeof(prefix), "cpu%d ", cpu);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, prefix, (size_t)len) != 0)
            continue;
        if (sscanf(line + len, "%*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1)
            steal = 0;
        break;
    }
    if (file != NULL)
        fclose(file);
    return steal * (CLOCK_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

bool thread_time_read(pid_t pid, pid_t tid, int cpu, struct thread_time *time)
{
    char path[PATH_SIZE];
    unsigned long long run = 0, wait = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    bool known = file != NULL && fscanf(file, "%llu %llu", &run, &wait) == 2;
    if (file != NULL)
        fclose(file);
    *time = (struct thread_time){0};
    if (known)
        *time = (struct thread_time){run, wait, read_steal_ns(cpu)};
    return known;
}
