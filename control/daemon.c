/* SPDX-License-Identifier: MPL-2.0 */
#include "control/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/daemon_state.h"
#include "control/folder.h"
#include "control/lane_watch.h"
#include "control/leftover.h"
#include "control/plan_writer.h"
#include "control/rule_report.h"
#include "control/rule_store.h"
#include "control/plane.h"
#include "control/plugins.h"
#include "control/reload.h"
#include "control/slots.h"
#include "control/spool.h"
#include "control/stat_accum.h"
#include "control/status.h"
#include "core/log.h"

enum {
    TICK_MS = 20,        /* the loop's longest sleep while something is to happen */
    TICK_QUIET_MS = 100, /* and otherwise */
    DRAIN_MS = 2000,     /* for each step of draining */
    END_TIMEOUT_S = 10,  /* for the outputs' last flush */
    BASE_DIR_MODE = 0755,
    POLL_FDS_MAX = 2 + 1 + ADMIN_CLIENTS_MAX
};

static void set_state(struct daemon *daemon, enum hekad_state state)
{
    daemon->state = state;
    daemon->state_since_ns = daemon->now_ns;
}

/* ---- status ---- */

static json_t *make_status(struct daemon *daemon)
{
    static const char *const names[] = {"running", "draining", "ending", "done"};
    struct status_input input = {
        .state = names[daemon->state],
        .uptime_s = (clock_mono_ns() - daemon->started_ns) / CLOCK_NS_PER_S,
        .generation = daemon->generation,
        .is_changing = daemon->is_changing,
    };
    for (unsigned i = 0; i < RECORD_CONSUMERS_MAX; i++) {
        if (daemon->consumers[i].output != NULL)
            input.consumers[input.consumer_count++] = daemon->consumers[i].output;
        if (daemon->consumers[i].filter != NULL)
            input.filters[input.filter_count++] = daemon->consumers[i].filter;
    }
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        if (daemon->inputs[i].host != NULL)
            input.inputs[input.input_count++] = daemon->inputs[i].host;
    plugins_counters(daemon, &input.producers);
    plane_status(daemon, &input.dataplane);
    plane_talkers(daemon, &input.talkers);
    for (unsigned i = 0; i < input.input_count; i++)
        input_host_talkers(input.inputs[i], &input.talkers);
    json_t *status = status_json(&input);
    if (status != NULL)
        json_object_set_new(status, "matcher",
                            rule_report_json(daemon->setup->instances, input.dataplane.counters,
                                             &input.producers, status));
    return status;
}

static void print_status(struct daemon *daemon)
{
    json_t *status = make_status(daemon);
    if (status != NULL)
        status_print(status, stdout);
    fflush(stdout);
    json_decref(status);
}

/* ---- stopping ---- */

void daemon_stop(struct daemon *daemon)
{
    if (daemon->state != HEKAD_RUNNING) {
        daemon->in_haste = true;
        return;
    }
    log_info("Shutdown initiated.");
    set_state(daemon, HEKAD_DRAINING);
    daemon->drain = DRAIN_INPUTS;
    plane_stop(daemon);
    plugins_stop_inputs(daemon, false);
}

/* An output's disk queue is full, and full_action says so. */
static void stop_when_full(struct daemon *daemon)
{
    const char *name = plugins_full_queue(daemon);
    if (name == NULL || daemon->state != HEKAD_RUNNING)
        return;
    log_error("Output '%s': its queue is full, and full_action is \"shutdown\"", name);
    daemon->exit_code = 1;
    daemon_stop(daemon);
}

static void next_drain_step(struct daemon *daemon)
{
    daemon->drain++;
    daemon->state_since_ns = daemon->now_ns;
    if (daemon->drain == DRAIN_ACCUMS)
        plugins_stop_inputs(daemon, true);
    if (daemon->drain == DRAIN_FILTERS)
        plugins_stop_filters(daemon);
    if (daemon->drain == DRAIN_OUTPUTS)
        plugins_close_filters(daemon);
}

static void end_outputs(struct daemon *daemon)
{
    plugins_log_undelivered(daemon);
    plugins_stop_outputs(daemon);
    set_state(daemon, HEKAD_ENDING);
}

