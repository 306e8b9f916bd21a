/* SPDX-License-Identifier: MPL-2.0
 *
 * api_decode.c - decode_message: a protobuf message as a table.
 *
 * Source:  Heka 0.11: stricter than protobuf, no unknown members, Uuid and Timestamp required.
 */
#include "sandbox/sandbox_internal.h"

#include <string.h>

enum { SIZE_MIN = 20, VARINT_MAX = 10, MESSAGE = 2 };
enum wire { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2 };

struct cursor {
    lua_State *lua;
    const uint8_t *at, *end;
};

/* ---- parts; false: malformed ---- */

static bool take_varint(struct cursor *c, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_MAX && c->at < c->end; i++) {
        uint8_t byte = *c->at++;
        *value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool take_bytes(struct cursor *c, enum wire wire, struct cursor *part)
{
    uint64_t size;
    if (wire != WIRE_BYTES || !take_varint(c, &size) || size > (uint64_t)(c->end - c->at))
        return false;
    *part = (struct cursor){.lua = c->lua, .at = c->at, .end = c->at + size};
    c->at += size;
    return true;
}

static bool push_bytes(struct cursor *c, enum wire wire)
{
    struct cursor part;
    if (!take_bytes(c, wire, &part))
        return false;
    lua_pushlstring(c->lua, (const char *)part.at, (size_t)(part.end - part.at));
    return true;
}

static bool set_bytes(struct cursor *c, enum wire wire, int table, const char *name)
{
    if (!push_bytes(c, wire))
        return false;
    lua_setfield(c->lua, table, name);
    return true;
}

static bool set_number(struct cursor *c, enum wire wire, int table, const char *name)
{
    uint64_t value;
    if (wire != WIRE_VARINT || !take_varint(c, &value))
        return false;
    lua_pushnumber(c->lua, (lua_Number)(int64_t)value);
    lua_setfield(c->lua, table, name);
    return true;
}

/* ---- values of a field ---- */

static bool push_value(struct cursor *c, unsigned tag)
{
    uint64_t bits;
    double number;
    if (tag == 7) {
        if (c->end - c->at < (ptrdiff_t)sizeof(number))
            return false;
        memcpy(&number, c->at, sizeof(number));
        c->at += sizeof(number);
        lua_pushnumber(c->lua, number);
        return true;
    }
    if (!take_varint(c, &bits))
        return false;
    if (tag == 8)
        lua_pushboolean(c->lua, bits != 0);
    else
        lua_pushnumber(c->lua, (lua_Number)(int64_t)bits);
    return true;
}

/* One value, or a packed list of them, to the array at `values`. */
static bool add_values(struct cursor *c, unsigned tag, enum wire wire, int values, int *count)
{
    struct cursor packed;
    if (tag == 4 || tag == 5) {
        if (!push_bytes(c, wire))
            return false;
        lua_rawseti(c->lua, values, ++*count);
        return true;
    }
    if (wire == (tag == 7 ? WIRE_DOUBLE : WIRE_VARINT)) {
        if (!push_value(c, tag))
            return false;
        lua_rawseti(c->lua, values, ++*count);
        return true;
    }
    if (!take_bytes(c, wire, &packed))
        return false;
    while (packed.at < packed.end) {
        if (!push_value(&packed, tag))
            return false;
        lua_rawseti(c->lua, values, ++*count);
    }
    return true;
}

/* The table on top gets the members of a field. */
static bool read_field(struct cursor *field)
{
    lua_State *lua = field->lua;
    int table = lua_gettop(lua), count = 0;
    bool has_name = false, ok = true;
    lua_newtable(lua);
    while (ok && field->at < field->end) {
        uint8_t key = *field->at++;
        unsigned tag = key >> 3;
        enum wire wire = key & 7;
        if (tag == 1)
            ok = has_name = set_bytes(field, wire, table, "name");
        else if (tag == 2)
            ok = set_number(field, wire, table, "value_type");
        else if (tag == 3)
            ok = set_bytes(field, wire, table, "representation");
        else
            ok = tag >= 4 && tag <= 8 && add_values(field, tag, wire, table + 1, &count);
    }
    lua_setfield(lua, table, "value");
    limits_charge(lua, (uint64_t)count + 1);
    return ok && has_name;
}

/* ---- the message ---- */

static bool read_fields(struct cursor *c, enum wire wire, int *count)
{
    struct cursor field;
    lua_State *lua = c->lua;
    if (!take_bytes(c, wire, &field))
        return false;
    if ((*count)++ == 0) {
        lua_newtable(lua);
        lua_setfield(lua, MESSAGE, "Fields");
    }
    lua_getfield(lua, MESSAGE, "Fields");
    lua_newtable(lua);
    bool ok = read_field(&field);
    lua_rawseti(lua, -2, *count);
    lua_pop(lua, 1);
    return ok;
}

/* The member that `key` begins. `found`: bits of the tags that were there. */
static bool read_member(struct cursor *c, uint8_t key, unsigned *found, int *field_count)
{
    static const char *const names[] = {NULL,       "Uuid",    "Timestamp",  "Type", "Logger",
                                        "Severity", "Payload", "EnvVersion", "Pid",  "Hostname"};
    unsigned tag = key >> 3;
    enum wire wire = key & 7;
    const uint8_t *start = c->at;
    if (tag == 0 || tag > 10)
        return false;
    *found |= 1U << tag;
    if (tag == 10)
        return read_fields(c, wire, field_count);
    if (tag == 2 || tag == 5 || tag == 8)
        return set_number(c, wire, MESSAGE, names[tag]);
    return set_bytes(c, wire, MESSAGE, names[tag]) && (tag != 1 || c->at - start == 17);
}

int api_decode_message(lua_State *lua)
{
    size_t size;
    unsigned found = 0;
    int field_count = 0;
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
        return luaL_argerror(lua, 0, "must have one string argument");
    const uint8_t *bytes = (const uint8_t *)lua_tolstring(lua, 1, &size);
    if (size < SIZE_MIN)
        return luaL_error(lua, "invalid message, too short");
    struct cursor c = {.lua = lua, .at = bytes, .end = bytes + size};
    limits_charge(lua, size / 16);
    lua_newtable(lua);
    while (c.at < c.end) {
        const uint8_t *start = c.at++;
        if (!read_member(&c, *start, &found, &field_count))
            return luaL_error(lua, "error in tag: %d wiretype: %d offset: %d", *start >> 3,
                              *start & 7, (int)(start - bytes));
    }
    if ((found & 6) != 6)
        return luaL_error(lua, "missing required field uuid: %s timestamp: %s",
                          (found & 2) != 0 ? "found" : "not found",
                          (found & 4) != 0 ? "found" : "not found");
    return 1;
}
