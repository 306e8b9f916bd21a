/* SPDX-License-Identifier: MPL-2.0
 *
 * slots.h - which bit of the match mask, and which cursors, belong to which output or filter.
 *
 * Place:   daemon.c and reload.c assign them before the plan is written (docs/formats/plan.md). A
 *          consumer keeps its slot as long as it lives, over reloads and over restarts of hekad,
 *          because records in the lanes are marked with it.
 * Threads: [main].
 */
#ifndef CONTROL_SLOTS_H
#define CONTROL_SLOTS_H

#include "control/plugins/instances.h"

struct slots {
    uint64_t taken[RECORD_MASK_WORDS];
};

static inline bool slots_has(const struct slots *slots, unsigned slot)
{
    return (slots->taken[slot / 64] >> (slot % 64)) & 1;
}

static inline void slots_take(struct slots *slots, unsigned slot)
{
    slots->taken[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* The slot that an output or filter has to keep, or -1. */
typedef int (*slots_keep_fn)(void *arg, const struct consumer_ref *consumer);

/* Sets `slot` of every output and filter: what `keep` says, else the lowest that neither is in
 * `taken` nor is kept by another. 0, or -1 after adding to `err` when there are not enough. */
int slots_assign(struct instances *instances, struct slots taken, slots_keep_fn keep, void *arg,
                 struct err *err);

/* The same from an earlier run's plan, by their names. *generation is set to that plan's, or
 * left alone when there is none that can be read. */
int slots_assign_from_plan(struct instances *instances, const char *plan_path, unsigned *generation,
                           struct err *err);

/* Slot of a consumer in a plan: its `slot`, or its place in the list. */
unsigned slots_in_plan(const struct conf_node *consumer, unsigned place);

#endif
