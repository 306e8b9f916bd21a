/* SPDX-License-Identifier: MPL-2.0
 *
 * cjson_encode.c - cjson.encode, and the module's settings.
 */
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "sandbox/cjson.h"
#include "sandbox/userdata.h"

enum { TABLE_STEPS = 8, NUMBER_SIZE = 64, INDEX_MAX = 1 << 30 };

struct encoder {
    lua_State *lua;
    struct sandbox *sandbox;
    struct buffer *out;
    size_t start, limit;
    unsigned depth;
};

static void encode_value(struct encoder *e);

/* ---- output ---- */

static inline void put(struct encoder *e, const char *text, size_t size)
{
    size_t used = e->out->size - e->start;
    if (e->limit != 0 && (used > e->limit || size > e->limit - used))
        luaL_error(e->lua, "strbuf output_limit exceeded");
    if (size > e->out->capacity - e->out->size && buffer_reserve(e->out, size) != 0)
        luaL_error(e->lua, "not enough memory");
    memcpy(e->out->data + e->out->size, text, size);
    e->out->size += size;
}

static void put_char(struct encoder *e, char c)
{
    put(e, &c, 1);
}

static void fail(const struct encoder *e, const char *reason)
{
    luaL_error(e->lua, "Cannot serialise %s: %s", luaL_typename(e->lua, -1), reason);
}

/* ---- texts and numbers ---- */

/* The character behind the backslash, 'u' for one that has only its number, or 0. */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return (char)c;
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    default:
        return c < 0x20 || c == 0x7F ? 'u' : '\0';
    }
}

static void put_escape(struct encoder *e, unsigned char c, char escape)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', escape, '0', '0', digits[c >> 4], digits[c & 15]};
    put(e, text, escape == 'u' ? 6 : 2);
}

/* The text at `index`. */
static void encode_text(struct encoder *e, int index)
{
    size_t size, from = 0;
    const char *text = lua_tolstring(e->lua, index, &size);
    limits_charge(e->lua, size / 16 + 1);
    put_char(e, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > '\\' && c != 0x7F) /* most are letters */
            continue;
        char escape = escape_of(c);
        if (escape == '\0')
            continue;
        put(e, text + from, i - from);
        put_escape(e, c, escape);
        from = i + 1;
    }
    put(e, text + from, size - from);
    put_char(e, '"');
}

/* The number at `index`. */
static void encode_number(struct encoder *e, int index)
{
    const struct cjson_options *options = &e->sandbox->cjson;
    lua_Number number = lua_tonumber(e->lua, index);
    char text[NUMBER_SIZE];
    size_t size;
    if (isnan(number) || isinf(number)) {
        if (options->invalid_numbers == CJSON_INVALID_NULL) {
            put(e, "null", 4);
            return;
        }
        if (options->invalid_numbers == CJSON_INVALID_ERROR)
            fail(e, "must not be NaN or Inf");
    }
    if (fabs(number) < 1e9 && number == (lua_Number)(int32_t)number && options->precision >= 9 &&
        !(number == 0 && signbit(number)))
        size = api_integer_text((int64_t)number, text);
    else
        size = (size_t)snprintf(text, sizeof(text), "%.*g", options->precision, number);
    put(e, text, size);
}

/* ---- tables ---- */

static void enter(struct encoder *e)
{
    if (++e->depth > CJSON_DEPTH_MAX)
        luaL_error(e->lua, "Cannot serialise, excessive nesting (%d)", (int)e->depth);
    limits_charge(e->lua, TABLE_STEPS);
    luaL_checkstack(e->lua, 8, "table");
}

/* Highest index of the table on top, when it has no other keys; -1: it is an object. */
static int array_length(struct encoder *e)
{
    const struct cjson_options *options = &e->sandbox->cjson;
    lua_State *lua = e->lua;
    lua_Number most = 0, count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        lua_Number key = lua_type(lua, -2) == LUA_TNUMBER ? lua_tonumber(lua, -2) : 0;
        if (!(key >= 1 && key <= INDEX_MAX) || key != floor(key)) {
            lua_pop(lua, 2);
            return -1;
        }
        most = key > most ? key : most;
        count++;
        lua_pop(lua, 1);
    }
    limits_charge(lua, (uint64_t)count + 1);
    if (most == 0)
        return -1;
    bool is_sparse = options->sparse_ratio > 0 && most > count * options->sparse_ratio &&
                     most > options->sparse_safe;
    if (is_sparse && !options->sparse_converts)
        fail(e, "excessively sparse array");
    return is_sparse ? -1 : (int)most;
}

static void encode_array(struct encoder *e, int length)
{
    put_char(e, '[');
    for (int i = 1; i <= length; i++) {
        if (i > 1)
            put_char(e, ',');
        lua_rawgeti(e->lua, -1, i);
        encode_value(e);
        lua_pop(e->lua, 1);
    }
    put_char(e, ']');
}

/* The key below the value on top. */
static void encode_key(struct encoder *e)
{
    if (lua_type(e->lua, -2) == LUA_TSTRING) {
        encode_text(e, -2);
    } else if (lua_type(e->lua, -2) == LUA_TNUMBER) {
        put_char(e, '"');
        encode_number(e, -2);
        put_char(e, '"');
    } else {
        lua_pushvalue(e->lua, -2);
        fail(e, "table key must be a number or string");
    }
}

