/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/plugins_internal.h"

#include <string.h>

#include "control/setup.h"

/* ---- what is the same in another setup ---- */

static const struct conf_node *encoder_node(const struct setup *setup,
                                            const struct config_section *section)
{
    const struct instances *instances = setup->instances;
    for (unsigned i = 0; i < instances->output_count; i++) {
        const struct output_instance *output = &instances->outputs[i];
        if (output->section != section || output->encoder == NULL)
            continue;
        const struct config_section *encoder =
            hekad_config_find(setup->config, output->encoder->name);
        return encoder != NULL ? encoder->node : NULL;
    }
    return NULL;
}

static bool same_globals(const struct setup *now, const struct setup *next)
{
    const struct hekad_globals *a = &now->config->globals, *b = &next->config->globals;
    return a->max_message_size == b->max_message_size && a->log_flags == b->log_flags &&
           strcmp(a->base_dir, b->base_dir) == 0;
}

/* Decoders may use each other, so all of them count. */
static bool is_input_part(const struct config_section *section)
{
    enum plugin_category category = plugin_category_of(section->type);
    return category == PLUGIN_SPLITTER || category == PLUGIN_DECODER;
}

static bool has_parts_of(const struct setup *a, const struct setup *b)
{
    for (unsigned i = 0; i < a->config->section_count; i++) {
        const struct config_section *section = &a->config->sections[i];
        if (!is_input_part(section))
            continue;
        const struct config_section *other = hekad_config_find(b->config, section->name);
        if (other == NULL || !conf_equal(section->node, other->node))
            return false;
    }
    return true;
}

static bool has_same_parts(const struct setup *a, const struct setup *b)
{
    return has_parts_of(a, b) && has_parts_of(b, a);
}

int plugins_keep_slot(const struct daemon *daemon, const struct setup *setup,
                      const struct consumer_ref *consumer)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        const struct running_consumer *running = &daemon->consumers[i];
        if (plugins_runs(running) && !running->is_retired && !running->has_exited &&
            strcmp(running->name, consumer->name) == 0 &&
            conf_equal(running->section->node, consumer->section->node) &&
            conf_equal(encoder_node(running->setup, running->section),
                       encoder_node(setup, consumer->section)) &&
            same_globals(running->setup, setup) &&
            (!consumer->is_decoder || has_same_parts(running->setup, setup)))
            return (int)i;
    }
    return -1;
}

bool plugins_is_same_input(const struct running_input *running, const struct setup *setup,
                           const struct input_instance *instance)
{
    return running->host != NULL && !running->is_stopping && !running->has_exited &&
           instance->is_kernel && strcmp(running->instance->name, instance->name) == 0 &&
           conf_equal(running->instance->section->node, instance->section->node) &&
           strcmp(running->setup->config->globals.hostname, setup->config->globals.hostname) == 0 &&
           same_globals(running->setup, setup) && has_same_parts(running->setup, setup);
}

/* ---- making ---- */

static int make_output(struct daemon *daemon, struct setup *setup,
                       const struct output_instance *instance, struct err *err)
{
    struct running_consumer *running = &daemon->consumers[instance->slot];
    struct consumer_options options = {.globals = &setup->config->globals, .bell = &daemon->bell};
    running->output = consumer_new(instance, instance->slot, &options, err);
    if (running->output == NULL)
        return err_add(err, "Output '%s' failed to start", instance->name);
    running->name = instance->name;
    running->section = instance->section;
    running->setup = setup_get(setup);
    running->is_new = true;
    if (consumer_start(running->output) != 0)
        return err_add(err, "Output '%s' failed to start: no thread", instance->name);
    return 0;
}

static int make_filter(struct daemon *daemon, struct setup *setup, struct producer_plan *plan,
                       const struct filter_instance *instance, struct err *err)
{
    struct running_consumer *running = &daemon->consumers[instance->slot];
    const struct filter_host_config config = {
        .instance = instance,
        .run_dir = daemon->run_dir.path,
        .number = daemon->next_folder++,
        .plan = plan,
        .bell = &daemon->bell,
        .graph = &daemon->graph,
        .accums = daemon->accums,
        .dynamic = daemon->dynamic,
        .globals = &setup->config->globals,
        .sandboxes = daemon->sandboxes,
        .self = daemon->self,
    };
    running->filter = filter_host_new(&config, err);
    if (running->filter == NULL)
        return err_add(err, "Filter '%s' failed to start", instance->name);
    running->name = instance->name;
    running->section = instance->section;
    running->setup = setup_get(setup);
    running->is_new = true;
    if (filter_host_start(running->filter) != 0)
        return err_add(err, "Filter '%s' failed to start: no thread", instance->name);
    return 0;
}

