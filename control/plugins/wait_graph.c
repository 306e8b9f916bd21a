/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/wait_graph.h"

#include <string.h>

enum {
    EDGE_SLOT_BITS = 16,
    LOOKS_MIN = 4 /* more than two: a look may have begun, and a cursor moved, before the circle
                     was seen */
};

static uint64_t edge_of(const struct wait_graph *graph, unsigned slot)
{
    return atomic_load_explicit(&graph->nodes[slot].edge, memory_order_seq_cst);
}

/* Slot waited for, or -1. */
static int target_of(uint64_t edge)
{
    return (int)(edge & ((UINT64_C(1) << EDGE_SLOT_BITS) - 1)) - 1;
}

static uint64_t looks_of(const struct wait_graph *graph, unsigned slot)
{
    return atomic_load_explicit(&graph->nodes[slot].looks, memory_order_seq_cst);
}

static void set_edge(struct wait_node *node, uint64_t low)
{
    uint64_t old = atomic_load_explicit(&node->edge, memory_order_relaxed);
    uint64_t number = (old >> EDGE_SLOT_BITS) + 1;
    atomic_store_explicit(&node->edge, number << EDGE_SLOT_BITS | low, memory_order_seq_cst);
}

void wait_graph_wait(struct wait_graph *graph, unsigned waiter, unsigned slot)
{
    struct wait_node *node = &graph->nodes[waiter];
    if (target_of(edge_of(graph, waiter)) != (int)slot)
        set_edge(node, slot + 1);
    atomic_fetch_add_explicit(&node->looks, 1, memory_order_seq_cst);
}

void wait_graph_end(struct wait_graph *graph, unsigned waiter)
{
    if (target_of(edge_of(graph, waiter)) >= 0)
        set_edge(&graph->nodes[waiter], 0);
}

/* Follows the edges until they come back to the waiter. False when they end, or go round without
 * it: then others have to give up something. */
static bool walk(const struct wait_graph *graph, unsigned waiter, struct wait_circle *found)
{
    unsigned slot = waiter;
    found->count = 0;
    do {
        if (found->count == RECORD_CONSUMERS_MAX)
            return false;
        uint64_t edge = edge_of(graph, slot);
        int target = target_of(edge);
        if (target < 0 || target >= RECORD_CONSUMERS_MAX)
            return false;
        found->members[found->count] = (uint16_t)slot;
        found->edges[found->count] = edge;
        found->looks[found->count++] = looks_of(graph, slot);
        slot = (unsigned)target;
    } while (slot != waiter);
    return true;
}

static bool is_same(const struct wait_circle *a, const struct wait_circle *b)
{
    return a->count == b->count && memcmp(a->edges, b->edges, a->count * sizeof(a->edges[0])) == 0;
}

bool wait_graph_is_stuck(const struct wait_graph *graph, unsigned waiter,
                         struct wait_circle *circle)
{
    struct wait_circle found;
    if (!walk(graph, waiter, &found)) {
        circle->count = 0;
        return false;
    }
    if (!is_same(&found, circle)) {
        *circle = found;
        return false;
    }
    for (unsigned i = 0; i < found.count; i++)
        if (found.looks[i] - circle->looks[i] < LOOKS_MIN || found.members[i] < waiter)
            return false;
    circle->count = 0;
    return true;
}

void wait_graph_count(struct wait_graph *graph, unsigned slot)
{
    atomic_fetch_add_explicit(&graph->nodes[slot].deadlocks, 1, memory_order_relaxed);
}

uint64_t wait_graph_deadlocks(const struct wait_graph *graph, unsigned slot)
{
    return atomic_load_explicit(&graph->nodes[slot].deadlocks, memory_order_relaxed);
}

void wait_graph_reset(struct wait_graph *graph, unsigned slot)
{
    atomic_store_explicit(&graph->nodes[slot].deadlocks, 0, memory_order_relaxed);
}
