/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plane.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "control/folder.h"
#include "control/lanes/lane_watch.h"
#include "control/lanes/leftover.h"
#include "control/plan_writer.h"
#include "control/plugins/plugins.h"
#include "core/log.h"

enum {
    TICK_MS = 20,
    START_TIMEOUT_S = 30, /* until the data plane polls */
    STOP_TIMEOUT_S = 20,  /* until it has stopped: it waits 10 s for us */
    STALL_MS = 10000,     /* a heartbeat that is older means that a thread hangs */
    RESTART_MS_MIN = 250,
    RESTART_MS_MAX = 30000,
    STEADY_S = 60, /* a data plane that lived so long gets the short pause again */
    ASIDE_MODE = 0750
};

const char *plane_state_name(const struct daemon *daemon)
{
    static const char *const names[] = {"none",     "starting", "running",
                                        "stopping", "stopped",  "dead"};
    return names[daemon->plane.state];
}

static void set_state(struct daemon *daemon, enum plane_state state)
{
    daemon->plane.state = state;
    daemon->plane.since_ns = daemon->now_ns;
}

/* ---- its segment ---- */

/* The last whole copy stays when a writer died in the middle. */
static void read_counters(struct plane *plane)
{
    struct counters counters;
    if (plane->last == NULL || !segment_counters(&plane->last->segment, &counters))
        return;
    plane->counters = counters;
    plane->has_counters = true;
}

static uint64_t heartbeat_age_ms(const struct plane *plane)
{
    const struct segment_header *header = plane->last->segment.header;
    uint64_t oldest_ns = UINT64_MAX, now_ns = clock_mono_ns();
    for (unsigned i = 0; i < header->lane_count; i++) {
        uint64_t beat_ns = atomic_load_explicit(&header->heartbeat_ns[i], memory_order_relaxed);
        if (beat_ns < oldest_ns)
            oldest_ns = beat_ns;
    }
    return now_ns > oldest_ns ? (now_ns - oldest_ns) / CLOCK_NS_PER_MS : 0;
}

/* Takes over the caller's reference. */
static int take_lanes(struct daemon *daemon, struct attachment *take_attachment, struct err *err)
{
    struct plane *plane = &daemon->plane;
    if (plane->last != NULL)
        attachment_set_final(plane->last);
    attachment_put(plane->last);
    plane->last = take_attachment;
    lane_watch_set(daemon->watch, take_attachment);
    struct lane_entry *entry =
        lane_table_add(&daemon->lanes, take_attachment, "dataplane", NULL, err);
    if (entry == NULL)
        return -1;
    plugins_want(daemon, entry);
    return 0;
}

static void log_inputs(const struct daemon *daemon, const char *format)
{
    const struct instances *instances = daemon->setup->instances;
    for (unsigned i = 0; i < instances->input_count; i++)
        if (!instances->inputs[i].is_kernel)
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
    if (rc == 0 && segment.header->pid != (uint32_t)daemon->plane.process.pid) {
        segment_detach(&segment);
        return;
    }
    struct attachment *attachment = rc == 0 ? attachment_new(&segment) : NULL;
    if (attachment == NULL || take_lanes(daemon, attachment, &err) != 0) {
        log_error("The data plane's segment cannot be used: %s",
                  err.count > 0 ? err.texts[0] : "out of memory");
        if (rc == 0 && attachment == NULL)
            segment_detach(&segment);
        dataplane_process_signal(&daemon->plane.process, SIGKILL);
        return;
    }
    set_state(daemon, PLANE_RUNNING);
    if (!daemon->plane.ran_once)
        log_inputs(daemon, "Input started: %s");
    daemon->plane.ran_once = true;
    log_info("Data plane running: pid %d", (int)daemon->plane.process.pid);
}

/* A data plane makes its files anew. Those of a dead one that are not read yet are kept, for this
 * hekad to delete and for the next one to find if this one dies. Lanes in huge pages cannot be: the
 * data plane removes them, and only who has them mapped can read on. */
