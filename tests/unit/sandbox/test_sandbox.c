/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox.c - limits that hold exactly, usage, the watchdog's calls, and memory that ends at
 * any allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/sandbox_rig.h"
#include "tests/unit/core/alloc_fail.h"

enum { MEMORY_RUNS = 4000, MEMORY_FIRST = 32 * 1024, MEMORY_STEP = 37, HOST_RUNS_MAX = 2000 };

static struct err err;

static struct sandbox *open_script(struct sandbox_rig *rig, const char *script)
{
    struct sandbox *sandbox = NULL;
    struct sandbox_config config = sandbox_rig_config(rig, SANDBOX_FILTER, script, "case.lua");
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) != 0)
        fprintf(stderr, "%s\n", err.texts[0]);
    assert_non_null(sandbox);
    return sandbox;
}

static void usage_is_counted(void **state)
{
    (void)state;
    struct sandbox_rig rig;
    sandbox_rig_init(&rig);
    struct sandbox *sandbox =
        open_script(&rig, "local n = 0 function process_message() n = n + 1 "
                          "for i = 1, 5000 do end inject_payload('txt', 'x', 'abc') "
                          "if n == 3 then return -1, 'third' end return 0 end "
                          "function timer_event(ns) inject_payload('txt', 'x', ns) end");
    for (int i = 0; i < 3; i++)
        sandbox_process_message(sandbox, &rig.view);
    assert_string_equal(sandbox_text(sandbox), "third");
    assert_int_equal(sandbox_timer_event(sandbox, 5), SANDBOX_OK);
    struct sandbox_usage usage = sandbox_usage(sandbox);
    assert_int_equal(usage.process_message_count, 3);
    assert_int_equal(usage.process_message_failures, 1);
    assert_int_equal(usage.timer_event_count, 1);
    assert_int_equal(usage.injected_count, 4);
    assert_int_equal(usage.output_max_bytes, 3);
    assert_int_equal(usage.process_message_samples, 1);
    assert_true(usage.instructions_max >= 5000 && usage.instructions_max <= 7000);
    assert_true(usage.memory_bytes > 0 && usage.memory_bytes <= usage.memory_max_bytes);
    assert_true(usage.memory_max_bytes <= SANDBOX_MEMORY_LIMIT);
    sandbox_free(sandbox);
    sandbox_rig_fini(&rig);
}

/* A loop of `turns` turns under a limit of as many instructions as `limit`. */
static enum sandbox_outcome run_turns(unsigned turns, uint64_t limit)
{
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    char script[128];
    snprintf(script, sizeof(script), "function process_message() for i = 1, %u do end return 0 end",
             turns);
    sandbox_rig_init(&rig);
    struct sandbox_config config = sandbox_rig_config(&rig, SANDBOX_FILTER, script, "case.lua");
    config.limits.instruction_limit = limit;
    assert_int_equal(sandbox_new(&config, &sandbox, &err), 0);
    enum sandbox_outcome outcome = sandbox_process_message(sandbox, &rig.view);
    if (outcome == SANDBOX_TERMINATED)
        assert_string_equal(sandbox_text(sandbox), "process_message() instruction_limit exceeded");
    sandbox_free(sandbox);
    sandbox_rig_fini(&rig);
    return outcome;
}

static void instruction_limit_holds_exactly(void **state)
{
    (void)state;
    for (uint64_t limit = 100; limit < 4000; limit += 431) {
        assert_int_equal(run_turns((unsigned)limit - 50, limit), SANDBOX_OK);
        assert_int_equal(run_turns((unsigned)limit + 10, limit), SANDBOX_TERMINATED);
    }
    assert_int_equal(run_turns(2000000, 0), SANDBOX_OK);
}

/* A stop of a call that is over ends no other one. */
static void a_late_stop_does_nothing(void **state)
{
    (void)state;
    struct sandbox_rig rig;
    sandbox_rig_init(&rig);
    struct sandbox *sandbox =
        open_script(&rig, "function process_message() for i = 1, 5000 do end return 0 end");
    uint64_t serial = sandbox_call_serial(sandbox);
    assert_int_equal(serial % 2, 0);
    sandbox_escalate(sandbox, serial);
    assert_int_equal(sandbox_process_message(sandbox, &rig.view), SANDBOX_OK);
    sandbox_stop(sandbox, serial + 1);
    assert_int_equal(sandbox_process_message(sandbox, &rig.view), SANDBOX_OK);
    sandbox_stop(sandbox, sandbox_call_serial(sandbox) + 1); /* the next one */
    assert_int_equal(sandbox_process_message(sandbox, &rig.view), SANDBOX_TERMINATED);
    assert_string_equal(sandbox_text(sandbox), "process_message() stopped by the watchdog");
    assert_true(sandbox_is_terminated(sandbox));
    sandbox_free(sandbox);
    sandbox_rig_fini(&rig);
}

