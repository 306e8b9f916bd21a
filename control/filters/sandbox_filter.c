/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_filter.c - SandboxFilter: messages to a Lua script, and what it makes of them.
 *
 * Place:   control/plugins/filter_host.c drives it; the script runs in a worker (control/sandbox/).
 * Threads: the filter's own; init and figures [main].
 * Failure: a message that the script refuses is counted. A script that ends, or is ended, leaves
 *          heka.sandbox-terminated with the reason; what it had not processed is counted as
 *          terminated.
 * Source:  Heka 0.11 SandboxFilter: options, Type, Logger and Hostname of what it injects, texts.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "control/dynamic.h"
#include "control/plugins/filter_host.h"
#include "control/filters/filters.h"
#include "control/config/hekad_config.h"
#include "control/lanes/producer.h"
#include "control/sandbox/sandbox_options.h"
#include "control/sandbox/sandbox_report.h"
#include "control/sandbox/sandbox_state.h"
#include "control/sandbox/sandbox_trial.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    WAIT_MS = 20,
    SHUTDOWN_MS = 2000,
    PENDING_LOW = 1024, /* of READER_ITEMS_MAX */
    SLOW_BATCHES = 4    /* full ones after each other: others wait for this filter */
};

enum sandbox_count {
    COUNT_PROCESSED,
    COUNT_FAILED,
    COUNT_TIMERS,
    COUNT_INJECTED,
    COUNT_REFUSED,
    COUNT_MEMORY,
    COUNT_MEMORY_MAX,
    COUNT_INSTRUCTIONS,
    COUNT_INSTRUCTIONS_MAX,
    COUNT_OUTPUT,
    COUNT_OUTPUT_MAX,
    COUNT_SAMPLES,
    COUNT_DURATION,
    COUNT_PID,
    COUNT_RESTARTS
};

struct sandbox_filter_config {
    struct sandbox_options options;
};

struct state {
    struct filter_host *host;
    const struct sandbox_filter_config *config;
    struct sandbox_client *client;
    unsigned failed; /* of the messages that are done, not told to the host */
    char failure[SANDBOX_TEXT_SIZE];
    bool is_told; /* that it has ended */
    bool is_managed;
    struct sandbox_state *preserved; /* NULL: without preserve_data */
    bool is_waiting;                 /* for an earlier filter's state */
    bool said_unpreserved;
    bool is_quiet; /* a checkpoint covers all that was handed over: it may go into the file */
    /* Since the filter is behind: */
    unsigned full_batches, batch;
    uint64_t slow_processed, slow_ns;
};

/* ---- the script's messages ---- */

static bool is_text(const struct msg_slice *slice, const char *text)
{
    return slice->len == strlen(text) && memcmp(slice->ptr, text, slice->len) == 0;
}

/* What the engine makes sure of; a worker that is not itself any more might not. */
static bool is_from_engine(const struct state *state, const void *bytes, size_t size)
{
    static const char prefix[] = "heka.sandbox";
    struct msg_view message;
    return msg_view_init(&message, bytes, size) == 0 &&
           is_text(&message.logger, filter_host_name(state->host)) &&
           message.type.len >= sizeof(prefix) - 1 &&
           memcmp(message.type.ptr, prefix, sizeof(prefix) - 1) == 0;
}

static void inject(void *arg, const void *bytes, size_t size, uint16_t hops)
{
    struct state *state = arg;
    if (!is_from_engine(state, bytes, size)) {
        filter_host_count(state->host, COUNT_REFUSED, 1);
        return;
    }
    filter_host_set_hops(state->host, (uint16_t)(hops < UINT16_MAX ? hops + 1 : UINT16_MAX));
    switch (filter_host_inject_bytes(state->host, bytes, size)) {
    case PRODUCER_OK:
        filter_host_count(state->host, COUNT_INJECTED, 1);
        break;
    case PRODUCER_E_OWN:
        sandbox_client_end(state->client, "process_message() inject_message() creates a circular "
                                          "reference (matches this plugin's message_matcher)");
        break;
    default: /* the producer has counted why */
        break;
    }
}

