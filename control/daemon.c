/* SPDX-License-Identifier: MPL-2.0 */
#include "control/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/consumer.h"
#include "control/folder.h"
#include "control/leftover.h"
#include "control/plan_writer.h"
#include "control/run_dir.h"
#include "control/slots.h"
#include "control/status.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    TICK_MS = 20,         /* the loop's longest sleep while something is to happen */
    TICK_QUIET_MS = 100,  /* and otherwise */
    START_TIMEOUT_S = 30, /* until the data plane polls */
    STOP_TIMEOUT_S = 20,  /* until it has stopped: it waits 10 s for us */
    DRAIN_MS = 2000,      /* for the outputs, when it has */
    END_TIMEOUT_S = 10,   /* for the outputs' last flush */
    RESTART_MS_MIN = 250,
    RESTART_MS_MAX = 30000,
    STEADY_S = 60, /* a data plane that lived so long gets the short pause again */
    BASE_DIR_MODE = 0755,
    POLL_FDS_MAX = 2 + 1 + ADMIN_CLIENTS_MAX
};

enum hekad_state { HEKAD_RUNNING, HEKAD_DRAINING, HEKAD_ENDING, HEKAD_DONE };
enum plane_state {
    PLANE_NONE,     /* the configuration has none */
    PLANE_STARTING, /* runs, does not poll yet */
    PLANE_RUNNING,
    PLANE_STOPPING, /* told to stop */
    PLANE_STOPPED,  /* gone, as told */
    PLANE_DEAD      /* gone, not told */
};

struct daemon_output { /* by slot; consumer NULL: the slot is free */
    struct consumer *consumer;
    const struct output_instance *instance;
    struct setup *setup; /* a reference: the instance lives in it */
    bool is_retired;     /* in no plan any more: ends when it is drained */
};

struct daemon {
    const struct daemon_config *config;
    struct setup *setup; /* of the plan in force */
    unsigned generation; /* its number */
    struct run_dir run_dir;
    char plan_path[600], socket_path[600];
    struct dataplane_command command;
    enum hekad_state state;
    int exit_code;
    int signal_fd;
    struct admin admin;
    uint64_t started_ns, now_ns; /* CLOCK_MONOTONIC */
    uint64_t state_since_ns;
    bool in_haste; /* the second signal: do not wait for outputs */

    struct daemon_output outputs[RECORD_CONSUMERS_MAX];

    struct dataplane_process process;
    enum plane_state plane;
    uint64_t plane_since_ns;
    bool ran_once;        /* a data plane has polled in this run */
    bool restart_at_once; /* it was stopped to be replaced */
    uint64_t restart_ns, restart_pause_ms, restarts;
    bool said_unread;
    struct attachment *current; /* the last data plane's, also when it is gone; or NULL */
    struct counters counters;
    bool has_counters;
};

static const char *plane_name(const struct daemon *daemon)
{
    static const char *const names[] = {"none",     "starting", "running",
                                        "stopping", "stopped",  "dead"};
    return names[daemon->plane];
}

static void set_plane(struct daemon *daemon, enum plane_state plane)
{
    daemon->plane = plane;
    daemon->plane_since_ns = daemon->now_ns;
}

static void set_state(struct daemon *daemon, enum hekad_state state)
{
    daemon->state = state;
    daemon->state_since_ns = daemon->now_ns;
}

static bool is_over(const struct daemon *daemon, uint64_t since_ns, uint64_t ms)
{
    return daemon->now_ns - since_ns >= ms * CLOCK_NS_PER_MS;
}

/* ---- status ---- */

/* The last whole copy stays when a writer died in the middle. */
static void read_counters(struct daemon *daemon)
{
    struct counters counters;
    if (daemon->current == NULL || !segment_counters(&daemon->current->segment, &counters))
        return;
    daemon->counters = counters;
    daemon->has_counters = true;
}

static uint64_t heartbeat_age_ms(const struct daemon *daemon)
{
    const struct segment_header *header = daemon->current->segment.header;
    uint64_t oldest_ns = UINT64_MAX, now_ns = clock_mono_ns();
    for (unsigned i = 0; i < header->lane_count; i++) {
        uint64_t beat_ns = atomic_load_explicit(&header->heartbeat_ns[i], memory_order_relaxed);
        if (beat_ns < oldest_ns)
            oldest_ns = beat_ns;
    }
    return now_ns > oldest_ns ? (now_ns - oldest_ns) / CLOCK_NS_PER_MS : 0;
}