static void injection_errors_have_hekas_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "protobuf unmarshal failed",
        "exceeded InjectMessage count",
        "exceeded MaxMsgLoops",
        "creates a circular reference (matches this plugin's message_matcher)",
        "aborted"};
    for (unsigned i = 1; i < ARRAY_COUNT(texts); i++) {
        struct sandbox_rig rig;
        char expected[SANDBOX_TEXT_SIZE];
        sandbox_rig_init(&rig);
        rig.answer = (enum sandbox_inject)i;
        struct sandbox *sandbox =
            open_script(&rig, "function process_message() inject_message({}) return 0 end");
        assert_int_equal(sandbox_process_message(sandbox, &rig.view), SANDBOX_TERMINATED);
        snprintf(expected, sizeof(expected), "process_message() case.lua:1: inject_message() %s",
                 texts[i]);
        assert_string_equal(sandbox_text(sandbox), expected);
        sandbox_free(sandbox);
        sandbox_rig_fini(&rig);
    }
}

/* ---- memory ---- */

static const char memory_script[] =
    "require 'string' require 'table' local a = require 'answer' local t = {} "
    "function process_message() for i = 1, 30 do t[#t + 1] = {i, tostring(i) .. 'x'} end "
    "local s = table.concat({('abc'):gsub('b', string.upper)}) .. read_message('Payload') "
    "pcall(error, s) add_to_payload(s, 1LL == 1LL, a.answer()) inject_payload('txt', 'x') "
    "inject_message({Type = s, Fields = {{name = 'n', value = {1, 2, 3}}}}) return 0 end "
    "function timer_event(ns) t = {} end";

/* One life; true when it came to its end without an error. */
static bool live(size_t memory_limit)
{
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    bool ok = false;
    sandbox_rig_init(&rig);
    struct sandbox_config config =
        sandbox_rig_config(&rig, SANDBOX_FILTER, memory_script, "case.lua");
    config.limits.memory_limit = memory_limit;
    config.limits.max_process_inject = 2;
    config.host.inject_message = NULL; /* the rig's log allocates, too */
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) == 0) {
        ok = sandbox_process_message(sandbox, &rig.view) == SANDBOX_OK &&
             sandbox_process_message(sandbox, &rig.view) == SANDBOX_OK &&
             sandbox_timer_event(sandbox, 1) == SANDBOX_OK;
        assert_true(ok || strlen(sandbox_text(sandbox)) > 0);
        assert_true(sandbox_usage(sandbox).memory_max_bytes <= memory_limit);
    } else {
        assert_true(err.count > 0);
    }
    sandbox_free(sandbox);
    sandbox_rig_fini(&rig);
    return ok;
}

static void lua_memory_may_end_anywhere(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t i = 0; i < MEMORY_RUNS; i++)
        failures += !live(MEMORY_FIRST + i * MEMORY_STEP);
    assert_true(failures > MEMORY_RUNS / 10 && failures < MEMORY_RUNS);
    assert_true(live(SANDBOX_MEMORY_LIMIT));
}

static void host_memory_may_end_anywhere(void **state)
{
    (void)state;
    unsigned i;
    for (i = 0; i < HOST_RUNS_MAX; i++) {
        alloc_fail_at(i);
        bool ok = live(SANDBOX_MEMORY_LIMIT);
        if (!alloc_fail_stop()) {
            assert_true(ok);
            break;
        }
        assert_false(ok);
    }
    assert_true(i > 5 && i < HOST_RUNS_MAX);
}

/* ---- loading ---- */

static void what_cannot_be_loaded_has_a_text(void **state)
{
    (void)state;
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    sandbox_rig_init(&rig);
    struct sandbox_config config =
        sandbox_rig_config(&rig, SANDBOX_FILTER, NULL, "/nowhere/script.lua");
    err = (struct err){0};
    assert_int_equal(sandbox_new(&config, &sandbox, &err), -1);
    assert_string_equal(err.texts[0],
                        "Init() cannot read /nowhere/script.lua: No such file or directory");
    config.script_filename = TEST_SOURCE_DIR "/golden/sandbox/modules/bytecode.lua";
    err = (struct err){0};
    assert_int_equal(sandbox_new(&config, &sandbox, &err), -1);
    config.script = "\x1bLJ\x02";
    err = (struct err){0};
    assert_int_equal(sandbox_new(&config, &sandbox, &err), -1);
    assert_non_null(strstr(err.texts[0], "Init() "));
    config.script = "error('not today')";
    config.script_filename = "x.lua";
    err = (struct err){0};
    assert_int_equal(sandbox_new(&config, &sandbox, &err), -1);
    assert_string_equal(err.texts[0], "Init() x.lua:1: not today");
    sandbox_free(NULL);
    sandbox_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_is_counted),
        cmocka_unit_test(instruction_limit_holds_exactly),
        cmocka_unit_test(a_late_stop_does_nothing),
        cmocka_unit_test(injection_errors_have_hekas_texts),
        cmocka_unit_test(lua_memory_may_end_anywhere),
        cmocka_unit_test(host_memory_may_end_anywhere),
        cmocka_unit_test(what_cannot_be_loaded_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