static void failed(void *arg, const char *text)
{
    struct state *state = arg;
    state->failed++;
    if (text[0] != '\0')
        snprintf(state->failure, sizeof(state->failure), "%s", text);
}

/* ---- state ---- */

/* A checkpoint: in memory for the next worker, and in the file for the next hekad. */
static void preserved(void *arg, const void *bytes, size_t size, const char *error)
{
    struct state *state = arg;
    if (state->preserved == NULL || !state->is_quiet)
        return;
    int rc = error == NULL ? sandbox_state_write(state->preserved, bytes, size) : 0;
    filter_host_let_go(state->host); /* in any case: others must not wait for ever */
    if (error == NULL && rc == 0) {
        state->said_unpreserved = false;
        return;
    }
    if (error != NULL)
        sandbox_state_remove(state->preserved); /* as Heka: rather none than an old one */
    if (!state->said_unpreserved)
        log_error("Plugin '%s' error: %s: %s", filter_host_name(state->host),
                  sandbox_state_path(state->preserved), error != NULL ? error : strerror(-rc));
    state->said_unpreserved = true;
}

/* ---- the end ---- */

static uint64_t figure(const struct state *state, enum sandbox_figure figure)
{
    return sandbox_client_figure(state->client, figure);
}

static void tell_slow(struct state *state, uint64_t count, uint64_t ns)
{
    const struct sandbox_slowness slowness = {
        .processed = figure(state, SANDBOX_FIGURE_PROCESSED),
        .failures = figure(state, SANDBOX_FIGURE_FAILURES),
        .samples = count,
        .samples_ns = ns,
        .waiting = state->batch,
    };
    state->is_told = true;
    sandbox_report_slow(state->host, &slowness);
    sandbox_client_end(state->client, SANDBOX_SLOW_TEXT);
    filter_host_end(state->host, -EPIPE, SANDBOX_SLOW_TEXT);
}

/* A filter that somebody loaded at run time must not keep others waiting. */
static void look_if_slow(struct state *state)
{
    uint64_t processed = figure(state, SANDBOX_FIGURE_PROCESSED);
    uint64_t ns = figure(state, SANDBOX_FIGURE_TURNS_NS);
    uint64_t limit_ns = (uint64_t)filter_host_globals(state->host)->max_process_duration;
    bool is_behind = state->batch >= FILTER_BATCH_MAX;
    state->full_batches = is_behind ? state->full_batches + 1 : 0;
    if (state->full_batches <= 1) {
        state->slow_processed = processed;
        state->slow_ns = ns;
    } else if (state->full_batches > SLOW_BATCHES && processed > state->slow_processed &&
               (ns - state->slow_ns) / (processed - state->slow_processed) > limit_ns) {
        tell_slow(state, processed - state->slow_processed, ns - state->slow_ns);
    }
}

static void tell_end(struct state *state)
{
    const char *text = sandbox_client_text(state->client);
    if (state->is_told)
        return;
    state->is_told = true;
    sandbox_report_end(state->host, text);
    filter_host_end(state->host, -EPIPE, "%s", text);
}

static void set_figures(struct state *state)
{
    static const enum sandbox_figure figures[] = {
        [COUNT_PROCESSED] = SANDBOX_FIGURE_PROCESSED,
        [COUNT_FAILED] = SANDBOX_FIGURE_FAILURES,
        [COUNT_TIMERS] = SANDBOX_FIGURE_TIMERS,
        [COUNT_MEMORY] = SANDBOX_FIGURE_MEMORY,
        [COUNT_MEMORY_MAX] = SANDBOX_FIGURE_MEMORY_MAX,
        [COUNT_INSTRUCTIONS] = SANDBOX_FIGURE_INSTRUCTIONS,
        [COUNT_INSTRUCTIONS_MAX] = SANDBOX_FIGURE_INSTRUCTIONS_MAX,
        [COUNT_OUTPUT] = SANDBOX_FIGURE_OUTPUT,
        [COUNT_OUTPUT_MAX] = SANDBOX_FIGURE_OUTPUT_MAX,
    };
    for (unsigned i = 0; i <= COUNT_OUTPUT_MAX; i++)
        if (i != COUNT_INJECTED && i != COUNT_REFUSED)
            filter_host_set(state->host, i, figure(state, figures[i]));
    bool all = state->config->options.profile;
    uint64_t samples = figure(state, all ? SANDBOX_FIGURE_PROCESSED : SANDBOX_FIGURE_SAMPLES);
    uint64_t ns = figure(state, all ? SANDBOX_FIGURE_TURNS_NS : SANDBOX_FIGURE_SAMPLE_NS);
    filter_host_set(state->host, COUNT_SAMPLES, samples);
    filter_host_set(state->host, COUNT_DURATION, samples > 0 ? ns / samples : 0);
    filter_host_set(state->host, COUNT_PID, (uint64_t)sandbox_client_pid(state->client));
    filter_host_set(state->host, COUNT_RESTARTS, sandbox_client_restarts(state->client));
}

