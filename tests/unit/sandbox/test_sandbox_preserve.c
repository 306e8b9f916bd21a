/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_preserve.c - globals as bytes and back, damaged bytes, and Heka's text:
 * tests/golden/sandbox/preserved/NAME.in is a text of Heka's, NAME.expect what a script then has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/golden.h"
#include "tests/support/sandbox_rig.h"

enum { CASES_MIN = 3, FLIPS = 700 };

static struct err err;

/* Says what the globals are; tables in the order of their keys' texts. */
static const char dump_script[] =
    "require 'string' require 'table' require 'circular_buffer'\n"
    "local hidden = {}\n"
    "local function text_of(v, seen)\n"
    "  if type(v) == 'string' then return string.format('%q', v) end\n"
    "  if type(v) ~= 'table' then return tostring(v):gsub('0x%x+', 'x') end\n"
    "  if seen[v] then return '#' .. seen[v] end\n"
    "  seen.n = seen.n + 1 seen[v] = seen.n\n"
    "  local keys, names = {}, {}\n"
    "  for k in pairs(v) do local n = type(k) .. tostring(k) keys[#keys + 1] = n names[n] = k end\n"
    "  table.sort(keys)\n"
    "  for i = 1, #keys do keys[i] = keys[i] .. '=' .. text_of(v[names[keys[i]]], seen) end\n"
    "  return '{' .. table.concat(keys, ',') .. '}'\n"
    "end\n"
    "for k in pairs(_G) do hidden[k] = true end\n"
    "hidden.process_message = true hidden.add_to_payload = true hidden._PRESERVATION_VERSION = "
    "true\n"
    "function process_message()\n"
    "  local keys = {}\n"
    "  for k in pairs(_G) do if not hidden[k] then keys[#keys + 1] = k end end\n"
    "  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)\n"
    "  local seen = {n = 0}\n"
    "  for _, k in ipairs(keys) do\n"
    "    local v = _G[k]\n"
    "    if type(v) == 'userdata' then add_to_payload(tostring(k), ' = ', v)\n"
    "    elseif type(v) ~= 'function' then\n"
    "      add_to_payload(tostring(k), ' = ', (text_of(v, seen)), '\\n') end\n"
    "  end\n"
    "  inject_payload()\n"
    "  return 0\n"
    "end\n";

static enum sandbox_inject take_payload(void *host, const void *message, size_t size)
{
    struct buffer *log = host;
    struct msg_view view;
    CHECK(msg_view_init(&view, message, size) == 0);
    CHECK(buffer_append(log, view.payload.ptr, view.payload.len) == 0);
    return SANDBOX_INJECT_OK;
}

static void take_text(void *host, const char *text)
{
    CHECK(buffer_printf(host, "log %s\n", text) == 0);
}

static struct sandbox *new_sandbox(const char *globals, struct buffer *log)
{
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    struct buffer script = {0};
    sandbox_rig_init(&rig);
    CHECK(buffer_append_text(&script, dump_script) == 0);
    CHECK(buffer_append(&script, globals, strlen(globals) + 1) == 0);
    struct sandbox_config config =
        sandbox_rig_config(&rig, SANDBOX_FILTER, script.data, "state.lua");
    config.host =
        (struct sandbox_host){.host = log, .inject_message = take_payload, .log = take_text};
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) != 0)
        fprintf(stderr, "%s\n", err.texts[0]);
    CHECK(sandbox != NULL);
    buffer_fini(&script);
    sandbox_rig_fini(&rig);
    return sandbox;
}

static void dump(struct sandbox *sandbox, struct buffer *log)
{
    struct sandbox_rig rig;
    sandbox_rig_init(&rig);
    buffer_clear(log);
    if (sandbox_process_message(sandbox, &rig.view) != SANDBOX_OK)
        CHECK(buffer_append_text(log, sandbox_text(sandbox)) == 0);
    CHECK(buffer_append(log, "", 1) == 0);
    sandbox_rig_fini(&rig);
}

/* What a script with `after` at its top level has, after the state of one with `before`. */
static void round_trip(const char *before, const char *after, struct buffer *log)
{
    struct buffer state = {0};
    struct sandbox *sandbox = new_sandbox(before, log);
    err = (struct err){0};
    assert_int_equal(sandbox_preserve(sandbox, &state, &err), 0);
    sandbox_free(sandbox);
    sandbox = new_sandbox(after, log);
    assert_int_equal(sandbox_restore(sandbox, state.data, state.size, &err), 0);
    dump(sandbox, log);
    sandbox_free(sandbox);
    buffer_fini(&state);
}

