/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_input.c - SandboxInput: messages that a Lua script makes, which may do I/O.
 *
 * Place:   builtin_inputs; the script runs in a worker of its own (control/sandbox/), where its
 *          process_message() may last.
 * Threads: the input's own.
 * Failure: what is no message is counted. A script that returns runs again with the next tick, or
 *          has ended its only run; one that errs has ended.
 *          A call that is stopped ends at its next instruction, and the state is that moment's; one
 *          that is in C code (a read of a socket) is ended with its process after 2 s.
 * Source:  Heka 0.11 SandboxInput: options, texts, what statuses mean, `tz`.
 */
#include <string.h>

#include "control/plugins/input_host.h"
#include "control/inputs/inputs.h"
#include "control/sandbox/sandbox_call.h"
#include "control/sandbox/sandbox_home.h"
#include "control/sandbox/sandbox_options.h"
#include "control/sandbox/sandbox_state.h"
#include "core/clock.h"
#include "core/msg_edit.h"
#include "core/log.h"

enum {
    WAIT_MS = 20,
    COUNT_INJECTED = 0,
    COUNT_BYTES,
    COUNT_REFUSED,
    COUNT_RUNS,
    COUNT_FAILED,
    COUNT_MEMORY
};

static const char stopped_text[] = "shutting down";

struct sandbox_input_options {
    struct sandbox_options options;
    int64_t ticker_interval; /* s */
};

struct sandbox_input_state {
    struct input_host *host;
    const struct sandbox_input_options *config;
    struct sandbox_client *client;
    struct sandbox_state *preserved; /* NULL: without preserve_data */
    struct time_zone *zone;          /* of the script's times; NULL: UTC */
    struct buffer copy;              /* of a message whose time is another there */
    bool must_end;                   /* the host says so */
};

/* ---- what comes from the script ---- */

/* The message with the time that its zone's time means: a private copy, larger by a varint. NULL:
 * no memory. */
static const void *set_time(struct sandbox_input_state *input, const struct msg_view *view,
                            size_t *size)
{
    enum { ROOM = 16 };
    struct msg_edit edit;
    buffer_clear(&input->copy);
    if (buffer_append(&input->copy, view->bytes, view->size) != 0 ||
        buffer_reserve(&input->copy, ROOM) != 0 ||
        msg_edit_init(&edit, input->copy.data, view->size, view->size + ROOM) != 0 ||
        msg_edit_number(&edit, MSG_MEMBER_TIMESTAMP,
                        sandbox_options_in_zone(input->zone, view->timestamp_ns)) != 0)
        return NULL;
    *size = edit.size;
    return edit.bytes;
}

static void inject(void *arg, const void *message, size_t size, uint16_t hops)
{
    struct sandbox_input_state *input = arg;
    struct msg_view view;
    (void)hops;
    bool is_good = msg_view_init(&view, message, size) == 0;
    if (is_good && input->zone != NULL)
        message = set_time(input, &view, &size);
    if (!is_good || message == NULL) {
        input_host_count(input->host, COUNT_REFUSED, 1);
        return;
    }
    if (input_host_inject_bytes(input->host, message, size, NULL) != 0)
        input->must_end = true;
    input_host_count(input->host, COUNT_INJECTED, 1);
    input_host_count(input->host, COUNT_BYTES, size);
}

static void take_output(void *arg, int outcome, const void *bytes, size_t size)
{
    struct sandbox_input_state *input = arg;
    input_host_count(input->host, COUNT_RUNS, 1);
    if (outcome == SANDBOX_OK || input->must_end)
        return;
    input_host_count(input->host, COUNT_FAILED, 1);
    if (size > 0 && outcome != SANDBOX_TERMINATED)
        log_error("Input '%s' error: %.*s", input_host_name(input->host), (int)size,
                  (const char *)bytes);
}

static void take_failure(void *arg, const char *text)
{
    take_output(arg, SANDBOX_FAILED, text, strlen(text));
}

