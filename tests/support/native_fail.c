/* SPDX-License-Identifier: MPL-2.0
 *
 * native_fail.c - plugin types that end by themselves, for tests/system/test_lifecycle.py; and,
 * with one of the macros below, objects that hekad has to refuse (test_native.py).
 *
 *     BAD_ABI, BAD_TYPE_ABI, BAD_SIZE, BAD_NAME, TAKEN_NAME, NO_RUN, NO_TABLE
 *
 * FailInput   makes a message "beat N" each time it is started, then fails, `times` times (in all
 *             of the process); afterwards it goes on. 0: it ends without an error.
 * FailFilter, FailOutput fail at each payload "fail"; the output writes payloads to `path`.
 * RetryInput, RetryFilter, RetryOutput are the same and start again.
 */
#include <fcntl.h>
#include <hekaline.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

#ifdef BAD_ABI
enum { TABLE_ABI = PLUGIN_ABI + 7 };
#else
enum { TABLE_ABI = PLUGIN_ABI };
#endif
#ifdef BAD_TYPE_ABI
enum { TYPE_ABI = PLUGIN_ABI + 7 };
#else
enum { TYPE_ABI = PLUGIN_ABI };
#endif
#ifdef BAD_NAME
#define FAIL_INPUT "Failing"
#elif defined(TAKEN_NAME)
#define FAIL_INPUT "UdpInput"
#else
#define FAIL_INPUT "FailInput"
#endif

struct options {
    int64_t times;
    const char *path;
};

struct state {
    void *host;
    const struct options *options;
    int fd;
};

static const struct schema_key keys[] = {
    {.key = "times", .type = SCHEMA_INT, .offset = offsetof(struct options, times), .max = 1e9},
    {.key = "path", .type = SCHEMA_STRING, .offset = offsetof(struct options, path)},
    {0},
};
static const struct schema schema = {"fail", keys};

static int init(struct state *state, const void *config, void *host)
{
    state->host = host;
    state->options = config;
    state->fd = -1;
    if (state->options->path != NULL)
        state->fd = open(state->options->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return 0;
}

static void fini(void *memory)
{
    struct state *state = memory;
    if (state->options != NULL && state->fd >= 0)
        close(state->fd);
}

/* ---- input ---- */

static int input_init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    (void)err;
    return init(memory, config, host);
}

static void inject(struct state *state, int64_t number)
{
    struct msg_builder builder;
    char payload[32];
    int len = snprintf(payload, sizeof(payload), "beat %lld", (long long)number);
    input_host_begin(state->host, &builder, clock_wall_ns());
    msg_builder_type(&builder, "beat", 4);
    msg_builder_payload(&builder, payload, (size_t)len);
    input_host_inject(state->host, &builder, NULL);
}

static void input_run(void *memory)
{
    static _Atomic int64_t started;
    struct state *state = memory;
    inject(state, ++started);
    if (state->options->times == 0)
        return;
    if (started <= state->options->times) {
        input_host_fail(state->host, -1, "failure %lld", (long long)started);
        return;
    }
    while (input_host_wait(state->host, NULL, 0, -1) >= 0)
        continue;
}

#define INPUT(type_name, again)                                                                   \
    {                                                                                              \
        .plugin = {TYPE_ABI, type_name, &schema, sizeof(struct options), sizeof(struct state)},    \
        .restarts = again, .init = input_init, .run = RUN, .fini = fini                            \
    }
#ifdef NO_RUN
#define RUN (false ? input_run : NULL)
#else
#define RUN input_run
#endif
static const struct input_ops fail_input = INPUT(FAIL_INPUT, false);
static const struct input_ops retry_input = INPUT("RetryInput", true);

/* ---- filter ---- */

static bool is_fail(const struct msg_view *message)
{
    return message->payload.len == 4 && memcmp(message->payload.ptr, "fail", 4) == 0;
}

static int filter_init(void *memory, const void *config, struct filter_host *host,
                       struct err *err)
{
    (void)err;
    return init(memory, config, host);
}

static int process(void *memory, const struct msg_view *message, const struct record *record)
{
    struct state *state = memory;
    struct msg_builder builder;
    (void)record;
    if (is_fail(message))
        return filter_host_end(state->host, -1, "told to");
    filter_host_begin(state->host, &builder, clock_wall_ns());
    msg_builder_type(&builder, "passed", 6);
    msg_builder_payload(&builder, message->payload.ptr, message->payload.len);
    filter_host_inject(state->host, &builder);
    return 0;
}

#define FILTER(type_name, again)                                                                  \
    {                                                                                              \
        .plugin = {PLUGIN_ABI, type_name, &schema, sizeof(struct options), sizeof(struct state)},  \
        .restarts = again, .init = filter_init, .process = process, .fini = fini                   \
    }
static const struct filter_ops fail_filter = FILTER("FailFilter", false);
static const struct filter_ops retry_filter = FILTER("RetryFilter", true);

/* ---- output ---- */

static int output_init(void *memory, const void *config, struct output_host *host,
                       struct err *err)
{
    (void)err;
    return init(memory, config, host);
}

/* The message that says "fail" is taken: it is not to come again. */
static int deliver(void *memory, const struct output_item *items, unsigned count)
{
    struct state *state = memory;
    for (unsigned i = 0; i < count; i++) {
        dprintf(state->fd, "%.*s\n", (int)items[i].message.payload.len,
                items[i].message.payload.ptr);
        if (!is_fail(&items[i].message))
            continue;
        output_host_end(state->host, -1, "told to");
        return (int)i + 1;
    }
    return (int)count;
}

#define OUTPUT(type_name, again)                                                                  \
    {                                                                                              \
        .plugin = {PLUGIN_ABI, type_name, &schema, sizeof(struct options), sizeof(struct state)},  \
        .restarts = again, .init = output_init, .deliver = deliver, .fini = fini                   \
    }
static const struct output_ops fail_output = OUTPUT("FailOutput", false);
static const struct output_ops retry_output = OUTPUT("RetryOutput", true);

/* ---- the table ---- */

static const struct heka_plugin rows[] = {
#ifdef BAD_SIZE
    {&fail_input.plugin, sizeof(fail_input) - 8},
#else
    HEKA_PLUGIN(fail_input),
#endif
    HEKA_PLUGIN(retry_input), HEKA_PLUGIN(fail_filter),  HEKA_PLUGIN(retry_filter),
    HEKA_PLUGIN(fail_output), HEKA_PLUGIN(retry_output), HEKA_PLUGINS_END,
};

#ifdef NO_TABLE
#define TABLE not_the_table
#else
#define TABLE heka_plugins
#endif
extern const struct heka_plugins TABLE;
const struct heka_plugins TABLE = {TABLE_ABI, sizeof(struct heka_plugin), rows};