static const char many[] =
    "count = 12 rate = 0.1 big = 1e300 none = nil yes = true no = false text = 'a\\0b\"\\n' "
    "inf = 1/0 ninf = -1/0 nan = 0/0 empty = {} f = function() end "
    "rates = {1, 2, 3, key = 'val', [2.5] = 1, [true] = 2} "
    "kvp = {a = 'foo', r = rates, deep = {{{{}}}}} "
    "cyclea = {} cycleb = {cyclea, f} cyclea.b = cycleb "
    "class = setmetatable({1}, {}) own = _G mod = string "
    "data = circular_buffer.new(3, 2, 1, true) data:set_header(2, 'x', 'B', 'max') "
    "data:set(5e9, 1, 7) data:add(6e9, 2, 8.5) other = data nested = {cb = data} "
    "small = circular_buffer.new(2, 1, 60)";

static void all_kinds_come_back(void **state)
{
    (void)state;
    struct buffer log = {0}, first = {0};
    struct sandbox *sandbox =
        new_sandbox("class = nil own = nil mod = nil " /* what is not kept */, &log);
    sandbox_free(sandbox);
    round_trip(many, "", &log);
    sandbox = new_sandbox(many, &first);
    dump(sandbox, &first);
    sandbox_free(sandbox);
    assert_non_null(strstr(first.data, "mod = {"));
    assert_null(strstr(log.data, "mod ="));
    assert_null(strstr(log.data, "own ="));
    assert_null(strstr(log.data, "class ="));
    assert_non_null(strstr(log.data, "cyclea = {stringb={number1=#"));
    assert_non_null(strstr(log.data, "text = \"a\\0b\\\"\\\n\""));
    assert_non_null(strstr(log.data, "inf = inf\n"));
    assert_non_null(strstr(log.data, "nan = nan\n"));
    assert_non_null(strstr(log.data, "rates = #"));
    assert_non_null(strstr(log.data, "data = {\"time\":4,\"rows\":3,\"columns\":2"));
    assert_non_null(strstr(log.data, "nan\tnan\n7\tnan\nnan\t8.5\n"));
    assert_non_null(strstr(log.data, "{\"name\":\"x\",\"unit\":\"B\",\"aggregation\":\"max\"}"));
    buffer_fini(&log);
    buffer_fini(&first);
}

static void changes_and_identity_are_kept(void **state)
{
    (void)state;
    struct buffer log = {0};
    /* The object that the script's top level made is the one that gets the state. */
    round_trip("data = circular_buffer.new(2, 1, 1, true) data:add(0, 1, 3)",
               "data = circular_buffer.new(2, 1, 1, true) local own = data "
               "local inner = process_message function process_message() "
               "add_to_payload(own:format('cbufd')) return inner() end",
               &log);
    assert_non_null(strstr(log.data, "]}\n0\t3\n"));
    round_trip("a = {1} b = {a, a}", "", &log);
    assert_non_null(strstr(log.data, "a = {number1=1}\nb = {number1=#1,number2=#1}\n"));
    buffer_fini(&log);
}

static void versions_decide(void **state)
{
    (void)state;
    struct buffer log = {0};
    round_trip("_PRESERVATION_VERSION = 1 x = 1", "_PRESERVATION_VERSION = 1 x = 2", &log);
    assert_string_equal(log.data, "x = 1\n");
    round_trip("_PRESERVATION_VERSION = 1 x = 1", "_PRESERVATION_VERSION = 2 x = 2", &log);
    assert_string_equal(log.data, "x = 2\n");
    round_trip("x = 1", "_PRESERVATION_VERSION = 2 x = 2", &log);
    assert_string_equal(log.data, "x = 2\n");
    round_trip("_PRESERVATION_VERSION = 1 x = 1", "x = 2", &log);
    assert_string_equal(log.data, "x = 1\n");
    buffer_fini(&log);
}

static void what_cannot_be_saved_has_a_text(void **state)
{
    (void)state;
    struct buffer log = {0}, out = {0};
    struct sandbox *sandbox =
        new_sandbox("good = 1 t = {[function() end] = 'foo', [print or error] = nil}", &log);
    CHECK(buffer_append_text(&out, "before") == 0);
    err = (struct err){0};
    assert_int_equal(sandbox_preserve(sandbox, &out, &err), -1);
    assert_string_equal(err.texts[0], "Destroy() serialize_data cannot preserve type 'function'");
    assert_int_equal(out.size, 6);
    dump(sandbox, &log);
    assert_non_null(strstr(log.data, "good = 1\n"));
    sandbox_free(sandbox);
    sandbox = new_sandbox("t = {} for i = 1, 10000 do t[i] = 'a text of some length' end", &log);
    out.max_size = 10000;
    err = (struct err){0};
    assert_int_equal(sandbox_preserve(sandbox, &out, &err), -1);
    assert_string_equal(err.texts[0], "Destroy() preserved data too large");
    assert_int_equal(out.size, 6);
    sandbox_free(sandbox);
    buffer_fini(&log);
    buffer_fini(&out);
}

