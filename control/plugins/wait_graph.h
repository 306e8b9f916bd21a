/* SPDX-License-Identifier: MPL-2.0
 *
 * wait_graph.h - which filter waits for which consumer to read on, and who would wait for ever.
 *
 * Place:   producer.c, when a filter's lane is full. A consumer is known by its slot. Outputs never
 *          wait for a lane, so they are never in it and never part of a circle.
 * Threads: each filter writes its own node; everything may be read by [any].
 * Memory:  the caller's, zeroed.
 * Failure: a circle is believed only when each filter in it has looked for room again behind the
 *          moment at which all of it was there, and found none. Then nobody in it can go on, and
 *          the one with the lowest slot, and no other, gives up a message.
 */
#ifndef CONTROL_WAIT_GRAPH_H
#define CONTROL_WAIT_GRAPH_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/record.h"

struct wait_node {
    _Alignas(64) _Atomic uint64_t edge; /* number of this wait << 16 | slot waited for + 1; low
                                           bits 0: it does not wait */
    _Atomic uint64_t looks;             /* times that it looked for room and found none */
    _Atomic uint64_t deadlocks; /* messages of others given up because this one did not read on */
};

struct wait_graph {
    struct wait_node nodes[RECORD_CONSUMERS_MAX];
};

struct wait_circle { /* what a waiter has seen so far; zeroed at the start of its wait */
    unsigned count;
    uint16_t members[RECORD_CONSUMERS_MAX];
    uint64_t edges[RECORD_CONSUMERS_MAX], looks[RECORD_CONSUMERS_MAX];
};

/* [the filter in slot `waiter`] It has looked again just now, and waits for `slot` (still). */
void wait_graph_wait(struct wait_graph *graph, unsigned waiter, unsigned slot);
/* It does not wait any more. */
void wait_graph_end(struct wait_graph *graph, unsigned waiter);

/* True when the waiter is in a circle that nobody leaves, and it is its turn to give up a message.
 * Call it behind each wait_graph_wait(). */
bool wait_graph_is_stuck(const struct wait_graph *graph, unsigned waiter,
                         struct wait_circle *circle);

/* Counts a message that was given up because `slot` did not read on. */
void wait_graph_count(struct wait_graph *graph, unsigned slot);
uint64_t wait_graph_deadlocks(const struct wait_graph *graph, unsigned slot);
/* The slot belongs to another consumer now. */
void wait_graph_reset(struct wait_graph *graph, unsigned slot);

#endif
