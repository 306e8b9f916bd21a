/* SPDX-License-Identifier: MPL-2.0
 *
 * preserve.c - a script's globals as bytes.
 *
 * Tables are written one after the other, in the order in which they were met, so that neither
 * depth nor cycles matter.
 */
#include "sandbox/preserve.h"

#include <string.h>

#include "sandbox/userdata.h"

const char preserve_magic[PRESERVE_MAGIC_SIZE] = {'H', 'K', 'S', 'T', 'A', 'T', 'E', '\1'};

struct writer {
    lua_State *lua;
    struct buffer *out;
    const void *globals;
    uint32_t count;            /* of tables and objects */
    int tables, seen, modules; /* on the stack: number -> table, value -> number, module -> true */
};

/* ---- bytes ---- */

static uint8_t *reserve(struct writer *w, size_t size)
{
    if (buffer_reserve(w->out, size) != 0)
        luaL_error(w->lua, "preserved data too large");
    return (uint8_t *)w->out->data + w->out->size;
}

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
    memcpy(reserve(w, size), bytes, size);
    w->out->size += size;
}

static void put_tag(struct writer *w, enum preserve_tag tag)
{
    *reserve(w, 1) = (uint8_t)tag;
    w->out->size++;
}

static void put_varint(struct writer *w, uint64_t number)
{
    uint8_t *at = reserve(w, 10);
    size_t size = 0;
    for (; number >= 0x80; number >>= 7)
        at[size++] = (uint8_t)(number | 0x80);
    at[size++] = (uint8_t)number;
    w->out->size += size;
}

static void put_string(struct writer *w, const char *text, size_t size)
{
    put_tag(w, PRESERVE_STRING);
    put_varint(w, size);
    put_bytes(w, text, size);
}

static void put_number(struct writer *w, double number)
{
    uint8_t *at = reserve(w, 9);
    *at = PRESERVE_NUMBER;
    memcpy(at + 1, &number, sizeof(number));
    w->out->size += 9;
}

/* ---- tables and objects ---- */

/* The table or object on top: a reference if it was met before. */
static bool put_ref(struct writer *w)
{
    lua_pushvalue(w->lua, -1);
    lua_rawget(w->lua, w->seen);
    bool is_seen = !lua_isnil(w->lua, -1);
    uint32_t number = (uint32_t)lua_tonumber(w->lua, -1);
    lua_pop(w->lua, 1);
    if (is_seen) {
        put_tag(w, PRESERVE_REF);
        put_varint(w, number);
        return true;
    }
    lua_pushvalue(w->lua, -1);
    lua_pushnumber(w->lua, w->count++);
    lua_rawset(w->lua, w->seen);
    return false;
}

static void put_table(struct writer *w)
{
    if (put_ref(w))
        return;
    put_tag(w, PRESERVE_TABLE);
    lua_pushvalue(w->lua, -1);
    lua_rawseti(w->lua, w->tables, (int)lua_objlen(w->lua, w->tables) + 1);
}

static void put_object(struct writer *w)
{
    const struct userdata_class *class = userdata_class_of(w->lua, -1);
    if (put_ref(w))
        return;
    put_tag(w, PRESERVE_OBJECT);
    put_varint(w, strlen(class->name));
    put_bytes(w, class->name, strlen(class->name));
    size_t head = w->out->size;
    uint32_t size = 0;
    put_bytes(w, &size, sizeof(size));
    if (class->save(w->lua, lua_gettop(w->lua), w->out) != 0 || w->out->size - head > UINT32_MAX)
        luaL_error(w->lua, "preserved data too large");
    size = (uint32_t)(w->out->size - head - sizeof(size));
    memcpy(w->out->data + head, &size, sizeof(size));
}

/* ---- values ---- */

/* Of the table on top: modules, tables with metatables and _G are the script's own affair. */
static bool is_kept_table(struct writer *w)
{
    if (lua_topointer(w->lua, -1) == w->globals)
        return false;
    if (lua_getmetatable(w->lua, -1)) {
        lua_pop(w->lua, 1);
        return false;
    }
    lua_pushvalue(w->lua, -1);
    lua_rawget(w->lua, w->modules);
    bool is_module = !lua_isnil(w->lua, -1);
    lua_pop(w->lua, 1);
    return !is_module;
}

static bool is_kept(struct writer *w)
{
    const struct userdata_class *class;
    switch (lua_type(w->lua, -1)) {
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
        return true;
    case LUA_TTABLE:
        return is_kept_table(w);
    case LUA_TUSERDATA:
        class = userdata_class_of(w->lua, -1);
        return class != NULL && class->save != NULL;
    default:
        return false;
    }
}

static void put_text_at(struct writer *w, int index)
{
    size_t size;
    const char *text = lua_tolstring(w->lua, index, &size);
    put_string(w, text, size);
}

