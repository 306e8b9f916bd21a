/* SPDX-License-Identifier: MPL-2.0 */
#include "control/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/cpus.h"
#include "control/daemon_state.h"
#include "control/config/dynamic_file.h"
#include "control/folder.h"
#include "control/lanes/lane_watch.h"
#include "control/lanes/leftover.h"
#include "control/plan_writer.h"
#include "control/rule_report.h"
#include "control/rule_store.h"
#include "control/plane.h"
#include "control/plugins/plugins.h"
#include "control/reload.h"
#include "control/sandbox/sandbox_home.h"
#include "control/sandbox/sandbox_pool.h"
#include "control/plugins/slots.h"
#include "control/lanes/spool.h"
#include "control/stat_accum.h"
#include "control/status.h"
#include "core/log.h"

enum {
    TICK_MS = 20,        /* the loop's longest sleep while something is to happen */
    TICK_CHANGE_MS = 1,  /* and while a generation is not adopted by all */
    TICK_QUIET_MS = 100, /* and otherwise */
    DRAIN_MS = 2000,     /* for each step of draining */
    STUCK_S = 3,         /* SIGUSR2: no producer went on for so long */
    END_TIMEOUT_S = 10,  /* for the outputs' last flush */
    BASE_DIR_MODE = 0755,
    POLL_FDS_MAX = 3 + 1 + ADMIN_CLIENTS_MAX
};

static void set_state(struct daemon *daemon, enum hekad_state state)
{
    daemon->state = state;
    daemon->state_since_ns = daemon->now_ns;
}

/* ---- status ---- */

static void add_dynamic(void *arg, const struct config_extra *section, enum dynamic_state state,
                        const char *error)
{
    json_t *list = arg;
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", section->name, "owner",
                                          section->owner, "state", dynamic_state_name(state),
                                          "error", error));
}

/* Of the input that no configuration has. */
static json_t *self_json(struct daemon *daemon)
{
    json_t *object = json_object();
    struct input_status status;
    for (unsigned i = 0; i < DAEMON_INPUTS_MAX; i++) {
        if (daemon->inputs[i].host == NULL || !daemon->inputs[i].is_self)
            continue;
        input_host_status(daemon->inputs[i].host, &status);
        for (unsigned c = 0; status.counters[c].name != NULL; c++)
            json_object_set_new(object, status.counters[c].name,
                                json_integer((json_int_t)status.counter_values[c]));
    }
    return object;
}

static json_t *dynamic_json(struct daemon *daemon)
{
    json_t *list = json_array();
    dynamic_each(daemon->dynamic, NULL, add_dynamic, list);
    return list;
}

static json_t *sandboxes_json(struct sandbox_pool *pool)
{
    static struct sandbox_worker_info rows[SANDBOX_WORKERS_MAX];
    unsigned count = sandbox_pool_list(pool, rows);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:i, s:s}", "pid", (int)rows[i].pid,
                                              "class", rows[i].class, "plugins",
                                              (int)rows[i].plugins, "cpus", rows[i].cpus));
    return list;
}

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
        if (daemon->inputs[i].host != NULL && !daemon->inputs[i].is_self)
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
    if (status != NULL)
        json_object_set_new(status, "dynamic", dynamic_json(daemon));
    if (status != NULL)
        json_object_set_new(status, "self", self_json(daemon));
    if (status != NULL)
        json_object_set_new(status, "sandbox_workers", sandboxes_json(daemon->sandboxes));
    return status;
}

static json_t *make_report(struct daemon *daemon)
{
    json_t *status = make_status(daemon);
    json_t *report = report_json(status, daemon->setup->instances);
    json_decref(status);
    return report;
}

/* As Heka's SIGUSR1, and our books. */
static void print_report(struct daemon *daemon)
{
    json_t *report = make_report(daemon);
    if (report != NULL)
        report_print(report, stderr);
    json_decref(report);
}

