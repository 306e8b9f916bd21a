/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_rate.c - messages per second through one Lua filter on one core, with all limits.
 *
 * Place:   build/PRESET/bench/sandbox. The messages are views over built ones; lane and worker are
 *          not part of it. `empty` is the cost of a call alone, `counter` reads one field,
 *          `http_status` sorts status codes into rows by the minute.
 * Threads: one.
 * Memory:  scripts and messages are built in setup.
 * Failure: a script whose own count, read back at the end, is not the messages it was given makes
 *          the case inexact.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/check.h"
#include "sandbox/sandbox.h"

enum { MESSAGES = 1024, MESSAGE_SIZE = 256 };

struct rate {
    struct sandbox *sandbox;
    uint64_t reported; /* by the script's last tick */
    uint8_t bytes[MESSAGES][MESSAGE_SIZE];
    struct msg_view views[MESSAGES];
};

#define REPORT "function timer_event(ns) inject_message({Pid = 0, Fields = {n = n}}) n = 0 end "

static const char empty_script[] =
    "local n = 0 " REPORT "function process_message() n = n + 1 return 0 end";

static const char counter_script[] =
    "local n = 0 local sum = 0 " REPORT
    "function process_message() local size = read_message('Fields[size]') "
    "if type(size) ~= 'number' then return -1 end n = n + 1 sum = sum + size return 0 end";

static const char http_status_script[] =
    "require 'math' local n = 0 local rows = {} local floor = math.floor " REPORT
    "function process_message() "
    "local minute = floor(read_message('Timestamp') / 60e9) % 1440 "
    "local status = read_message('Fields[status]') "
    "if type(status) ~= 'number' then return -1 end "
    "local row = rows[minute] if not row then row = {0, 0, 0, 0, 0, 0} rows[minute] = row end "
    "local class = floor(status / 100) if class < 1 or class > 5 then class = 6 end "
    "row[class] = row[class] + 1 n = n + 1 return 0 end";

static enum sandbox_inject take_report(void *host, const void *message, size_t size)
{
    struct rate *rate = host;
    struct msg_view view;
    struct msg_field field;
    double count;
    CHECK(msg_view_init(&view, message, size) == 0);
    CHECK(msg_field_first(&view, &field) && msg_field_double(&field, 0, &count));
    rate->reported = (uint64_t)count;
    return SANDBOX_INJECT_OK;
}

static void build_message(struct rate *rate, unsigned i)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    static const int64_t statuses[] = {200, 200, 200, 304, 404, 200, 302, 500};
    struct msg_builder builder;
    msg_builder_init(&builder, rate->bytes[i], MESSAGE_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, INT64_C(1700000000000000000) + i * INT64_C(1000000000));
    msg_builder_type(&builder, "access", 6);
    msg_builder_logger(&builder, "web", 3);
    msg_builder_hostname(&builder, "www1.example.com", 16);
    msg_builder_field_string(&builder, "request", "GET /index.html HTTP/1.1", 24, "");
    msg_builder_field_integer(&builder, "status", statuses[i % ARRAY_COUNT(statuses)], "");
    msg_builder_field_integer(&builder, "size", i, "B");
    int64_t size = msg_builder_finish(&builder);
    CHECK(size > 0 && msg_view_init(&rate->views[i], rate->bytes[i], (size_t)size) == 0);
}

static int setup(struct bench_run *run)
{
    static struct err err;
    struct rate *rate = calloc(1, sizeof(*rate));
    CHECK(rate != NULL);
    run->state = rate;
    for (unsigned i = 0; i < MESSAGES; i++)
        build_message(rate, i);
    struct sandbox_config config = {
        .type = SANDBOX_FILTER,
        .name = run->bench_case->name,
        .script = run->bench_case->arg,
        .script_filename = run->bench_case->name,
        .limits = sandbox_limits_default,
        .host = {.host = rate, .inject_message = take_report},
    };
    if (sandbox_new(&config, &rate->sandbox, &err) != 0)
        return bench_error(run, "%s", err.texts[0]);
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct rate *rate = run->state;
    if (rate != NULL)
        sandbox_free(rate->sandbox);
    free(rate);
}

static int run_case(struct bench_run *run)
{
    struct rate *rate = run->state;
    uint64_t messages = 0;
    bench_start(run);
    do {
        for (unsigned i = 0; i < MESSAGES; i++) {
            if (sandbox_process_message(rate->sandbox, &rate->views[i]) != SANDBOX_OK)
                return bench_error(run, "%s", sandbox_text(rate->sandbox));
        }
        messages += MESSAGES;
    } while (bench_goes_on(run));
    bench_stop(run, messages);
    if (sandbox_timer_event(rate->sandbox, 0) != SANDBOX_OK)
        return bench_error(run, "%s", sandbox_text(rate->sandbox));
    if (rate->reported != messages)
        return bench_inexact(run, "the script counted %llu of %llu messages",
                             (unsigned long long)rate->reported, (unsigned long long)messages);
    bench_figure(run, "memory_max_bytes", (double)sandbox_usage(rate->sandbox).memory_max_bytes);
    return 0;
}

#define CASE(title, script)                                                                        \
    {                                                                                              \
        .name = title, .run = run_case, .unit = "messages/s", .setup = setup,                      \
        .teardown = teardown, .arg = script                                                        \
    }

static const struct bench_case cases[] = {
    CASE("empty", empty_script),
    CASE("counter", counter_script),
    CASE("http_status", http_status_script),
};

int main(int argc, char **argv)
{
    static const struct bench bench = {
        .name = "sandbox",
        .help = "Messages per second through one Lua filter on one core, with all limits.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
    };
    return bench_main(&bench, argc, argv);
}
