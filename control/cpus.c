/* SPDX-License-Identifier: MPL-2.0 */
#include "control/cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

static cpu_set_t at_start;
static bool is_known;

static bool know_start(void)
{
    if (!is_known)
        is_known = sched_getaffinity(0, sizeof(at_start), &at_start) == 0;
    return is_known;
}

static void take(cpu_set_t *set, const struct core_map_cpus *cpus)
{
    CPU_ZERO(set);
    for (unsigned i = 0; i < cpus->count; i++)
        if (cpus->cpus[i] < CPU_SETSIZE)
            CPU_SET(cpus->cpus[i], set);
}

static void leave(cpu_set_t *set, const unsigned *cpus, unsigned count)
{
    *set = at_start;
    for (unsigned i = 0; i < count; i++)
        if (cpus[i] < CPU_SETSIZE)
            CPU_CLR(cpus[i], set);
}

void cpus_choose(const struct core_map *map)
{
    cpu_set_t set;
    if (!know_start())
        return;
    if (map->hekad_cores.count > 0)
        take(&set, &map->hekad_cores);
    else
        leave(&set, map->workers, map->worker_count);
    if (CPU_COUNT(&set) > 0)
        sched_setaffinity(0, sizeof(set), &set);
}

void cpus_restore(void)
{
    if (is_known)
        sched_setaffinity(0, sizeof(at_start), &at_start);
}

/* The kernel is asked: a cgroup may allow less than there is, and an affinity can be widened. */
static int check(const char *key, const struct core_map_cpus *cpus, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < cpus->count; i++) {
        const struct core_map_cpus one = {.cpus = {cpus->cpus[i]}, .count = 1};
        cpu_set_t set;
        take(&set, &one);
        if (sched_setaffinity(0, sizeof(set), &set) != 0)
            rc = err_add(err, "core map: %s: this process may not run on CPU %u: %s", key,
                         cpus->cpus[i], strerror(errno));
    }
    return rc;
}

int cpus_check(const struct core_map *map, struct err *err)
{
    cpu_set_t before;
    if (sched_getaffinity(0, sizeof(before), &before) != 0)
        return 0;
    int rc = check("hekad_cores", &map->hekad_cores, err);
    rc |= check("sandbox_cores", &map->sandbox_cores, err);
    sched_setaffinity(0, sizeof(before), &before);
    return rc;
}

static bool was_allowed(void *arg, unsigned cpu)
{
    (void)arg;
    return cpu >= CPU_SETSIZE || CPU_ISSET(cpu, &at_start);
}

void cpus_machine_read(struct core_map_machine *machine)
{
    core_map_machine_read(machine);
    if (know_start())
        machine->cpu_allowed = was_allowed;
}
