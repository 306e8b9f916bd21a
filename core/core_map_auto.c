/* SPDX-License-Identifier: MPL-2.0
 *
 * core_map_auto.c - what "auto" means in a core map, and the checks that need the answer.
 */
#include "core/core_map_build.h"

#include <string.h>
#include <unistd.h>

#include "core/conf_build.h"

enum {
    AUTO_LANE_MBYTES = 16,
    AUTO_MBUFS = 16384,         /* 16 k mbufs stay in L3; 64 k do not */
    BASE_MBYTES = 64,           /* EAL, descriptor rings, address tables */
    WORKER_MBYTES = 8,          /* caches and buffers of one worker */
    MBUF_OVERHEAD_BYTES = 384,  /* struct rte_mbuf, headroom, mempool header and ring slot */
    FRAME_OVERHEAD_BYTES = 26,  /* Ethernet, two VLAN tags, checksum */
    MBUF_DATA_STEP_BYTES = 1024 /* some NICs count receive buffers in KiB */
};

/* ---- CPUs ---- */

/* The CPUs that "auto" may take; all when the machine allows none of them. */
static void count_cpus(struct core_map_build *build)
{
    const struct core_map_machine *machine = build->machine;
    for (unsigned cpu = 0; cpu < machine->cpu_count && machine->cpu_allowed != NULL; cpu++)
        build->usable_count += machine->cpu_allowed(machine->arg, cpu);
    build->all_usable = build->usable_count == 0;
    if (build->all_usable)
        build->usable_count = machine->cpu_count;
}

static bool is_usable(const struct core_map_build *build, unsigned cpu)
{
    return build->all_usable || build->machine->cpu_allowed(build->machine->arg, cpu);
}

static bool is_one_of(unsigned cpu, const unsigned *cpus, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (cpus[i] == cpu)
            return true;
    return false;
}

static bool is_worker(const struct core_map *map, unsigned cpu)
{
    return is_one_of(cpu, map->workers, map->worker_count);
}

/* Given to hekad or to its sandboxes. */
static bool is_given_away(const struct core_map *map, unsigned cpu)
{
    return is_one_of(cpu, map->hekad_cores.cpus, map->hekad_cores.count) ||
           is_one_of(cpu, map->sandbox_cores.cpus, map->sandbox_cores.count);
}

/* Keeps the workers ascending; there is room. */
static void add_worker(struct core_map *map, unsigned cpu)
{
    unsigned at = map->worker_count++;
    for (; at > 0 && map->workers[at - 1] > cpu; at--)
        map->workers[at] = map->workers[at - 1];
    map->workers[at] = cpu;
}

static int device_node(const struct core_map_build *build, const struct core_map_port *port)
{
    const struct core_map_machine *machine = build->machine;
    if (machine->numa_of_device == NULL || port->device[0] == '\0')
        return -1;
    return machine->numa_of_device(machine->arg, port->device);
}

static int cpu_node(const struct core_map_build *build, unsigned cpu)
{
    const struct core_map_machine *machine = build->machine;
    return machine->numa_of_cpu != NULL ? machine->numa_of_cpu(machine->arg, cpu) : -1;
}

/* True unless both nodes are known and differ. */
static bool is_near(const struct core_map_build *build, int node, unsigned cpu)
{
    int of_cpu = cpu_node(build, cpu);
    return node < 0 || of_cpu < 0 || node == of_cpu;
}

/* ---- main core and workers ---- */

static void resolve_main(struct core_map_build *build)
{
    const struct core_map_machine *machine = build->machine;
    struct core_map *map = build->map;
    bool is_found = build->keys.main_core != SCHEMA_AUTO_VALUE;
    map->main_core = is_found ? (unsigned)build->keys.main_core : 0;
    for (unsigned cpu = 0; cpu < machine->cpu_count && !is_found; cpu++) {
        is_found = is_usable(build, cpu) && !is_worker(map, cpu);
        map->main_core = is_found ? cpu : 0;
    }
    for (unsigned cpu = 0; cpu < machine->cpu_count && !is_found; cpu++) {
        is_found = is_usable(build, cpu);
        map->main_core = is_found ? cpu : 0;
    }
}

