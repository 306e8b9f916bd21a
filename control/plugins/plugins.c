/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/plugins.h"

#include <errno.h>

#include "control/plugins/plugins_internal.h"
#include "control/setup.h"
#include "core/log.h"

/* ---- lanes ---- */

static struct intake *filter_intake(const struct running_consumer *running)
{
    return running->filter != NULL ? filter_host_intake(running->filter) : NULL;
}

static int attach(void *arg, unsigned slot, struct attachment *attachment, unsigned generation)
{
    struct daemon *daemon = arg;
    struct running_consumer *running = &daemon->consumers[slot];
    struct err err = {0};
    int rc = 0;
    if (running->output != NULL)
        rc = consumer_attach(running->output, attachment, generation, &err);
    else if (running->filter != NULL)
        rc = intake_attach(filter_intake(running), attachment, generation, &err);
    if (rc != 0 && rc != -EAGAIN)
        log_error("'%s' cannot read the lanes: %s", running->name,
                  err.count > 0 ? err.texts[0] : "no reason");
    return rc;
}

void plugins_want(struct daemon *daemon, struct lane_entry *entry)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (plugins_runs(&daemon->consumers[i]) && !daemon->consumers[i].is_retired)
            lane_entry_want(entry, i, 0);
    lane_table_step(&daemon->lanes, attach, daemon);
}

/* A consumer that a generation brought reads the lanes that live, from where each producer adopted
 * it. */
static void want_living(struct daemon *daemon, unsigned slot)
{
    for (unsigned i = 0; i < daemon->lanes.count; i++)
        if (!attachment_is_final(daemon->lanes.entries[i]->attachment))
            lane_entry_want(daemon->lanes.entries[i], slot, daemon->generation);
}

static int add_lanes(struct daemon *daemon, struct producer *producer, uint32_t own_slot,
                     struct err *err)
{
    struct lane_entry *entry =
        lane_table_add(&daemon->lanes, producer_attachment(producer), producer_name(producer),
                       producer_folder(producer), err);
    if (entry == NULL)
        return -1;
    entry->own_slot = own_slot;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (plugins_runs(&daemon->consumers[i]) && !daemon->consumers[i].is_retired)
            lane_entry_want(entry, i, 0);
    return 0;
}

/* ---- ending one ---- */

/* What a producer counted stays in the books. */
static void keep_counters(struct daemon *daemon, struct producer *producer)
{
    producer_counters(producer, &daemon->ended_producers);
}

void plugins_free_consumer(struct daemon *daemon, unsigned slot)
{
    struct running_consumer *running = &daemon->consumers[slot];
    lane_table_forget(&daemon->lanes, slot);
    if (running->filter != NULL)
        keep_counters(daemon, filter_host_producer(running->filter));
    consumer_free(running->output);
    filter_host_free(running->filter);
    setup_put(running->setup);
    *running = (struct running_consumer){0};
}

void plugins_free_input(struct daemon *daemon, struct running_input *input)
{
    input_host_free(input->host);
    keep_counters(daemon, input->producer);
    producer_free(input->producer);
    setup_put(input->setup);
    *input = (struct running_input){.former = -1};
}

void plugins_stop_consumer(struct running_consumer *running)
{
    if (running->output != NULL)
        consumer_stop(running->output);
    if (running->filter != NULL)
        filter_host_stop(running->filter);
}

static bool is_drained(const struct running_consumer *running)
{
    return running->output != NULL ? consumer_is_drained(running->output)
                                   : intake_is_drained(filter_intake(running));
}

static int take_consumer(struct daemon *daemon, unsigned slot, struct err *err)
{
    struct running_consumer *running = &daemon->consumers[slot];
    running->is_new = false;
    if (daemon->is_changing) /* at the start it has all lanes already */
        want_living(daemon, slot);
    log_info("%s started: %s", plugins_kind(running), running->name);
    if (running->filter == NULL)
        return 0;
    return add_lanes(daemon, filter_host_producer(running->filter), slot, err);
}

/* An output whose disk queue is nearly full, or NULL. */
static const char *find_nearly_full(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->consumers[i].output != NULL &&
            consumer_is_nearly_full(daemon->consumers[i].output))
            return daemon->consumers[i].name;
    return NULL;
}

bool plugins_may_start_inputs(struct daemon *daemon)
{
    int64_t wait_s = daemon->setup->config->globals.full_buffer_max_retries;
    const char *full = daemon->may_start_inputs ? NULL : find_nearly_full(daemon);
    if (full == NULL) {
        daemon->may_start_inputs = true;
    } else if (daemon_is_over(daemon, daemon->started_ns, (uint64_t)wait_s * 1000)) {
        log_error("Output '%s': its queue is still nearly full; inputs start nevertheless", full);
        daemon->may_start_inputs = true;
    } else if (!daemon->said_nearly_full) {
        log_info("Output '%s': its queue is nearly full; inputs wait, at most %lld s", full,
                 (long long)wait_s);
        daemon->said_nearly_full = true;
    }
    return daemon->may_start_inputs;
}

static void start_inputs(struct daemon *daemon)
{
    if (!plugins_may_start_inputs(daemon))
        return;
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL || input->is_new || input->is_started || input->former >= 0)
            continue;
        input->is_started = true;
        if (input_host_start(input->host) != 0)
            log_error("Input '%s' failed to start: no thread", input->instance->name);
        else
            log_info("Input started: %s", input->instance->name);
    }
}

