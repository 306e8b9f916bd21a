/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/plugins_internal.h"

#include "control/inputs/inputs.h"
#include "core/log.h"

static bool is_accum(const struct running_input *input)
{
    return input->instance->ops == &stat_accum_input;
}

void plugins_stop_inputs(struct daemon *daemon, bool accums_too)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL || input->is_stopping || (!accums_too && is_accum(input)))
            continue;
        log_info("Stop message sent to input '%s'", input->instance->name);
        input->is_stopping = true;
        input_host_stop(input->host);
    }
}

static void stop_producer(void *arg, struct producer *producer)
{
    (void)arg;
    producer_stop(producer);
}

void plugins_hurry_inputs(struct daemon *daemon)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host != NULL && daemon->inputs[i].is_stopping)
            stop_producer(NULL, daemon->inputs[i].producer);
}

bool plugins_have_inputs(const struct daemon *daemon, bool accums_too)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host != NULL && (accums_too || !is_accum(&daemon->inputs[i])))
            return true;
    return false;
}

bool plugins_are_idle(struct daemon *daemon)
{
    uint64_t processed = 1; /* 0: they were not idle */
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX && processed > 0; i++) {
        struct filter_status status;
        if (daemon->consumers[i].filter == NULL || plugins_has_ended(&daemon->consumers[i]))
            continue;
        filter_host_status(daemon->consumers[i].filter, &status);
        processed += status.intake.delivered + ends_sum(&status.intake.ends);
        if (status.intake.in_flight + status.intake.held > 0)
            processed = 0;
    }
    /* One may have fed another that was looked at before it: twice the same, and nobody has. */
    bool is_same = processed > 0 && processed == daemon->processed_when_idle;
    daemon->processed_when_idle = processed;
    return is_same;
}

static void say_stop(const struct running_consumer *running, const char *kind)
{
    if (!plugins_has_ended(running))
        log_info("Stop message sent to %s '%s'", kind, running->name);
}

void plugins_stop_filters(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (running->filter == NULL)
            continue;
        say_stop(running, "filter");
        filter_host_stop(running->filter);
    }
}

/* Filters that have ended leave their lanes to the outputs. */
bool plugins_have_filters(const struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->consumers[i].filter != NULL && !plugins_has_ended(&daemon->consumers[i]))
            return true;
    return false;
}

void plugins_close_filters(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (running->filter != NULL && plugins_has_ended(running))
            attachment_set_final(producer_attachment(filter_host_producer(running->filter)));
    }
    bell_ring(&daemon->bell);
}

bool plugins_are_drained(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->consumers[i].output != NULL &&
            !consumer_is_drained(daemon->consumers[i].output))
            return false;
    return true;
}

unsigned long long plugins_undelivered(const struct running_consumer *running)
{
    if (running->output != NULL) {
        struct consumer_status status;
        consumer_status(running->output, &status);
        return status.in_flight + status.held;
    }
    if (running->filter != NULL) {
        struct filter_status status;
        filter_host_status(running->filter, &status);
        return status.intake.in_flight + status.intake.held;
    }
    return 0;
}

void plugins_log_undelivered(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        const struct running_consumer *running = &daemon->consumers[i];
        unsigned long long left = plugins_undelivered(running);
        if (left > 0)
            log_error("%s '%s': %llu messages are not delivered; they stay in %s",
                      plugins_kind(running), running->name, left, daemon->run_dir.path);
    }
}

void plugins_stop_outputs(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (running->output != NULL)
            say_stop(running, "output");
        plugins_stop_consumer(running);
    }
}

bool plugins_have_ended(const struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (plugins_runs(&daemon->consumers[i]) && !plugins_has_ended(&daemon->consumers[i]))
            return false;
    return !plugins_have_inputs(daemon, true);
}

bool plugins_free(struct daemon *daemon)
{
    bool all_free = true;
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL)
            continue;
        input_host_stop(input->host);
        producer_stop(input->producer);
        if (daemon->state == HEKAD_DONE && !input_host_has_ended(input->host)) {
            log_error("Input '%s' does not end; it is abandoned", input->instance->name);
            all_free = false;
        } else {
            plugins_free_input(daemon, input);
        }
    }
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (!plugins_runs(running))
            continue;
        plugins_stop_consumer(running);
        if (daemon->state == HEKAD_DONE && !plugins_has_ended(running)) {
            log_error("%s '%s' does not end; it is abandoned", plugins_kind(running),
                      running->name);
            all_free = false;
        } else {
            plugins_free_consumer(daemon, i);
        }
    }
    return all_free;
}
