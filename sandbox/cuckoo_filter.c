/* SPDX-License-Identifier: MPL-2.0
 *
 * cuckoo_filter.c - the module cuckoo_filter: as a Bloom filter, and keys can be deleted.
 *
 * Source:  lua_sandbox: functions, error texts, and where a key is, as its binary version 1 has it,
 *          so that such states can be read. Fan et al., Cuckoo Filter (2014): buckets of four
 *          fingerprints of 16 bits, of which each has two places.
 */
#include <string.h>
#include <xxhash.h>

#include "sandbox/userdata.h"

enum {
    BUCKET = 4,
    KICKS_MAX = 512,
    ITEMS_MIN = 5,
    ITEMS_MAX = 1 << 28,
    HASH_SEED = 1,
    BINARY_VERSION = 1 /* of where a key is; lua_sandbox's number */
};

struct cuckoo_filter {
    uint32_t buckets; /* power of two */
    uint32_t items;
    uint64_t count, random;
    uint16_t slots[][BUCKET]; /* 0: free */
};

static size_t slots_size(const struct cuckoo_filter *filter)
{
    return (size_t)filter->buckets * sizeof(filter->slots[0]);
}

static struct cuckoo_filter *check(lua_State *lua, int count)
{
    struct cuckoo_filter *filter = userdata_check(lua, 1, &cuckoo_filter_class);
    userdata_check_count(lua, count, count);
    return filter;
}

static struct cuckoo_filter *push(lua_State *lua, uint32_t items)
{
    uint32_t buckets = 1;
    while (buckets < (items + BUCKET - 1) / BUCKET)
        buckets *= 2;
    struct cuckoo_filter *filter = userdata_new(
        lua, &cuckoo_filter_class, sizeof(*filter) + (size_t)buckets * sizeof(filter->slots[0]));
    filter->buckets = buckets;
    filter->items = items;
    filter->random = 1;
    return filter;
}

static int new_filter(lua_State *lua)
{
    userdata_check_count(lua, 1, 1);
    lua_Number items = luaL_checknumber(lua, 1);
    luaL_argcheck(lua, items >= ITEMS_MIN && items <= ITEMS_MAX, 1, "items must be > 4");
    push(lua, (uint32_t)items);
    return 1;
}

/* ---- places of a key ---- */

struct place {
    uint16_t print;
    uint32_t a, b;
};

/* By the fingerprint's highest bits. */
static uint32_t other_bucket(const struct cuckoo_filter *filter, uint32_t bucket, uint16_t print)
{
    unsigned bits = (unsigned)__builtin_ctz(filter->buckets);
    uint64_t hash = XXH64(&print, sizeof(print), HASH_SEED);
    return bits == 0 ? 0 : bucket ^ (uint32_t)(hash >> (64 - bits));
}

/* Of the key at stack position 2. */
static struct place find_place(lua_State *lua, const struct cuckoo_filter *filter)
{
    struct userdata_key key;
    userdata_check_key(lua, 2, &key);
    limits_charge(lua, key.size / 64 + 1);
    uint64_t hash = XXH64(key.bytes, key.size, HASH_SEED);
    struct place place = {.print = (uint16_t)(hash >> 48),
                          .a = (uint32_t)hash & (filter->buckets - 1)};
    if (place.print == 0)
        place.print = 1;
    place.b = other_bucket(filter, place.a, place.print);
    return place;
}

static uint16_t *find_slot(struct cuckoo_filter *filter, uint32_t bucket, uint16_t print)
{
    for (unsigned i = 0; i < BUCKET; i++) {
        if (filter->slots[bucket][i] == print)
            return &filter->slots[bucket][i];
    }
    return NULL;
}

static uint16_t *find_key(struct cuckoo_filter *filter, const struct place *place)
{
    uint16_t *slot = find_slot(filter, place->a, place->print);
    return slot != NULL ? slot : find_slot(filter, place->b, place->print);
}

/* Fingerprints give way to others until one finds a free place. False: the filter is full, and as
 * it was but for one key's fingerprint, which is put back. */
static bool insert(struct cuckoo_filter *filter, const struct place *place)
{
    uint32_t bucket = place->a, buckets[KICKS_MAX];
    uint16_t print = place->print;
    uint8_t kicked[KICKS_MAX];
    uint16_t *slot = find_slot(filter, place->a, 0);
    if (slot == NULL)
        slot = find_slot(filter, place->b, 0);
    unsigned kicks = 0;
    for (; slot == NULL && kicks < KICKS_MAX; kicks++) {
        filter->random = filter->random * UINT64_C(6364136223846793005) + 1442695040888963407;
        kicked[kicks] = (uint8_t)(filter->random >> 62);
        buckets[kicks] = bucket;
        uint16_t *victim = &filter->slots[bucket][kicked[kicks]], given = *victim;
        *victim = print;
        print = given;
        bucket = other_bucket(filter, bucket, print);
        slot = find_slot(filter, bucket, 0);
    }
    if (slot != NULL) {
        *slot = print;
        return true;
    }
    while (kicks-- > 0) {
        uint16_t *victim = &filter->slots[buckets[kicks]][kicked[kicks]], given = *victim;
        *victim = print;
        print = given;
    }
    return false;
}

