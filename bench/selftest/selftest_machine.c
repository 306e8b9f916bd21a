/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/selftest/selftest_machine.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/bench.h"

enum { LINE_SIZE = 256, PATH_SIZE = 160 };

/* The first line of a file; false without one. */
static bool read_line(const char *path, char line[LINE_SIZE])
{
    FILE *file = fopen(path, "re");
    bool found = file != NULL && fgets(line, LINE_SIZE, file) != NULL;
    if (file != NULL)
        fclose(file);
    if (found)
        line[strcspn(line, "\n")] = '\0';
    return found;
}

static json_t *line_of(const char *path)
{
    char line[LINE_SIZE];
    return read_line(path, line) ? json_string(line) : json_null();
}

static json_t *number_of(const char *path)
{
    char line[LINE_SIZE];
    long value;
    return read_line(path, line) && sscanf(line, "%ld", &value) == 1 ? json_integer(value)
                                                                     : json_null();
}

/* The value of a key in /proc/cpuinfo. */
static json_t *cpu_model(void)
{
    char line[LINE_SIZE];
    json_t *model = NULL;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && model == NULL && fgets(line, sizeof(line), file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        model = json_string(colon + 2);
    }
    if (file != NULL)
        fclose(file);
    return model != NULL ? model : json_null();
}

static json_t *kernel(void)
{
    struct utsname names;
    return uname(&names) == 0 ? json_string(names.release) : json_null();
}

static json_t *governor(const struct selftest *test)
{
    char path[PATH_SIZE];
    int cpu = test->cpus.worker_count > 0 ? test->cpus.workers[0] : 0;
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
    return line_of(path);
}

static json_t *huge_pages(void)
{
#define POOL "/sys/kernel/mm/hugepages/hugepages-"
    return json_pack("{s:o, s:o, s:o, s:o}", "of_2_mbytes", number_of(POOL "2048kB/nr_hugepages"),
                     "of_2_mbytes_free", number_of(POOL "2048kB/free_hugepages"), "of_1024_mbytes",
                     number_of(POOL "1048576kB/nr_hugepages"), "of_1024_mbytes_free",
                     number_of(POOL "1048576kB/free_hugepages"));
#undef POOL
}

static json_t *hop(double ns)
{
    return ns > 0 ? json_real(ns) : json_null();
}

json_t *selftest_machine(const struct selftest *test, const char *dpdk)
{
    unsigned allowed = 0;
    while (bench_cpu(allowed) >= 0)
        allowed++;
    return json_pack("{s:o, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:[o, o]}", "cpu", cpu_model(),
                     "cores", (int)sysconf(_SC_NPROCESSORS_ONLN), "cores_allowed", (int)allowed,
                     "kernel", kernel(), "hypervisor", line_of("/sys/class/dmi/id/sys_vendor"),
                     "governor", governor(test), "huge_pages", huge_pages(), "dpdk",
                     dpdk[0] != '\0' ? json_string(dpdk) : json_null(), "hop_ns",
                     hop(test->hop_ns[0]), hop(test->hop_ns[1]));
}
