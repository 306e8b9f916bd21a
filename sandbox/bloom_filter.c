/* SPDX-License-Identifier: MPL-2.0
 *
 * bloom_filter.c - the module bloom_filter: whether a key was there, or perhaps not.
 *
 * Source:  lua_sandbox: functions, sizes, error texts, and which bits a key has, so that what Heka
 *          preserved can be read.
 */
#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "sandbox/userdata.h"

enum { ITEMS_MAX = 1 << 30 };

struct bloom_filter {
    uint64_t bits, count;
    double probability;
    uint32_t items, hashes;
    uint8_t data[];
};

static size_t data_size(const struct bloom_filter *filter)
{
    return (filter->bits + 7) / 8;
}

static struct bloom_filter *check(lua_State *lua, int least, int most)
{
    struct bloom_filter *filter = userdata_check(lua, 1, &bloom_filter_class);
    userdata_check_count(lua, least, most);
    return filter;
}

static struct bloom_filter *push(lua_State *lua, double items, double probability)
{
    double bits = ceil(items * log(probability) / log(1 / pow(2, log(2))));
    double hashes = round(log(2) * bits / items);
    struct bloom_filter *filter = userdata_new(
        lua, &bloom_filter_class, sizeof(struct bloom_filter) + (size_t)((bits + 7) / 8) + 1);
    filter->bits = (uint64_t)bits;
    filter->items = (uint32_t)items;
    filter->probability = probability;
    filter->hashes = hashes < 1 ? 1 : (uint32_t)hashes;
    return filter;
}

static int new_filter(lua_State *lua)
{
    userdata_check_count(lua, 2, 2);
    lua_Number items = luaL_checknumber(lua, 1);
    luaL_argcheck(lua, items > 1 && items <= ITEMS_MAX, 1, "items must be > 1");
    lua_Number probability = luaL_checknumber(lua, 2);
    luaL_argcheck(lua, probability > 0 && probability < 1, 2,
                  "probability must be between 0 and 1");
    push(lua, floor(items), probability);
    return 1;
}

/* Whether all bits of the key at stack position 2 are set; sets them, if `is_added`. */
static bool visit(lua_State *lua, struct bloom_filter *filter, bool is_added)
{
    struct userdata_key key;
    bool is_there = true;
    userdata_check_key(lua, 2, &key);
    limits_charge(lua, (key.size / 64 + 1) * filter->hashes);
    for (uint32_t i = 0; i < filter->hashes; i++) {
        uint64_t bit = XXH32(key.bytes, key.size, i) % filter->bits;
        uint8_t mask = (uint8_t)(1U << bit % 8);
        if ((filter->data[bit / 8] & mask) != 0)
            continue;
        is_there = false;
        if (is_added)
            filter->data[bit / 8] |= mask;
    }
    return is_there;
}

static int add(lua_State *lua)
{
    struct bloom_filter *filter = check(lua, 2, 2);
    bool is_new = !visit(lua, filter, true);
    filter->count += is_new;
    lua_pushboolean(lua, is_new);
    return 1;
}

static int query(lua_State *lua)
{
    lua_pushboolean(lua, visit(lua, check(lua, 2, 2), false));
    return 1;
}

static int count(lua_State *lua)
{
    lua_pushnumber(lua, (lua_Number)check(lua, 1, 1)->count);
    return 1;
}

static int clear(lua_State *lua)
{
    struct bloom_filter *filter = check(lua, 1, 1);
    limits_charge(lua, data_size(filter) / 64);
    memset(filter->data, 0, data_size(filter));
    filter->count = 0;
    return 0;
}

/* ---- state: count, items, probability, bits ---- */

enum { HASH_VERSION = 1 }; /* of which bits a key has */

struct saved {
    uint64_t count;
    double probability;
    uint32_t items, hash_version;
};

/* fromstring([count,] bits): Heka's, which has kept the count since one of its versions. */
static int from_string(lua_State *lua)
{
    struct bloom_filter *filter = check(lua, 2, 3);
    int last = lua_gettop(lua);
    lua_Number given = last == 3 ? luaL_checknumber(lua, 2) : 0;
    size_t size;
    const char *bits = luaL_checklstring(lua, last, &size);
    if (size != data_size(filter))
        return luaL_error(lua, "fromstring() bytes found: %d, expected %d", (int)size,
                          (int)data_size(filter));
    filter->count = given > 0 && given < 9e15 ? (uint64_t)given : 0;
    memcpy(filter->data, bits, size);
    return 0;
}

static int save(lua_State *lua, int index, struct buffer *out)
{
    const struct bloom_filter *filter = lua_touserdata(lua, index);
    struct saved saved = {
        .count = filter->count,
        .probability = filter->probability,
        .items = filter->items,
        .hash_version = HASH_VERSION,
    };
    int rc = buffer_append(out, &saved, sizeof(saved));
    return rc == 0 ? buffer_append(out, filter->data, data_size(filter)) : rc;
}

static bool adopt(lua_State *lua, int index, const uint8_t *state, size_t size)
{
    struct bloom_filter *filter = lua_touserdata(lua, index);
    struct saved saved;
    if (size != sizeof(saved) + data_size(filter))
        return false;
    memcpy(&saved, state, sizeof(saved));
    if (saved.items != filter->items || saved.hash_version != HASH_VERSION ||
        memcmp(&saved.probability, &filter->probability, sizeof(double)) != 0)
        return false;
    filter->count = saved.count;
    memcpy(filter->data, state + sizeof(saved), data_size(filter));
    return true;
}

static bool load(lua_State *lua, const uint8_t *state, size_t size)
{
    struct saved saved;
    if (size < sizeof(saved))
        return false;
    memcpy(&saved, state, sizeof(saved));
    if (saved.items < 2 || saved.items > ITEMS_MAX ||
        !(saved.probability > 0 && saved.probability < 1))
        return false;
    push(lua, saved.items, saved.probability);
    return userdata_adopt(lua, &bloom_filter_class, state, size);
}

static const luaL_Reg methods[] = {
    {"add", add}, {"query", query}, {"count", count}, {"clear", clear}, {"fromstring", from_string},
    {NULL, NULL}};

const struct userdata_class bloom_filter_class = {.id = USERDATA_BLOOM_FILTER,
                                                  .name = "mozsvc.bloom_filter",
                                                  .methods = methods,
                                                  .save = save,
                                                  .load = load,
                                                  .adopt = adopt};

void bloom_filter_open(lua_State *lua)
{
    userdata_open_module(lua, new_filter);
}
