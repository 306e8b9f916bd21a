/* SPDX-License-Identifier: MPL-2.0
 *
 * plugins_life.c - plugins that end by themselves: said, and left out, or the end of hekad.
 *
 * Source:  Heka 0.11: a plugin that ends takes hekad with it (exit status 1), unless it can_exit;
 *          the message heka.terminated.
 */
#include <stdlib.h>
#include <string.h>

#include "control/dynamic.h"
#include "control/plugins/plugins_internal.h"
#include "core/log.h"

enum { TEXT_SIZE = 600 };

struct exit_of {
    const char *name, *type, *failure;
    bool can_exit;
};

static void tell(struct daemon *daemon, const struct exit_of *exit_of)
{
    char payload[TEXT_SIZE];
    const struct self_field field = {.name = "plugin", .text = exit_of->name};
    bool has_error = exit_of->failure[0] != '\0';
    snprintf(payload, sizeof(payload), "%s (type %s) terminated.%s%s", exit_of->name, exit_of->type,
             has_error ? " Error: " : "", exit_of->failure);
    const struct self_message message = {
        .type = "heka.terminated", .payload = payload, .fields = &field, .field_count = 1};
    self_put(daemon->self, &message);
}

/* The next generation is without it. */
static void leave_out(struct daemon *daemon, const struct exit_of *exit_of)
{
    daemon->is_exit_pending = true;
    if (dynamic_exited(daemon->dynamic, exit_of->name, exit_of->failure))
        return;
    if (daemon->exited_count == CONFIG_EXCLUDED_MAX) {
        log_error("Plugin '%s': more than %d have stopped; its messages wait in the lanes",
                  exit_of->name, CONFIG_EXCLUDED_MAX);
        return;
    }
    char *name = strdup(exit_of->name);
    if (name != NULL)
        daemon->exited[daemon->exited_count++] = name;
}

static void handle(struct daemon *daemon, const struct exit_of *exit_of)
{
    tell(daemon, exit_of);
    if (exit_of->can_exit) {
        log_info("Plugin '%s': has stopped, exiting plugin without shutting down.", exit_of->name);
        leave_out(daemon, exit_of);
        return;
    }
    log_info("Plugin '%s': has stopped, shutting down.", exit_of->name);
    daemon->exit_code = 1;
    daemon_stop(daemon);
}

static const struct filter_instance *filter_of(const struct running_consumer *running)
{
    const struct instances *instances = running->setup->instances;
    for (unsigned i = 0; i < instances->filter_count; i++)
        if (strcmp(instances->filters[i].name, running->name) == 0)
            return &instances->filters[i];
    return NULL;
}

static const struct output_instance *output_of(const struct running_consumer *running)
{
    const struct instances *instances = running->setup->instances;
    for (unsigned i = 0; i < instances->output_count; i++)
        if (strcmp(instances->outputs[i].name, running->name) == 0)
            return &instances->outputs[i];
    return NULL;
}

static void watch_consumer(struct daemon *daemon, struct running_consumer *running)
{
    struct exit_of exit_of = {.name = running->name};
    running->has_exited = true;
    if (running->output != NULL) {
        const struct output_instance *output = output_of(running);
        exit_of.type = output != NULL ? output->ops->plugin.name : running->section->type;
        exit_of.failure = consumer_failure(running->output);
        exit_of.can_exit = output != NULL && output->common.can_exit;
    } else {
        const struct filter_instance *filter = filter_of(running);
        exit_of.type = filter != NULL ? filter->ops->plugin.name : running->section->type;
        exit_of.failure = filter_host_failure(running->filter);
        exit_of.can_exit = filter != NULL && filter->common.can_exit;
    }
    handle(daemon, &exit_of);
}

static void watch_input(struct daemon *daemon, struct running_input *input)
{
    const struct exit_of exit_of = {
        .name = input->instance->name,
        .type = input->instance->ops->plugin.name,
        .failure = input_host_failure(input->host),
        .can_exit = input->instance->common.can_exit,
    };
    input->has_exited = true;
    handle(daemon, &exit_of);
}

void plugins_watch(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX && daemon->state == HEKAD_RUNNING; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (plugins_runs(running) && !running->is_new && !running->is_retired &&
            !running->has_exited && plugins_has_ended(running))
            watch_consumer(daemon, running);
    }
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX && daemon->state == HEKAD_RUNNING; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host != NULL && input->is_started && !input->is_stopping && !input->has_exited &&
            input_host_has_ended(input->host))
            watch_input(daemon, input);
    }
}

void plugins_forget_exited(struct daemon *daemon)
{
    for (unsigned i = 0; i < daemon->exited_count; i++)
        free(daemon->exited[i]);
    daemon->exited_count = 0;
}

void plugins_log_dropped(const struct running_consumer *running)
{
    unsigned long long left = plugins_undelivered(running);
    if (left > 0)
        log_error("Plugin '%s' error: Lost/Dropped %llu messages", running->name, left);
}