static struct status_dataplane dataplane_status(struct daemon *daemon)
{
    struct status_dataplane status = {
        .pid = daemon->process.pid,
        .state = plane_name(daemon),
        .restarts = daemon->restarts,
    };
    read_counters(daemon);
    status.counters = daemon->has_counters ? &daemon->counters : NULL;
    if (daemon->current == NULL)
        return status;
    const struct segment_header *header = daemon->current->segment.header;
    status.heartbeat_age_ms = heartbeat_age_ms(daemon);
    status.workers = header->lane_count - 1;
    status.accum_bytes = atomic_load_explicit(&header->accum_bytes, memory_order_relaxed);
    status.series = atomic_load_explicit(&header->series, memory_order_relaxed);
    return status;
}

static json_t *make_status(struct daemon *daemon)
{
    struct consumer *consumers[RECORD_CONSUMERS_MAX];
    unsigned consumer_count = 0;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL)
            consumers[consumer_count++] = daemon->outputs[i].consumer;
    static const char *const names[] = {"running", "draining", "ending", "done"};
    struct status_input input = {
        .state = names[daemon->state],
        .uptime_s = (clock_mono_ns() - daemon->started_ns) / CLOCK_NS_PER_S,
        .generation = daemon->generation,
        .dataplane = dataplane_status(daemon),
        .consumers = consumers,
        .consumer_count = consumer_count,
    };
    return status_json(&input);
}

static void print_status(struct daemon *daemon)
{
    json_t *status = make_status(daemon);
    if (status != NULL)
        status_print(status, stdout);
    fflush(stdout);
    json_decref(status);
}

/* ---- the data plane ---- */

static void attach(struct daemon_output *output, struct attachment *attachment,
                   unsigned generation)
{
    struct err err = {0};
    if (consumer_attach(output->consumer, attachment, generation, &err) != 0)
        log_error("Output '%s' cannot read the lanes: %s", output->instance->name,
                  err.texts[0]);
}

static void attach_all(struct daemon *daemon, struct attachment *attachment)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL && !daemon->outputs[i].is_retired)
            attach(&daemon->outputs[i], attachment, 0);
}

static void replace_current(struct daemon *daemon, struct attachment *take_attachment)
{
    if (daemon->current != NULL)
        attachment_set_final(daemon->current);
    attachment_put(daemon->current);
    daemon->current = take_attachment;
}

static void start_plane(struct daemon *daemon, struct err *err)
{
    if (dataplane_process_start(&daemon->process, &daemon->command, err) == 0)
        set_plane(daemon, PLANE_STARTING);
    else
        set_plane(daemon, PLANE_DEAD);
}

static void log_inputs(const struct instances *instances, const char *format)
{
    for (unsigned i = 0; i < instances->input_count; i++)
        log_info(format, instances->inputs[i].name);
}

/* The segment in the run directory may still be that of an earlier data plane. */
static void try_attach(struct daemon *daemon)
{
    struct segment segment;
    struct err err = {0};
    int rc = segment_attach(daemon->run_dir.path, &segment, &err);
    if (rc == -EAGAIN)
        return;
    if (rc == 0 && segment.header->pid != (uint32_t)daemon->process.pid) {
        segment_detach(&segment);
        return;
    }
    struct attachment *attachment = rc == 0 ? attachment_new(&segment) : NULL;
    if (attachment == NULL) {
        log_error("The data plane's segment cannot be used: %s",
                  err.count > 0 ? err.texts[0] : "out of memory");
        if (rc == 0)
            segment_detach(&segment);
        dataplane_process_signal(&daemon->process, SIGKILL);
        return;
    }
    replace_current(daemon, attachment);
    attach_all(daemon, attachment);
    set_plane(daemon, PLANE_RUNNING);
    if (!daemon->ran_once)
        log_inputs(daemon->setup->instances, "Input started: %s");
    daemon->ran_once = true;
    log_info("Data plane running: pid %d", (int)daemon->process.pid);
}

