/* SPDX-License-Identifier: MPL-2.0
 *
 * port.h - EAL and ports as the core map and the profiles say.
 *
 * Place:   main.c and replay.c, at start and end; port_stats() from housekeeping.
 * Threads: start-up thread; port_stats() [housekeeping].
 * Memory:  DPDK's.
 * Failure: text in `err`, with what the profile says that the port needs.
 * Source:  DPDK 22.11 programmer's guide.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <rte_ether.h>
#include <rte_mempool.h>

#include "core/core_map.h"
#include "core/counters.h"
#include "dataplane/impair.h"

/* Starts EAL: lcore 0 is housekeeping on map->main_core, lcore i + 1 is worker i on its CPU.
 * `telemetry`: offer rte_telemetry. */
int eal_start(const struct core_map *map, const char *program, bool telemetry, struct err *err);

struct port {
    uint16_t port_id;
    struct rte_ether_addr mac;
    struct rte_mempool *pool;
    bool rx_checksum; /* asked for and granted */
    struct impair *impair; /* NULL: none */
};

/* Configures and starts port `index` of the map. */
int port_open(const struct core_map *map, unsigned index, struct port *port, struct err *err);
void port_close(struct port *port);

/* Adds what the ports themselves counted: missed, errors, no mbuf. */
void port_stats(const struct port *ports, unsigned port_count, struct counters *counters);

#endif