static void take_log(void *arg, const char *text)
{
    const struct sandbox_input_state *input = arg;
    log_info("Input '%s': %s", input_host_name(input->host), text);
}

static void take_state(void *arg, const void *state, size_t size, const char *error)
{
    struct sandbox_input_state *input = arg;
    int rc = error == NULL ? sandbox_state_write(input->preserved, state, size) : 0;
    if (error != NULL || rc != 0)
        log_error("Input '%s' error: %s: %s", input_host_name(input->host),
                  sandbox_state_path(input->preserved), error != NULL ? error : strerror(-rc));
}

/* ---- start ---- */

static int open_state(struct sandbox_input_state *input, struct buffer *bytes, struct err *err)
{
    input->preserved =
        sandbox_state_open(input_host_base_dir(input->host), input_host_name(input->host), err);
    if (input->preserved == NULL)
        return -1;
    if (!sandbox_state_is_mine(input->preserved))
        return 0;
    return sandbox_state_read(input->preserved, bytes, err);
}

static int open_client(struct sandbox_input_state *input, const struct sandbox_home *home,
                       struct err *err)
{
    const struct sandbox_options *options = &input->config->options;
    const struct sandbox_client_ops ops = {.arg = input,
                                           .inject = inject,
                                           .failed = take_failure,
                                           .output = take_output,
                                           .log = take_log,
                                           .preserved = take_state};
    struct buffer state = {.max_size = SIZE_MAX};
    struct sandbox_paths paths;
    if (sandbox_options_check(options, &home->globals, err) != 0 ||
        sandbox_options_paths(options, &home->globals, &paths, err) != 0 ||
        (options->preserve_data && open_state(input, &state, err) != 0))
        return -1;
    struct sandbox_client_config client = {
        .pool = home->pool,
        .type = SANDBOX_INPUT,
        .name = input_host_name(input->host),
        .hostname = input_host_hostname(input->host),
        .filename = paths.script,
        .module_directory = paths.modules,
        .message_max = input_host_message_max(input->host),
        .must_preserve = options->preserve_data,
        .loops_max = (uint64_t)home->globals.max_message_loops,
        .state = state.data,
        .state_size = state.size,
    };
    sandbox_options_apply(options, &home->globals, &client);
    client.class = SANDBOX_CLASS_INPUT;
    input->client = sandbox_client_new(&client, &ops, err);
    buffer_fini(&state);
    return input->client != NULL ? 0 : -1;
}

static int check(const void *config, struct err *err)
{
    const struct sandbox_input_options *options = config;
    struct time_zone *zone = NULL;
    int rc = sandbox_options_zone(&options->options, &zone, err);
    time_zone_free(zone);
    return sandbox_call_check(&options->options, SANDBOX_INPUT, err) | rc;
}

static int init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    struct sandbox_input_state *input = memory;
    struct sandbox_home home;
    input->host = host;
    input->config = config;
    sandbox_home_get(&home);
    if (home.pool == NULL)
        return err_add(err, "no sandbox workers");
    if (sandbox_options_zone(&input->config->options, &input->zone, err) != 0)
        return -1;
    return open_client(input, &home, err);
}

/* ---- run ---- */

/* True while the call goes on and the input, too. */
static bool turn(struct sandbox_input_state *input)
{
    sandbox_client_serve(input->client);
    input_host_set(input->host, COUNT_MEMORY,
                   sandbox_client_figure(input->client, SANDBOX_FIGURE_MEMORY));
    if (input_host_wait(input->host, NULL, 0, 0) < 0)
        input->must_end = true;
    if (input->must_end || sandbox_client_has_ended(input->client) ||
        sandbox_client_is_idle(input->client))
        return false;
    sandbox_client_wait(input->client, WAIT_MS * CLOCK_NS_PER_MS);
    return true;
}