/* One step after the other, each until it is done or its time is over. */
static void drain(struct daemon *daemon)
{
    bool is_late = daemon->in_haste || daemon_is_over(daemon, daemon->state_since_ns, DRAIN_MS);
    bool accums_too = daemon->drain != DRAIN_INPUTS;
    if (daemon->drain == DRAIN_OUTPUTS) {
        if (plugins_are_drained(daemon) || is_late)
            end_outputs(daemon);
        return;
    }
    if (daemon->plane.process.pid != 0) { /* it has a time-out of its own */
        daemon->state_since_ns = daemon->now_ns;
        return;
    }
    if (is_late)
        plugins_hurry_inputs(daemon);
    if (daemon->drain == DRAIN_FILTERS) {
        if (!plugins_have_filters(daemon) || is_late)
            next_drain_step(daemon);
    } else if (is_late || (!plugins_have_inputs(daemon, accums_too) && plugins_are_idle(daemon))) {
        next_drain_step(daemon);
    }
}

static void progress(struct daemon *daemon)
{
    if (daemon->state == HEKAD_DRAINING)
        drain(daemon);
    if (daemon->state == HEKAD_ENDING &&
        (plugins_have_ended(daemon) ||
         daemon_is_over(daemon, daemon->state_since_ns, END_TIMEOUT_S * 1000)))
        set_state(daemon, HEKAD_DONE);
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
    if (strcmp(command, "samples") == 0)
        return rule_samples_json();
    if (strcmp(command, "reload") == 0)
        return reload_reply(daemon);
    if (strcmp(command, "stop") != 0)
        return NULL;
    daemon_stop(daemon);
    return json_pack("{s:b}", "ok", 1);
}

