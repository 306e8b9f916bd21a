/* SPDX-License-Identifier: MPL-2.0
 *
 * cpus.h - where hekad's threads run: off the cores that the data plane polls, or on those that the
 *          core map gives to hekad.
 *
 * Place:   daemon.c chooses before it starts threads; dataplane_process.c gives the data plane all
 *          that hekad was started with; setup.c resolves core maps with that, too.
 * Threads: [main]; cpus_restore() also in a child before exec.
 * Memory:  one set for the process.
 * Failure: a core of the core map on which this process may not run is an error at start.
 */
#ifndef CONTROL_CPUS_H
#define CONTROL_CPUS_H

#include "core/core_map.h"
#include "core/err.h"

/* This thread, and those that it starts from now on, run on the map's hekad_cores, or, without any,
 * on no core of its workers, if there are others. */
void cpus_choose(const struct core_map *map);
/* The calling thread may run wherever the process could before cpus_choose(). */
void cpus_restore(void);

/* Whether this process may run on each of the map's hekad_cores and sandbox_cores. 0, or -1 after
 * adding to `err`. */
int cpus_check(const struct core_map *map, struct err *err);

/* As core_map_machine_read(), with the CPUs that the process could run on at its start: what
 * "auto" is must not depend on cpus_choose(). */
void cpus_machine_read(struct core_map_machine *machine);

#endif