static void report_when_due(struct daemon *daemon)
{
    unsigned interval_s = report_interval_s(daemon->setup->instances);
    if (daemon->state != HEKAD_RUNNING ||
        !report_is_due(&daemon->report, interval_s, daemon->now_ns))
        return;
    json_t *report = make_report(daemon);
    if (report != NULL)
        report_send(daemon->self, report);
    json_decref(report);
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
    if (daemon->drain == DRAIN_FILTERS) {
        log_info("Decoders shutdown complete");
        plugins_stop_filters(daemon);
    }
    if (daemon->drain == DRAIN_OUTPUTS) {
        log_info("MessageRouter stopped.");
        plugins_close_filters(daemon);
    }
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
    service_notify_reloading(&daemon->notify, clock_mono_ns());
    int rc = reload(daemon, &err);
    service_notify_reloaded(&daemon->notify, daemon->generation);
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

/* Heka's way out when nothing moves any more: a report, and a stop that waits for nobody, with exit
 * status 1. Sandboxes save what they preserve. */
static void abort_if_stuck(struct daemon *daemon)
{
    log_info("Sandbox abort initiated.");
    if (!plugins_are_stuck(daemon, STUCK_S * 1000)) {
        log_info("Can't save sandboxes while router is processing messages, use regular shutdown.");
        return;
    }
    print_report(daemon);
    log_error("Messages have waited for room for more than %d s: shutting down", STUCK_S);
    daemon->exit_code = 1;
    daemon_stop(daemon);
    daemon->in_haste = true;
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
            log_info("Queue report initiated.");
            print_report(daemon);
            print_status(daemon);
            break;
        case SIGUSR2:
            abort_if_stuck(daemon);
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
    sigaddset(&set, SIGUSR2);
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

/* Sections that plugins had added to an earlier hekad: what waits in its lanes is for them. */
static void take_former_sections(struct daemon *daemon)
{
    static struct dynamic_sections sections;
    static struct err err, notes;
    struct setup *next = NULL;
    dynamic_file_load(daemon->run_dir.path, &sections);
    const struct setup_source source = {
        .run_dir = daemon->config->run_dir,
        .files = daemon->setup->config->files,
        .extras = sections.extras,
        .extra_count = sections.count,
    };
    if (sections.count > 0 && setup_make(&source, &next, &err, &notes) != 0) {
        log_error("Dynamic sections of an earlier run are left out: %s",
                  err.count > 0 ? err.texts[0] : "no reason");
    } else if (next != NULL) {
        daemon->first_setup = daemon->setup;
        daemon->setup = next;
        if (dynamic_adopt(daemon->dynamic, &sections, next->config) != 0)
            log_error("Dynamic sections of an earlier run: out of memory");
    }
    dynamic_sections_fini(&sections);
}

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
    take_former_sections(daemon);
    if (slots_assign_from_plan(daemon->setup->instances, daemon->plan_path, &daemon->generation,
                               err) != 0 ||
        open_signals(daemon, err) != 0)
        return -1;
    const struct core_map *map = daemon->setup->core_map;
    if (map != NULL && cpus_check(map, err) != 0)
        return -1;
    if (map != NULL)
        cpus_choose(map);
    daemon->accums = stat_accums_new();
    daemon->sandboxes = sandbox_pool_new(NULL, err);
    sandbox_home_set_pool(daemon->sandboxes);
    if (daemon->sandboxes != NULL && map != NULL)
        sandbox_pool_pin(daemon->sandboxes, map->sandbox_cores.cpus, map->sandbox_cores.count);
    daemon->watch = lane_watch_new(&daemon->bell, err);
    if (daemon->accums == NULL || daemon->sandboxes == NULL || daemon->watch == NULL)
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
    dynamic_set_files(daemon->dynamic, daemon->setup->config->files);
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

/* While a change goes on every producer's turn counts; dynamic sections wait for what else goes on.
 */
static int tick_ms(const struct daemon *daemon)
{
    const struct plane *plane = &daemon->plane;
    if (daemon->is_changing)
        return TICK_CHANGE_MS;
    if (daemon->state != HEKAD_RUNNING ||
        (plane->state != PLANE_RUNNING && plane->state != PLANE_NONE))
        return TICK_MS;
    int due_ms = dynamic_due_ms(daemon->dynamic, clock_mono_ns());
    return due_ms >= 0 && due_ms < TICK_QUIET_MS ? due_ms : TICK_QUIET_MS;
}

static void wait_for_events(const struct daemon *daemon)
{
    struct pollfd fds[POLL_FDS_MAX];
    unsigned n = 0;
    const struct plane *plane = &daemon->plane;
    fds[n++] = (struct pollfd){.fd = daemon->signal_fd, .events = POLLIN};
    if (plane->process.pid != 0 && plane->process.pidfd >= 0)
        fds[n++] = (struct pollfd){.fd = plane->process.pidfd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = dynamic_fd(daemon->dynamic), .events = POLLIN};
    n += admin_poll_fds(&daemon->admin, fds + n);
    poll(fds, n, tick_ms(daemon));
}

/* What systemd wants to know. */
static void notify_service(struct daemon *daemon)
{
    const struct plane *plane = &daemon->plane;
    service_notify_alive(&daemon->notify, daemon->now_ns);
    if (daemon->state != HEKAD_RUNNING)
        service_notify_stopping(&daemon->notify);
    else if (daemon->may_start_inputs &&
             (plane->state == PLANE_NONE || plane->state == PLANE_RUNNING))
        service_notify_ready(&daemon->notify, daemon->generation);
}

static void loop(struct daemon *daemon)
{
    service_notify_begin(&daemon->notify);
    while (daemon->state != HEKAD_DONE) {
        wait_for_events(daemon);
        daemon->now_ns = clock_mono_ns();
        read_signals(daemon);
        admin_step(&daemon->admin, daemon->now_ns);
        plane_step(daemon);
        reload_step(daemon);
        reload_dynamic(daemon);
        plugins_step(daemon);
        stop_when_full(daemon);
        report_when_due(daemon);
        progress(daemon);
        notify_service(daemon);
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
    plugins_forget_exited(daemon);
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
        sandbox_home_set_pool(NULL);
        sandbox_pool_free(daemon->sandboxes);
        producer_plan_put(daemon->plan);
        setup_put(daemon->next_setup);
        self_free(daemon->self);
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
    daemon->dynamic = config->dynamic;
    daemon->self = self_new();
    if (daemon->self == NULL) {
        free(daemon);
        return NULL;
    }
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
    setup_put(daemon->first_setup);
    free(daemon);
    return result;
}