static void shapes_have_to_fit(void **state)
{
    (void)state;
    struct buffer log = {0}, out = {0};
    struct sandbox *sandbox = new_sandbox("data = circular_buffer.new(3, 1, 1)", &log);
    err = (struct err){0};
    assert_int_equal(sandbox_preserve(sandbox, &out, &err), 0);
    sandbox_free(sandbox);
    sandbox = new_sandbox("data = circular_buffer.new(4, 1, 1)", &log);
    assert_int_equal(sandbox_restore(sandbox, out.data, out.size, &err), -1);
    assert_non_null(strstr(err.texts[0], "Init() the preserved lsb.circular_buffer is not like"));
    assert_true(sandbox_is_terminated(sandbox));
    err = (struct err){0};
    assert_int_equal(sandbox_preserve(sandbox, &out, &err), -1);
    sandbox_free(sandbox);
    buffer_fini(&log);
    buffer_fini(&out);
}

/* Long lists do not recurse, and memory_limit does not count what saving needs. */
static void large_states_are_saved(void **state)
{
    (void)state;
    struct buffer log = {0};
    round_trip("list = {} do local at = list for i = 1, 30000 do at[1] = {} at = at[1] end end",
               "local inner = process_message function process_message() local n = 0 "
               "while list do list = list[1] n = n + 1 end depth = n return inner() end",
               &log);
    assert_string_equal(log.data, "depth = 30001\n");
    buffer_fini(&log);
}

/* Every prefix, and many with a bit turned: refused or taken, and the script still runs. */
static void damaged_states_are_refused(void **state)
{
    (void)state;
    struct buffer log = {0}, out = {0};
    struct sandbox *sandbox = new_sandbox(many, &log);
    uint32_t random = 1;
    unsigned refused = 0;
    err = (struct err){0};
    assert_int_equal(sandbox_preserve(sandbox, &out, &err), 0);
    sandbox_free(sandbox);
    for (size_t i = 0; i < out.size; i += 31) {
        sandbox = new_sandbox("", &log);
        err = (struct err){0};
        if (sandbox_restore(sandbox, out.data, i, &err) == 0)
            assert_int_equal(i, 0);
        else
            assert_non_null(strstr(err.texts[0], "Init() "));
        sandbox_free(sandbox);
    }
    for (unsigned i = 0; i < FLIPS; i++) {
        random = random * 1664525 + 1013904223;
        uint8_t *byte = (uint8_t *)out.data + (random >> 8) % out.size;
        uint8_t bit = (uint8_t)(1U << (random >> 4 & 7));
        *byte ^= bit;
        sandbox = new_sandbox("", &log);
        err = (struct err){0};
        if (sandbox_restore(sandbox, out.data, out.size, &err) == 0)
            dump(sandbox, &log);
        else
            refused++;
        sandbox_free(sandbox);
        *byte ^= bit;
    }
    assert_true(refused > FLIPS / 20);
    buffer_fini(&log);
    buffer_fini(&out);
}

static void import(const char *name, const struct buffer *in, struct buffer *out)
{
    struct buffer log = {0};
    const char *globals =
        strstr(name, "existing") != NULL ? "data = circular_buffer.new(3, 3, 1) alias = data" : "";
    struct sandbox *sandbox = new_sandbox(globals, &log);
    err = (struct err){0};
    if (sandbox_restore(sandbox, in->data, in->size, &err) != 0)
        CHECK(buffer_printf(out, "%s\n", err.texts[0]) == 0);
    else
        dump(sandbox, &log);
    CHECK(buffer_append_text(out, log.size > 0 ? log.data : "") == 0);
    sandbox_free(sandbox);
    buffer_fini(&log);
}

static void hekas_text_is_imported(void **state)
{
    (void)state;
    assert_int_equal(golden_run("sandbox/preserved", CASES_MIN, import), 0);
}

/* Of 10 items with 0.01, and of 16: after adding "alpha" and 1.5, by libxxhash and lua_sandbox's
 * rules. */
#define BLOOM_BITS   "\\140\\000\\004\\001\\000\\096\\000\\001\\000\\135\\192\\000"
#define CUCKOO_ZEROS "\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000"
#define CUCKOO_SLOTS "\\075\\233" CUCKOO_ZEROS "\\144\\062" CUCKOO_ZEROS