/* ---- work ---- */

/* Takes what there is, and tells the host. Returns how many messages are done. */
static unsigned serve(struct state *state)
{
    unsigned count = sandbox_client_serve(state->client);
    unsigned gone = sandbox_client_give_up(state->client);
    if (count + gone > 0)
        filter_host_done(state->host, count + gone, state->failed, gone);
    if (state->failed > 0)
        filter_host_trouble(state->host, state->failure);
    state->failed = 0;
    if (sandbox_client_has_ended(state->client))
        tell_end(state);
    return count + gone;
}

static void wait_for_worker(struct state *state)
{
    filter_host_turn(state->host);
    if (!sandbox_client_is_idle(state->client))
        sandbox_client_wait(state->client, WAIT_MS * CLOCK_NS_PER_MS);
}

static void serve_or_wait(struct state *state)
{
    serve(state);
    wait_for_worker(state);
}

/* In memory only. */
static void checkpoint_when_due(struct state *state)
{
    uint64_t now_ns = clock_mono_ns();
    if (sandbox_client_is_checkpoint_due(state->client, now_ns))
        sandbox_client_send_checkpoint(state->client, now_ns);
}

/* The filter that had our name has ended: its state becomes ours. False: hekad stops before. */
static bool take_over(struct state *state)
{
    const struct timespec pause = {0, (long)CLOCK_NS_PER_MS};
    struct buffer bytes = {.max_size = SIZE_MAX};
    struct err err = {0};
    while (!sandbox_state_is_mine(state->preserved)) {
        if (filter_host_stopping(state->host))
            return false;
        filter_host_turn(state->host);
        nanosleep(&pause, NULL);
    }
    state->is_waiting = false;
    if (sandbox_state_read(state->preserved, &bytes, &err) != 0)
        sandbox_client_end(state->client, err.texts[0]);
    else if (bytes.size > 0)
        sandbox_client_send_state(state->client, bytes.data, bytes.size);
    buffer_fini(&bytes);
    return true;
}

/* Everything that was sent is done, or given up. */
static void finish(struct state *state)
{
    serve(state);
    while (!sandbox_client_is_idle(state->client) && !filter_host_stopping(state->host))
        serve_or_wait(state);
    serve(state);
}

/* Not for one or two: what is under way keeps the worker busy while we wait. */
static void wait_for_some(struct state *state)
{
    unsigned done = serve(state);
    while ((done == 0 || sandbox_client_pending(state->client) > PENDING_LOW) &&
           !sandbox_client_is_idle(state->client) && !filter_host_stopping(state->host)) {
        wait_for_worker(state);
        done += serve(state);
    }
}

static void advance(void *state_memory, enum filter_wait wait)
{
    struct state *state = state_memory;
    if (wait == FILTER_WAIT_ALL)
        finish(state);
    else if (wait == FILTER_WAIT_SOME)
        wait_for_some(state);
    else
        serve(state);
    if (wait != FILTER_WAIT_ALL) /* turn() comes behind that */
        checkpoint_when_due(state);
    if (state->is_managed && !state->is_told && state->batch > 0)
        look_if_slow(state);
    state->batch = 0;
}

