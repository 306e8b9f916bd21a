/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/leftover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/plan_writer.h"
#include "control/plugins/slots.h"
#include "core/clock.h"
#include "core/conf.h"
#include "core/log.h"

struct old_names { /* by slot in the plan of the earlier run; NULL: nobody's */
    const char *names[RECORD_CONSUMERS_MAX];
};

static void read_names(const struct conf_node *consumers, struct old_names *old)
{
    unsigned place = 0;
    *old = (struct old_names){0};
    if (consumers == NULL || consumers->type != CONF_ARRAY ||
        consumers->count > RECORD_CONSUMERS_MAX)
        return;
    for (const struct conf_node *node = consumers->first; node != NULL; node = node->next) {
        const struct conf_node *name = conf_get(node, "name");
        unsigned slot = slots_in_plan(node, place++);
        if (name != NULL && name->type == CONF_STRING && slot < RECORD_CONSUMERS_MAX)
            old->names[slot] = name->str;
    }
}

/* Slot in this run of what has that name, or ATTACHMENT_NO_CONSUMER. */
static unsigned find_consumer(const struct instances *instances, const char *name)
{
    struct consumer_ref consumer;
    for (unsigned i = 0; name != NULL && instances_consumer(instances, i, &consumer); i++)
        if (strcmp(consumer.name, name) == 0)
            return *consumer.slot;
    return ATTACHMENT_NO_CONSUMER;
}

static bool is_admitted(const struct segment *segment, unsigned index)
{
    for (unsigned i = 0; i < segment->header->lane_count; i++)
        if (atomic_load_explicit(&segment_consumer(segment, i, index)->admitted,
                                 memory_order_acquire) == 0)
            return false;
    return true;
}

/* Passes over what nobody is there for: the lane must not wait for it, nor the slot's next user get
 * it. */
static uint64_t pass_over(const struct segment *segment, unsigned index)
{
    uint64_t count = 0, skipped = 0;
    for (unsigned i = 0; i < segment->header->lane_count; i++) {
        struct lane_reader reader;
        int error = 0;
        if (segment_reader_init(segment, i, index, 0, &reader) != 0)
            continue;
        while (lane_next(&reader, &skipped, &error) != NULL)
            count++;
        lane_release(&reader);
    }
    return count;
}

static void end_orphan(const struct segment *segment, unsigned index, const char *name)
{
    unsigned long long count = pass_over(segment, index);
    if (count > 0 && name != NULL)
        log_error("%llu messages of an earlier run are lost: '%s' is no longer configured", count,
                  name);
    else if (count > 0)
        log_error("%llu messages of an earlier run are lost: the plugin in slot %u is gone since "
                  "an earlier reload",
                  count, index);
}

/* By the names in the plan of that run. */
static void map_consumers(struct attachment *attachment, const struct conf_node *consumers,
                          const struct instances *instances)
{
    const struct segment *segment = &attachment->segment;
    struct old_names old;
    read_names(consumers, &old);
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        attachment->consumer_map[i] = ATTACHMENT_NO_CONSUMER;
    for (unsigned i = 0; i < segment->header->consumer_count; i++) {
        unsigned slot = find_consumer(instances, old.names[i]);
        if (slot == ATTACHMENT_NO_CONSUMER)
            end_orphan(segment, i, old.names[i]);
        else if (is_admitted(segment, i))
            attachment->consumer_map[slot] = i;
    }
}

void leftover_find(const char *dir, const char *plan_path, const struct instances *instances,
                   unsigned generation, struct leftover *leftover)
{
    struct segment segment;
    struct err err = {0};
    struct conf_doc *plan = NULL;
    *leftover = (struct leftover){0};
    int rc = segment_attach(dir, &segment, &err);
    if (rc == -EAGAIN)
        return;
    if (rc != 0 || (leftover->attachment = attachment_new(&segment)) == NULL) {
        log_error("The lanes of an earlier run are ignored: %s",
                  err.count > 0 ? err.texts[0] : "out of memory");
        leftover->is_unreadable = true;
        if (rc == 0)
            segment_detach(&segment);
        return;
    }
    const struct segment_header *header = leftover->attachment->segment.header;
    leftover->pid = (pid_t)header->pid;
    leftover->started_wall_ns = header->started_wall_ns;
    leftover->is_running =
        atomic_load_explicit(&header->state, memory_order_acquire) == SEGMENT_RUNNING;
    leftover->is_same_plan = plan_writer_is_same(instances, generation, plan_path);
    if (json_load(plan_path, &plan, &err) != 0)
        log_error("The lanes of an earlier run are ignored: %s", err.texts[0]);
    map_consumers(leftover->attachment,
                  plan != NULL ? conf_get(conf_root(plan), "consumers") : NULL, instances);
    conf_doc_free(plan);
}

bool leftover_is_older(const struct leftover *leftover, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return true;
    uint64_t changed_ns =
        (uint64_t)status.st_mtim.tv_sec * CLOCK_NS_PER_S + (uint64_t)status.st_mtim.tv_nsec;
    return changed_ns > leftover->started_wall_ns;
}