/* Cores that queues name: they are workers, or must be among those given. */
static void take_queue_cores(struct core_map_build *build)
{
    struct core_map *map = build->map;
    bool are_given = build->keys.workers.count > 0;
    for (unsigned p = 0; p < map->port_count; p++) {
        for (unsigned i = 0; i < map->ports[p].queue_count; i++) {
            unsigned cpu = map->ports[p].queues[i].core;
            if (is_worker(map, cpu))
                continue;
            if (are_given)
                core_map_refuse(build, build->ports[p].node, "queues",
                                "found core %u for queue %u, allowed are the workers", cpu, i);
            else if (map->worker_count < CORE_MAP_WORKERS_MAX)
                add_worker(map, cpu);
            else
                core_map_refuse(build, build->ports[p].node, "queues", "found more than %d cores",
                                CORE_MAP_WORKERS_MAX);
        }
    }
}

static unsigned wanted_queues(const struct core_map_port *port)
{
    unsigned wanted = port->profile->queues_auto;
    return wanted < CORE_MAP_QUEUES_MAX ? wanted : CORE_MAP_QUEUES_MAX;
}

/* Up to `wanted` more workers near `node`. */
static void add_workers_near(struct core_map_build *build, int node, unsigned wanted)
{
    const struct core_map_machine *machine = build->machine;
    struct core_map *map = build->map;
    bool may_share = build->usable_count == 1;
    for (unsigned cpu = 0; cpu < machine->cpu_count && wanted > 0; cpu++) {
        if (map->worker_count == CORE_MAP_WORKERS_MAX || !is_usable(build, cpu) ||
            is_worker(map, cpu) || is_given_away(map, cpu) || !is_near(build, node, cpu) ||
            (cpu == map->main_core && !may_share))
            continue;
        add_worker(map, cpu);
        wanted--;
    }
}

static void resolve_workers(struct core_map_build *build)
{
    struct core_map *map = build->map;
    if (build->keys.workers.count > 0)
        return;
    for (unsigned p = 0; p < map->port_count; p++)
        if (map->ports[p].queue_count == 0)
            add_workers_near(build, device_node(build, &map->ports[p]),
                             wanted_queues(&map->ports[p]));
    if (map->worker_count == 0) /* no CPU near any device: the check of nodes will say so */
        add_workers_near(build, -1, 1);
    if (map->worker_count == 0)
        add_worker(map, map->main_core);
}

/* Whatever runs on a core that is polled gets, and takes, what is left of it. */
static void check_polled(struct core_map_build *build, const char *key,
                         const struct core_map_cpus *cpus)
{
    const struct core_map *map = build->map;
    for (unsigned i = 0; i < cpus->count && !map->force; i++)
        if (is_worker(map, cpus->cpus[i]))
            core_map_refuse(build, build->root, key,
                            "found CPU %u, which a worker polls, allowed are others "
                            "(or \"force\": true)",
                            cpus->cpus[i]);
}

static void check_roles(struct core_map_build *build)
{
    const struct core_map *map = build->map;
    if (!is_worker(map, map->main_core) || map->force || build->usable_count <= 2)
        return;
    core_map_refuse(build, build->root,
                    build->keys.main_core != SCHEMA_AUTO_VALUE ? "main_core" : "workers",
                    "found CPU %u as main core and worker, allowed is one role for each core "
                    "(or \"force\": true)",
                    map->main_core);
}

/* ---- queues ---- */

static unsigned load_of(const struct core_map *map, unsigned cpu)
{
    unsigned load = 0;
    for (unsigned p = 0; p < map->port_count; p++)
        for (unsigned i = 0; i < map->ports[p].queue_count; i++)
            load += map->ports[p].queues[i].core == cpu;
    return load;
}