static void move_aside(struct daemon *daemon)
{
    static const char *const files[] = {"segment", "cursors", "bell"};
    char folder[PRODUCER_FOLDER_SIZE], from[PRODUCER_FOLDER_SIZE], to[PRODUCER_FOLDER_SIZE + 32];
    struct lane_entry *entry = lane_table_find(&daemon->lanes, daemon->plane.last);
    if (entry == NULL || entry->attachment->segment.header->lane_prefix[0] != '\0' ||
        producer_folder_is_drained(&entry->attachment->segment) ||
        producer_folder_path(daemon->run_dir.path, "dataplane", daemon->next_folder++, folder,
                             sizeof(folder)) != 0 ||
        folder_make(folder, ASIDE_MODE) != 0)
        return;
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(from, sizeof(from), "%s/%s", daemon->run_dir.path, files[i]);
        snprintf(to, sizeof(to), "%s/%s", folder, files[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            log_error("%s: cannot be moved: %s", from, strerror(errno));
    }
    for (unsigned i = 0; i < entry->attachment->segment.header->lane_count; i++) {
        snprintf(from, sizeof(from), "%s/lane.%u", daemon->run_dir.path, i);
        snprintf(to, sizeof(to), "%s/lane.%u", folder, i);
        if (rename(from, to) != 0)
            log_error("%s: cannot be moved: %s", from, strerror(errno));
    }
    snprintf(entry->folder, sizeof(entry->folder), "%s", folder);
}

/* ---- its process ---- */

void plane_start(struct daemon *daemon, struct err *err)
{
    struct plane *plane = &daemon->plane;
    move_aside(daemon);
    /* Its files may have gone since they were written. */
    if (plan_writer_write(daemon->setup->instances, daemon->generation, daemon->plan_path, err) ==
            0 &&
        dataplane_process_start(&plane->process, &plane->command, err) == 0)
        set_state(daemon, PLANE_STARTING);
    else
        set_state(daemon, PLANE_DEAD);
}

void plane_stop(struct daemon *daemon)
{
    struct plane *plane = &daemon->plane;
    if (plane->process.pid == 0)
        return;
    log_inputs(daemon, "Stop message sent to input '%s'");
    dataplane_process_signal(&plane->process, SIGTERM);
    set_state(daemon, PLANE_STOPPING);
}

static void schedule_restart(struct daemon *daemon, bool was_steady)
{
    struct plane *plane = &daemon->plane;
    if (was_steady || plane->restart_pause_ms == 0)
        plane->restart_pause_ms = RESTART_MS_MIN;
    log_error("The data plane ended with status %d; starting it again in %llu ms",
              plane->process.exit_code, (unsigned long long)plane->restart_pause_ms);
    plane->restart_ns = daemon->now_ns + plane->restart_pause_ms * CLOCK_NS_PER_MS;
    plane->restart_pause_ms *= 2;
    if (plane->restart_pause_ms > RESTART_MS_MAX)
        plane->restart_pause_ms = RESTART_MS_MAX;
}

/* What it had taken from the port and not committed to a lane is lost with it. */
static void count_lost(struct plane *plane)
{
    const uint64_t *values = plane->counters.values;
    read_counters(plane);
    if (!plane->has_counters)
        return;
    uint64_t samples = values[COUNTER_SAMPLES_OPEN] + values[COUNTER_SAMPLES_HANDED] -
                       values[COUNTER_SAMPLES_TAKEN];
    uint64_t fragments = values[COUNTER_FRAG_HELD];
    plane->lost_samples += samples;
    plane->lost_fragments += fragments;
    log_error("Lost with the data plane: %llu samples that were not flushed, %llu fragments, and "
              "what it had received since its last count; %llu messages were committed",
              (unsigned long long)samples, (unsigned long long)fragments,
              (unsigned long long)values[COUNTER_MESSAGES_COMMITTED]);
}

static void handle_end(struct daemon *daemon)
{
    struct plane *plane = &daemon->plane;
    bool was_steady =
        plane->state == PLANE_RUNNING && daemon_is_over(daemon, plane->since_ns, STEADY_S * 1000);
    bool was_told = plane->state == PLANE_STOPPING;
    bool was_running = plane->state == PLANE_RUNNING;
    lane_watch_set(daemon->watch, NULL);
    if (plane->last != NULL)
        attachment_set_final(plane->last);
    bell_ring(&daemon->bell);
    set_state(daemon, was_told ? PLANE_STOPPED : PLANE_DEAD);
    if (was_running)
        count_lost(plane);
    if (daemon->state != HEKAD_RUNNING)
        return;
    if (plane->restart_at_once) {
        plane->restart_at_once = false;
        plane->restart_ns = daemon->now_ns;
        return;
    }
    if (!plane->ran_once) {
        log_error("The data plane did not start: status %d", plane->process.exit_code);
        daemon->exit_code = 1;
        daemon_stop(daemon);
        return;
    }
    schedule_restart(daemon, was_steady);
}

static void restart_when_due(struct daemon *daemon)
{
    struct plane *plane = &daemon->plane;
    struct err err = {0};
    if (daemon->now_ns < plane->restart_ns || !plugins_may_start_inputs(daemon))
        return;
    if (!plugins_have_room(daemon)) {
        if (!plane->said_unread)
            log_error("The data plane is not started: an output has too many unread lanes");
        plane->said_unread = true;
        return;
    }
    plane->said_unread = false;
    if (plane->ran_once)
        plane->restarts++;
    plane_start(daemon, &err);
    if (err.count > 0) {
        log_error("%s", err.texts[0]);
        schedule_restart(daemon, false);
    }
}

static void kill_when_over(struct daemon *daemon, enum plane_state state, unsigned timeout_s,
                           const char *what)
{
    struct plane *plane = &daemon->plane;
    if (plane->state != state || plane->process.pid == 0 ||
        !daemon_is_over(daemon, plane->since_ns, (uint64_t)timeout_s * 1000))
        return;
    log_error("The data plane does not %s after %u s", what, timeout_s);
    dataplane_process_signal(&plane->process, SIGKILL);
    set_state(daemon, state); /* its end comes soon */
}

/* One thread that hangs is enough: its queues are not served. */
static void kill_when_hung(struct daemon *daemon)
{
    struct plane *plane = &daemon->plane;
    if (plane->state != PLANE_RUNNING || plane->process.pid == 0 || plane->last == NULL ||
        !daemon_is_over(daemon, plane->since_ns, STALL_MS))
        return;
    uint64_t age_ms = heartbeat_age_ms(plane);
    if (age_ms < STALL_MS)
        return;
    log_error("The data plane's heartbeat stands still for %llu ms; killing pid %d",
              (unsigned long long)age_ms, (int)plane->process.pid);
    plane->hung++;
    dataplane_process_signal(&plane->process, SIGKILL);
    plane->since_ns = daemon->now_ns; /* its end comes soon */
}

void plane_step(struct daemon *daemon)
{
    struct plane *plane = &daemon->plane;
    if (plane->state == PLANE_NONE)
        return;
    if (dataplane_process_has_ended(&plane->process))
        handle_end(daemon);
    else if (plane->state == PLANE_STARTING)
        try_attach(daemon);
    kill_when_over(daemon, PLANE_STARTING, START_TIMEOUT_S, "poll");
    kill_when_over(daemon, PLANE_STOPPING, STOP_TIMEOUT_S, "stop");
    kill_when_hung(daemon);
    if (daemon->state == HEKAD_RUNNING && plane->process.pid == 0)
        restart_when_due(daemon);
}

int plane_take_leftover(struct daemon *daemon, struct err *err)
{
    struct plane *plane = &daemon->plane;
    struct leftover leftover = {0};
    bool is_alive = run_dir_has_dataplane(&daemon->run_dir);
    set_state(daemon, PLANE_DEAD); /* until it is started */
    leftover_find(daemon->run_dir.path, daemon->plan_path, daemon->setup->instances,
                  daemon->generation, &leftover);
    if (leftover.attachment == NULL) {
        if (is_alive)
            err_add(err, "%s: a data plane that this version cannot read holds the run directory",
                    daemon->run_dir.path);
        return is_alive ? -1 : 0;
    }
    if (is_alive) {
        if (dataplane_process_adopt(&plane->process, leftover.pid, err) != 0) {
            attachment_put(leftover.attachment);
            return -1;
        }
        bool keep = leftover.is_same_plan && leftover.is_running &&
                    !leftover_is_older(&leftover, plane->command.core_map);
        plane->ran_once = keep;
        set_state(daemon, keep ? PLANE_RUNNING : PLANE_STOPPING);
        plane->restart_at_once = !keep;
        if (!keep)
            dataplane_process_signal(&plane->process, SIGTERM);
        log_info("%s data plane of an earlier run: pid %d", keep ? "Keeping the" : "Stopping the",
                 (int)leftover.pid);
    } else {
        attachment_set_final(leftover.attachment);
    }
    return take_lanes(daemon, leftover.attachment, err);
}

int plane_take_dead(struct daemon *daemon, struct err *err)
{
    struct leftover leftover = {0};
    if (run_dir_has_dataplane(&daemon->run_dir))
        return err_add(err, "%s: a data plane runs there, and the configuration has none",
                       daemon->run_dir.path);
    leftover_find(daemon->run_dir.path, daemon->plan_path, daemon->setup->instances,
                  daemon->generation, &leftover);
    if (leftover.attachment == NULL)
        return 0;
    attachment_set_final(leftover.attachment);
    return take_lanes(daemon, leftover.attachment, err);
}

int plane_ask_reload(struct daemon *daemon, struct err *err)
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

void plane_fini(struct daemon *daemon)
{
    struct plane *plane = &daemon->plane;
    dataplane_process_signal(&plane->process, SIGTERM);
    while (plane->process.pid != 0 && plane->process.is_child &&
           !dataplane_process_has_ended(&plane->process))
        poll(NULL, 0, TICK_MS);
    attachment_put(plane->last);
    plane->last = NULL;
}

void plane_status(struct daemon *daemon, struct status_dataplane *status)
{
    struct plane *plane = &daemon->plane;
    *status = (struct status_dataplane){
        .pid = plane->process.pid,
        .state = plane_state_name(daemon),
        .restarts = plane->restarts,
        .hung = plane->hung,
        .lost_samples = plane->lost_samples,
        .lost_fragments = plane->lost_fragments,
    };
    read_counters(plane);
    status->counters = plane->has_counters ? &plane->counters : NULL;
    if (plane->last == NULL)
        return;
    const struct segment_header *header = plane->last->segment.header;
    status->heartbeat_age_ms = heartbeat_age_ms(plane);
    status->workers = header->lane_count - 1;
    status->accum_bytes = atomic_load_explicit(&header->accum_bytes, memory_order_relaxed);
    status->series = atomic_load_explicit(&header->series, memory_order_relaxed);
}

void plane_talkers(struct daemon *daemon, struct talkers *talkers)
{
    const struct plane *plane = &daemon->plane;
    memset(talkers, 0, sizeof(*talkers));
    if (plane->last != NULL)
        talkers_read(plane->last->segment.talkers, talkers);
}
