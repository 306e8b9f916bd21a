/* SPDX-License-Identifier: MPL-2.0
 *
 * struct_pack.c - the module struct: numbers and strings to bytes and back, by a format.
 *
 * Source:  the manual of Roberto Ierusalimschy's struct library for Lua 5.1.
 */
#include <ctype.h>
#include <string.h>

#include "core/check.h"
#include "sandbox/userdata.h"

enum { INTEGER_MAX = 8, ALIGN_MAX = 8, SIZE_MAX_BYTES = 1 << 24 };

struct format {
    lua_State *lua;
    const char *at, *end;
    bool is_big;
    size_t align; /* the largest alignment that is kept */
    size_t total; /* bytes so far */
};

struct item {
    char kind;
    size_t size;
};

/* A number behind the option, or `missing`. */
static size_t take_number(struct format *f, size_t missing)
{
    size_t number = 0;
    if (f->at == f->end || !isdigit((unsigned char)*f->at))
        return missing;
    while (f->at < f->end && isdigit((unsigned char)*f->at)) {
        number = number * 10 + (size_t)(*f->at++ - '0');
        if (number > SIZE_MAX_BYTES)
            luaL_error(f->lua, "integral size overflow");
    }
    return number;
}

static size_t take_integer_size(struct format *f)
{
    size_t size = take_number(f, sizeof(int));
    if (size < 1 || size > INTEGER_MAX)
        luaL_error(f->lua, "integral size %d is larger than limit of %d", (int)size, INTEGER_MAX);
    return size;
}

static size_t size_of(struct format *f, char kind)
{
    switch (kind) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'T':
        return sizeof(size_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'i':
    case 'I':
        return take_integer_size(f);
    case 'c':
        return take_number(f, 1);
    case 's':
        return 0;
    default:
        luaL_error(f->lua, "invalid format option '%c'", kind);
        return 0;
    }
}

/* Options that are no items. */
static bool take_control(struct format *f)
{
    char c = *f->at;
    if (c == ' ' || c == '<' || c == '>') {
        f->is_big = c == '>' || (c == ' ' && f->is_big);
        f->at++;
        return true;
    }
    if (c != '!')
        return false;
    f->at++;
    f->align = take_number(f, ALIGN_MAX);
    if (f->align == 0 || (f->align & (f->align - 1)) != 0)
        luaL_error(f->lua, "alignment is not a power of 2");
    return true;
}

/* The next item; `padding`: bytes before it. False: the end. */
static bool take_item(struct format *f, struct item *item, size_t *padding)
{
    while (f->at < f->end && take_control(f))
        ;
    if (f->at == f->end)
        return false;
    item->kind = *f->at++;
    item->size = size_of(f, item->kind);
    size_t align = item->size < f->align ? item->size : f->align;
    bool is_aligned = strchr("csxbB", item->kind) == NULL && (align & (align - 1)) == 0;
    *padding = is_aligned && align > 1 ? (align - f->total % align) % align : 0;
    limits_charge(f->lua, 1);
    return true;
}

static struct format check_format(lua_State *lua)
{
    size_t size;
    const char *text = luaL_checklstring(lua, 1, &size);
    return (struct format){.lua = lua, .at = text, .end = text + size, .align = 1};
}

/* ---- bytes ---- */

static void put(struct format *f, const void *bytes, size_t size)
{
    if (buffer_append(&sandbox_of(f->lua)->scratch, bytes, size) != 0)
        luaL_error(f->lua, "not enough memory");
    f->total += size;
}

static void put_zeros(struct format *f, size_t size)
{
    static const uint8_t zeros[ALIGN_MAX * 4];
    for (; size > sizeof(zeros); size -= sizeof(zeros))
        put(f, zeros, sizeof(zeros));
    put(f, zeros, size);
}

/* A number's bytes, at most eight. */
static void reverse(uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    CHECK(size > 0 && size <= sizeof(number));
    memcpy(&number, bytes, size);
    number = __builtin_bswap64(number) >> 8 * (sizeof(number) - size);
    memcpy(bytes, &number, size);
}

static void put_number(struct format *f, uint8_t *bytes, size_t size)
{
    if (f->is_big)
        reverse(bytes, size);
    put(f, bytes, size);
}

/* Beyond 64 bits: the nearest that they hold. */
static uint64_t to_bits(lua_Number number)
{
    if (!(number > -9223372036854775808.0))
        return UINT64_C(1) << 63;
    if (number < 9223372036854775808.0)
        return (uint64_t)(int64_t)number;
    return number < 18446744073709551616.0 ? (uint64_t)number : UINT64_MAX;
}

static void pack_text(struct format *f, const struct item *item, int argument)
{
    size_t size;
    const char *text = luaL_checklstring(f->lua, argument, &size);
    if (item->kind == 's') {
        put(f, text, size);
        put_zeros(f, 1);
        return;
    }
    size_t wanted = item->size == 0 ? size : item->size;
    luaL_argcheck(f->lua, size >= wanted, argument, "string too short");
    put(f, text, wanted);
}

