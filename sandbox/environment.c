/* SPDX-License-Identifier: MPL-2.0
 *
 * environment.c - the globals of a script: an empty table into which what is harmless is copied.
 */
#include "sandbox/sandbox_internal.h"

#include <string.h>

/* Copied as they are. What is missing here does not exist for a script. */
static const char *const base_names[] = {"assert",   "error",  "ipairs",   "next",   "pairs",
                                         "rawequal", "rawget", "rawset",   "select", "tonumber",
                                         "type",     "unpack", "_VERSION", NULL};
static const char *const string_names[] = {"byte", "char",    "format", "len",   "lower",
                                           "rep",  "reverse", "sub",    "upper", NULL};
static const char *const table_names[] = {"concat", "foreach", "foreachi", "getn",
                                          "maxn",   "remove",  NULL};
static const char *const os_names[] = {"clock", "difftime", NULL};
/* Of sandboxes that may do I/O, too. */
static const char *const io_base_names[] = {"collectgarbage", "coroutine", NULL};
static const char *const io_os_names[] = {"clock",  "difftime", "execute", "getenv",
                                          "remove", "rename",   "tmpname", NULL};
static const char *const io_names[] = {"close",  "flush",   "input", "lines",  "open",
                                       "output", "popen",   "read",  "stderr", "stdin",
                                       "stdout", "tmpfile", "type",  "write",  NULL};
static const char *const bit_names[] = {"arshift", "band",   "bnot", "bor", "bswap",
                                        "bxor",    "lshift", "rol",  "ror", "rshift",
                                        "tobit",   "tohex",  NULL};
static const char *const math_names[] = {
    "abs",    "acos",       "asin",  "atan", "atan2", "ceil", "cos",   "cosh",
    "deg",    "exp",        "floor", "fmod", "frexp", "huge", "ldexp", "log",
    "log10",  "max",        "min",   "modf", "mod",   "pi",   "pow",   "rad",
    "random", "randomseed", "sin",   "sinh", "sqrt",  "tan",  "tanh",  NULL};

/* ---- replaced functions ---- */

/* Of tables only: userdata's and strings' would lead to the host's. lpeg's patterns have a table
 * of their operators to be shown. */
static int get_metatable(lua_State *lua)
{
    luaL_checkany(lua, 1);
    bool is_table = lua_istable(lua, 1);
    if ((!is_table && lua_type(lua, 1) != LUA_TUSERDATA) || !lua_getmetatable(lua, 1))
        return lua_pushnil(lua), 1;
    lua_pushliteral(lua, "__metatable");
    lua_rawget(lua, -2);
    if (lua_isnil(lua, -1) && is_table)
        lua_pop(lua, 1);
    return 1;
}

static int set_metatable(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_argcheck(lua, lua_isnil(lua, 2) || lua_istable(lua, 2), 2, "nil or table expected");
    lua_settop(lua, 2);
    if (lua_getmetatable(lua, 1)) {
        lua_pushliteral(lua, "__metatable");
        lua_rawget(lua, -2);
        if (!lua_isnil(lua, -1))
            return luaL_error(lua, "cannot change a protected metatable");
        lua_settop(lua, 2);
    }
    lua_setmetatable(lua, 1);
    return 1;
}

/* The function that calls it: Heka's modules have setfenv(1, M). */
static int set_fenv(lua_State *lua)
{
    lua_Debug debug;
    luaL_checktype(lua, 2, LUA_TTABLE);
    if (lua_type(lua, 1) != LUA_TNUMBER || lua_tonumber(lua, 1) != 1)
        return luaL_error(lua, "setfenv() is for level 1 only");
    if (!lua_getstack(lua, 1, &debug) || !lua_getinfo(lua, "f", &debug) || lua_iscfunction(lua, -1))
        return luaL_error(lua, "setfenv() needs a function that calls it");
    lua_pushvalue(lua, 2);
    lua_setfenv(lua, -2);
    return 1;
}

enum { CAUGHT_STEPS = 100 * SANDBOX_PATTERN_STEPS }; /* what a caught error counts */

/* An error was caught: it counts, and what ends the call is thrown on. LuaJIT's own functions
 * catch the stack overflow of a recursion that the hook, for want of stack, never sees. What was
 * thrown through has left its texts in the scratch. */
