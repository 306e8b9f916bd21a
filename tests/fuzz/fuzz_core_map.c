/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_core_map.c - any bytes as a core map, and so as JSON; the first byte picks the machine.
 *
 * A map that is accepted must keep the limits of core_map.h, and printed and parsed again it must
 * print the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/core_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int numa_of_cpu(void *arg, unsigned cpu)
{
    const uint8_t *machine = arg;
    return *machine & 0x80 ? (int)(cpu % 2) : -1;
}

static int numa_of_device(void *arg, const char *device)
{
    (void)arg;
    return device[strlen(device) - 1] == '1';
}

static bool cpu_allowed(void *arg, unsigned cpu)
{
    const uint8_t *machine = arg;
    return (*machine & 0x40) == 0 || cpu % 3 != 0;
}

static struct core_map *parse(const char *text, size_t len, uint8_t *picked)
{
    static struct err err;
    struct core_map *map;
    struct core_map_machine machine = {.cpu_count = 1 + (*picked & 0x1f),
                                       .cpu_allowed = cpu_allowed,
                                       .numa_of_cpu = numa_of_cpu,
                                       .numa_of_device = numa_of_device,
                                       .huge_pages_free_mbytes = *picked,
                                       .arg = picked};
    err.count = 0;
    int rc = core_map_parse(text, len, "fuzz", HEKA_FUZZ_PROFILES, &machine, &map, &err);
    CHECK((rc == 0) == (err.count == 0) && (rc == 0) == (map != NULL));
    return map;
}

static char *print(const struct core_map *map, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    CHECK(out != NULL && core_map_print(map, out) == 0 && fclose(out) == 0);
    return text;
}

static void check_cpus(const struct core_map *map, const struct core_map_cpus *cpus)
{
    CHECK(cpus->count <= CORE_MAP_WORKERS_MAX);
    for (unsigned i = 0; i < cpus->count; i++) {
        CHECK(i == 0 || cpus->cpus[i] > cpus->cpus[i - 1]);
        for (unsigned w = 0; w < map->worker_count && !map->force; w++)
            CHECK(map->workers[w] != cpus->cpus[i]);
    }
}

static void check_limits(const struct core_map *map)
{
    CHECK(map->port_count >= 1 && map->port_count <= CORE_MAP_PORTS_MAX);
    CHECK(map->worker_count >= 1 && map->worker_count <= CORE_MAP_WORKERS_MAX);
    CHECK(map->pages != PAGES_AUTO && map->memory_mbytes > 0 && map->mbufs_per_port > 0);
    CHECK((map->lane_mbytes & (map->lane_mbytes - 1)) == 0 && map->lane_mbytes > 0);
    check_cpus(map, &map->hekad_cores);
    check_cpus(map, &map->sandbox_cores);
    for (unsigned p = 0; p < map->port_count; p++) {
        const struct core_map_port *port = &map->ports[p];
        CHECK(port->queue_count >= 1 && port->queue_count <= port->profile->queues_max);
        CHECK(port->mtu >= 68 && port->mtu <= port->profile->mtu_max && port->vlan <= 4094);
        CHECK(port->address_count <= CORE_MAP_ADDRESSES_MAX);
        for (unsigned i = 0; i < port->queue_count; i++)
            CHECK(port->queues[i].queue == i);
        for (unsigned i = 0; i < port->address_count; i++)
            CHECK(core_map_has_address(map, &port->addresses[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t picked = size > 0 ? data[0] : 0;
    struct core_map *map = parse((const char *)data + (size > 0), size > 0 ? size - 1 : 0, &picked);
    if (map == NULL)
        return 0;
    check_limits(map);
    size_t len, len_again;
    char *text = print(map, &len);
    struct core_map *again = parse(text, len, &picked);
    CHECK(again != NULL);
    char *text_again = print(again, &len_again);
    CHECK(len == len_again && memcmp(text, text_again, len) == 0);
    free(text);
    free(text_again);
    core_map_free(map);
    core_map_free(again);
    return 0;
}