static void encode_object(struct encoder *e)
{
    bool is_first = true;
    put_char(e, '{');
    lua_pushnil(e->lua);
    while (lua_next(e->lua, -2) != 0) {
        if (!is_first)
            put_char(e, ',');
        is_first = false;
        encode_key(e);
        put_char(e, ':');
        encode_value(e);
        lua_pop(e->lua, 1);
    }
    put_char(e, '}');
}

static void encode_table(struct encoder *e)
{
    enter(e);
    int length = array_length(e);
    if (length > 0)
        encode_array(e, length);
    else
        encode_object(e);
    e->depth--;
}

/* The value on top. */
static void encode_value(struct encoder *e)
{
    switch (lua_type(e->lua, -1)) {
    case LUA_TSTRING:
        encode_text(e, -1);
        break;
    case LUA_TNUMBER:
        encode_number(e, -1);
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(e->lua, -1))
            put(e, "true", 4);
        else
            put(e, "false", 5);
        break;
    case LUA_TTABLE:
        encode_table(e);
        break;
    case LUA_TNIL:
        put(e, "null", 4);
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(e->lua, -1) == NULL) {
            put(e, "null", 4);
            break;
        }
        fail(e, "type not supported");
        break;
    default:
        fail(e, "type not supported");
    }
}

static int encode(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    struct encoder e = {.lua = lua,
                        .sandbox = sandbox,
                        .out = &sandbox->scratch,
                        .start = sandbox->scratch.size,
                        .limit = sandbox->config.limits.output_limit};
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    encode_value(&e);
    size_t size = e.out->size - e.start;
    e.out->size = e.start;
    lua_pushlstring(lua, size > 0 ? e.out->data + e.start : "", size);
    return 1;
}

/* ---- settings ---- */

/* A whole number from `least` to `most` as argument `index`; nil leaves what is. */
static int check_setting(lua_State *lua, int index, int least, int most, int now)
{
    if (lua_isnoneornil(lua, index))
        return now;
    lua_Number number = luaL_checknumber(lua, index);
    luaL_argcheck(lua, number >= least && number <= most, index, "out of range");
    return (int)number;
}

static bool check_switch(lua_State *lua, int index, bool now)
{
    static const char *const words[] = {"off", "on", NULL};
    if (lua_isnoneornil(lua, index))
        return now;
    if (lua_isboolean(lua, index))
        return lua_toboolean(lua, index);
    return luaL_checkoption(lua, index, NULL, words) == 1;
}

static int encode_sparse_array(lua_State *lua)
{
    struct cjson_options *options = &sandbox_of(lua)->cjson;
    options->sparse_converts = check_switch(lua, 1, options->sparse_converts);
    options->sparse_ratio = check_setting(lua, 2, 0, INDEX_MAX, options->sparse_ratio);
    options->sparse_safe = check_setting(lua, 3, 0, INDEX_MAX, options->sparse_safe);
    lua_pushboolean(lua, options->sparse_converts);
    lua_pushnumber(lua, options->sparse_ratio);
    lua_pushnumber(lua, options->sparse_safe);
    return 3;
}

static int encode_number_precision(lua_State *lua)
{
    struct cjson_options *options = &sandbox_of(lua)->cjson;
    options->precision = check_setting(lua, 1, 1, 16, options->precision);
    lua_pushnumber(lua, options->precision);
    return 1;
}

static int encode_invalid_numbers(lua_State *lua)
{
    static const char *const words[] = {"off", "on", "null", NULL};
    struct cjson_options *options = &sandbox_of(lua)->cjson;
    if (lua_isboolean(lua, 1))
        options->invalid_numbers = lua_toboolean(lua, 1) ? CJSON_INVALID_TEXT : CJSON_INVALID_ERROR;
    else if (!lua_isnoneornil(lua, 1))
        options->invalid_numbers = (enum cjson_invalid)luaL_checkoption(lua, 1, NULL, words);
    lua_pushstring(lua, words[options->invalid_numbers]);
    return 1;
}

static int decode_invalid_numbers(lua_State *lua)
{
    struct cjson_options *options = &sandbox_of(lua)->cjson;
    options->decodes_invalid = check_switch(lua, 1, options->decodes_invalid);
    lua_pushboolean(lua, options->decodes_invalid);
    return 1;
}

static int decode_null(lua_State *lua)
{
    struct cjson_options *options = &sandbox_of(lua)->cjson;
    options->decodes_null = check_switch(lua, 1, options->decodes_null);
    lua_pushboolean(lua, options->decodes_null);
    return 1;
}

void cjson_open(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"encode", encode},
                                         {"decode", cjson_decode},
                                         {"encode_sparse_array", encode_sparse_array},
                                         {"encode_number_precision", encode_number_precision},
                                         {"encode_invalid_numbers", encode_invalid_numbers},
                                         {"decode_invalid_numbers", decode_invalid_numbers},
                                         {"decode_null", decode_null},
                                         {NULL, NULL}};
    sandbox_of(lua)->cjson = (struct cjson_options){
        .sparse_ratio = 2, .sparse_safe = 10, .precision = 14, .decodes_invalid = true};
    lua_newtable(lua);
    luaL_register(lua, NULL, functions);
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "null");
    lua_pushliteral(lua, "cjson");
    lua_setfield(lua, -2, "_NAME");
    lua_pushliteral(lua, "2.1.0");
    lua_setfield(lua, -2, "_VERSION");
}