static void stop_hekad(struct daemon *daemon)
{
    if (daemon->state != HEKAD_RUNNING) {
        daemon->in_haste = true;
        return;
    }
    log_info("Shutdown initiated.");
    set_state(daemon, HEKAD_DRAINING);
    if (daemon->process.pid != 0) {
        log_inputs(daemon->setup->instances, "Stop message sent to input '%s'");
        dataplane_process_signal(&daemon->process, SIGTERM);
        set_plane(daemon, PLANE_STOPPING);
    }
}

static void schedule_restart(struct daemon *daemon, bool was_steady)
{
    if (was_steady || daemon->restart_pause_ms == 0)
        daemon->restart_pause_ms = RESTART_MS_MIN;
    log_error("The data plane ended with status %d; starting it again in %llu ms",
              daemon->process.exit_code, (unsigned long long)daemon->restart_pause_ms);
    daemon->restart_ns = daemon->now_ns + daemon->restart_pause_ms * CLOCK_NS_PER_MS;
    daemon->restart_pause_ms *= 2;
    if (daemon->restart_pause_ms > RESTART_MS_MAX)
        daemon->restart_pause_ms = RESTART_MS_MAX;
}

static void handle_end_of_plane(struct daemon *daemon)
{
    bool was_steady =
        daemon->plane == PLANE_RUNNING && is_over(daemon, daemon->plane_since_ns, STEADY_S * 1000);
    bool was_told = daemon->plane == PLANE_STOPPING;
    if (daemon->current != NULL)
        attachment_set_final(daemon->current);
    set_plane(daemon, was_told ? PLANE_STOPPED : PLANE_DEAD);
    if (daemon->state != HEKAD_RUNNING)
        return;
    if (daemon->restart_at_once) {
        daemon->restart_at_once = false;
        daemon->restart_ns = daemon->now_ns;
        return;
    }
    if (!daemon->ran_once) {
        log_error("The data plane did not start: status %d", daemon->process.exit_code);
        daemon->exit_code = 1;
        stop_hekad(daemon);
        return;
    }
    schedule_restart(daemon, was_steady);
}

/* True when some output has as many unread segments as it can keep. */
static bool has_unread_segments(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL && !consumer_has_room(daemon->outputs[i].consumer))
            return true;
    return false;
}

static void restart_when_due(struct daemon *daemon)
{
    struct err err = {0};
    if (daemon->now_ns < daemon->restart_ns)
        return;
    if (has_unread_segments(daemon)) {
        if (!daemon->said_unread)
            log_error("The data plane is not started: an output has too many unread lanes");
        daemon->said_unread = true;
        return;
    }
    daemon->said_unread = false;
    if (daemon->ran_once)
        daemon->restarts++;
    start_plane(daemon, &err);
    if (err.count > 0) {
        log_error("%s", err.texts[0]);
        schedule_restart(daemon, false);
    }
}

static void supervise(struct daemon *daemon)
{
    if (daemon->plane == PLANE_NONE)
        return;
    if (dataplane_process_has_ended(&daemon->process))
        handle_end_of_plane(daemon);
    else if (daemon->plane == PLANE_STARTING)
        try_attach(daemon);
    if (daemon->plane == PLANE_STARTING &&
        is_over(daemon, daemon->plane_since_ns, START_TIMEOUT_S * 1000)) {
        log_error("The data plane does not poll after %d s", START_TIMEOUT_S);
        dataplane_process_signal(&daemon->process, SIGKILL);
        set_plane(daemon, PLANE_STARTING); /* its end comes soon */
    }
    if (daemon->plane == PLANE_STOPPING && daemon->process.pid != 0 &&
        is_over(daemon, daemon->plane_since_ns, STOP_TIMEOUT_S * 1000)) {
        log_error("The data plane does not stop after %d s", STOP_TIMEOUT_S);
        dataplane_process_signal(&daemon->process, SIGKILL);
        set_plane(daemon, PLANE_STOPPING);
    }
    if (daemon->state == HEKAD_RUNNING && daemon->process.pid == 0)
        restart_when_due(daemon);
}

/* ---- stopping ---- */

static bool is_drained(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL &&
            !consumer_is_drained(daemon->outputs[i].consumer))
            return false;
    return true;
}