static bool polls_port(const struct core_map_port *port, unsigned cpu)
{
    for (unsigned i = 0; i < port->queue_count; i++)
        if (port->queues[i].core == cpu)
            return true;
    return false;
}

/* The worker near `node` with the fewest queues that does not poll the port yet; NULL: none. */
static const unsigned *pick_worker(const struct core_map_build *build,
                                   const struct core_map_port *port, int node)
{
    const struct core_map *map = build->map;
    const unsigned *best = NULL;
    unsigned best_load = 0;
    for (unsigned i = 0; i < map->worker_count; i++) {
        unsigned cpu = map->workers[i];
        unsigned load = load_of(map, cpu);
        if (!is_near(build, node, cpu) || polls_port(port, cpu) ||
            (best != NULL && load >= best_load))
            continue;
        best = &map->workers[i];
        best_load = load;
    }
    return best;
}

static void resolve_queues(struct core_map_build *build, struct core_map_port *port)
{
    int node = device_node(build, port);
    unsigned wanted = wanted_queues(port);
    if (port->queue_count > 0)
        return;
    if (pick_worker(build, port, node) ==
        NULL) /* none is near: check_nodes() refuses, or is forced */
        node = -1;
    while (port->queue_count < wanted) {
        const unsigned *cpu = pick_worker(build, port, node);
        if (cpu == NULL)
            break;
        port->queues[port->queue_count] =
            (struct core_map_queue){.queue = (uint16_t)port->queue_count, .core = (uint16_t)*cpu};
        port->queue_count++;
    }
}

static void check_nodes(struct core_map_build *build, unsigned index)
{
    const struct core_map_port *port = &build->map->ports[index];
    int node = device_node(build, port);
    bool are_given = conf_get(build->ports[index].node, "queues") != NULL;
    for (unsigned i = 0; i < port->queue_count && !build->map->force; i++) {
        unsigned cpu = port->queues[i].core;
        if (is_near(build, node, cpu) || (i > 0 && !are_given)) /* one text says it for all */
            continue;
        core_map_refuse(
            build, are_given ? build->ports[index].node : build->root,
            are_given ? "queues" : "workers",
            "found core %u on NUMA node %d for queue %u of port '%s', whose device is on "
            "node %d: allowed are cores of that node (or \"force\": true)",
            cpu, cpu_node(build, cpu), i, port->name, node);
    }
}

/* ---- memory ---- */

unsigned core_map_mbuf_data_bytes(const struct core_map_port *port)
{
    unsigned frame_bytes = port->mtu + FRAME_OVERHEAD_BYTES;
    unsigned steps = (frame_bytes + MBUF_DATA_STEP_BYTES - 1) / MBUF_DATA_STEP_BYTES;
    if (frame_bytes <= port->profile->mbuf_data_bytes)
        return port->profile->mbuf_data_bytes;
    return steps * MBUF_DATA_STEP_BYTES;
}

/* Mbufs that the queues of a port can hold at once. */
static unsigned mbufs_held(const struct core_map_port *port)
{
    const struct nic_profile *profile = port->profile;
    return port->queue_count *
           (profile->rx_descriptors + profile->tx_descriptors + 4 * profile->burst);
}

static void resolve_mbufs(struct core_map_build *build)
{
    struct core_map *map = build->map;
    int64_t given = build->keys.memory.mbufs_per_port;
    unsigned mbufs = AUTO_MBUFS;
    for (unsigned p = 0; p < map->port_count; p++) {
        const struct core_map_port *port = &map->ports[p];
        unsigned held = mbufs_held(port);
        unsigned comfortable = held + port->queue_count * port->profile->rx_descriptors;
        while (mbufs < comfortable)
            mbufs *= 2;
        if (given != SCHEMA_AUTO_VALUE && given < held)
            core_map_refuse(build, conf_get(build->root, "memory"), "mbufs_per_port",
                            "found %d, allowed at least %u for the queues of port '%s'", (int)given,
                            held, port->name);
    }
    map->mbufs_per_port = given != SCHEMA_AUTO_VALUE ? (unsigned)given : mbufs;
}

