/* SPDX-License-Identifier: MPL-2.0
 *
 * restore.c - a script's globals from bytes.
 */
#include <string.h>

#include "sandbox/preserve.h"
#include "sandbox/userdata.h"

struct reader {
    lua_State *lua;
    const uint8_t *start, *at, *end;
    uint32_t count;     /* of tables and objects */
    int values, tables; /* on the stack: number -> value; the tables in their order */
};

/* ---- bytes ---- */

static int fail(const struct reader *r, const char *reason)
{
    return luaL_error(r->lua, "preserved data is damaged at byte %d: %s", (int)(r->at - r->start),
                      reason);
}

static const uint8_t *take(struct reader *r, uint64_t size)
{
    const uint8_t *bytes = r->at;
    if ((uint64_t)(r->end - r->at) < size)
        fail(r, "it ends too early");
    r->at += size;
    return bytes;
}

static uint64_t take_varint(struct reader *r)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        uint8_t byte = *take(r, 1);
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return number;
    }
    fail(r, "a number is too long");
    return 0;
}

static double take_number(struct reader *r)
{
    double number;
    memcpy(&number, take(r, sizeof(number)), sizeof(number));
    return number;
}

static void push_string(struct reader *r)
{
    uint64_t size = take_varint(r);
    lua_pushlstring(r->lua, (const char *)take(r, size), (size_t)size);
}

/* ---- values ---- */

/* The value on top gets the next number. */
static void number_value(struct reader *r)
{
    lua_pushvalue(r->lua, -1);
    lua_rawseti(r->lua, r->values, (int)++r->count);
}

static void push_table(struct reader *r)
{
    lua_newtable(r->lua);
    number_value(r);
    lua_pushvalue(r->lua, -1);
    lua_rawseti(r->lua, r->tables, (int)lua_objlen(r->lua, r->tables) + 1);
}

/* An object that the script's top level has made under the global name on top gets the state, so
 * that other names of it still are the same object. False: there is none. */
static bool adopt(struct reader *r, struct msg_slice class_name, const uint8_t *state, size_t size)
{
    lua_State *lua = r->lua;
    lua_pushvalue(lua, -1);
    lua_rawget(lua, LUA_GLOBALSINDEX);
    const struct userdata_class *class = userdata_class_of(lua, -1);
    if (class == NULL) {
        lua_pop(lua, 1);
        return false;
    }
    if (strlen(class->name) != class_name.len ||
        memcmp(class->name, class_name.ptr, class_name.len) != 0 || class->adopt == NULL ||
        !class->adopt(lua, lua_gettop(lua), state, size))
        luaL_error(lua,
                   "the preserved %s is not like the script's; " PRESERVE_VERSION_NAME
                   " says when they differ",
                   class->name);
    return true;
}

static void push_object(struct reader *r, bool is_global)
{
    uint64_t name_size = take_varint(r);
    struct msg_slice name = {(const char *)take(r, name_size), (uint32_t)name_size};
    uint32_t size;
    memcpy(&size, take(r, sizeof(size)), sizeof(size));
    const uint8_t *state = take(r, size);
    if (!(is_global && adopt(r, name, state, size)) && !userdata_load(r->lua, name, state, size))
        fail(r, "an object is of no known kind");
    number_value(r);
}

static void push_ref(struct reader *r)
{
    uint64_t number = take_varint(r);
    if (number >= r->count)
        fail(r, "a reference leads nowhere");
    lua_rawgeti(r->lua, r->values, (int)number + 1);
}

static void push_value(struct reader *r, uint8_t tag, bool is_global)
{
    switch ((enum preserve_tag)tag) {
    case PRESERVE_FALSE:
    case PRESERVE_TRUE:
        lua_pushboolean(r->lua, tag == PRESERVE_TRUE);
        break;
    case PRESERVE_NUMBER:
        lua_pushnumber(r->lua, take_number(r));
        break;
    case PRESERVE_STRING:
        push_string(r);
        break;
    case PRESERVE_TABLE:
        push_table(r);
        break;
    case PRESERVE_OBJECT:
        push_object(r, is_global);
        break;
    case PRESERVE_REF:
        push_ref(r);
        break;
    default:
        fail(r, "no value");
    }
}

static void push_key(struct reader *r, uint8_t tag)
{
    if (tag != PRESERVE_FALSE && tag != PRESERVE_TRUE && tag != PRESERVE_NUMBER &&
        tag != PRESERVE_STRING)
        fail(r, "no key");
    push_value(r, tag, false);
    if (tag == PRESERVE_NUMBER && lua_tonumber(r->lua, -1) != lua_tonumber(r->lua, -1))
        fail(r, "no key");
}

/* The pairs of the table at `table`. */
static void read_pairs(struct reader *r, int table, bool is_globals)
{
    uint8_t tag;
    while ((tag = *take(r, 1)) != PRESERVE_END) {
        push_key(r, tag);
        push_value(r, *take(r, 1), is_globals);
        lua_rawset(r->lua, table);
    }
    limits_charge(r->lua, 1);
}

/* ---- all ---- */

static void read_all(lua_State *lua, const uint8_t *state, size_t size)
{
    bool has_version;
    struct reader r = {.lua = lua, .start = state, .at = state, .end = state + size};
    take(&r, PRESERVE_MAGIC_SIZE);
    double version = take_number(&r);
    double own = preserve_version(lua, &has_version);
    if (has_version && own != version)
        return;
    lua_newtable(lua);
    r.values = lua_gettop(lua);
    lua_newtable(lua);
    r.tables = lua_gettop(lua);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    read_pairs(&r, r.tables + 1, true);
    for (int i = 1; i <= (int)lua_objlen(lua, r.tables); i++) {
        lua_rawgeti(lua, r.tables, i);
        read_pairs(&r, lua_gettop(lua), false);
        lua_pop(lua, 1);
    }
    if (r.at != r.end)
        fail(&r, "something is behind it");
}

struct restore {
    const uint8_t *state;
    size_t size;
};

static int restore(lua_State *lua)
{
    const struct restore *restore = lua_touserdata(lua, 1);
    luaL_checkstack(lua, 20, "preservation");
    if (restore->size >= PRESERVE_MAGIC_SIZE &&
        memcmp(restore->state, preserve_magic, PRESERVE_MAGIC_SIZE) == 0)
        read_all(lua, restore->state, restore->size);
    else
        preserve_import(lua, (const char *)restore->state, restore->size);
    return 0;
}

int sandbox_restore(struct sandbox *sandbox, const void *state, size_t size, struct err *err)
{
    struct restore argument = {.state = state, .size = size};
    uint64_t instructions = sandbox->config.limits.instruction_limit;
    if (sandbox->is_terminated)
        return err_add(err, "Init() the sandbox is terminated");
    sandbox->call = CALL_INIT;
    sandbox->config.limits.instruction_limit = 0;
    limits_begin(sandbox, __builtin_frame_address(0));
    int rc = lua_cpcall(sandbox->lua, restore, &argument);
    limits_end(sandbox);
    sandbox->config.limits.instruction_limit = instructions;
    if (rc == 0 && sandbox->trip == TRIP_NONE) {
        lua_settop(sandbox->lua, 0);
        return 0;
    }
    sandbox_terminate_by_error(sandbox);
    return err_add(err, "%s", sandbox->text);
}