static void log_undelivered(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct consumer_status status;
        if (daemon->outputs[i].consumer == NULL)
            continue;
        consumer_status(daemon->outputs[i].consumer, &status);
        unsigned long long left = status.in_flight + status.held;
        if (left > 0)
            log_error("Output '%s': %llu messages are not delivered; they stay in %s", status.name,
                      left, daemon->run_dir.path);
    }
}

static void end_outputs(struct daemon *daemon)
{
    log_undelivered(daemon);
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL)
            consumer_stop(daemon->outputs[i].consumer);
    set_state(daemon, HEKAD_ENDING);
}

static bool have_ended(const struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL &&
            !consumer_has_ended(daemon->outputs[i].consumer))
            return false;
    return true;
}

static void progress(struct daemon *daemon)
{
    if (daemon->state == HEKAD_DRAINING && daemon->process.pid == 0 &&
        (is_drained(daemon) || daemon->in_haste ||
         (is_over(daemon, daemon->plane_since_ns, DRAIN_MS) &&
          is_over(daemon, daemon->state_since_ns, DRAIN_MS))))
        end_outputs(daemon);
    if (daemon->state == HEKAD_ENDING &&
        (have_ended(daemon) || is_over(daemon, daemon->state_since_ns, END_TIMEOUT_S * 1000)))
        set_state(daemon, HEKAD_DONE);
}

/* ---- reload ---- */

static void free_output(struct daemon_output *output)
{
    consumer_free(output->consumer);
    setup_put(output->setup);
    *output = (struct daemon_output){0};
}

/* Outputs that no plan has any more end when they have delivered what was theirs. */
static void end_retired(struct daemon *daemon)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct daemon_output *output = &daemon->outputs[i];
        if (output->consumer == NULL || !output->is_retired)
            continue;
        if (consumer_is_drained(output->consumer))
            consumer_stop(output->consumer);
        if (consumer_is_drained(output->consumer) && consumer_has_ended(output->consumer)) {
            log_info("Output stopped: %s", output->instance->name);
            free_output(output);
        }
    }
}

static const struct conf_node *encoder_node(const struct setup *setup,
                                            const struct output_instance *output)
{
    const struct config_section *section =
        output->encoder != NULL ? hekad_config_find(setup->config, output->encoder->name) : NULL;
    return section != NULL ? section->node : NULL;
}

static bool is_unchanged(const struct daemon_output *running, const struct setup *setup,
                         const struct output_instance *output)
{
    const struct hekad_globals *now = &running->setup->config->globals;
    const struct hekad_globals *next = &setup->config->globals;
    return strcmp(running->instance->name, output->name) == 0 &&
           conf_equal(running->instance->section->node, output->section->node) &&
           conf_equal(encoder_node(running->setup, running->instance),
                      encoder_node(setup, output)) &&
           now->max_message_size == next->max_message_size && now->log_flags == next->log_flags &&
           strcmp(now->base_dir, next->base_dir) == 0;
}

struct keep_context {
    const struct daemon *daemon;
    const struct setup *next;
};

static int keep_running(void *arg, const struct output_instance *output)
{
    const struct keep_context *context = arg;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        const struct daemon_output *running = &context->daemon->outputs[i];
        if (running->consumer != NULL && !running->is_retired &&
            is_unchanged(running, context->next, output))
            return (int)i;
    }
    return -1;
}

/* What a reload cannot change. */
static int check_unchangeable(const struct daemon *daemon, const struct setup *next,
                              struct err *err)
{
    const struct setup *now = daemon->setup;
    if (strcmp(now->run_dir, next->run_dir) != 0)
        return err_add(err, "run_dir: a reload cannot change it; restart hekad");
    if ((now->core_map == NULL) != (next->core_map == NULL))
        return err_add(err, "[dataplane]: a reload cannot add or remove it; restart hekad");
    return 0;
}

static int choose_slots(struct daemon *daemon, struct setup *next, struct err *err)
{
    struct keep_context context = {daemon, next};
    struct slots taken = {0};
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL)
            slots_take(&taken, i);
    return slots_assign(next->instances, taken, keep_running, &context, err);
}

