/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/sandbox/sandbox_home.h"
#include "control/sandbox/sandbox_state.h"
#include "control/sandbox/sandbox_trial.h"
#include "core/clock.h"
#include "core/log.h"

enum { WAIT_MS = 20 };

struct sandbox_call {
    struct sandbox_client *client;
    char name[256];
    struct buffer answer;
    struct buffer injected; /* sizes of 4 bytes, each with its message behind it */
    unsigned lost;
    bool has_answer;
    enum sandbox_outcome outcome;
    struct sandbox_state *state; /* NULL: nothing is kept, or somebody else keeps it */
};

/* ---- what comes from the worker ---- */

static void take_injected(void *arg, const void *message, size_t size, uint16_t hops)
{
    struct sandbox_call *call = arg;
    uint32_t length = (uint32_t)size;
    size_t before = call->injected.size;
    (void)hops;
    if (buffer_append(&call->injected, &length, sizeof(length)) == 0 &&
        buffer_append(&call->injected, message, size) == 0)
        return;
    call->injected.size = before;
    call->lost++;
}

static void take_output(void *arg, int outcome, const void *bytes, size_t size)
{
    struct sandbox_call *call = arg;
    call->has_answer = true;
    call->outcome = (enum sandbox_outcome)outcome;
    buffer_clear(&call->answer);
    if (buffer_append(&call->answer, bytes, size) != 0)
        call->outcome = SANDBOX_FAILED;
}

static void take_failure(void *arg, const char *text)
{
    take_output(arg, SANDBOX_FAILED, text, strlen(text));
}

static void take_log(void *arg, const char *text)
{
    struct sandbox_call *call = arg;
    log_error("Plugin '%s' error: %s", call->name, text);
}

static void take_state(void *arg, const void *state, size_t size, const char *error)
{
    struct sandbox_call *call = arg;
    int rc = error == NULL ? sandbox_state_write(call->state, state, size) : 0;
    if (error != NULL || rc != 0)
        log_error("Plugin '%s' error: %s: %s", call->name, sandbox_state_path(call->state),
                  error != NULL ? error : strerror(-rc));
}

/* ---- start ---- */

/* The state of an earlier run, unless another instance of the same name has it. */
static int open_state(struct sandbox_call *call, const struct sandbox_home *home,
                      struct buffer *bytes, struct err *err)
{
    call->state = sandbox_state_open(home->base_dir, call->name, err);
    if (call->state == NULL)
        return -1;
    if (sandbox_state_is_mine(call->state))
        return sandbox_state_read(call->state, bytes, err);
    sandbox_state_close(call->state);
    call->state = NULL;
    return 0;
}

static int open_client(struct sandbox_call *call, const struct sandbox_call_config *config,
                       struct sandbox_home *home, struct err *err)
{
    const struct sandbox_client_ops ops = {.arg = call,
                                           .inject = take_injected,
                                           .failed = take_failure,
                                           .output = take_output,
                                           .log = take_log,
                                           .preserved = take_state};
    struct buffer state = {.max_size = SIZE_MAX};
    struct sandbox_paths paths;
    if (sandbox_options_paths(config->options, &home->globals, &paths, err) != 0 ||
        (config->options->preserve_data && open_state(call, home, &state, err) != 0))
        return -1;
    struct sandbox_client_config client = {
        .pool = home->pool,
        .class = config->class,
        .type = config->type,
        .name = call->name,
        .hostname = home->hostname,
        .filename = paths.script,
        .module_directory = paths.modules,
        .message_max = (uint64_t)home->globals.max_message_size,
        .loops_max = (uint64_t)home->globals.max_message_loops,
        .state = state.data,
        .state_size = state.size,
    };
    sandbox_options_apply(config->options, &home->globals, &client);
    call->client = sandbox_client_new(&client, &ops, err);
    buffer_fini(&state);
    return call->client != NULL ? 0 : -1;
}