static void caught(lua_State *lua, size_t scratch_size)
{
    sandbox_of(lua)->scratch.size = scratch_size;
    limits_charge(lua, CAUGHT_STEPS);
}

static int safe_pcall(lua_State *lua)
{
    luaL_checkany(lua, 1);
    limits_charge(lua, SANDBOX_PATTERN_STEPS);
    size_t scratch_size = sandbox_of(lua)->scratch.size;
    bool ok = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0;
    if (!ok)
        caught(lua, scratch_size);
    luaL_checkstack(lua, 1, "pcall");
    lua_pushboolean(lua, ok);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* The handler runs after the stack was unwound, so it cannot outlive a limit. */
static int safe_xpcall(lua_State *lua)
{
    luaL_checkany(lua, 2);
    limits_charge(lua, SANDBOX_PATTERN_STEPS);
    int args = lua_gettop(lua) - 2;
    lua_pushvalue(lua, 2); /* handler, function, arguments */
    lua_pushvalue(lua, 1);
    lua_replace(lua, 2);
    lua_replace(lua, 1);
    size_t scratch_size = sandbox_of(lua)->scratch.size;
    int rc = lua_pcall(lua, args, LUA_MULTRET, 0);
    if (rc == 0) {
        lua_pushboolean(lua, 1);
        lua_replace(lua, 1);
        return lua_gettop(lua);
    }
    caught(lua, scratch_size);
    lua_pushvalue(lua, 1);
    lua_insert(lua, -2);
    lua_call(lua, 1, 1);
    lua_pushboolean(lua, 0);
    lua_insert(lua, -2);
    return 2;
}

/* As tostring, which calls __tostring from C without end and unseen by the hook when that is
 * tostring again. */
static int to_string(lua_State *lua)
{
    luaL_checkany(lua, 1);
    limits_charge(lua, SANDBOX_PATTERN_STEPS);
    if (lua_istable(lua, 1) && luaL_callmeta(lua, 1, "__tostring"))
        return 1;
    lua_settop(lua, 1);
    if (!lua_istable(lua, 1)) {
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_insert(lua, 1);
        lua_call(lua, 1, 1);
        return 1;
    }
    lua_pushfstring(lua, "table: %p", lua_topointer(lua, 1));
    return 1;
}

/* What table.sort compares with: counts, also where no Lua function is called. */
static int compare(lua_State *lua)
{
    limits_charge(lua, SANDBOX_PATTERN_STEPS);
    lua_settop(lua, 2);
    if (lua_isnil(lua, lua_upvalueindex(1))) {
        lua_pushboolean(lua, lua_lessthan(lua, 1, 2));
        return 1;
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, 2, 1);
    return 1;
}

static int sort(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    if (!lua_isnil(lua, 2))
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_pushcclosure(lua, compare, 1);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, 2, 0);
    return 0;
}

/* LuaJIT's moves elements one by one: down to a position that may be far below 0, or from a border
 * that a few keys put at 2^30. */
static int insert(lua_State *lua)
{
    enum { ELEMENT_SIZE = 8 };
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (lua_gettop(lua) == 3) {
        lua_Number position = luaL_checknumber(lua, 2);
        luaL_argcheck(lua, position >= 1, 2, "position out of bounds");
        lua_Number moved = (lua_Number)lua_objlen(lua, 1) - position;
        size_t most = sandbox_of(lua)->config.limits.memory_limit / ELEMENT_SIZE;
        luaL_argcheck(lua, moved <= (lua_Number)most, 2, "too many elements to move");
        limits_charge(lua, moved > 0 ? (uint64_t)moved : 1);
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 0);
    return 0;
}

/* ---- opening ---- */

/* Opens one of LuaJIT's libraries in the scratch globals. */
static void open_library(lua_State *lua, lua_CFunction open, const char *name)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 1);
}

/* Copies names from the table at `from` to the one on top. */
static void copy_names(lua_State *lua, int from, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_getfield(lua, from, *names);
        lua_setfield(lua, -2, *names);
    }
}

/* The library `name` of the scratch globals, what is listed of it, in the table at `to`. Leaves it
 * on the stack. */