/* The call is told to end; what it still makes is taken as far as the host does. */
static void stop_call(struct sandbox_input_state *input)
{
    sandbox_client_stop_call(input->client, true);
    sandbox_call_drain(input->client);
    sandbox_client_stop_call(input->client, false);
}

static bool was_stopped(const struct sandbox_input_state *input)
{
    const char *text = sandbox_client_text(input->client);
    size_t length = strlen(text), end = sizeof(stopped_text) - 1;
    return input->must_end || (length >= end && strcmp(text + length - end, stopped_text) == 0);
}

/* 0: it returned; else it is over. */
static int run_once(struct sandbox_input_state *input)
{
    if (sandbox_client_send_message(input->client, "", 0, 0) != 0)
        return input_host_fail(input->host, -1, "FATAL: %s", sandbox_client_text(input->client));
    while (turn(input))
        continue;
    if (input->must_end)
        stop_call(input);
    sandbox_client_give_up(input->client);
    if (sandbox_client_has_ended(input->client) && !was_stopped(input))
        return input_host_fail(input->host, -1, "FATAL: %s", sandbox_client_text(input->client));
    return input->must_end ? -1 : 0;
}

/* Until `ns` of the monotonic clock. */
static int wait_until(struct sandbox_input_state *input, uint64_t ns)
{
    for (uint64_t now_ns; (now_ns = clock_mono_ns()) < ns;) {
        uint64_t left_ms = (ns - now_ns) / CLOCK_NS_PER_MS + 1;
        int rc = input_host_wait(input->host, NULL, 0, left_ms < 1000 ? (int)left_ms : 1000);
        if (rc < 0)
            return rc;
        sandbox_client_serve(input->client);
    }
    return 0;
}

static void run(void *memory)
{
    struct sandbox_input_state *input = memory;
    uint64_t interval_ns = (uint64_t)input->config->ticker_interval * CLOCK_NS_PER_S;
    uint64_t tick_ns = clock_mono_ns();
    while (run_once(input) == 0) {
        if (interval_ns == 0) {
            log_info("Input '%s': single run completed", input_host_name(input->host));
            return;
        }
        for (tick_ns += interval_ns; tick_ns < clock_mono_ns();)
            tick_ns += interval_ns;
        if (wait_until(input, tick_ns) != 0)
            return;
    }
}

static void fini(void *memory)
{
    struct sandbox_input_state *input = memory;
    if (input->client != NULL && input->preserved != NULL)
        sandbox_call_preserve(input->client);
    sandbox_client_free(input->client);
    sandbox_state_close(input->preserved);
    time_zone_free(input->zone);
    buffer_fini(&input->copy);
    *input = (struct sandbox_input_state){0};
}

static const struct input_counter counters[] = {
    [COUNT_INJECTED] = {"injected", "messages that the script made"},
    [COUNT_BYTES] = {"bytes", "bytes of those"},
    [COUNT_REFUSED] = {"refused", "from the worker, and no messages"},
    [COUNT_RUNS] = {"process_messages", "calls of process_message that ended"},
    [COUNT_FAILED] = {"process_failures", "of them: with a negative status, or the last one"},
    [COUNT_MEMORY] = {"memory_bytes", "of the script's heap"},
    {NULL, NULL},
};

static const struct schema_key keys[] = {
    SANDBOX_OPTION_KEYS(struct sandbox_input_options),
    {.key = "ticker_interval",
     .offset = offsetof(struct sandbox_input_options, ticker_interval),
     .type = SCHEMA_INT,
     .min = 0,
     .max = UINT32_MAX,
     .def = "0",
     .unit = "s",
     .help = "From one run to the next; 0: only one."},
    {0},
};
static const struct schema schema = {"SandboxInput", keys};

const struct input_ops sandbox_input = {
    .plugin = {PLUGIN_ABI, "SandboxInput", &schema, sizeof(struct sandbox_input_options),
               sizeof(struct sandbox_input_state)},
    .may_exit = true,
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
