/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_originals.c - the modules lpeg, cjson and re against the originals on random input:
 * tests/golden/sandbox/originals.
 *
 * The originals are Debian's packages lua-lpeg and lua-cjson in a plain Lua state; without them
 * the comparison is skipped. ORIGINALS_ROUNDS=N makes N times as much of it.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "tests/support/sandbox_rig.h"

enum { SEEDS = 60, ROUNDS = 40 };

static struct err err;

struct comparison {
    const char *module;
    char *script;
};

static char *read_file(const char *name)
{
    char path[1024];
    struct buffer text = {0};
    char block[4096];
    size_t size;
    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/sandbox/originals/%s.lua", name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    while ((size = fread(block, 1, sizeof(block), file)) > 0)
        CHECK(buffer_append(&text, block, size) == 0);
    fclose(file);
    CHECK(buffer_append(&text, "", 1) == 0);
    return text.data;
}

/* ---- the original ---- */

static int say(lua_State *lua)
{
    struct buffer *said = lua_touserdata(lua, lua_upvalueindex(1));
    size_t size;
    const char *text = luaL_checklstring(lua, 1, &size);
    CHECK(buffer_append(said, text, size) == 0);
    return 0;
}

/* False: there is no original. */
static bool run_original(const struct comparison *comparison, unsigned seed, struct buffer *said)
{
    char require[128];
    snprintf(require, sizeof(require), "%s = require '%s' jit.off()", comparison->module,
             comparison->module);
    lua_State *lua = luaL_newstate();
    CHECK(lua != NULL);
    luaL_openlibs(lua);
    bool is_there = luaL_dostring(lua, require) == 0;
    lua_pushlightuserdata(lua, said);
    lua_pushcclosure(lua, say, 1);
    lua_setglobal(lua, "say");
    lua_pushnumber(lua, seed);
    lua_setglobal(lua, "seed");
    lua_pushnumber(lua, ROUNDS);
    lua_setglobal(lua, "rounds");
    if (is_there && luaL_dostring(lua, comparison->script) != 0)
        CHECK(buffer_append_text(said, lua_tostring(lua, -1)) == 0);
    lua_close(lua);
    return is_there;
}

/* ---- ours ---- */

static enum sandbox_inject take_payload(void *host, const void *message, size_t size)
{
    struct buffer *said = host;
    struct msg_view view;
    CHECK(msg_view_init(&view, message, size) == 0);
    CHECK(buffer_append(said, view.payload.ptr, view.payload.len) == 0);
    return SANDBOX_INJECT_OK;
}

static void run_ours(const struct comparison *comparison, unsigned seed, struct buffer *said)
{
    struct sandbox_rig rig;
    struct sandbox *sandbox = NULL;
    struct buffer text = {0};
    sandbox_rig_init(&rig);
    CHECK(buffer_printf(&text,
                        "require '%s' require 'string' require 'table' seed = %u rounds = %u "
                        "function process_message() local say = add_to_payload %s\n"
                        "inject_payload() return 0 end",
                        comparison->module, seed, (unsigned)ROUNDS, comparison->script) == 0);
    struct sandbox_config config =
        sandbox_rig_config(&rig, SANDBOX_FILTER, text.data, "random.lua");
    config.module_directory = TEST_SOURCE_DIR "/../sandbox/lua/modules";
    config.host.host = said;
    config.host.inject_message = take_payload;
    config.host.now_ns = NULL;
    config.host.random = NULL;
    config.limits.instruction_limit = 0;
    config.limits.output_limit = 0;
    err = (struct err){0};
    if (sandbox_new(&config, &sandbox, &err) != 0)
        CHECK(buffer_append_text(said, err.texts[0]) == 0);
    else if (sandbox_process_message(sandbox, &rig.view) != SANDBOX_OK)
        CHECK(buffer_append_text(said, sandbox_text(sandbox)) == 0);
    sandbox_free(sandbox);
    buffer_fini(&text);
    sandbox_rig_fini(&rig);
}

static unsigned line_at(const struct buffer *a, const struct buffer *b, char *line, size_t size)
{
    size_t start = 0;
    unsigned number = 1;
    for (size_t i = 0; i < a->size && i < b->size && a->data[i] == b->data[i]; i++) {
        if (a->data[i] != '\n')
            continue;
        start = i + 1;
        number++;
    }
    snprintf(line, size, "%.*s | %.*s", (int)strcspn(a->data + start, "\n"), a->data + start,
             (int)strcspn(b->data + start, "\n"), b->data + start);
    return number;
}

static bool is_same(const struct comparison *comparison, unsigned seed)
{
    struct buffer original = {0}, ours = {0};
    char line[512] = "";
    if (!run_original(comparison, seed, &original)) {
        print_message("there is no lua-%s here to compare with\n", comparison->module);
        skip();
    }
    run_ours(comparison, seed, &ours);
    CHECK(buffer_append(&original, "", 1) == 0 && buffer_append(&ours, "", 1) == 0);
    bool same = original.size > ROUNDS && strcmp(original.data, ours.data) == 0;
    if (!same) {
        unsigned number = line_at(&original, &ours, line, sizeof(line));
        fprintf(stderr, "seed %u, line %u: %s\n", seed, number, line);
    }
    buffer_fini(&original);
    buffer_fini(&ours);
    return same;
}

static void compare(const char *module)
{
    const char *more = getenv("ORIGINALS_ROUNDS");
    unsigned seeds = SEEDS * (more != NULL ? (unsigned)strtoul(more, NULL, 10) : 1);
    unsigned failures = 0;
    struct comparison comparison = {.module = module, .script = read_file(module)};
    for (unsigned seed = 1; seed <= seeds; seed++)
        failures += !is_same(&comparison, seed);
    free(comparison.script);
    assert_int_equal(failures, 0);
}

static void random_patterns_match_as_the_originals(void **state)
{
    (void)state;
    compare("lpeg");
}

static void random_texts_and_values_are_as_the_originals(void **state)
{
    (void)state;
    compare("cjson");
}

static void random_texts_of_patterns_are_as_the_originals(void **state)
{
    (void)state;
    compare("re");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_patterns_match_as_the_originals),
        cmocka_unit_test(random_texts_and_values_are_as_the_originals),
        cmocka_unit_test(random_texts_of_patterns_are_as_the_originals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