int plugins_take(struct daemon *daemon, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (plugins_runs(&daemon->consumers[i]) && daemon->consumers[i].is_new)
            rc |= take_consumer(daemon, i, err);
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL || !input->is_new)
            continue;
        input->is_new = false;
        rc |= add_lanes(daemon, input->producer, ATTACHMENT_NO_CONSUMER, err);
    }
    lane_table_step(&daemon->lanes, attach, daemon);
    if (!daemon->is_changing) /* the start */
        log_info("MessageRouter started.");
    start_inputs(daemon);
    return rc;
}

/* ---- while they run ---- */

/* Consumers that no plan has any more end when they have delivered what was theirs. */
static void end_retired(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (!plugins_runs(running) || !running->is_retired ||
            (!is_drained(running) && !running->has_exited))
            continue;
        if (running->has_exited)
            plugins_log_dropped(running);
        plugins_stop_consumer(running);
        if (!plugins_has_ended(running))
            continue;
        log_info("%s stopped: %s", plugins_kind(running), running->name);
        plugins_free_consumer(daemon, i);
    }
}

static void end_inputs(struct daemon *daemon)
{
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL || !input->is_stopping || !input_host_has_ended(input->host))
            continue;
        log_info("Input stopped: %s", input->instance->name);
        plugins_free_input(daemon, input);
        for (unsigned j = 0; j < DAEMON_INPUTS_MAX; j++)
            if (daemon->inputs[j].former == (int)i)
                daemon->inputs[j].former = -1;
    }
    if (daemon->state == HEKAD_RUNNING)
        start_inputs(daemon);
}

void plugins_step(struct daemon *daemon)
{
    lane_table_step(&daemon->lanes, attach, daemon);
    plugins_watch(daemon);
    end_retired(daemon);
    end_inputs(daemon);
}

void plugins_each_producer(struct daemon *daemon, void (*visit)(void *arg, struct producer *),
                           void *arg)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->consumers[i].filter != NULL && !daemon->consumers[i].is_new)
            visit(arg, filter_host_producer(daemon->consumers[i].filter));
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host != NULL && !daemon->inputs[i].is_new)
            visit(arg, daemon->inputs[i].producer);
}

/* Its thread does not run (yet, or any more): we are the only one that uses it. */
static void turn_if_idle(struct producer *producer, bool is_running)
{
    if (!is_running)
        producer_turn(producer);
}

struct producer *plugins_find_producer(struct daemon *daemon, bool (*is_fine)(struct producer *))
{
    struct producer *found = NULL, *producer;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (running->filter == NULL || running->is_new)
            continue;
        producer = filter_host_producer(running->filter);
        turn_if_idle(producer, !plugins_has_ended(running));
        if (!is_fine(producer))
            found = producer;
    }
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL || input->is_new)
            continue;
        turn_if_idle(input->producer, input->is_started && !input_host_has_ended(input->host));
        if (!is_fine(input->producer))
            found = input->producer;
    }
    return found;
}

static void add_counters(void *arg, struct producer *producer)
{
    producer_counters(producer, arg);
}

void plugins_counters(struct daemon *daemon, struct counters *sum)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        sum->values[i] += daemon->ended_producers.values[i];
    plugins_each_producer(daemon, add_counters, sum);
}

bool plugins_have_room(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        const struct running_consumer *running = &daemon->consumers[i];
        if ((running->output != NULL && !consumer_has_room(running->output)) ||
            (running->filter != NULL && !intake_has_room(filter_intake(running))))
            return false;
    }
    return true;
}

struct stuck_context {
    const struct daemon *daemon;
    uint64_t ms;
    bool is_stuck;
};

static void look_if_stuck(void *arg, struct producer *producer)
{
    struct stuck_context *context = arg;
    uint64_t since_ns = producer_waits_since_ns(producer);
    context->is_stuck |= since_ns != 0 && context->daemon->now_ns > since_ns &&
                         daemon_is_over(context->daemon, since_ns, context->ms);
}

bool plugins_are_stuck(struct daemon *daemon, uint64_t ms)
{
    struct stuck_context context = {daemon, ms, false};
    plugins_each_producer(daemon, look_if_stuck, &context);
    return context.is_stuck;
}

const char *plugins_full_queue(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->consumers[i].output != NULL &&
            consumer_wants_shutdown(daemon->consumers[i].output))
            return daemon->consumers[i].name;
    return NULL;
}

/* ---- in a reload ---- */

static bool has_consumer(const struct setup *setup, unsigned slot)
{
    struct consumer_ref consumer;
    for (unsigned i = 0; instances_consumer(setup->instances, i, &consumer); i++)
        if (*consumer.slot == slot)
            return true;
    return false;
}

static void retire(struct daemon *daemon, unsigned slot)
{
    struct running_consumer *running = &daemon->consumers[slot];
    running->is_retired = true;
    lane_table_forget(&daemon->lanes, slot);
    if (running->output != NULL)
        consumer_retire(running->output);
    else
        intake_retire(filter_intake(running));
}

static bool has_input(const struct setup *setup, const struct running_input *running)
{
    for (unsigned i = 0; i < setup->instances->input_count; i++)
        if (plugins_is_same_input(running, setup, &setup->instances->inputs[i]))
            return true;
    return false;
}

void plugins_retire_others(struct daemon *daemon, struct setup *setup)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct running_consumer *running = &daemon->consumers[i];
        if (!plugins_runs(running) || running->is_retired || running->is_new)
            continue;
        if (!has_consumer(setup, i))
            retire(daemon, i);
        else if (running->output != NULL && !daemon->is_change_dynamic)
            consumer_reload(running->output);
    }
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        struct running_input *input = &daemon->inputs[i];
        if (input->host == NULL || input->is_new || input->is_stopping || input->is_self ||
            has_input(setup, input))
            continue;
        input->is_stopping = true;
        input_host_stop(input->host);
    }
}
