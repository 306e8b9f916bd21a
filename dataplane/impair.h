/* SPDX-License-Identifier: MPL-2.0
 *
 * impair.h - a bad network, for tests: TCP frames of a port are lost, doubled, let others pass, and
 *            answers to them are damaged.
 *
 * Place:   main.c takes it by `--impair`, appliance.c puts it behind the port's queues as DPDK's
 *          receive and transmit callbacks. Without it nothing of this is there.
 * Threads: attach and detach [main, no worker runs]; the callbacks are each queue's worker.
 * Memory:  at most IMPAIR_HELD_MAX mbufs of a queue are kept back.
 * Failure: frames that are lost here were never received: `frames_rx` counts behind it.
 */
#ifndef DATAPLANE_IMPAIR_H
#define DATAPLANE_IMPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

enum { IMPAIR_HELD_MAX = 32 };

struct impair_config { /* frames of a thousand */
    unsigned loss;
    unsigned ack_loss; /* answers whose checksum is made wrong: the peer drops them */
    unsigned reorder;  /* up to 8 others come before it */
    unsigned duplicate;
    uint64_t seed;
};

/* "loss=10,ack_loss=20,reorder=30,duplicate=5,seed=1". 0, or -1 after adding
 * to err. */
int impair_parse(const char *text, struct impair_config *config, struct err *err);

struct impair; /* of one port */

/* 0, or -1 after adding to err. */
int impair_attach(const struct impair_config *config, uint16_t port_id, unsigned queue_count,
                  struct impair **out, struct err *err);
void impair_detach(struct impair *impair); /* frees what is kept back; NULL is fine */

#endif