static const char filters_script[] =
    "require 'bloom_filter' require 'cuckoo_filter' "
    "local inner = process_message function process_message() "
    "for _, n in ipairs({'b', 'old', 'c', 'late'}) do local f = _G[n] "
    "_G['r_' .. n] = tostring(f:query('alpha')) .. tostring(f:query(1.5)) .. "
    "tostring(f:query('beta')) .. f:count() _G[n] = nil end "
    "bloom_filter = nil cuckoo_filter = nil return inner() end";

static const char filters_text[] =
    "if _G[\"b\"] == nil then _G[\"b\"] = bloom_filter.new(10, 0.01) end\n"
    "_G[\"b\"]:fromstring(2, \"" BLOOM_BITS "\")\n"
    "if _G[\"old\"] == nil then _G[\"old\"] = bloom_filter.new(10, 0.01) end\n"
    "_G[\"old\"]:fromstring(\"" BLOOM_BITS "\")\n"
    "if _G[\"c\"] == nil then _G[\"c\"] = cuckoo_filter.new(16) end\n"
    "_G[\"c\"]:fromstring(2, \"" CUCKOO_SLOTS "\", 1)\n"
    "if _G[\"late\"] == nil then _G[\"late\"] = cuckoo_filter.new(16) end\n"
    "_G[\"late\"]:fromstring(2, \"" CUCKOO_SLOTS "\")\n";

static void hekas_filters_are_imported(void **state)
{
    (void)state;
    struct buffer log = {0};
    struct sandbox *sandbox = new_sandbox(filters_script, &log);
    err = (struct err){0};
    assert_int_equal(sandbox_restore(sandbox, filters_text, strlen(filters_text), &err), 0);
    CHECK(buffer_append(&log, "", 1) == 0);
    assert_string_equal(log.data,
                        "log cuckoo_filter: buckets of another version are not imported\n");
    dump(sandbox, &log);
    assert_string_equal(log.data, "r_b = \"truetruefalse2\"\nr_c = \"truetruefalse2\"\n"
                                  "r_late = \"falsefalsefalse0\"\n"
                                  "r_old = \"truetruefalse0\"\n");
    sandbox_free(sandbox);
    buffer_fini(&log);
}

/* A watchdog that ends each call from inside of it. */
static enum sandbox_inject stop_call(void *host, const void *message, size_t size)
{
    struct sandbox **sandbox = host;
    (void)message;
    (void)size;
    sandbox_stop(*sandbox, sandbox_call_serial(*sandbox));
    return SANDBOX_INJECT_OK;
}

static void an_input_that_is_stopped_keeps_its_state(void **state)
{
    (void)state;
    struct buffer log = {0}, out = {0};
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    sandbox_rig_init(&rig);
    struct sandbox_config config = sandbox_rig_config(
        &rig, SANDBOX_INPUT,
        "n = 0 function process_message() while true do n = n + 1 pcall(function() "
        "if n == 7 then inject_message({}) while true do end end end) end end",
        "input.lua");
    config.host = (struct sandbox_host){.host = &sandbox, .inject_message = stop_call};
    err = (struct err){0};
    assert_int_equal(sandbox_new(&config, &sandbox, &err), 0);
    assert_int_equal(sandbox_process_message(sandbox, NULL), SANDBOX_FAILED);
    assert_string_equal(sandbox_text(sandbox), "process_message() shutting down");
    assert_false(sandbox_is_terminated(sandbox));
    assert_int_equal(sandbox_preserve(sandbox, &out, &err), 0);
    sandbox_free(sandbox);
    sandbox = new_sandbox("", &log);
    assert_int_equal(sandbox_restore(sandbox, out.data, out.size, &err), 0);
    dump(sandbox, &log);
    assert_string_equal(log.data, "n = 7\n");
    sandbox_free(sandbox);
    sandbox_rig_fini(&rig);
    buffer_fini(&log);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_come_back),
        cmocka_unit_test(changes_and_identity_are_kept),
        cmocka_unit_test(versions_decide),
        cmocka_unit_test(what_cannot_be_saved_has_a_text),
        cmocka_unit_test(shapes_have_to_fit),
        cmocka_unit_test(large_states_are_saved),
        cmocka_unit_test(damaged_states_are_refused),
        cmocka_unit_test(hekas_text_is_imported),
        cmocka_unit_test(hekas_filters_are_imported),
        cmocka_unit_test(an_input_that_is_stopped_keeps_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
