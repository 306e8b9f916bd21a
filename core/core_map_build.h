/* SPDX-License-Identifier: MPL-2.0
 *
 * core_map_build.h - a core map between its text and its resolution.
 *
 * Place:   core_map.c reads and checks, core_map_auto.c resolves; nobody else.
 * Threads: start-up only.
 */
#ifndef CORE_CORE_MAP_BUILD_H
#define CORE_CORE_MAP_BUILD_H

#include "core/core_map.h"

struct core_map_memory_keys {
    int pages; /* enum core_map_pages */
    int64_t mbytes;
    int64_t mbufs_per_port;
};

struct core_map_keys { /* as schema.h fills it: "auto" is SCHEMA_AUTO_VALUE and the like */
    const char *file_prefix;
    int64_t main_core;
    struct schema_list workers, hekad_cores, sandbox_cores;
    struct core_map_memory_keys memory;
    int64_t lane_mbytes;
    int lane_huge_pages;
    int64_t tcp_connections;
    int idle_sleep;
    bool force;
    const struct conf_node *ports;
};

struct core_map_port_keys {
    const char *name, *profile, *device, *mac;
    int64_t vlan, mtu;
    int promiscuous;
    struct schema_list addresses;
    const struct conf_node *queues;
    const struct conf_node *node; /* the port's table */
};

struct core_map_build {
    struct core_map *map;
    struct core_map_keys keys;
    struct core_map_port_keys ports[CORE_MAP_PORTS_MAX]; /* as map->ports */
    const struct core_map_machine *machine;
    unsigned usable_count; /* CPUs that "auto" may take */
    bool all_usable;       /* the machine does not limit them */
    const struct conf_node *root;
    struct err *err;
    int result; /* -1 once something was refused */
};

/* Adds "FILE:LINE: KEY: ...", with the line of `key` in `table`, or of the table; sets result. */
void core_map_refuse(struct core_map_build *build, const struct conf_node *table, const char *key,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fills in everything that was "auto" and checks what depends on it. */
void core_map_resolve(struct core_map_build *build);

#endif