static int process(void *state_memory, const struct msg_view *message, const struct record *record)
{
    struct state *state = state_memory;
    int rc;
    (void)message;
    if (state->is_waiting && !take_over(state))
        return 0;
    while ((rc = sandbox_client_send_message(state->client, record->message, record->message_size,
                                             record->hops)) == -EAGAIN &&
           !filter_host_stopping(state->host)) {
        checkpoint_when_due(state); /* else there may be no room, ever */
        serve_or_wait(state);
    }
    state->batch++;
    if (rc == -EPIPE)
        tell_end(state);
    return rc;
}

/* Nothing is under way: it goes into the file, and what led to it is given back. */
static void checkpoint_now(struct state *state, uint64_t now_ns)
{
    state->is_quiet = true;
    if (sandbox_client_send_checkpoint(state->client, now_ns) == 0)
        finish(state);
    state->is_quiet = false;
}

static void turn(void *state_memory)
{
    struct state *state = state_memory;
    uint64_t now_ns = clock_mono_ns();
    serve(state);
    set_figures(state);
    if (!sandbox_client_is_idle(state->client))
        return;
    if (state->preserved == NULL)
        checkpoint_when_due(state);
    else if (!state->is_waiting && (sandbox_client_is_checkpoint_due(state->client, now_ns) ||
                                    filter_host_should_let_go(state->host)))
        checkpoint_now(state, now_ns);
}

static void timer(void *state_memory, uint64_t now_ns)
{
    struct state *state = state_memory;
    if (state->is_waiting && !take_over(state))
        return;
    if (sandbox_client_send_timer(state->client, (int64_t)now_ns) == 0)
        finish(state);
}

/* ---- start and stop ---- */

static void take_log(void *arg, const char *text)
{
    const struct state *state = arg;
    log_info("Plugin '%s': %s", filter_host_name(state->host), text);
}

static int check_files(const void *config_memory, const struct hekad_globals *globals,
                       struct err *err)
{
    const struct sandbox_filter_config *config = config_memory;
    if (sandbox_options_check(&config->options, globals, err) != 0)
        return -1;
    return sandbox_trial_run(&config->options, SANDBOX_FILTER, err);
}

static void find_own(void *arg, const struct config_extra *section, enum dynamic_state now,
                     const char *error)
{
    struct state *state = arg;
    (void)now;
    (void)error;
    if (strcmp(section->name, filter_host_name(state->host)) == 0)
        state->is_managed = true;
}

static int open_state(struct state *state, struct buffer *bytes, struct err *err)
{
    state->preserved = sandbox_state_open(filter_host_globals(state->host)->base_dir,
                                          filter_host_name(state->host), err);
    if (state->preserved == NULL)
        return -1;
    filter_host_hold(state->host);
    state->is_waiting = !sandbox_state_is_mine(state->preserved);
    return state->is_waiting ? 0 : sandbox_state_read(state->preserved, bytes, err);
}

static int init(void *state_memory, const void *config_memory, struct filter_host *host,
                struct err *err)
{
    struct state *state = state_memory;
    const struct sandbox_filter_config *config = config_memory;
    const struct hekad_globals *globals = filter_host_globals(host);
    const struct sandbox_client_ops ops = {
        .arg = state,
        .inject = inject,
        .failed = failed,
        .log = take_log,
        .preserved = preserved,
    };
    struct buffer bytes = {.max_size = SIZE_MAX};
    struct sandbox_paths paths;
    state->host = host;
    state->config = config;
    if (filter_host_sandboxes(host) == NULL)
        return err_add(err, "'%s': no sandbox workers", filter_host_name(host));
    if (sandbox_options_paths(&config->options, globals, &paths, err) != 0)
        return -1;
    if (filter_host_dynamic(host) != NULL)
        dynamic_each(filter_host_dynamic(host), NULL, find_own, state);
    struct sandbox_client_config client = {
        .pool = filter_host_sandboxes(host),
        .class = state->is_managed ? SANDBOX_CLASS_DYNAMIC : SANDBOX_CLASS_CONFIGURED,
        .type = SANDBOX_FILTER,
        .name = filter_host_name(host),
        .hostname = filter_host_hostname(host),
        .filename = paths.script,
        .module_directory = paths.modules,
        .message_max = filter_host_message_max(host),
        .loops_max = filter_host_loops_max(host),
        .has_checkpoints = true,
        .must_preserve = config->options.preserve_data,
    };
    sandbox_options_apply(&config->options, globals, &client);
    if (config->options.preserve_data && open_state(state, &bytes, err) != 0)
        return -1;
    client.state = bytes.data;
    client.state_size = bytes.size;
    state->client = sandbox_client_new(&client, &ops, err);
    buffer_fini(&bytes);
    if (state->client == NULL)
        return -1;
    set_figures(state);
    return 0;
}