int sandbox_call_new(const struct sandbox_call_config *config, struct sandbox_call **out,
                     struct err *err)
{
    struct sandbox_home home;
    *out = NULL;
    sandbox_home_get(&home);
    if (home.pool == NULL)
        return sandbox_call_check(config->options, config->type, err);
    if (sandbox_options_check(config->options, &home.globals, err) != 0)
        return -1;
    struct sandbox_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return err_add(err, "out of memory");
    snprintf(call->name, sizeof(call->name), "%s", config->name);
    call->answer.max_size = call->injected.max_size = SANDBOX_CALL_BYTES_MAX;
    if (open_client(call, config, &home, err) != 0) {
        sandbox_call_free(call);
        return -1;
    }
    *out = call;
    return 0;
}

int sandbox_call_check(const struct sandbox_options *options, enum sandbox_type type,
                       struct err *err)
{
    struct sandbox_home home;
    sandbox_home_get(&home);
    if (sandbox_options_check(options, &home.globals, err) != 0)
        return -1;
    return sandbox_trial_run(options, type, err);
}

void sandbox_call_drain(struct sandbox_client *client)
{
    uint64_t until_ns = clock_mono_ns() + SANDBOX_GOODBYE_MS * CLOCK_NS_PER_MS;
    while (!sandbox_client_is_idle(client) && !sandbox_client_has_ended(client) &&
           clock_mono_ns() < until_ns) {
        sandbox_client_serve(client);
        sandbox_client_wait(client, WAIT_MS * CLOCK_NS_PER_MS);
    }
    sandbox_client_serve(client);
}

void sandbox_call_preserve(struct sandbox_client *client)
{
    if (!sandbox_client_has_ended(client) && sandbox_client_is_idle(client) &&
        sandbox_client_send_checkpoint(client, clock_mono_ns()) == 0)
        sandbox_call_drain(client);
}

void sandbox_call_free(struct sandbox_call *call)
{
    if (call == NULL)
        return;
    if (call->client != NULL && call->state != NULL)
        sandbox_call_preserve(call->client);
    sandbox_client_free(call->client);
    sandbox_state_close(call->state);
    buffer_fini(&call->answer);
    buffer_fini(&call->injected);
    free(call);
}

/* ---- calls ---- */

static void begin(struct sandbox_call *call)
{
    call->has_answer = false;
    call->lost = 0;
    buffer_clear(&call->answer);
    buffer_clear(&call->injected);
}

/* Until everything that was sent is done. */
static enum sandbox_outcome wait_for_answer(struct sandbox_call *call, int sent)
{
    while (sent == 0 && !sandbox_client_is_idle(call->client) &&
           !sandbox_client_has_ended(call->client)) {
        sandbox_client_serve(call->client);
        if (!sandbox_client_is_idle(call->client))
            sandbox_client_wait(call->client, WAIT_MS * CLOCK_NS_PER_MS);
    }
    sandbox_client_serve(call->client);
    if (call->has_answer && !sandbox_client_has_ended(call->client))
        return call->outcome;
    if (sent == 0 && !sandbox_client_has_ended(call->client))
        return SANDBOX_OK;
    sandbox_client_give_up(call->client);
    const char *text = sandbox_client_text(call->client);
    take_output(call, SANDBOX_TERMINATED, text, strlen(text));
    return SANDBOX_TERMINATED;
}

enum sandbox_outcome sandbox_call_process(struct sandbox_call *call, const void *message,
                                          size_t size)
{
    begin(call);
    return wait_for_answer(call, sandbox_client_send_message(call->client, message, size, 0));
}

enum sandbox_outcome sandbox_call_timer(struct sandbox_call *call, int64_t ns)
{
    begin(call);
    return wait_for_answer(call, sandbox_client_send_timer(call->client, ns));
}

struct msg_slice sandbox_call_answer(const struct sandbox_call *call)
{
    return (struct msg_slice){(const char *)call->answer.data, (uint32_t)call->answer.size};
}

bool sandbox_call_injected(const struct sandbox_call *call, size_t *at, struct msg_slice *message)
{
    uint32_t length;
    if (*at >= call->injected.size)
        return false;
    memcpy(&length, (const char *)call->injected.data + *at, sizeof(length));
    *message = (struct msg_slice){(const char *)call->injected.data + *at + sizeof(length), length};
    *at += sizeof(length) + length;
    return true;
}

unsigned sandbox_call_lost(const struct sandbox_call *call)
{
    return call->lost;
}

const struct sandbox_client *sandbox_call_client(const struct sandbox_call *call)
{
    return call->client;
}
