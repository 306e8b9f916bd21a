/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_output.c - SandboxOutput: messages delivered by a Lua script, which may do I/O.
 *
 * Place:   builtin_outputs; the script runs in a worker of its own class, with files and network
 *          (control/sandbox/sandbox_call.h).
 * Failure: a message that the script refuses ends as refused. A script that has ended takes nothing
 *          any more: the output ends as `can_exit` says.
 * Source:  Heka 0.11 SandboxOutput: options, texts, statuses.
 */
#include <errno.h>
#include <string.h>

#include "control/outputs/outputs.h"
#include "control/sandbox/sandbox_call.h"
#include "core/clock.h"

enum { COUNT_PROCESSED, COUNT_FAILED, COUNT_TIMERS };

struct sandbox_output_config {
    struct sandbox_options options;
};

struct sandbox_output_state {
    struct output_host *host;
    const struct sandbox_output_config *config;
    struct sandbox_call *call;
    uint64_t ticked_ns; /* wall clock */
};

#define OPTION(member)                                                                             \
    .key = #member, .offset = offsetof(struct sandbox_output_config, options.member)
static const struct schema_key keys[] = {
    SANDBOX_OPTION_KEYS(struct sandbox_output_config),
    {OPTION(timer_event_on_shutdown), .type = SCHEMA_BOOL, .def = "false",
     .help = "Call timer_event once more when the output stops."},
    {0},
};
static const struct schema schema = {"SandboxOutput", keys};

static int check(const void *config, struct err *err)
{
    const struct sandbox_output_config *options = config;
    return sandbox_call_check(&options->options, SANDBOX_OUTPUT, err);
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct sandbox_output_state *output = state;
    const struct sandbox_output_config *options = config;
    const struct sandbox_call_config call = {.name = output_host_name(host),
                                             .type = SANDBOX_OUTPUT,
                                             .class = SANDBOX_CLASS_IO,
                                             .options = &options->options};
    output->host = host;
    output->config = options;
    return sandbox_call_new(&call, &output->call, err);
}

static int end(struct sandbox_output_state *output, struct msg_slice text)
{
    return output_host_end(output->host, -EPIPE, "FATAL: %.*s", (int)text.len,
                           text.ptr != NULL ? text.ptr : "");
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct sandbox_output_state *output = state;
    for (unsigned i = 0; i < count; i++) {
        const struct msg_view *message = &items[i].message;
        if (output_host_stopping(output->host))
            return (int)i;
        enum sandbox_outcome outcome =
            sandbox_call_process(output->call, message->bytes, message->size);
        struct msg_slice answer = sandbox_call_answer(output->call);
        if (outcome == SANDBOX_TERMINATED) {
            end(output, answer);
            return (int)i;
        }
        output_host_count(output->host, COUNT_PROCESSED, 1);
        if (outcome == SANDBOX_OK)
            continue;
        output_host_count(output->host, COUNT_FAILED, 1);
        output_host_drop(output->host, "refused");
        if (answer.len > 0)
            output_host_fail(output->host, 0, "%.*s", (int)answer.len, answer.ptr);
    }
    return (int)count;
}

static void tick(struct sandbox_output_state *output, uint64_t now_ns)
{
    output->ticked_ns = now_ns;
    output_host_count(output->host, COUNT_TIMERS, 1);
    if (sandbox_call_timer(output->call, (int64_t)now_ns) == SANDBOX_TERMINATED)
        end(output, sandbox_call_answer(output->call));
}

static void timer(void *state, uint64_t now_ns)
{
    struct sandbox_output_state *output = state;
    uint64_t interval_ns = output_host_ticker_s(output->host) * CLOCK_NS_PER_S;
    if (output->ticked_ns == 0)
        output->ticked_ns = now_ns;
    if (interval_ns != 0 && now_ns - output->ticked_ns >= interval_ns)
        tick(output, now_ns);
}

static void fini(void *state)
{
    struct sandbox_output_state *output = state;
    if (output->call != NULL && output->config->options.timer_event_on_shutdown &&
        !sandbox_client_has_ended(sandbox_call_client(output->call)))
        sandbox_call_timer(output->call, (int64_t)clock_wall_ns());
    sandbox_call_free(output->call);
    *output = (struct sandbox_output_state){0};
}

static const struct output_counter counters[] = {
    [COUNT_PROCESSED] = {"process_messages", "calls of process_message"},
    [COUNT_FAILED] = {"process_failures", "of them: with a negative status"},
    [COUNT_TIMERS] = {"timer_events", "calls of timer_event"},
    {NULL, NULL},
};

const struct output_ops sandboxed_output = {
    .plugin = {PLUGIN_ABI, "SandboxOutput", &schema, sizeof(struct sandbox_output_config),
               sizeof(struct sandbox_output_state)},
    .may_exit = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
