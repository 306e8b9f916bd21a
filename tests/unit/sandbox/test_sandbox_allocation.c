/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_allocation.c - allocations that fail at random, of Lua's heap and of the host's, in
 * a script that uses every module: it ends with a text, and nothing else happens.
 *
 * SANDBOX_ALLOCATION_RUNS=N runs N seeds of each kind instead of a few hundred.
 */
#include <lua.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/sandbox_rig.h"

enum { RUNS = 300, RATES = 5 };

/* The linker's --wrap names; C has no others for them. */
void __real_lua_setallocf(lua_State *lua, lua_Alloc allocate, void *ud);
void __wrap_lua_setallocf(lua_State *lua, lua_Alloc allocate, void *ud);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

static const char script[] =
    "require 'string' require 'table' require 'lpeg' require 'cjson' require 'circular_buffer' "
    "require 'hyperloglog' require 'bloom_filter' require 'cuckoo_filter' require 'sax' "
    "require 'struct' local l = lpeg local a = require 'answer' "
    "read_config('begin') "
    "cb = circular_buffer.new(5, 2, 1, true) hll = hyperloglog.new() list = {1, {2, 'x'}, k = {}} "
    "bf = bloom_filter.new(10, 0.1) cf = cuckoo_filter.new(10) w = sax.window.new(4, 2, 3) "
    "local word = l.C(l.R'az'^1) local grammar = l.P{'S', S = l.Ct((l.V'W' * l.P' '^-1)^0), "
    "W = word / string.upper + l.Cs((l.R'09' / '<%0>')^1) + l.Cmt(l.P'-', "
    "function(s, i) return i, s end)} "
    "function process_message() local t = grammar:match('some words - 123 and more') "
    "local s = cjson.encode({t, n = 1, [5] = {}}) cjson.decode(s .. ' ') "
    "cjson.decode('[\"a\\\\u00e9\\\\n\", {\"k\": [1.5, null]}]') "
    "for i = 1, 10 do cb:add(i * 1e9, 1, i) hll:add(i) bf:add(i) cf:add('k' .. i) w:add(i) end "
    "cb:mannwhitneyu(1, 6e9, 7e9, 8e9, 9e9) "
    "list[#list + 1] = struct.pack('>i4s', 5, 'x') list[#list + 1] = tostring(w) "
    "local m = decode_message(read_message('raw')) m.Fields[1].value = cb "
    "add_to_payload(cb:format('cbufd'), s, a.answer(), (('abc'):gsub('%w', {a = 'b'}))) "
    "inject_payload('txt', 'x') inject_message({Type = s, Fields = {cb = cb:format('cbuf')}}) "
    "local ok, e = pcall(cjson.decode, '[1') return 0 end "
    "function timer_event(ns) list = {} collected = ns end";

/* ---- what fails ---- */

static lua_Alloc allocate_lua;
static uint32_t random_state, rate; /* one of `rate` allocations fails; 0: none */
static bool is_lua_failing, is_host_failing;
static unsigned failed_count;

static bool is_failing(void)
{
    random_state = random_state * 1664525 + 1013904223;
    bool fails = rate > 0 && (random_state >> 8) % rate == 0;
    failed_count += fails;
    return fails;
}

static void *allocate_or_fail(void *ud, void *old, size_t old_size, size_t new_size)
{
    if (is_lua_failing && new_size > old_size && is_failing())
        return NULL;
    return allocate_lua(ud, old, old_size, new_size);
}

void __wrap_lua_setallocf(lua_State *lua, lua_Alloc allocate, void *ud)
{
    allocate_lua = allocate;
    __real_lua_setallocf(lua, allocate_or_fail, ud);
}

void *__wrap_malloc(size_t size)
{
    return is_host_failing && is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_host_failing && is_failing() ? NULL : __real_realloc(old, size);
}

/* ---- one life ---- */

static bool fails_lua;

static void begin(void *host, struct msg_slice name, struct sandbox_value *value)
{
    (void)host;
    (void)name;
    (void)value;
    is_lua_failing = fails_lua;
    is_host_failing = !fails_lua;
}

static void end(void)
{
    is_lua_failing = false;
    is_host_failing = false;
}

static struct err err;

static bool call(struct sandbox *sandbox, struct sandbox_rig *rig)
{
    struct buffer state = {0};
    bool ok = sandbox_process_message(sandbox, &rig->view) == SANDBOX_OK &&
              sandbox_process_message(sandbox, &rig->view) == SANDBOX_OK &&
              sandbox_timer_event(sandbox, 1) == SANDBOX_OK &&
              sandbox_preserve(sandbox, &state, &err) == 0 &&
              sandbox_restore(sandbox, state.data, state.size, &err) == 0 &&
              sandbox_process_message(sandbox, &rig->view) == SANDBOX_OK;
    end();
    if (!ok)
        assert_true(strlen(sandbox_text(sandbox)) > 0 || err.count > 0);
    buffer_fini(&state);
    return ok;
}

/* True when it came to its end without an error. */
static bool live(struct sandbox_rig *rig)
{
    struct sandbox *sandbox = NULL;
    bool ok = false;
    struct sandbox_config config = sandbox_rig_config(rig, SANDBOX_DECODER, script, "case.lua");
    config.host = (struct sandbox_host){.read_config = begin};
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) == 0)
        ok = call(sandbox, rig);
    else
        assert_true(err.count > 0);
    end();
    sandbox_free(sandbox);
    return ok;
}

static void run_seeds(bool lua)
{
    static const uint32_t rates[RATES] = {3, 30, 300, 1000, 5000};
    const char *runs_text = getenv("SANDBOX_ALLOCATION_RUNS");
    unsigned runs = runs_text != NULL ? (unsigned)strtoul(runs_text, NULL, 10) : RUNS, failures = 0;
    struct sandbox_rig rig;
    sandbox_rig_init(&rig);
    fails_lua = lua;
    rate = 0;
    if (!live(&rig))
        fail_msg("%s", err.count > 0 ? err.texts[0] : "the script does not run");
    for (unsigned seed = 1; seed <= runs; seed++) {
        random_state = seed * 2654435761U;
        rate = rates[seed % RATES] / (lua ? 1 : 10) + 1;
        failed_count = 0;
        bool ok = live(&rig);
        failures += !ok;
        if (failed_count == 0)
            assert_true(ok);
    }
    assert_true(failures > runs / 10 && failures <= runs);
    sandbox_rig_fini(&rig);
}

static void lua_allocations_may_fail(void **state)
{
    (void)state;
    run_seeds(true);
}

static void host_allocations_may_fail(void **state)
{
    (void)state;
    run_seeds(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lua_allocations_may_fail),
        cmocka_unit_test(host_allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