static int start_output(struct daemon *daemon, struct setup *setup,
                        const struct output_instance *instance, struct err *err)
{
    struct daemon_output *output = &daemon->outputs[instance->slot];
    output->consumer = consumer_new(instance, instance->slot, &setup->config->globals, err);
    if (output->consumer == NULL)
        return -1;
    output->instance = instance;
    output->setup = setup_get(setup);
    if (consumer_start(output->consumer) != 0)
        return err_add(err, "'%s': no thread", instance->name);
    log_info("Output started: %s", instance->name);
    return 0;
}

/* Starts those outputs that do not run yet. */
static int start_outputs(struct daemon *daemon, struct setup *setup, struct err *err)
{
    for (unsigned i = 0; i < setup->instances->output_count; i++) {
        const struct output_instance *instance = &setup->instances->outputs[i];
        if (daemon->outputs[instance->slot].consumer == NULL &&
            start_output(daemon, setup, instance, err) != 0)
            return -1;
    }
    return 0;
}

/* Gives up outputs that were started for a plan that is not taken. */
static void stop_outputs_of(struct daemon *daemon, const struct setup *setup)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
        if (daemon->outputs[i].consumer != NULL && daemon->outputs[i].setup == setup)
            free_output(&daemon->outputs[i]);
}

static int ask_dataplane(struct daemon *daemon, struct err *err)
{
    char path[640];
    snprintf(path, sizeof(path), "%s/dataplane.sock", daemon->run_dir.path);
    json_t *reply = admin_ask(path, "reload", false, err);
    if (reply == NULL)
        return -1;
    size_t index;
    json_t *text;
    int rc = json_is_true(json_object_get(reply, "ok")) ? 0 : -1;
    json_array_foreach(json_object_get(reply, "errors"), index, text)
        err_add(err, "%s", json_string_value(text));
    json_decref(reply);
    return rc;
}

/* The data plane reads the new plan; when it does not take it, the old one is put back. */
static int change_plan(struct daemon *daemon, struct setup *next, struct err *err)
{
    unsigned generation = daemon->generation + 1;
    if (plan_writer_write(next->instances, generation, daemon->plan_path, err) != 0)
        return -1;
    if (daemon->plane == PLANE_RUNNING && ask_dataplane(daemon, err) != 0) {
        plan_writer_write(daemon->setup->instances, daemon->generation, daemon->plan_path, err);
        return -1;
    }
    daemon->generation = generation;
    return 0;
}

static bool has_output(const struct setup *setup, unsigned slot)
{
    for (unsigned i = 0; i < setup->instances->output_count; i++)
        if (setup->instances->outputs[i].slot == slot)
            return true;
    return false;
}

/* New outputs read from where the producers changed over; those that are gone to there. */
static void change_outputs(struct daemon *daemon, struct setup *next)
{
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct daemon_output *output = &daemon->outputs[i];
        if (output->consumer == NULL || output->is_retired)
            continue;
        if (!has_output(next, i)) {
            output->is_retired = true;
            consumer_retire(output->consumer);
        } else if (output->setup == next && daemon->plane == PLANE_RUNNING) {
            attach(output, daemon->current, daemon->generation);
        } else {
            consumer_reload(output->consumer);
        }
    }
    setup_put(daemon->setup);
    daemon->setup = next;
}

static int load_and_change(struct daemon *daemon, struct err *err)
{
    static struct err notes;
    struct setup *next = NULL;
    notes.count = 0;
    if (daemon->state != HEKAD_RUNNING ||
        (daemon->plane != PLANE_NONE && daemon->plane != PLANE_RUNNING))
        return err_add(err, "the data plane is %s; try again when it runs", plane_name(daemon));
    if (setup_load(daemon->config->config_path, daemon->config->run_dir, &next, err, &notes) != 0)
        return -1;
    if (check_unchangeable(daemon, next, err) != 0 || choose_slots(daemon, next, err) != 0 ||
        start_outputs(daemon, next, err) != 0 ||
        (daemon->plane == PLANE_RUNNING && change_plan(daemon, next, err) != 0)) {
        stop_outputs_of(daemon, next);
        setup_put(next);
        return -1;
    }
    change_outputs(daemon, next);
    return 0;
}

/* A configuration that is not good changes nothing. */
static int reload(struct daemon *daemon, struct err *err)
{
    log_info("Reload initiated.");
    if (daemon->config->config_path == NULL) {
        for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++)
            if (daemon->outputs[i].consumer != NULL)
                consumer_reload(daemon->outputs[i].consumer);
        return 0;
    }
    if (load_and_change(daemon, err) != 0) {
        for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
            log_error("%s", err->texts[i]);
        log_error("Reload failed: the configuration in force stays");
        return -1;
    }
    log_info("Reload complete: generation %u", daemon->generation);
    return 0;
}

