/* SPDX-License-Identifier: MPL-2.0
 *
 * producer_plan.h - what a generation says to the producers inside hekad.
 *
 * Place:   reload.c makes one for each generation; producer.c adopts it, as the data plane adopts
 *          the plan that plan_writer.c wrote from the same configuration.
 * Threads: immutable; references [any].
 * Memory:  counted references; texts are its own.
 */
#ifndef CONTROL_PRODUCER_PLAN_H
#define CONTROL_PRODUCER_PLAN_H

#include "core/err.h"
#include "matcher/message_sink.h"

struct instances;
struct rule_store;

struct producer_plan {
    struct sink_plan sink;
    unsigned max_message_loops;
    struct rule_store *rules; /* a reference: shared with the data plane's plan */
    char *hostname;
    _Atomic unsigned references;
};

/* The matchers of all filters and outputs, at their slots. One reference. NULL after adding to
 * `err`. */
struct producer_plan *producer_plan_new(const struct instances *instances, unsigned generation,
                                        struct err *err);
struct producer_plan *producer_plan_get(struct producer_plan *plan);
void producer_plan_put(struct producer_plan *plan); /* NULL is fine */

#endif
