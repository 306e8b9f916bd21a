/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_classes.c - sandboxes that may do I/O, and those that LuaJIT compiles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/sandbox_rig.h"

static struct err err;

/* One call; what became of it. */
static enum sandbox_outcome run(const char *script, enum sandbox_type type, bool io, bool jit)
{
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    enum sandbox_outcome outcome = SANDBOX_TERMINATED;
    sandbox_rig_init(&rig);
    struct sandbox_config config = sandbox_rig_config(&rig, type, script, "class.lua");
    config.io = io;
    config.jit = jit;
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) == 0) {
        outcome = sandbox_process_message(sandbox, type == SANDBOX_INPUT ? NULL : &rig.view);
        if (outcome != SANDBOX_OK)
            err_add(&err, "%s", sandbox_text(sandbox));
    }
    sandbox_free(sandbox);
    sandbox_rig_fini(&rig);
    return outcome;
}

static void assert_runs(const char *script, enum sandbox_type type, bool io, bool jit)
{
    if (run(script, type, io, jit) != SANDBOX_OK)
        fail_msg("%s", err.texts[0]);
}

static void io_is_for_inputs_and_outputs(void **state)
{
    (void)state;
    static const char files[] =
        "require 'io' require 'os' require 'string' "
        "function process_message() "
        "local name = os.tmpname() local f = assert(io.open(name, 'w')) "
        "f:write('a', 1, '\\n') f:close() "
        "for line in io.lines(name) do assert(line == 'a1') end "
        "assert(os.rename(name, name .. 'x') and os.remove(name .. 'x')) "
        "assert(os.getenv('PATH') and os.execute('exit 0') == 0) "
        "assert(os.exit == nil and os.setlocale == nil) "
        "local c = coroutine.wrap(function() coroutine.yield(7) end) assert(c() == 7) "
        "collectgarbage() return 0 end";
    assert_runs(files, SANDBOX_INPUT, true, false);
    assert_runs(files, SANDBOX_OUTPUT, true, false);
    assert_int_equal(run(files, SANDBOX_OUTPUT, false, false), SANDBOX_TERMINATED);
    assert_non_null(strstr(err.texts[0], "module 'io' not found"));
    assert_int_equal(run(files, SANDBOX_FILTER, true, false), SANDBOX_TERMINATED);
    assert_non_null(strstr(err.texts[0], "module 'io' not found"));
    static const char plain[] =
        "require 'os' function process_message() assert(not os.execute and not coroutine and "
        "not collectgarbage and not os.getenv) return 0 end";
    assert_runs(plain, SANDBOX_DECODER, true, false);
}

static void modules_in_c_are_for_io(void **state)
{
    (void)state;
    static const char script[] =
        "local s = require 'socket' require 'string' require 'ltn12' "
        "function process_message() "
        "local server = assert(s.bind('127.0.0.1', 0)) local _, port = server:getsockname() "
        "local client = assert(s.connect('127.0.0.1', port)) local peer = server:accept() "
        "client:send('hello\\n') assert(peer:receive() == 'hello') "
        "client:close() peer:close() server:close() return 0 end";
    if (access("/usr/share/lua/5.1/socket.lua", R_OK) != 0) {
        print_message("there is no lua-socket here\n");
        skip();
    }
    assert_runs(script, SANDBOX_OUTPUT, true, false);
    assert_int_equal(run(script, SANDBOX_OUTPUT, false, false), SANDBOX_TERMINATED);
    assert_non_null(strstr(err.texts[0], "module 'socket' not found"));
    assert_int_equal(run("require 'nowhere.core'", SANDBOX_OUTPUT, true, false),
                     SANDBOX_TERMINATED);
    assert_non_null(strstr(err.texts[0], "module 'nowhere.core' not found"));
}

static void jit_gives_the_same_results(void **state)
{
    (void)state;
    static const char script[] =
        "require 'string' require 'lpeg' "
        "function process_message() local sum = 0 "
        "for i = 1, 3000000 do sum = sum + i % 7 end assert(sum == 8999997, sum) "
        "local t = {} for i = 1, 10000 do t[i] = string.format('%d', i) end "
        "assert(not pcall(error, 'x') and lpeg.match(lpeg.C(lpeg.R'09'^1), t[123]) == '123') "
        "assert(type(read_message('Payload')) == 'string' and not jit and not ffi) return 0 end";
    assert_runs(script, SANDBOX_FILTER, false, true);
    /* 3 million iterations are beyond the limit of a script that is interpreted. */
    assert_int_equal(run(script, SANDBOX_FILTER, false, false), SANDBOX_TERMINATED);
    assert_non_null(strstr(err.texts[0], "instruction_limit exceeded"));
    assert_int_equal(run("function process_message() local t = {} for i = 1, 1e8 do t[i] = i end "
                         "return 0 end",
                         SANDBOX_FILTER, false, true),
                     SANDBOX_TERMINATED);
    assert_non_null(strstr(err.texts[0], "not enough memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(io_is_for_inputs_and_outputs),
        cmocka_unit_test(modules_in_c_are_for_io),
        cmocka_unit_test(jit_gives_the_same_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
