/* SPDX-License-Identifier: MPL-2.0 */
#include "sandbox/userdata.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/check.h"

static const char class_tag; /* its address is the metatables' key */

static const struct userdata_class *const classes[] = {&cbuf_class,         &hyperloglog_class,
                                                       &bloom_filter_class, &cuckoo_filter_class,
                                                       &sax_window_class,   &sax_word_class};

void userdata_push_metatable(lua_State *lua, const struct userdata_class *class)
{
    if (luaL_newmetatable(lua, class->name) == 0)
        return;
    luaL_register(lua, NULL, class->methods);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -2, "__index");
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&class_tag);
    lua_pushlightuserdata(lua, (void *)(uintptr_t) class);
    lua_rawset(lua, -3);
    sandbox_of(lua)->metatables[class->id] = lua_topointer(lua, -1);
}

void *userdata_new(lua_State *lua, const struct userdata_class *class, size_t size)
{
    if (size > sandbox_of(lua)->config.limits.memory_limit) {
        lua_pushliteral(lua, "not enough memory");
        lua_error(lua);
    }
    limits_charge(lua, size / 64 + 1);
    void *object = lua_newuserdata(lua, size);
    memset(object, 0, size);
    userdata_push_metatable(lua, class);
    lua_setmetatable(lua, -2);
    return object;
}

const struct userdata_class *userdata_class_of(lua_State *lua, int index)
{
    if (lua_type(lua, index) != LUA_TUSERDATA || !lua_getmetatable(lua, index))
        return NULL;
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&class_tag);
    lua_rawget(lua, -2);
    const struct userdata_class *class = lua_touserdata(lua, -1);
    lua_pop(lua, 2);
    return class;
}

/* The metatable is in the registry: no other table gets its address. */
void *userdata_check(lua_State *lua, int index, const struct userdata_class *class)
{
    if (lua_type(lua, index) == LUA_TUSERDATA && lua_getmetatable(lua, index)) {
        const void *metatable = lua_topointer(lua, -1);
        lua_pop(lua, 1);
        if (metatable == sandbox_of(lua)->metatables[class->id])
            return lua_touserdata(lua, index);
    }
    luaL_typerror(lua, index, class->name);
    return NULL;
}

void userdata_check_count(lua_State *lua, int least, int most)
{
    int count = lua_gettop(lua);
    luaL_argcheck(lua, count >= least && count <= most, 0, "incorrect number of arguments");
}

void userdata_open_module(lua_State *lua, lua_CFunction new_object)
{
    lua_newtable(lua);
    lua_pushcfunction(lua, new_object);
    lua_setfield(lua, -2, "new");
}

bool userdata_adopt(lua_State *lua, const struct userdata_class *class, const uint8_t *state,
                    size_t size)
{
    if (class->adopt(lua, lua_gettop(lua), state, size))
        return true;
    lua_pop(lua, 1);
    return false;
}

bool userdata_load(lua_State *lua, struct msg_slice name, const uint8_t *state, size_t size)
{
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (strlen(classes[i]->name) == name.len &&
            memcmp(classes[i]->name, name.ptr, name.len) == 0)
            return classes[i]->load != NULL && classes[i]->load(lua, state, size);
    }
    return false;
}

/* ---- hash ---- */

/* MurmurHash64A, Austin Appleby, public domain algorithm: what HyperLogLogs of Redis use. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t size, uint64_t seed)
{
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t h = seed ^ size * m, k;
    for (; size >= sizeof(k); bytes += sizeof(k), size -= sizeof(k)) {
        memcpy(&k, bytes, sizeof(k));
        k *= m;
        k ^= k >> 47;
        h = (h ^ k * m) * m;
    }
    if (size > 0) {
        k = 0;
        memcpy(&k, bytes, size);
        h = (h ^ k) * m;
    }
    h ^= h >> 47;
    h *= m;
    return h ^ h >> 47;
}

void userdata_check_key(lua_State *lua, int index, struct userdata_key *key)
{
    if (lua_type(lua, index) == LUA_TNUMBER) {
        key->number = lua_tonumber(lua, index);
        key->bytes = &key->number;
        key->size = sizeof(key->number);
        return;
    }
    luaL_argcheck(lua, lua_type(lua, index) == LUA_TSTRING, index, "must be a string or number");
    key->bytes = lua_tolstring(lua, index, &key->size);
}

uint64_t userdata_hash_key(lua_State *lua, int index, uint64_t seed)
{
    struct userdata_key key;
    userdata_check_key(lua, index, &key);
    limits_charge(lua, key.size / 64 + 1);
    return hash_bytes(key.bytes, key.size, seed);
}

/* ---- number text ---- */

size_t api_integer_text(int64_t integer, char *text)
{
    char digits[24];
    size_t count = 0, len = 0;
    uint64_t rest = integer < 0 ? (uint64_t)-integer : (uint64_t)integer;
    if (integer < 0)
        text[len++] = '-';
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    while (count > 0)
        text[len++] = digits[--count];
    return len;
}

static size_t copy_text(char *text, const char *from)
{
    size_t len = strlen(from);
    memcpy(text, from, len);
    return len;
}

size_t api_number_text(double number, char text[API_NUMBER_SIZE])
{
    if (isnan(number))
        return copy_text(text, "nan");
    if (isinf(number))
        return copy_text(text, number < 0 ? "-inf" : "inf");
    if (fabs(number) > INT_MAX)
        return (size_t)snprintf(text, API_NUMBER_SIZE, "%0.17g", number);
    if (number == (double)(int64_t)number)
        return api_integer_text((int64_t)number, text);
    size_t len = (size_t)snprintf(text, API_NUMBER_SIZE, "%.8f", number);
    while (text[len - 1] == '0')
        len--;
    return text[len - 1] == '.' ? len - 1 : len;
}

int api_append_number(struct buffer *out, double number)
{
    char text[API_NUMBER_SIZE];
    return buffer_append(out, text, api_number_text(number, text));
}
