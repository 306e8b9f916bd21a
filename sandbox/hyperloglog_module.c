/* SPDX-License-Identifier: MPL-2.0
 *
 * hyperloglog_module.c - the module hyperloglog: about how many different keys there were.
 *
 * Source:  lua_sandbox, which takes hash, registers and their layout from Redis; so do we, and its
 *          preserved data can be read. Flajolet et al., HyperLogLog (2007).
 */
#include <math.h>
#include <string.h>

#include "sandbox/userdata.h"

enum { REGISTERS = 16384, INDEX_BITS = 14, RANK_MAX = 63, HEAD_SIZE = 16 };
#define HASH_SEED UINT64_C(0xadc83b19)

struct hyperloglog {
    uint8_t head[HEAD_SIZE]; /* "HYLL", and zeros: Redis keeps the last count there */
    uint8_t registers[REGISTERS * 6 / 8];
};

static struct hyperloglog *check(lua_State *lua, int count)
{
    struct hyperloglog *hll = userdata_check(lua, 1, &hyperloglog_class);
    userdata_check_count(lua, count, count);
    return hll;
}

static void clear_registers(struct hyperloglog *hll)
{
    memset(hll, 0, sizeof(*hll));
    memcpy(hll->head, "HYLL", 4);
}

static struct hyperloglog *push(lua_State *lua)
{
    struct hyperloglog *hll = userdata_new(lua, &hyperloglog_class, sizeof(*hll));
    clear_registers(hll);
    return hll;
}

static int new_hyperloglog(lua_State *lua)
{
    userdata_check_count(lua, 0, 0);
    push(lua);
    return 1;
}

/* ---- registers: 6 bits each, the first in the low bits ---- */

static unsigned get_register(const struct hyperloglog *hll, uint32_t index)
{
    uint32_t byte = index * 6 / 8, shift = index * 6 % 8;
    unsigned bits = hll->registers[byte];
    if (shift > 2)
        bits |= (unsigned)hll->registers[byte + 1] << 8;
    return bits >> shift & RANK_MAX;
}

static void set_register(struct hyperloglog *hll, uint32_t index, unsigned rank)
{
    uint32_t byte = index * 6 / 8, shift = index * 6 % 8;
    unsigned mask = (unsigned)RANK_MAX << shift, bits = rank << shift;
    hll->registers[byte] = (uint8_t)((hll->registers[byte] & ~mask) | bits);
    if (shift > 2)
        hll->registers[byte + 1] = (uint8_t)((hll->registers[byte + 1] & ~(mask >> 8)) | bits >> 8);
}

static int add(lua_State *lua)
{
    struct hyperloglog *hll = check(lua, 2);
    uint64_t hash = userdata_hash_key(lua, 2, HASH_SEED);
    uint32_t index = (uint32_t)hash & (REGISTERS - 1);
    unsigned rank = 1 + (unsigned)__builtin_ctzll(hash >> INDEX_BITS | UINT64_C(1) << 49);
    bool is_changed = rank > get_register(hll, index);
    if (is_changed)
        set_register(hll, index, rank);
    lua_pushboolean(lua, is_changed);
    return 1;
}

/* ---- estimate ---- */

/* The polynomial by which Redis corrects estimates below 72,000. */
static double correct(double e)
{
    double bias = 5.9119e-18 * e * e * e * e - 1.4253e-12 * e * e * e + 1.2940e-7 * e * e -
                  5.2921e-3 * e + 83.3216;
    return e - e * (bias / 100);
}

static int count(lua_State *lua)
{
    const struct hyperloglog *hll = check(lua, 1);
    double sum = 0, m = REGISTERS;
    unsigned empty = 0;
    limits_charge(lua, REGISTERS / 16);
    for (uint32_t i = 0; i < REGISTERS; i++) {
        unsigned rank = get_register(hll, i);
        sum += ldexp(1, -(int)rank);
        empty += rank == 0;
    }
    double e = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (e < m * 2.5 && empty > 0)
        e = m * log(m / empty);
    else if (e < 72000)
        e = correct(e);
    lua_pushnumber(lua, floor(e));
    return 1;
}

static int clear(lua_State *lua)
{
    clear_registers(check(lua, 1));
    return 0;
}

/* ---- state ---- */

static int from_string(lua_State *lua)
{
    struct hyperloglog *hll = check(lua, 2);
    size_t size;
    const char *state = luaL_checklstring(lua, 2, &size);
    if (size != sizeof(*hll))
        return luaL_error(lua, "fromstring() bytes found: %d, expected %d", (int)size,
                          (int)sizeof(*hll));
    if (memcmp(state, "HYLL", 4) != 0)
        return luaL_error(lua, "fromstring() HYLL header not found");
    if (state[4] != 0)
        return luaL_error(lua, "fromstring() invalid encoding");
    memcpy(hll, state, size);
    return 0;
}

static int save(lua_State *lua, int index, struct buffer *out)
{
    return buffer_append(out, lua_touserdata(lua, index), sizeof(struct hyperloglog));
}

static bool adopt(lua_State *lua, int index, const uint8_t *state, size_t size)
{
    if (size != sizeof(struct hyperloglog) || memcmp(state, "HYLL", 5) != 0)
        return false;
    memcpy(lua_touserdata(lua, index), state, size);
    return true;
}

static bool load(lua_State *lua, const uint8_t *state, size_t size)
{
    push(lua);
    return userdata_adopt(lua, &hyperloglog_class, state, size);
}

static const luaL_Reg methods[] = {
    {"add", add}, {"count", count}, {"clear", clear}, {"fromstring", from_string}, {NULL, NULL}};

const struct userdata_class hyperloglog_class = {.id = USERDATA_HYPERLOGLOG,
                                                 .name = "lsb.hyperloglog",
                                                 .methods = methods,
                                                 .save = save,
                                                 .load = load,
                                                 .adopt = adopt};

void hyperloglog_open(lua_State *lua)
{
    userdata_open_module(lua, new_hyperloglog);
}