static struct running_input *free_place(struct daemon *daemon)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host == NULL && daemon->inputs[i].producer == NULL)
            return &daemon->inputs[i];
    return NULL;
}

static int find_former(const struct daemon *daemon, const char *name)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host != NULL && !daemon->inputs[i].is_new &&
            strcmp(daemon->inputs[i].instance->name, name) == 0)
            return (int)i;
    return -1;
}

static int make_input(struct daemon *daemon, struct setup *setup, struct producer_plan *plan,
                      const struct input_instance *instance, struct err *err)
{
    struct running_input *input = free_place(daemon);
    if (input == NULL)
        return err_add(err, "'%s': more than %d inputs", instance->name, DAEMON_INPUTS_MAX);
    const struct producer_config producer = {
        .name = instance->name,
        .run_dir = daemon->run_dir.path,
        .number = daemon->next_folder++,
        .bell = &daemon->bell,
        .slot = PRODUCER_NO_SLOT,
    };
    input->producer = producer_new(&producer, plan, err);
    if (input->producer == NULL)
        return -1;
    const struct input_host_config config = {
        .instance = instance,
        .globals = &setup->config->globals,
        .producer = input->producer,
        .accums = daemon->accums,
        .dynamic = daemon->dynamic,
    };
    input->former = find_former(daemon, instance->name);
    input->host = input_host_new(&config, err);
    if (input->host == NULL) {
        producer_folder_delete(producer_folder(input->producer));
        producer_free(input->producer);
        *input = (struct running_input){.former = -1};
        return -1;
    }
    input->instance = instance;
    input->setup = setup_get(setup);
    input->is_new = true;
    return 0;
}

static bool runs_already(const struct daemon *daemon, const struct setup *setup,
                         const struct input_instance *instance)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (plugins_is_same_input(&daemon->inputs[i], setup, instance))
            return true;
    return false;
}

static int check_counts(const struct setup *setup, struct err *err)
{
    unsigned count = setup->instances->filter_count;
    for (unsigned i = 0; i < setup->instances->input_count; i++)
        count += setup->instances->inputs[i].is_kernel;
    if (count > DAEMON_PRODUCERS_MAX)
        return err_add(err, "%u inputs and filters in hekad; at most %d are possible", count,
                       DAEMON_PRODUCERS_MAX);
    return 0;
}

/* The input of hekad's own messages, once. */
static int make_self(struct daemon *daemon, struct setup *setup, struct producer_plan *plan,
                     struct err *err)
{
    static const struct config_section section = {.name = "hekad", .type = "SelfInput"};
    static struct self_options options;
    static const struct input_instance instance = {
        .name = "hekad",
        .ops = &self_input,
        .section = &section,
        .options = &options,
        .common = {.can_exit = true},
        .is_placed = true,
        .is_kernel = true,
    };
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].is_self)
            return 0;
    struct running_input *input = free_place(daemon);
    options.self = daemon->self;
    int rc = make_input(daemon, setup, plan, &instance, err);
    if (rc == 0)
        input->is_self = true;
    return rc;
}

int plugins_make(struct daemon *daemon, struct setup *setup, struct producer_plan *plan,
                 struct err *err)
{
    const struct instances *instances = setup->instances;
    int rc = check_counts(setup, err);
    if (rc == 0)
        rc = make_self(daemon, setup, plan, err);
    for (unsigned i = 0; rc == 0 && i < instances->output_count; i++)
        if (!plugins_runs(&daemon->consumers[instances->outputs[i].slot]))
            rc = make_output(daemon, setup, &instances->outputs[i], err);
    for (unsigned i = 0; rc == 0 && i < instances->filter_count; i++)
        if (!plugins_runs(&daemon->consumers[instances->filters[i].slot]))
            rc = make_filter(daemon, setup, plan, &instances->filters[i], err);
    for (unsigned i = 0; rc == 0 && i < instances->input_count; i++)
        if (instances->inputs[i].is_kernel && !runs_already(daemon, setup, &instances->inputs[i]))
            rc = make_input(daemon, setup, plan, &instances->inputs[i], err);
    return rc;
}

void plugins_give_up(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (!plugins_runs(running) || !running->is_new)
            continue;
        if (running->filter != NULL)
            producer_folder_delete(producer_folder(filter_host_producer(running->filter)));
        plugins_free_consumer(daemon, i);
    }
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host != NULL && daemon->inputs[i].is_new) {
            producer_folder_delete(producer_folder(daemon->inputs[i].producer));
            plugins_free_input(daemon, &daemon->inputs[i]);
        }
}
