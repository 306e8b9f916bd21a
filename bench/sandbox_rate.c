/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_rate.c - messages per second through one Lua plugin on one core, with all limits.
 *
 * Place:   build/PRESET/bench/sandbox, and sandbox_puc: the same engine on PUC Lua 5.1. The
 *          messages are views over built ones; lane and worker are not part of it. `empty` is the
 *          cost of a call alone, `counter` reads one field; the others are plugins of sandbox/lua:
 *          the filter http_status, the decoder nginx_access (lpeg), the encoder schema_influx
 *          (cjson). NAME-jit: with LuaJIT's compiler.
 * Threads: one.
 * Memory:  messages are built in setup.
 * Failure: a script that does not count, inject or encode every message makes the case inexact.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/access_message.h"
#include "bench/bench.h"
#include "bench/sandbox_scripts.h"
#include "core/check.h"
#include "sandbox/sandbox.h"

enum { MESSAGES = ACCESS_MESSAGES };

struct plugin {
    const char *name;
    enum sandbox_type type;
    const char *script; /* or NULL, and the file in sandbox/lua */
    const char *file;
    bool jit;
};

struct rate {
    struct sandbox *sandbox;
    uint64_t injected;
    double counted; /* what the script injected as field n */
    uint8_t bytes[MESSAGES][ACCESS_MESSAGE_SIZE];
    struct msg_view views[MESSAGES];
};

#define REPORT "function timer_event(ns) inject_message({Pid = 0, Fields = {n = n}}) n = 0 end"

static const char empty_script[] = SCRIPT_EMPTY REPORT;
static const char counter_script[] = SCRIPT_COUNTER REPORT;

/* ---- host ---- */

static enum sandbox_inject take_message(void *host, const void *message, size_t size)
{
    struct rate *rate = host;
    struct msg_view view;
    struct msg_field field;
    rate->injected++;
    if (msg_view_init(&view, message, size) != 0)
        return SANDBOX_INJECT_UNMARSHAL;
    if (!msg_field_find(&view, "n", 1, 0, &field) || !msg_field_double(&field, 0, &rate->counted))
        rate->counted = 0;
    return SANDBOX_INJECT_OK;
}

static void read_config(void *host, struct msg_slice name, struct sandbox_value *value)
{
    (void)host;
    if (name.len == 10 && memcmp(name.ptr, "log_format", 10) == 0)
        *value = (struct sandbox_value){
            .kind = SANDBOX_STRING, .string = {ACCESS_LOG_FORMAT, sizeof(ACCESS_LOG_FORMAT) - 1}};
}

/* ---- cases ---- */

static int setup(struct bench_run *run)
{
    static struct err err;
    const struct plugin *plugin = run->bench_case->arg;
    struct rate *rate = calloc(1, sizeof(*rate));
    CHECK(rate != NULL);
    run->state = rate;
    for (unsigned i = 0; i < MESSAGES; i++) {
        size_t size = access_message_build(i, plugin->type == SANDBOX_DECODER, rate->bytes[i]);
        CHECK(msg_view_init(&rate->views[i], rate->bytes[i], size) == 0);
    }
    struct sandbox_config config = {
        .type = plugin->type,
        .name = plugin->name,
        .script = plugin->script,
        .script_filename = plugin->file != NULL ? plugin->file : plugin->name,
        .module_directory = BENCH_LUA_DIR "/modules",
        .limits = sandbox_limits_default,
        .jit = plugin->jit,
        .host = {.host = rate, .inject_message = take_message, .read_config = read_config},
    };
    if (sandbox_new(&config, &rate->sandbox, &err) != 0)
        return bench_error(run, "%s", err.texts[0]);
    bench_param_text(run, "lua", SANDBOX_BENCH_LUA);
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct rate *rate = run->state;
    if (rate != NULL)
        sandbox_free(rate->sandbox);
    free(rate);
}

/* What the script has to show for `messages`. */
static uint64_t count_done(struct rate *rate, const struct plugin *plugin)
{
    if (plugin->type != SANDBOX_FILTER)
        return sandbox_usage(rate->sandbox).injected_count;
    if (plugin->script == NULL) /* its graph is not counted here */
        return sandbox_usage(rate->sandbox).process_message_count;
    if (sandbox_timer_event(rate->sandbox, 0) != SANDBOX_OK)
        return 0;
    return (uint64_t)rate->counted;
}

static int run_case(struct bench_run *run)
{
    struct rate *rate = run->state;
    const struct plugin *plugin = run->bench_case->arg;
    bool is_filter_script = plugin->type == SANDBOX_FILTER && plugin->script != NULL;
    uint64_t messages = 0, before = is_filter_script ? 0 : count_done(rate, plugin);
    bench_start(run);
    do {
        for (unsigned i = 0; i < MESSAGES; i++) {
            if (sandbox_process_message(rate->sandbox, &rate->views[i]) != SANDBOX_OK)
                return bench_error(run, "%s", sandbox_text(rate->sandbox));
        }
        messages += MESSAGES;
    } while (bench_goes_on(run));
    bench_stop(run, messages);
    uint64_t done = count_done(rate, plugin) - before;
    if (done != messages)
        return bench_inexact(run, "the script did %llu of %llu messages", (unsigned long long)done,
                             (unsigned long long)messages);
    bench_figure(run, "memory_max_bytes", (double)sandbox_usage(rate->sandbox).memory_max_bytes);
    return 0;
}

#define PLUGIN(title, of, text, path, compiled)                                                    \
    &(const struct plugin)                                                                         \
    {                                                                                              \
        .name = title, .type = of, .script = text, .file = path, .jit = compiled                   \
    }
#define CASE(title, of, text, path, compiled)                                                      \
    {                                                                                              \
        .name = title, .run = run_case, .unit = "messages/s", .setup = setup,                      \
        .teardown = teardown, .arg = PLUGIN(title, of, text, path, compiled)                       \
    }
#define HTTP_STATUS BENCH_LUA_DIR "/filters/http_status.lua"
#define NGINX       BENCH_LUA_DIR "/decoders/nginx_access.lua"
#define INFLUX      BENCH_LUA_DIR "/encoders/schema_influx.lua"

static const struct bench_case cases[] = {
    CASE("empty", SANDBOX_FILTER, empty_script, NULL, false),
    CASE("counter", SANDBOX_FILTER, counter_script, NULL, false),
    CASE("http_status", SANDBOX_FILTER, NULL, HTTP_STATUS, false),
    CASE("nginx", SANDBOX_DECODER, NULL, NGINX, false),
    CASE("influx", SANDBOX_ENCODER, NULL, INFLUX, false),
#ifdef SANDBOX_BENCH_JIT
    CASE("empty-jit", SANDBOX_FILTER, empty_script, NULL, true),
    CASE("counter-jit", SANDBOX_FILTER, counter_script, NULL, true),
    CASE("http_status-jit", SANDBOX_FILTER, NULL, HTTP_STATUS, true),
    CASE("nginx-jit", SANDBOX_DECODER, NULL, NGINX, true),
    CASE("influx-jit", SANDBOX_ENCODER, NULL, INFLUX, true),
#endif
};

int main(int argc, char **argv)
{
    static const struct bench bench = {
        .name = "sandbox",
        .help = "Messages per second through one Lua plugin on one core, with all limits.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
    };
    return bench_main(&bench, argc, argv);
}