static void read_signals(struct daemon *daemon)
{
    struct signalfd_siginfo info;
    while (read(daemon->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGINT:
        case SIGTERM:
            daemon_stop(daemon);
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

static int prepare(struct daemon *daemon, struct err *err)
{
    const struct hekad_globals *globals = &daemon->setup->config->globals;
    int rc = folder_make(globals->base_dir, BASE_DIR_MODE);
    if (rc != 0)
        return err_add(err, "base_dir %s: cannot be made: %s", globals->base_dir, strerror(-rc));
    rule_store_make_cache(globals->base_dir);
    if (run_dir_open(&daemon->run_dir, daemon->setup->run_dir, globals->pid_file, err) != 0)
        return -1;
    snprintf(daemon->plan_path, sizeof(daemon->plan_path), "%s/plan.json", daemon->run_dir.path);
    snprintf(daemon->socket_path, sizeof(daemon->socket_path), "%s/hekad.sock",
             daemon->run_dir.path);
    daemon->plane.command = daemon->config->dataplane;
    daemon->plane.command.plan = daemon->plan_path;
    daemon->plane.command.run_dir = daemon->run_dir.path;
    if (slots_assign_from_plan(daemon->setup->instances, daemon->plan_path, &daemon->generation,
                               err) != 0 ||
        open_signals(daemon, err) != 0)
        return -1;
    daemon->accums = stat_accums_new();
    daemon->watch = lane_watch_new(&daemon->bell, err);
    if (daemon->accums == NULL || daemon->watch == NULL)
        return err_add(err, "out of memory, or no thread");
    return admin_open(&daemon->admin, daemon->socket_path, do_command, daemon, err);
}

/* Lanes of an earlier hekad's producers are read first, and go when they are. */
static void take_folder(void *arg, const char *folder)
{
    struct daemon *daemon = arg;
    struct leftover leftover = {0};
    struct err err = {0};
    char name[SEGMENT_NAME_SIZE];
    leftover_find(folder, daemon->plan_path, daemon->setup->instances, daemon->generation,
                  &leftover);
    if (leftover.is_unreadable)
        return;
    if (leftover.attachment == NULL) { /* it died before there was anything in it */
        producer_folder_delete(folder);
        return;
    }
    attachment_set_final(leftover.attachment);
    producer_folder_name(folder, name, sizeof(name));
    struct lane_entry *entry =
        lane_table_add(&daemon->lanes, leftover.attachment, name, folder, &err);
    attachment_put(leftover.attachment);
    if (entry == NULL)
        log_error("%s: not read: %s", folder, err.count > 0 ? err.texts[0] : "no reason");
    else
        plugins_want(daemon, entry);
}

/* Of this run's consumers, before anything writes the plan anew. */
static int take_leftovers(struct daemon *daemon, uint64_t first_own, struct err *err)
{
    producer_folder_each(daemon->run_dir.path, first_own, take_folder, daemon);
    if (daemon->plane.command.program != NULL)
        return plane_take_leftover(daemon, err);
    return plane_take_dead(daemon, err);
}

static int begin(struct daemon *daemon, struct err *err)
{
    if (prepare(daemon, err) != 0)
        return -1;
    log_info("Starting hekad...");
    const struct instances *instances = daemon->setup->instances;
    spool_log_unused(daemon->setup->config->globals.base_dir, instances->outputs,
                     instances->output_count);
    uint64_t first_own = producer_folder_each(daemon->run_dir.path, 0, NULL, NULL);
    daemon->next_folder = first_own;
    daemon->plan = producer_plan_new(daemon->setup->instances, daemon->generation, err);
    if (daemon->plan == NULL || plugins_make(daemon, daemon->setup, daemon->plan, err) != 0)
        return -1;
    if (take_leftovers(daemon, first_own, err) != 0 ||
        plan_writer_write(daemon->setup->instances, daemon->generation, daemon->plan_path, err) !=
            0 ||
        plugins_take(daemon, err) != 0)
        return -1;
    if (daemon->plane.command.program == NULL)
        return 0;
    if (daemon->plane.process.pid == 0 && !plugins_may_start_inputs(daemon))
        return 0; /* plane_step() starts it */
    if (daemon->plane.process.pid == 0)
        plane_start(daemon, err);
    return daemon->plane.process.pid != 0 ? 0 : -1;
}

/* ---- loop and end ---- */

static void wait_for_events(const struct daemon *daemon)
{
    struct pollfd fds[POLL_FDS_MAX];
    unsigned n = 0;
    const struct plane *plane = &daemon->plane;
    bool is_quiet = daemon->state == HEKAD_RUNNING && !daemon->is_changing &&
                    (plane->state == PLANE_RUNNING || plane->state == PLANE_NONE);
    fds[n++] = (struct pollfd){.fd = daemon->signal_fd, .events = POLLIN};
    if (plane->process.pid != 0 && plane->process.pidfd >= 0)
        fds[n++] = (struct pollfd){.fd = plane->process.pidfd, .events = POLLIN};
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
        plane_step(daemon);
        reload_step(daemon);
        plugins_step(daemon);
        stop_when_full(daemon);
        progress(daemon);
    }
}

static void log_stopped(struct daemon *daemon)
{
    struct counters sum = {0};
    plugins_counters(daemon, &sum);
    if (sum.values[COUNTER_MESSAGES_STOPPED] > 0)
        log_error("%llu messages still waited for room in a lane, and are given up",
                  (unsigned long long)sum.values[COUNTER_MESSAGES_STOPPED]);
}

static bool finish(struct daemon *daemon)
{
    plugins_give_up(daemon);
    bool all_free = plugins_free(daemon);
    log_stopped(daemon);
    plane_fini(daemon);
    lane_watch_free(daemon->watch);
    unsigned kept = lane_table_fini(&daemon->lanes);
    if (kept > 0)
        log_error("%u lanes with messages that are not delivered stay in %s/producers", kept,
                  daemon->run_dir.path);
    if (all_free) {
        stat_accums_free(daemon->accums);
        producer_plan_put(daemon->plan);
        setup_put(daemon->next_setup);
    }
    admin_close(&daemon->admin);
    if (daemon->signal_fd >= 0)
        close(daemon->signal_fd);
    run_dir_close(&daemon->run_dir);
    return all_free;
}

static struct daemon *daemon_new(const struct daemon_config *config)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    if (daemon == NULL)
        return NULL;
    daemon->config = config;
    daemon->setup = config->setup;
    daemon->generation = 1;
    daemon->signal_fd = daemon->admin.fd = daemon->plane.process.pidfd = -1;
    daemon->started_ns = daemon->now_ns = clock_mono_ns();
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++)
        daemon->inputs[i].former = -1;
    return daemon;
}

struct daemon_result daemon_run(const struct daemon_config *config, struct err *err)
{
    struct daemon_result result = {.exit_code = 1};
    struct daemon *daemon = daemon_new(config);
    if (daemon == NULL) {
        err_add(err, "out of memory");
        return result;
    }
    int rc = begin(daemon, err);
    if (rc == 0)
        loop(daemon);
    result.has_threads = !finish(daemon);
    if (rc == 0)
        log_info("Shutdown complete.");
    result.exit_code = rc != 0 ? 1 : daemon->exit_code;
    if (result.has_threads)
        return result; /* they use it */
    setup_put(daemon->setup);
    free(daemon);
    return result;
}
