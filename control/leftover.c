/* SPDX-License-Identifier: MPL-2.0 */
#include "control/leftover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/plan_writer.h"
#include "control/slots.h"
#include "core/clock.h"
#include "core/conf.h"
#include "core/log.h"

static bool is_same_text(const char *path, const char *text)
{
    size_t size = strlen(text);
    char *old = malloc(size + 1);
    FILE *file = fopen(path, "re");
    /* One byte more than ours would show that the old one is longer. */
    bool is_same = old != NULL && file != NULL && fread(old, 1, size + 1, file) == size &&
                   memcmp(old, text, size) == 0;
    if (file != NULL)
        fclose(file);
    free(old);
    return is_same;
}

static bool is_same_plan(const char *path, const struct instances *instances, unsigned generation)
{
    char *text = plan_writer_text(instances, generation);
    bool is_same = text != NULL && is_same_text(path, text);
    free(text);
    return is_same;
}

static unsigned find_output(const struct instances *instances, const struct conf_node *name)
{
    if (name == NULL || name->type != CONF_STRING)
        return ATTACHMENT_NO_CONSUMER;
    for (unsigned i = 0; i < instances->output_count; i++)
        if (strcmp(instances->outputs[i].name, name->str) == 0)
            return i;
    return ATTACHMENT_NO_CONSUMER;
}

static void log_orphans(const struct segment *segment, unsigned consumer, const char *name)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < segment->header->lane_count; i++) {
        struct lane_reader reader;
        if (lane_reader_init(&reader, segment->lanes[i], segment_cursor(segment, i, consumer),
                             consumer) == 0)
            count += lane_count_ahead(&reader);
    }
    if (count > 0)
        log_error("%llu messages of an earlier run are lost: '%s' is no longer configured",
                  (unsigned long long)count, name);
}

/* By the names in the plan of that run. */
static void map_consumers(struct attachment *attachment, const struct conf_node *consumers,
                          const struct instances *instances)
{
    const struct segment *segment = &attachment->segment;
    unsigned place = 0;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        attachment->consumer_map[i] = ATTACHMENT_NO_CONSUMER;
    if (consumers == NULL || consumers->type != CONF_ARRAY ||
        consumers->count > segment->header->consumer_count)
        return;
    for (const struct conf_node *node = consumers->first; node != NULL; node = node->next) {
        const struct conf_node *name = conf_get(node, "name");
        unsigned output = find_output(instances, name);
        unsigned index = slots_in_plan(node, place++);
        if (output != ATTACHMENT_NO_CONSUMER)
            attachment->consumer_map[instances->outputs[output].slot] = index;
        else if (name != NULL && name->type == CONF_STRING)
            log_orphans(segment, index, name->str);
    }
}

void leftover_find(const char *run_dir, const char *plan_path, const struct instances *instances,
                   unsigned generation, struct leftover *leftover)
{
    struct segment segment;
    struct err err = {0};
    struct conf_doc *plan = NULL;
    *leftover = (struct leftover){0};
    int rc = segment_attach(run_dir, &segment, &err);
    if (rc == -EAGAIN)
        return;
    if (rc != 0 || (leftover->attachment = attachment_new(&segment)) == NULL) {
        log_error("The lanes of an earlier run are ignored: %s",
                  err.count > 0 ? err.texts[0] : "out of memory");
        if (rc == 0)
            segment_detach(&segment);
        return;
    }
    const struct segment_header *header = leftover->attachment->segment.header;
    leftover->pid = (pid_t)header->pid;
    leftover->started_wall_ns = header->started_wall_ns;
    leftover->is_running =
        atomic_load_explicit(&header->state, memory_order_acquire) == SEGMENT_RUNNING;
    leftover->is_same_plan = is_same_plan(plan_path, instances, generation);
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