/* A last call, and the last checkpoint. */
static void say_goodbye(struct state *state)
{
    uint64_t until_ns = clock_mono_ns() + SHUTDOWN_MS * CLOCK_NS_PER_MS;
    if (state->config->options.timer_event_on_shutdown)
        sandbox_client_send_timer(state->client, (int64_t)clock_wall_ns());
    while (!sandbox_client_is_idle(state->client) && clock_mono_ns() < until_ns)
        serve_or_wait(state);
    if (state->preserved != NULL && !state->is_waiting && sandbox_client_is_idle(state->client)) {
        state->is_quiet = true;
        sandbox_client_send_checkpoint(state->client, clock_mono_ns());
    }
    while (!sandbox_client_is_idle(state->client) && clock_mono_ns() < until_ns)
        serve_or_wait(state);
    if (!sandbox_client_is_idle(state->client))
        log_error("Plugin '%s' error: its last calls take too long", filter_host_name(state->host));
}

static void fini(void *state_memory)
{
    struct state *state = state_memory;
    if (state->client != NULL && sandbox_client_is_idle(state->client) &&
        !sandbox_client_has_ended(state->client))
        say_goodbye(state);
    sandbox_client_free(state->client);
    sandbox_state_close(state->preserved);
    state->client = NULL;
    state->preserved = NULL;
}

static const struct filter_counter counters[] = {
    [COUNT_PROCESSED] = {"process_messages", "calls of process_message"},
    [COUNT_FAILED] = {"process_failures", "of them: with a negative status, or the last one"},
    [COUNT_TIMERS] = {"timer_events", "calls of timer_event"},
    [COUNT_INJECTED] = {"injected", "messages that the script made"},
    [COUNT_REFUSED] = {"refused", "messages from the worker that no script can make"},
    [COUNT_MEMORY] = {"memory_bytes", "of the script's heap"},
    [COUNT_MEMORY_MAX] = {"memory_bytes_max", "the most so far"},
    [COUNT_INSTRUCTIONS] = {"instructions", "of the last call"},
    [COUNT_INSTRUCTIONS_MAX] = {"instructions_max", "the most so far"},
    [COUNT_OUTPUT] = {"output_bytes", "of the last injection"},
    [COUNT_OUTPUT_MAX] = {"output_bytes_max", "the most so far"},
    [COUNT_SAMPLES] = {"process_samples", "calls that were timed"},
    [COUNT_DURATION] = {"process_message_ns", "of a call, on average of those that were timed"},
    [COUNT_PID] = {"worker_pid", "process that the script runs in"},
    [COUNT_RESTARTS] = {"worker_restarts", "times that it died"},
    {NULL, NULL},
};

#define OPTION(member)                                                                             \
    .key = #member, .offset = offsetof(struct sandbox_filter_config, options.member)
static const struct schema_key keys[] = {
    SANDBOX_OPTION_KEYS(struct sandbox_filter_config),
    SANDBOX_OPTION_JIT(struct sandbox_filter_config),
    {OPTION(timer_event_on_shutdown), .type = SCHEMA_BOOL, .def = "false",
     .help = "Call timer_event once more when the filter stops."},
    {OPTION(profile), .type = SCHEMA_BOOL, .def = "false",
     .help = "Time every call, not one in 1,000."},
    {0},
};
static const struct schema schema = {"SandboxFilter", keys};

const struct filter_ops sandbox_filter = {
    .plugin = {PLUGIN_ABI, "SandboxFilter", &schema, sizeof(struct sandbox_filter_config),
               sizeof(struct state)},
    .may_exit = true,
    .counters = counters,
    .check_files = check_files,
    .init = init,
    .process = process,
    .advance = advance,
    .turn = turn,
    .timer = timer,
    .fini = fini,
};