static void resolve_memory(struct core_map_build *build)
{
    struct core_map *map = build->map;
    int64_t given = build->keys.memory.mbytes;
    uint64_t bytes = 0;
    for (unsigned p = 0; p < map->port_count; p++)
        bytes += (uint64_t)map->mbufs_per_port *
                 (core_map_mbuf_data_bytes(&map->ports[p]) + MBUF_OVERHEAD_BYTES);
    unsigned needed = (unsigned)((bytes + (1 << 20) - 1) >> 20);
    unsigned mbytes = needed + BASE_MBYTES + WORKER_MBYTES * map->worker_count;
    mbytes += mbytes % 2; /* whole pages of 2 MiB */
    if (given != SCHEMA_AUTO_VALUE && given < needed)
        core_map_refuse(build, conf_get(build->root, "memory"), "mbytes",
                        "found %d, allowed at least %u MiB for the mbufs of all ports", (int)given,
                        needed);
    map->memory_mbytes = given != SCHEMA_AUTO_VALUE ? (unsigned)given : mbytes;
}

static void resolve_pages(struct core_map_build *build)
{
    struct core_map *map = build->map;
    bool fits = build->machine->huge_pages_free_mbytes >= map->memory_mbytes;
    map->pages = (enum core_map_pages)build->keys.memory.pages;
    if (map->pages == PAGES_AUTO)
        map->pages = fits ? PAGES_HUGE : PAGES_NORMAL;
}

/* ---- the rest ---- */

/* One name for all: EAL keeps nothing on disk here, and a name for each process would leave a
 * folder for each behind. */
static void resolve_prefix(struct core_map_build *build)
{
    const char *prefix = build->keys.file_prefix;
    build->map->file_prefix = strcmp(prefix, "auto") == 0 ? "hekaline" : prefix;
}

static void resolve_sleep(struct core_map_build *build)
{
    struct core_map *map = build->map;
    map->idle_sleep = true;
    for (unsigned p = 0; p < map->port_count; p++)
        map->idle_sleep = map->idle_sleep && map->ports[p].profile->sleeps;
    if (build->keys.idle_sleep != SCHEMA_AUTO_BOOL)
        map->idle_sleep = build->keys.idle_sleep != 0;
}

static void resolve_promiscuous(struct core_map_build *build, unsigned index)
{
    int given = build->ports[index].promiscuous;
    struct core_map_port *port = &build->map->ports[index];
    port->promiscuous = given != SCHEMA_AUTO_BOOL ? given != 0 : port->profile->promiscuous_needed;
}

void core_map_resolve(struct core_map_build *build)
{
    struct core_map *map = build->map;
    int64_t lane_mbytes = build->keys.lane_mbytes;
    map->lane_mbytes =
        lane_mbytes != SCHEMA_AUTO_VALUE ? (unsigned)lane_mbytes : (unsigned)AUTO_LANE_MBYTES;
    map->tcp_connections = (unsigned)build->keys.tcp_connections;
    map->lane_pages = LANE_PAGES_AUTO;
    if (build->keys.lane_huge_pages != SCHEMA_AUTO_BOOL)
        map->lane_pages = build->keys.lane_huge_pages != 0 ? LANE_PAGES_HUGE : LANE_PAGES_NORMAL;
    count_cpus(build);
    resolve_prefix(build);
    take_queue_cores(build);
    resolve_main(build);
    resolve_workers(build);
    check_roles(build);
    check_polled(build, "hekad_cores", &map->hekad_cores);
    check_polled(build, "sandbox_cores", &map->sandbox_cores);
    for (unsigned p = 0; p < map->port_count; p++) {
        resolve_promiscuous(build, p);
        resolve_queues(build, &map->ports[p]);
        check_nodes(build, p);
    }
    resolve_mbufs(build);
    resolve_memory(build);
    resolve_pages(build);
    resolve_sleep(build);
}
