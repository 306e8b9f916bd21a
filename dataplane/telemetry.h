/* SPDX-License-Identifier: MPL-2.0
 *
 * telemetry.h - own commands of rte_telemetry: /hekaline/counters, /hekaline/ledger,
 *               /hekaline/workers, /hekaline/senders.
 *
 * Place:   dpdk-telemetry.py (or any client of DPDK's telemetry socket) asks them beside DPDK's
 *          own.
 * Threads: registered by [main]; answered by DPDK's telemetry thread from the segment's copies.
 */
#ifndef DATAPLANE_TELEMETRY_H
#define DATAPLANE_TELEMETRY_H

#include "core/err.h"
#include "core/segment.h"
#include "stats/shard_senders.h"

/* `segment` must outlive EAL. */
int telemetry_register(const struct segment *segment, struct err *err);

/* Adds a worker's senders to what /hekaline/senders tells, and takes all of them away. [main] */
void telemetry_add_senders(const struct senders *senders);
void telemetry_forget_senders(void);

#endif