static void put_key(struct writer *w, int index)
{
    switch (lua_type(w->lua, index)) {
    case LUA_TSTRING:
        put_text_at(w, index);
        break;
    case LUA_TNUMBER:
        put_number(w, lua_tonumber(w->lua, index));
        break;
    case LUA_TBOOLEAN:
        put_tag(w, lua_toboolean(w->lua, index) ? PRESERVE_TRUE : PRESERVE_FALSE);
        break;
    default:
        luaL_error(w->lua, "serialize_data cannot preserve type '%s'",
                   luaL_typename(w->lua, index));
    }
}

/* The value on top. */
static void put_value(struct writer *w)
{
    int type = lua_type(w->lua, -1);
    if (type == LUA_TTABLE)
        put_table(w);
    else if (type == LUA_TUSERDATA)
        put_object(w);
    else
        put_key(w, -1);
}

/* The script's version is in the head; what the host sets is not the script's. */
static bool is_kept_global(lua_State *lua)
{
    if (lua_type(lua, -2) != LUA_TSTRING)
        return true;
    const char *name = lua_tostring(lua, -2);
    return strcmp(name, PRESERVE_VERSION_NAME) != 0 && strcmp(name, "_VERSION") != 0;
}

/* The pairs of the table on top. */
static void put_pairs(struct writer *w, bool is_globals)
{
    lua_pushnil(w->lua);
    while (lua_next(w->lua, -2) != 0) {
        if (is_kept(w) && (!is_globals || is_kept_global(w->lua))) {
            put_key(w, -2);
            put_value(w);
        }
        lua_pop(w->lua, 1);
    }
    put_tag(w, PRESERVE_END);
    limits_charge(w->lua, 1);
}

/* ---- all ---- */

double preserve_version(lua_State *lua, bool *has_version)
{
    lua_pushliteral(lua, PRESERVE_VERSION_NAME);
    lua_rawget(lua, LUA_GLOBALSINDEX);
    *has_version = lua_type(lua, -1) == LUA_TNUMBER;
    double version = *has_version ? lua_tonumber(lua, -1) : 0;
    lua_pop(lua, 1);
    return version;
}

/* Pushes a table with the modules that were loaded as its keys. */
static void push_modules(lua_State *lua)
{
    lua_newtable(lua);
    lua_getfield(lua, LUA_REGISTRYINDEX, MODULES_LOADED);
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        lua_pushboolean(lua, 1);
        lua_rawset(lua, -5);
    }
    lua_pop(lua, 1);
}

static int save(lua_State *lua)
{
    bool has_version;
    struct writer w = {.lua = lua, .out = lua_touserdata(lua, 1)};
    double version = preserve_version(lua, &has_version);
    luaL_checkstack(lua, 20, "preservation");
    put_bytes(&w, preserve_magic, PRESERVE_MAGIC_SIZE);
    put_bytes(&w, &version, sizeof(version));
    lua_newtable(lua);
    w.tables = lua_gettop(lua);
    lua_newtable(lua);
    w.seen = lua_gettop(lua);
    push_modules(lua);
    w.modules = lua_gettop(lua);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    w.globals = lua_topointer(lua, -1);
    put_pairs(&w, true);
    lua_pop(lua, 1);
    for (int i = 1; i <= (int)lua_objlen(lua, w.tables); i++) {
        lua_rawgeti(lua, w.tables, i);
        put_pairs(&w, false);
        lua_pop(lua, 1);
    }
    return 0;
}

int sandbox_preserve(struct sandbox *sandbox, struct buffer *out, struct err *err)
{
    if (sandbox->is_terminated)
        return err_add(err, "Destroy() the sandbox is terminated");
    lua_State *lua = sandbox->lua;
    size_t start = out->size, limit = sandbox->memory_limit;
    uint64_t instructions = sandbox->config.limits.instruction_limit;
    struct sandbox_usage usage = sandbox->usage;
    sandbox->memory_limit = 0; /* saving is the host's work */
    sandbox->config.limits.instruction_limit = 0;
    limits_begin(sandbox, __builtin_frame_address(0));
    int rc = lua_cpcall(lua, save, out);
    limits_end(sandbox);
    sandbox->memory_limit = limit;
    sandbox->config.limits.instruction_limit = instructions;
    usage.memory_bytes = sandbox->usage.memory_bytes;
    sandbox->usage = usage;
    if (rc != 0 || sandbox->trip != TRIP_NONE) {
        const char *text = sandbox->trip != TRIP_NONE         ? limits_trip_text(sandbox->trip)
                           : lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1)
                                                              : "unknown error";
        err_add(err, "Destroy() %s", text);
        out->size = start;
    }
    lua_settop(lua, 0);
    /* LuaJIT collects no garbage when an allocation fails: what saving left must not count. */
    if (sandbox->trip == TRIP_NONE && usage.memory_bytes > limit / 2)
        rc = sandbox_collect_garbage(sandbox) ? rc : -1;
    return rc != 0 || sandbox->trip != TRIP_NONE ? -1 : 0;
}