static void copy_library(lua_State *lua, int to, const char *name, const char *const *names)
{
    lua_getfield(lua, LUA_GLOBALSINDEX, name);
    lua_newtable(lua);
    copy_names(lua, lua_gettop(lua) - 1, names);
    lua_remove(lua, -2);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, to, name);
}

/* A function that has the original of its name in the table at -1 (of the scratch) as upvalue. */
static void wrap(lua_State *lua, const char *library, const char *name, lua_CFunction function)
{
    lua_getfield(lua, LUA_GLOBALSINDEX, library);
    lua_getfield(lua, -1, name);
    lua_remove(lua, -2);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
}

/* String methods are those of the listed table. */
static void guard_strings(lua_State *lua)
{
    lua_pushliteral(lua, "");
    if (!lua_getmetatable(lua, -1))
        lua_newtable(lua);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

static void clear_registry_table(lua_State *lua, const char *name)
{
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, name);
}

static void open_scratch(lua_State *lua)
{
    const struct sandbox_config *config = &sandbox_of(lua)->config;
    open_library(lua, luaopen_base, "");
    open_library(lua, luaopen_string, LUA_STRLIBNAME);
    open_library(lua, luaopen_table, LUA_TABLIBNAME);
    open_library(lua, luaopen_math, LUA_MATHLIBNAME);
    open_library(lua, luaopen_os, LUA_OSLIBNAME);
    open_library(lua, luaopen_bit, LUA_BITLIBNAME);
    if (config->io)
        open_library(lua, luaopen_io, LUA_IOLIBNAME);
    if (config->jit) /* which makes the compiler run */
        open_library(lua, luaopen_jit, LUA_JITLIBNAME);
    lua_settop(lua, 0);
    /* A literal like 1LL loads ffi while it is parsed. Its table is loaded here and kept: LuaJIT
     * uses it after it was collected otherwise. */
    open_library(lua, luaopen_ffi, LUA_FFILIBNAME);
    (void)luaL_ref(lua, LUA_REGISTRYINDEX);
}

static void open_modules(lua_State *lua)
{
    lua_newtable(lua);
    int modules = lua_gettop(lua);
    copy_library(lua, modules, LUA_STRLIBNAME, string_names);
    pattern_open(lua);
    guard_strings(lua);
    lua_pop(lua, 1);
    copy_library(lua, modules, LUA_TABLIBNAME, table_names);
    wrap(lua, LUA_TABLIBNAME, "sort", sort);
    wrap(lua, LUA_TABLIBNAME, "insert", insert);
    lua_pop(lua, 1);
    copy_library(lua, modules, LUA_MATHLIBNAME, math_names);
    lua_pop(lua, 1);
    copy_library(lua, modules, LUA_BITLIBNAME, bit_names);
    lua_pop(lua, 1);
    bool has_io = sandbox_of(lua)->config.io;
    copy_library(lua, modules, LUA_OSLIBNAME, has_io ? io_os_names : os_names);
    os_time_open(lua);
    lua_pop(lua, 1);
    if (!has_io)
        return;
    copy_library(lua, modules, LUA_IOLIBNAME, io_names);
    lua_pop(lua, 1);
}

static void set_function(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_pushcfunction(lua, function);
    lua_setfield(lua, -2, name);
}

void environment_open(lua_State *lua)
{
    open_scratch(lua);
    open_modules(lua);
    lua_newtable(lua); /* modules, globals */
    copy_names(lua, LUA_GLOBALSINDEX, base_names);
    if (sandbox_of(lua)->config.io)
        copy_names(lua, LUA_GLOBALSINDEX, io_base_names);
    wrap(lua, "_G", "tostring", to_string);
    set_function(lua, "getmetatable", get_metatable);
    set_function(lua, "setmetatable", set_metatable);
    set_function(lua, "setfenv", set_fenv);
    set_function(lua, "pcall", safe_pcall);
    set_function(lua, "xpcall", safe_xpcall);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -2, "_G");
    clear_registry_table(lua, "_LOADED");
    clear_registry_table(lua, "_PRELOAD");
    lua_replace(lua, LUA_GLOBALSINDEX);
    modules_open(lua);
}
