/* SPDX-License-Identifier: MPL-2.0
 *
 * cpus.h - hekad keeps off the cores that the data plane polls.
 *
 * Place:   daemon.c leaves them before it starts threads; dataplane_process.c gives the data plane
 *          all that hekad was started with.
 * Threads: [main]; cpus_restore() also in a child before exec.
 * Memory:  one set for the process.
 */
#ifndef CONTROL_CPUS_H
#define CONTROL_CPUS_H

/* This thread, and those that it starts from now on, run on none of these CPUs, if there are
 * others. */
void cpus_leave(const unsigned *cpus, unsigned count);
/* The calling thread may run wherever the process could before cpus_leave(). */
void cpus_restore(void);

#endif