/* ---- methods ---- */

static int add(lua_State *lua)
{
    struct cuckoo_filter *filter = check(lua, 2);
    struct place place = find_place(lua, filter);
    bool is_added = find_key(filter, &place) == NULL && insert(filter, &place);
    limits_charge(lua, is_added ? SANDBOX_PATTERN_STEPS : KICKS_MAX);
    filter->count += is_added;
    lua_pushboolean(lua, is_added);
    return 1;
}

static int query(lua_State *lua)
{
    struct cuckoo_filter *filter = check(lua, 2);
    struct place place = find_place(lua, filter);
    lua_pushboolean(lua, find_key(filter, &place) != NULL);
    return 1;
}

static int remove_key(lua_State *lua)
{
    struct cuckoo_filter *filter = check(lua, 2);
    struct place place = find_place(lua, filter);
    uint16_t *slot = find_key(filter, &place);
    if (slot != NULL) {
        *slot = 0;
        filter->count--;
    }
    lua_pushboolean(lua, slot != NULL);
    return 1;
}

static int count(lua_State *lua)
{
    lua_pushnumber(lua, (lua_Number)check(lua, 1)->count);
    return 1;
}

static int clear(lua_State *lua)
{
    struct cuckoo_filter *filter = check(lua, 1);
    limits_charge(lua, slots_size(filter) / 64);
    memset(filter->slots, 0, slots_size(filter));
    filter->count = 0;
    return 0;
}

/* ---- state: items, count, slots ---- */

struct saved {
    uint64_t count;
    uint32_t items, binary_version;
};

static void say_another_version(lua_State *lua)
{
    const struct sandbox_host *host = &sandbox_of(lua)->config.host;
    if (host->log != NULL)
        host->log(host->host, "cuckoo_filter: buckets of another version are not imported");
}

/* fromstring(count, buckets, version): lua_sandbox's; older ones had no version, and keys were
 * elsewhere. */
static int from_string(lua_State *lua)
{
    struct cuckoo_filter *filter = userdata_check(lua, 1, &cuckoo_filter_class);
    size_t size;
    userdata_check_count(lua, 2, 4);
    if (luaL_optnumber(lua, 4, 0) != BINARY_VERSION) {
        say_another_version(lua);
        return 0;
    }
    lua_Number given = luaL_checknumber(lua, 2);
    const char *slots = luaL_checklstring(lua, 3, &size);
    if (size != slots_size(filter))
        return luaL_error(lua, "fromstring() bytes found: %d, expected %d", (int)size,
                          (int)slots_size(filter));
    luaL_argcheck(lua, given >= 0 && given <= (lua_Number)filter->buckets * BUCKET, 2,
                  "more items than places");
    filter->count = (uint64_t)given;
    memcpy(filter->slots, slots, size);
    return 0;
}

static int save(lua_State *lua, int index, struct buffer *out)
{
    const struct cuckoo_filter *filter = lua_touserdata(lua, index);
    struct saved saved = {
        .count = filter->count, .items = filter->items, .binary_version = BINARY_VERSION};
    int rc = buffer_append(out, &saved, sizeof(saved));
    return rc == 0 ? buffer_append(out, filter->slots, slots_size(filter)) : rc;
}

static bool adopt(lua_State *lua, int index, const uint8_t *state, size_t size)
{
    struct cuckoo_filter *filter = lua_touserdata(lua, index);
    struct saved saved;
    if (size != sizeof(saved) + slots_size(filter))
        return false;
    memcpy(&saved, state, sizeof(saved));
    if (saved.items != filter->items || saved.binary_version != BINARY_VERSION ||
        saved.count > (uint64_t)filter->buckets * BUCKET)
        return false;
    filter->count = saved.count;
    memcpy(filter->slots, state + sizeof(saved), slots_size(filter));
    return true;
}

static bool load(lua_State *lua, const uint8_t *state, size_t size)
{
    struct saved saved;
    if (size < sizeof(saved))
        return false;
    memcpy(&saved, state, sizeof(saved));
    if (saved.items < ITEMS_MIN || saved.items > ITEMS_MAX)
        return false;
    push(lua, saved.items);
    return userdata_adopt(lua, &cuckoo_filter_class, state, size);
}

static const luaL_Reg methods[] = {{"add", add},     {"query", query}, {"delete", remove_key},
                                   {"count", count}, {"clear", clear}, {"fromstring", from_string},
                                   {NULL, NULL}};

const struct userdata_class cuckoo_filter_class = {.id = USERDATA_CUCKOO_FILTER,
                                                   .name = "mozsvc.cuckoo_filter",
                                                   .methods = methods,
                                                   .save = save,
                                                   .load = load,
                                                   .adopt = adopt};

void cuckoo_filter_open(lua_State *lua)
{
    userdata_open_module(lua, new_filter);
}
