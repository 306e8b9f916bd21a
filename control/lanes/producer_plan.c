/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/producer_plan.h"

#include <stdlib.h>
#include <string.h>

#include "control/plugins/instances.h"
#include "control/rule_store.h"

static int take_rules(struct producer_plan *plan, const struct instances *instances,
                      struct err *err)
{
    struct consumer_ref consumer;
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++) {
        uint64_t bit = UINT64_C(1) << (*consumer.slot % 64);
        plan->sink.slots[*consumer.slot / 64] |= bit;
        if (consumer.drops)
            plan->sink.drops[*consumer.slot / 64] |= bit;
    }
    return rule_store_open(instances, &plan->rules, err);
}

struct producer_plan *producer_plan_new(const struct instances *instances, unsigned generation,
                                        struct err *err)
{
    const struct hekad_globals *globals = &instances->config->globals;
    struct producer_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL || (plan->hostname = strdup(globals->hostname)) == NULL) {
        free(plan);
        err_add(err, "out of memory");
        return NULL;
    }
    atomic_init(&plan->references, 1);
    plan->max_message_loops =
        globals->max_message_loops < UINT16_MAX ? (unsigned)globals->max_message_loops : UINT16_MAX;
    if (take_rules(plan, instances, err) != 0) {
        producer_plan_put(plan);
        return NULL;
    }
    plan->sink.generation = generation;
    plan->sink.max_message_size = (uint64_t)globals->max_message_size;
    plan->sink.hostname = plan->hostname;
    plan->sink.rules = rule_store_rules(plan->rules);
    return plan;
}

struct producer_plan *producer_plan_get(struct producer_plan *plan)
{
    atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
    return plan;
}

void producer_plan_put(struct producer_plan *plan)
{
    /* Acquire and release: the last one sees what the others did. */
    if (plan == NULL || atomic_fetch_sub_explicit(&plan->references, 1, memory_order_acq_rel) != 1)
        return;
    rule_store_put(plan->rules);
    free(plan->hostname);
    free(plan);
}