/* ---- signals and commands ---- */

static json_t *reload_reply(struct daemon *daemon)
{
    static struct err err;
    err.count = 0;
    json_t *errors = json_array();
    int rc = reload(daemon, &err);
    for (unsigned i = 0; i < err.count && i < ERR_LIST_MAX; i++)
        json_array_append_new(errors, json_string(err.texts[i]));
    return json_pack("{s:b, s:i, s:o}", "ok", rc == 0, "generation", (int)daemon->generation,
                     "errors", errors);
}

static json_t *do_command(void *arg, const char *command)
{
    struct daemon *daemon = arg;
    if (strcmp(command, "status") == 0)
        return make_status(daemon);
    if (strcmp(command, "reload") == 0)
        return reload_reply(daemon);
    if (strcmp(command, "stop") != 0)
        return NULL;
    stop_hekad(daemon);
    return json_pack("{s:b}", "ok", 1);
}

static void read_signals(struct daemon *daemon)
{
    struct signalfd_siginfo info;
    while (read(daemon->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGINT:
        case SIGTERM:
            stop_hekad(daemon);
            break;
        case SIGHUP:
            json_decref(reload_reply(daemon));
            break;
        case SIGUSR1:
            print_status(daemon);
            break;
        default: /* SIGCHLD: only wakes us */
            break;
        }
    }
}

/* Blocked in all threads, which inherit it; the loop reads them. */
static int open_signals(struct daemon *daemon, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_add(err, "signals: %s", strerror(errno));
    daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (daemon->signal_fd < 0)
        return err_add(err, "signals: %s", strerror(errno));
    return 0;
}

/* ---- start ---- */

/* What an earlier run left is read first; a data plane that still runs by the same plan is kept,
 * one with another plan is stopped and replaced. */
static int take_leftover(struct daemon *daemon, struct err *err)
{
    struct leftover leftover = {0};
    bool is_alive = run_dir_has_dataplane(&daemon->run_dir);
    leftover_find(daemon->run_dir.path, daemon->plan_path, daemon->setup->instances,
                  daemon->generation, &leftover);
    if (leftover.attachment == NULL) {
        if (is_alive)
            err_add(err, "%s: a data plane that this version cannot read holds the run directory",
                    daemon->run_dir.path);
        return is_alive ? -1 : 0;
    }
    replace_current(daemon, leftover.attachment);
    if (is_alive) {
        if (dataplane_process_adopt(&daemon->process, leftover.pid, err) != 0)
            return -1;
        bool keep = leftover.is_same_plan && leftover.is_running &&
                    !leftover_is_older(&leftover, daemon->command.core_map);
        daemon->ran_once = keep;
        set_plane(daemon, keep ? PLANE_RUNNING : PLANE_STOPPING);
        daemon->restart_at_once = !keep;
        if (!keep)
            dataplane_process_signal(&daemon->process, SIGTERM);
        log_info("%s data plane of an earlier run: pid %d", keep ? "Keeping the" : "Stopping the",
                 (int)leftover.pid);
    } else {
        attachment_set_final(leftover.attachment);
    }
    attach_all(daemon, leftover.attachment);
    return 0;
}

static int prepare(struct daemon *daemon, struct err *err)
{
    const struct hekad_globals *globals = &daemon->setup->config->globals;
    int rc = folder_make(globals->base_dir, BASE_DIR_MODE);
    if (rc != 0)
        return err_add(err, "base_dir %s: cannot be made: %s", globals->base_dir, strerror(-rc));
    if (run_dir_open(&daemon->run_dir, daemon->setup->run_dir, globals->pid_file, err) != 0)
        return -1;
    snprintf(daemon->plan_path, sizeof(daemon->plan_path), "%s/plan.json", daemon->run_dir.path);
    snprintf(daemon->socket_path, sizeof(daemon->socket_path), "%s/hekad.sock",
             daemon->run_dir.path);
    daemon->command = daemon->config->dataplane;
    daemon->command.plan = daemon->plan_path;
    daemon->command.run_dir = daemon->run_dir.path;
    if (slots_assign_from_plan(daemon->setup->instances, daemon->plan_path, &daemon->generation,
                               err) != 0 ||
        open_signals(daemon, err) != 0)
        return -1;
    return admin_open(&daemon->admin, daemon->socket_path, do_command, daemon, err);
}

