/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/slots.h"

#include <string.h>
#include <unistd.h>

enum { NO_SLOT = -1 };

static int lowest_free(const struct slots *taken)
{
    for (unsigned slot = 0; slot < RECORD_CONSUMERS_MAX; slot++)
        if (!slots_has(taken, slot))
            return (int)slot;
    return NO_SLOT;
}

int slots_assign(struct instances *instances, struct slots taken, slots_keep_fn keep, void *arg,
                 struct err *err)
{
    int kept[RECORD_CONSUMERS_MAX];
    struct consumer_ref consumer;
    unsigned count = instances->output_count + instances->filter_count;
    if (count > RECORD_CONSUMERS_MAX)
        return err_add(err, "%u filters and outputs; at most %d are possible", count,
                       RECORD_CONSUMERS_MAX);
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++) {
        kept[i] = keep(arg, &consumer);
        if (kept[i] != NO_SLOT)
            slots_take(&taken, (unsigned)kept[i]);
    }
    for (unsigned i = 0; instances_consumer(instances, i, &consumer); i++) {
        int slot = kept[i] != NO_SLOT ? kept[i] : lowest_free(&taken);
        if (slot == NO_SLOT)
            return err_add(err, "'%s': all %d slots are taken by plugins that still have messages",
                           consumer.name, RECORD_CONSUMERS_MAX);
        slots_take(&taken, (unsigned)slot);
        *consumer.slot = (unsigned)slot;
    }
    return 0;
}

unsigned slots_in_plan(const struct conf_node *consumer, unsigned place)
{
    const struct conf_node *slot = conf_get(consumer, "slot");
    bool is_slot =
        slot != NULL && slot->type == CONF_INT && slot->i >= 0 && slot->i < RECORD_CONSUMERS_MAX;
    return is_slot ? (unsigned)slot->i : place;
}

static int keep_of_plan(void *arg, const struct consumer_ref *consumer)
{
    const struct conf_node *consumers = arg;
    unsigned place = 0;
    if (consumers == NULL || consumers->type != CONF_ARRAY ||
        consumers->count > RECORD_CONSUMERS_MAX)
        return NO_SLOT;
    for (const struct conf_node *node = consumers->first; node != NULL; node = node->next) {
        const struct conf_node *name = conf_get(node, "name");
        if (name != NULL && name->type == CONF_STRING && strcmp(name->str, consumer->name) == 0)
            return (int)slots_in_plan(node, place);
        place++;
    }
    return NO_SLOT;
}

int slots_assign_from_plan(struct instances *instances, const char *plan_path, unsigned *generation,
                           struct err *err)
{
    const struct slots none = {0};
    struct conf_doc *doc = NULL;
    const struct conf_node *consumers = NULL;
    if (access(plan_path, R_OK) == 0 && json_load(plan_path, &doc, NULL) == 0) {
        const struct conf_node *number = conf_get(conf_root(doc), "generation");
        if (number != NULL && number->type == CONF_INT && number->i > 0 && number->i < INT32_MAX)
            *generation = (unsigned)number->i;
        consumers = conf_get(conf_root(doc), "consumers");
    }
    /* conf nodes are only read. */
    int rc = slots_assign(instances, none, keep_of_plan, (void *)(uintptr_t)consumers, err);
    conf_doc_free(doc);
    return rc;
}