static void pack_item(struct format *f, const struct item *item, int argument)
{
    uint8_t bytes[sizeof(uint64_t)];
    lua_Number number;
    float single;
    uint64_t bits;
    if (item->kind == 'c' || item->kind == 's') {
        pack_text(f, item, argument);
        return;
    }
    number = luaL_checknumber(f->lua, argument);
    if (item->kind == 'd') {
        memcpy(bytes, &number, sizeof(number));
    } else if (item->kind == 'f') {
        single = (float)number;
        memcpy(bytes, &single, sizeof(single));
    } else {
        bits = to_bits(number);
        memcpy(bytes, &bits, sizeof(bits)); /* little endian: the low bytes come first */
    }
    put_number(f, bytes, item->size);
}

static int pack(lua_State *lua)
{
    struct format f = check_format(lua);
    struct buffer *scratch = &sandbox_of(lua)->scratch;
    struct item item;
    size_t padding, start = scratch->size;
    int argument = 2;
    while (take_item(&f, &item, &padding)) {
        put_zeros(&f, padding);
        if (item.kind == 'x')
            put_zeros(&f, 1);
        else
            pack_item(&f, &item, argument++);
    }
    lua_pushlstring(lua, scratch->size > start ? scratch->data + start : "", scratch->size - start);
    scratch->size = start;
    return 1;
}

/* ---- back ---- */

static void push_number(const struct format *f, const struct item *item, const uint8_t *data)
{
    uint8_t bytes[sizeof(uint64_t)] = {0};
    double number;
    float single;
    uint64_t bits;
    memcpy(bytes, data, item->size);
    if (f->is_big)
        reverse(bytes, item->size);
    if (item->kind == 'd') {
        memcpy(&number, bytes, sizeof(number));
    } else if (item->kind == 'f') {
        memcpy(&single, bytes, sizeof(single));
        number = (double)single;
    } else {
        memcpy(&bits, bytes, sizeof(bits));
        unsigned unused = 64 - 8 * (unsigned)item->size;
        bool is_signed = islower((unsigned char)item->kind) != 0;
        number = is_signed ? (double)((int64_t)(bits << unused) >> unused) : (double)bits;
    }
    lua_pushnumber(f->lua, number);
}

/* Pushes the item at `data`; returns its size. */
static size_t unpack_item(struct format *f, struct item *item, const uint8_t *data, size_t left)
{
    if (item->kind == 's') {
        const uint8_t *end = memchr(data, 0, left);
        luaL_argcheck(f->lua, end != NULL, 2, "unfinished string in data");
        lua_pushlstring(f->lua, (const char *)data, (size_t)(end - data));
        return (size_t)(end - data) + 1;
    }
    if (item->kind == 'c' && item->size == 0) {
        luaL_argcheck(f->lua, lua_type(f->lua, -1) == LUA_TNUMBER, 1,
                      "format 'c0' needs a previous size");
        lua_Number size = lua_tonumber(f->lua, -1);
        luaL_argcheck(f->lua, size >= 0 && size <= (lua_Number)left, 2, "data string too short");
        lua_pop(f->lua, 1);
        item->size = (size_t)size;
    }
    luaL_argcheck(f->lua, item->size <= left, 2, "data string too short");
    if (item->kind == 'c')
        lua_pushlstring(f->lua, (const char *)data, item->size);
    else if (item->kind != 'x')
        push_number(f, item, data);
    return item->size;
}

static int unpack(lua_State *lua)
{
    struct format f = check_format(lua);
    size_t size, padding;
    const uint8_t *data = (const uint8_t *)luaL_checklstring(lua, 2, &size);
    lua_Number start = luaL_optnumber(lua, 3, 1);
    struct item item;
    luaL_argcheck(lua, start >= 1 && start <= (lua_Number)size + 1, 3, "offset is out of range");
    f.total = (size_t)start - 1;
    lua_settop(lua, 2);
    while (take_item(&f, &item, &padding)) {
        luaL_argcheck(lua, padding <= size - f.total, 2, "data string too short");
        luaL_checkstack(lua, 4, "too many results");
        f.total += padding;
        f.total += unpack_item(&f, &item, data + f.total, size - f.total);
    }
    lua_pushnumber(lua, (lua_Number)f.total + 1);
    return lua_gettop(lua) - 2;
}

static int size(lua_State *lua)
{
    struct format f = check_format(lua);
    struct item item;
    size_t padding;
    while (take_item(&f, &item, &padding)) {
        luaL_argcheck(lua, item.kind != 's', 1, "variable-size format");
        luaL_argcheck(lua, item.kind != 'c' || item.size > 0, 1, "variable-length format");
        f.total += padding + item.size;
    }
    lua_pushnumber(lua, (lua_Number)f.total);
    return 1;
}

void struct_open(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"pack", pack}, {"unpack", unpack}, {"size", size}, {NULL, NULL}};
    lua_newtable(lua);
    luaL_register(lua, NULL, functions);
}