static int begin(struct daemon *daemon, struct err *err)
{
    if (prepare(daemon, err) != 0)
        return -1;
    log_info("Starting hekad...");
    if (start_outputs(daemon, daemon->setup, err) != 0)
        return -1;
    if (daemon->command.program == NULL)
        return 0;
    set_plane(daemon, PLANE_DEAD); /* until it is started */
    if (take_leftover(daemon, err) != 0 ||
        plan_writer_write(daemon->setup->instances, daemon->generation, daemon->plan_path, err) !=
            0)
        return -1;
    if (daemon->process.pid == 0)
        start_plane(daemon, err);
    return daemon->process.pid != 0 ? 0 : -1;
}

/* ---- loop and end ---- */

static void wait_for_events(const struct daemon *daemon)
{
    struct pollfd fds[POLL_FDS_MAX];
    unsigned n = 0;
    bool is_quiet = daemon->state == HEKAD_RUNNING &&
                    (daemon->plane == PLANE_RUNNING || daemon->plane == PLANE_NONE);
    fds[n++] = (struct pollfd){.fd = daemon->signal_fd, .events = POLLIN};
    if (daemon->process.pid != 0 && daemon->process.pidfd >= 0)
        fds[n++] = (struct pollfd){.fd = daemon->process.pidfd, .events = POLLIN};
    n += admin_poll_fds(&daemon->admin, fds + n);
    poll(fds, n, is_quiet ? TICK_QUIET_MS : TICK_MS);
}

static void loop(struct daemon *daemon)
{
    while (daemon->state != HEKAD_DONE) {
        wait_for_events(daemon);
        daemon->now_ns = clock_mono_ns();
        read_signals(daemon);
        admin_step(&daemon->admin, daemon->now_ns);
        supervise(daemon);
        end_retired(daemon);
        progress(daemon);
    }
}

/* An output that does not come back is left to the end of the process: freeing would wait for
 * it. */
static bool free_outputs(struct daemon *daemon)
{
    bool all_free = true;
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        struct daemon_output *output = &daemon->outputs[i];
        if (output->consumer == NULL)
            continue;
        consumer_stop(output->consumer);
        if (daemon->state == HEKAD_DONE && !consumer_has_ended(output->consumer)) {
            log_error("Output '%s' does not end; it is abandoned", output->instance->name);
            all_free = false;
        } else {
            free_output(output);
        }
    }
    return all_free;
}

static void stop_plane_now(struct daemon *daemon)
{
    dataplane_process_signal(&daemon->process, SIGTERM);
    while (daemon->process.pid != 0 && daemon->process.is_child &&
           !dataplane_process_has_ended(&daemon->process))
        poll(NULL, 0, TICK_MS);
}

static bool finish(struct daemon *daemon)
{
    bool all_free = free_outputs(daemon);
    stop_plane_now(daemon); /* only when the start failed behind it */
    attachment_put(daemon->current);
    admin_close(&daemon->admin);
    if (daemon->signal_fd >= 0)
        close(daemon->signal_fd);
    run_dir_close(&daemon->run_dir);
    return all_free;
}

struct daemon_result daemon_run(const struct daemon_config *config, struct err *err)
{
    struct daemon_result result = {.exit_code = 1};
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    if (daemon == NULL) {
        err_add(err, "out of memory");
        return result;
    }
    daemon->config = config;
    daemon->setup = config->setup;
    daemon->generation = 1;
    daemon->signal_fd = daemon->admin.fd = daemon->process.pidfd = -1;
    daemon->started_ns = daemon->now_ns = clock_mono_ns();
    int rc = begin(daemon, err);
    if (rc == 0)
        loop(daemon);
    result.has_threads = !finish(daemon);
    if (rc == 0)
        log_info("Shutdown complete.");
    result.exit_code = rc != 0 ? 1 : daemon->exit_code;
    if (!result.has_threads)
        setup_put(daemon->setup);
    free(daemon);
    return result;
}
