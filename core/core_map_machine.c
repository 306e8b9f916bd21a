/* SPDX-License-Identifier: MPL-2.0
 *
 * core_map_machine.c - this machine, as /sys and the scheduler describe it.
 */
#include "core/core_map.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One number from a file of /sys; `missing` when there is none. */
static long read_number(const char *path, long missing)
{
    long number;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return missing;
    char line[64];
    char *end = line;
    number = fgets(line, sizeof(line), file) != NULL ? strtol(line, &end, 10) : 0;
    fclose(file);
    return end != line ? number : missing;
}

static bool allowed_cpu(void *arg, unsigned cpu)
{
    cpu_set_t set;
    (void)arg;
    if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(set), &set) != 0)
        return true;
    return CPU_ISSET(cpu, &set);
}

/* The folder of a CPU has an entry nodeN. */
static int node_of_cpu(void *arg, unsigned cpu)
{
    char path[PATH_MAX];
    int node = -1;
    (void)arg;
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", cpu);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -1;
    struct dirent *entry;
    while (node < 0 && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "node", 4) == 0 && entry->d_name[4] >= '0' &&
            entry->d_name[4] <= '9')
            node = (int)strtol(entry->d_name + 4, NULL, 10);
    closedir(dir);
    return node;
}

/* A PCI address or an interface; anything else has no node. */
static int node_of_device(void *arg, const char *device)
{
    char path[PATH_MAX];
    (void)arg;
    if (strchr(device, '/') != NULL || device[0] == '.')
        return -1;
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", device);
    long node = read_number(path, -1);
    if (node >= 0)
        return (int)node;
    snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", device);
    return (int)read_number(path, -1);
}

/* All sizes: hugepages-2048kB, hugepages-1048576kB, ... */
static unsigned huge_pages_free_mbytes(void)
{
    static const char root[] = "/sys/kernel/mm/hugepages";
    unsigned long long kbytes = 0;
    DIR *dir = opendir(root);
    if (dir == NULL)
        return 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];
        if (strncmp(entry->d_name, "hugepages-", 10) != 0)
            continue;
        long page_kbytes = strtol(entry->d_name + 10, NULL, 10);
        snprintf(path, sizeof(path), "%s/%s/free_hugepages", root, entry->d_name);
        long count = read_number(path, 0);
        if (page_kbytes > 0 && count > 0)
            kbytes += (unsigned long long)page_kbytes * (unsigned long long)count;
    }
    closedir(dir);
    return kbytes >> 10 > UINT_MAX ? UINT_MAX : (unsigned)(kbytes >> 10);
}

void core_map_machine_read(struct core_map_machine *machine)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    *machine = (struct core_map_machine){
        .cpu_count = cpus > 0 ? (unsigned)cpus : 1,
        .cpu_allowed = allowed_cpu,
        .numa_of_cpu = node_of_cpu,
        .numa_of_device = node_of_device,
        .huge_pages_free_mbytes = huge_pages_free_mbytes(),
    };
}
