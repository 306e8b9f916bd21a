/* SPDX-License-Identifier: MPL-2.0
 *
 * blast_port.h - sends prepared frames over a DPDK port as fast as it takes them; exact counts.
 *
 * Place:   bench/blast.c. The only file of bench/ that uses DPDK is blast_port.c.
 * Threads: one, the main one of EAL.
 * Memory:  a pool small enough for the second-level cache; frames are copied into it.
 * Failure: a port that takes nothing for blast_plan.stall_s ends the sending; what was sent before
 *          is counted.
 */
#ifndef BENCH_BLAST_PORT_H
#define BENCH_BLAST_PORT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/blast_plan.h"
#include "core/err.h"

enum { BLAST_QUEUES_MAX = 8 };

struct blast_frames { /* the cycle, back to back */
    uint8_t *bytes;
    uint32_t stride; /* from one frame to the next */
    uint16_t *sizes; /* of each */
    uint32_t count;
    uint16_t size_max;
};

struct blast_port_config {
    const char *device; /* argument of --vdev, or a PCI address with `pci` */
    bool pci;
    int cpu;
    unsigned queues; /* bursts go to one after the other; at most BLAST_QUEUES_MAX */
    bool huge;       /* use hugepages; there must be free ones */
    unsigned memory_mbytes;
};

/* "DPDK 22.11.1" */
const char *blast_port_version(void);

/* Megabytes of free hugepages of this machine. */
unsigned blast_huge_free_mbytes(void);

/* Starts EAL (its threads and memory last as long as the process) and the port. Once a process. */
int blast_port_open(const struct blast_port_config *config, uint16_t frame_size_max,
                    struct err *err);

/* Sends until the plan's limits or *stop. */
void blast_port_send(const struct blast_frames *frames, const struct blast_plan *plan,
                     const volatile sig_atomic_t *stop, struct blast_sent *sent);

/* Stops the port and EAL. Frames that the receiver has not yet taken are lost now. */
void blast_port_close(void);

#endif
