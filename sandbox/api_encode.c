/* SPDX-License-Identifier: MPL-2.0
 *
 * api_encode.c - the table of inject_message as a protobuf message.
 *
 * Source:  Heka 0.11: members in the order of message.proto, a missing Uuid is random, a missing
 *          Timestamp is now in whole seconds.
 */
#include "sandbox/sandbox_internal.h"

#include <string.h>

#include "sandbox/userdata.h"

#define ENCODE_ERROR "inject_message() could not encode protobuf - "

enum { MESSAGE = 1, VARINT_MAX = 10 };

struct encoding {
    lua_State *lua;
    struct sandbox *sandbox;
    struct msg_builder builder;
};

struct field { /* as the script has it */
    struct msg_slice name, representation;
    int value; /* index on the stack */
    bool is_array, has_type;
    lua_Number type_number; /* of value_type */
    enum msg_value_type type;
};

static void check_room(const struct encoding *encoding)
{
    if (encoding->builder.failed)
        luaL_error(encoding->lua, ENCODE_ERROR "strbuf output_limit exceeded");
}

/* ---- values ---- */

static bool has_text(lua_State *lua, int index)
{
    const struct userdata_class *class = userdata_class_of(lua, index);
    return class != NULL && class->output != NULL;
}

static enum msg_value_type type_of(const struct encoding *encoding, const struct field *field,
                                   int index)
{
    lua_State *lua = encoding->lua;
    lua_Number type = field->type_number;
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        if (field->has_type && type != MSG_STRING && type != MSG_BYTES)
            luaL_error(lua, ENCODE_ERROR "invalid string value_type: %d", (int)type);
        return field->has_type ? (enum msg_value_type)(int)type : MSG_STRING;
    case LUA_TNUMBER:
        if (field->has_type && type != MSG_INTEGER && type != MSG_DOUBLE)
            luaL_error(lua, ENCODE_ERROR "invalid numeric value_type: %d", (int)type);
        return field->has_type ? (enum msg_value_type)(int)type : MSG_DOUBLE;
    case LUA_TBOOLEAN:
        if (field->has_type && type != MSG_BOOL)
            luaL_error(lua, ENCODE_ERROR "invalid boolean value_type: %d", (int)type);
        return MSG_BOOL;
    case LUA_TUSERDATA:
        if (field->is_array || !has_text(lua, index))
            luaL_error(lua, ENCODE_ERROR "user data object does not implement lsb_output");
        return MSG_BYTES;
    default:
        luaL_error(lua, ENCODE_ERROR "%s: %s",
                   field->is_array ? "unsupported array type" : "unsupported type",
                   luaL_typename(lua, index));
        return MSG_STRING;
    }
}

/* Numbers beyond what 64 bits hold become the nearest that they do; NaN becomes 0. */
static int64_t integer_of(lua_Number number)
{
    if (!(number > -9223372036854775808.0))
        return number == number ? INT64_MIN : 0;
    return number >= 9223372036854775808.0 ? INT64_MAX : (int64_t)number;
}

/* The text of an object, in the scratch: it is there until the next one. */
static struct msg_slice object_text(const struct encoding *encoding, int index)
{
    struct buffer *scratch = &encoding->sandbox->scratch;
    size_t limit = encoding->sandbox->config.limits.output_limit;
    scratch->size = 0;
    if (userdata_class_of(encoding->lua, index)->output(encoding->lua, index, scratch) != 0 ||
        (limit != 0 && scratch->size > limit))
        luaL_error(encoding->lua, ENCODE_ERROR "strbuf output_limit exceeded");
    return (struct msg_slice){scratch->size > 0 ? scratch->data : "", (uint32_t)scratch->size};
}

static struct msg_value value_of(const struct encoding *encoding, enum msg_value_type type,
                                 int index)
{
    struct msg_value value = {.type = type};
    size_t len;
    if (lua_type(encoding->lua, index) == LUA_TUSERDATA) {
        value.slice = object_text(encoding, index);
    } else if (type == MSG_STRING || type == MSG_BYTES) {
        const char *text = lua_tolstring(encoding->lua, index, &len);
        value.slice = (struct msg_slice){text, (uint32_t)len};
    } else if (type == MSG_INTEGER) {
        value.integer = integer_of(lua_tonumber(encoding->lua, index));
    } else if (type == MSG_DOUBLE) {
        value.number = lua_tonumber(encoding->lua, index);
    } else {
        value.boolean = lua_toboolean(encoding->lua, index);
    }
    return value;
}

static size_t put_varint(uint8_t *at, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        at[size++] = (uint8_t)(value | 0x80);
    at[size++] = (uint8_t)value;
    return size;
}

static size_t varint_size(uint64_t value)
{
    uint8_t bytes[VARINT_MAX];
    return put_varint(bytes, value);
}

/* One value of a member with several: texts with tag and length, numbers packed. */
static size_t put_value(uint8_t *at, const struct msg_value *value)
{
    size_t size;
    switch (value->type) {
    case MSG_STRING:
    case MSG_BYTES:
        *at = value->type == MSG_STRING ? 4 << 3 | 2 : 5 << 3 | 2;
        size = 1 + put_varint(at + 1, value->slice.len);
        memcpy(at + size, value->slice.ptr, value->slice.len);
        return size + value->slice.len;
    case MSG_INTEGER:
        return put_varint(at, (uint64_t)value->integer);
    case MSG_DOUBLE:
        memcpy(at, &value->number, sizeof(value->number));
        return sizeof(value->number);
    default:
        *at = value->boolean;
        return 1;
    }
}

static size_t value_size(const struct msg_value *value)
{
    switch (value->type) {
    case MSG_STRING:
    case MSG_BYTES:
        return 1 + varint_size(value->slice.len) + value->slice.len;
    case MSG_INTEGER:
        return varint_size((uint64_t)value->integer);
    case MSG_DOUBLE:
        return sizeof(value->number);
    default:
        return 1;
    }
}

/* All values of the array at field->value must be of one Lua type. Sum of their sizes. */
static size_t array_size(const struct encoding *encoding, struct field *field, int count)
{
    lua_State *lua = encoding->lua;
    size_t size = 0;
    int kind = LUA_TNONE;
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, field->value, i);
        if (kind != LUA_TNONE && lua_type(lua, -1) != kind)
            luaL_error(lua, ENCODE_ERROR "array has mixed types");
        kind = lua_type(lua, -1);
        field->type = type_of(encoding, field, lua_gettop(lua));
        struct msg_value value = value_of(encoding, field->type, lua_gettop(lua));
        size += value_size(&value);
        lua_pop(lua, 1);
    }
    return size;
}

static void put_array(struct encoding *encoding, struct field *field)
{
    lua_State *lua = encoding->lua;
    static const uint8_t packed_tags[] = {
        [MSG_INTEGER] = 6 << 3 | 2, [MSG_DOUBLE] = 7 << 3 | 2, [MSG_BOOL] = 8 << 3 | 2};
    int count = (int)lua_objlen(lua, field->value);
    size_t size = array_size(encoding, field, count);
    bool is_packed = field->type != MSG_STRING && field->type != MSG_BYTES;
    size_t head = is_packed ? 1 + varint_size(size) : 0;
    uint8_t *at = msg_builder_field_begin(&encoding->builder, field->name, field->type,
                                          field->representation, size + head);
    if (at == NULL)
        return;
    if (is_packed) {
        *at++ = packed_tags[field->type];
        at += put_varint(at, size);
    }
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, field->value, i);
        struct msg_value value = value_of(encoding, field->type, lua_gettop(lua));
        at += put_value(at, &value);
        lua_pop(lua, 1);
    }
}

/* ---- fields ---- */

static void put_field(struct encoding *encoding, struct field *field)
{
    lua_State *lua = encoding->lua;
    field->is_array = lua_istable(lua, field->value);
    if (field->is_array) {
        if (lua_objlen(lua, field->value) == 0)
            luaL_error(lua, ENCODE_ERROR "unsupported type: nil");
        put_array(encoding, field);
    } else {
        field->type = type_of(encoding, field, field->value);
        struct msg_value value = value_of(encoding, field->type, field->value);
        msg_builder_field(&encoding->builder, field->name, &value, field->representation);
    }
    check_room(encoding);
}

static struct msg_slice text_at(lua_State *lua, int index)
{
    size_t len;
    const char *text = lua_tolstring(lua, index, &len);
    return (struct msg_slice){text, (uint32_t)len};
}

static void get_raw(lua_State *lua, int table, const char *name)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, table);
}

/* A table {value=, value_type=, representation=}; its parts stay on the stack. */
static void read_parts(lua_State *lua, int table, struct field *field)
{
    get_raw(lua, table, "representation");
    if (lua_type(lua, -1) == LUA_TSTRING)
        field->representation = text_at(lua, -1);
    get_raw(lua, table, "value_type");
    if (lua_type(lua, -1) == LUA_TNUMBER) {
        field->has_type = true;
        field->type_number = lua_tonumber(lua, -1);
        if (!(field->type_number >= 0 && field->type_number <= 1000))
            field->type_number = -1;
    }
    get_raw(lua, table, "value");
    field->value = lua_gettop(lua);
}

/* name = value: the pair on top. */
static void put_named(struct encoding *encoding)
{
    lua_State *lua = encoding->lua;
    int top = lua_gettop(lua);
    struct field field = {.representation = {"", 0}, .value = top};
    if (lua_type(lua, top - 1) != LUA_TSTRING)
        luaL_error(lua, ENCODE_ERROR "field name must be a string");
    field.name = text_at(lua, top - 1);
    if (lua_istable(lua, top)) {
        get_raw(lua, top, "value");
        bool has_parts = !lua_isnil(lua, -1);
        lua_settop(lua, top);
        if (has_parts)
            read_parts(lua, top, &field);
    }
    put_field(encoding, &field);
    lua_settop(lua, top);
}

/* {name=, value=, ...}: the element on top of an array of fields. */
static void put_element(struct encoding *encoding)
{
    lua_State *lua = encoding->lua;
    int top = lua_gettop(lua);
    struct field field = {.representation = {"", 0}};
    if (!lua_istable(lua, top))
        luaL_error(lua, ENCODE_ERROR "unsupported type: %s", luaL_typename(lua, top));
    get_raw(lua, top, "name");
    if (lua_type(lua, -1) != LUA_TSTRING)
        luaL_error(lua, ENCODE_ERROR "field name must be a string");
    field.name = text_at(lua, -1);
    read_parts(lua, top, &field);
    put_field(encoding, &field);
    lua_settop(lua, top);
}

static void put_fields(struct encoding *encoding)
{
    lua_State *lua = encoding->lua;
    get_raw(lua, MESSAGE, "Fields");
    int table = lua_gettop(lua);
    if (!lua_istable(lua, table))
        return;
    int count = (int)lua_objlen(lua, table);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, table, i);
        put_element(encoding);
        lua_pop(lua, 1);
    }
    if (count > 0)
        return;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        put_named(encoding);
        lua_pop(lua, 1);
    }
}

/* ---- header ---- */

typedef void (*put_text_fn)(struct msg_builder *builder, const char *text, size_t len);
typedef void (*put_number_fn)(struct msg_builder *builder, int32_t number);

/* A number is taken as its text, as Lua does. */
static void put_text(struct encoding *encoding, const char *name, put_text_fn put)
{
    lua_State *lua = encoding->lua;
    size_t len;
    get_raw(lua, MESSAGE, name);
    if (lua_isstring(lua, -1)) {
        const char *text = lua_tolstring(lua, -1, &len);
        put(&encoding->builder, text, len);
    }
    lua_pop(lua, 1);
    check_room(encoding);
}

static void put_number(struct encoding *encoding, const char *name, put_number_fn put)
{
    lua_State *lua = encoding->lua;
    get_raw(lua, MESSAGE, name);
    if (lua_isnumber(lua, -1))
        put(&encoding->builder, (int32_t)(uint32_t)(uint64_t)integer_of(lua_tonumber(lua, -1)));
    lua_pop(lua, 1);
}

static void put_identity(struct encoding *encoding, struct sandbox *sandbox)
{
    lua_State *lua = encoding->lua;
    uint8_t uuid[MSG_UUID_SIZE];
    get_raw(lua, MESSAGE, "Uuid");
    if (lua_type(lua, -1) == LUA_TSTRING && lua_objlen(lua, -1) == sizeof(uuid))
        memcpy(uuid, lua_tostring(lua, -1), sizeof(uuid));
    else
        api_random_uuid(sandbox, uuid);
    msg_builder_uuid(&encoding->builder, uuid);
    get_raw(lua, MESSAGE, "Timestamp");
    int64_t ns = lua_isnumber(lua, -1) ? integer_of(lua_tonumber(lua, -1))
                                       : api_now_ns(sandbox) / 1000000000 * 1000000000;
    msg_builder_timestamp(&encoding->builder, ns);
    lua_pop(lua, 2);
}

void api_encode_table(lua_State *lua, struct sandbox *sandbox)
{
    struct buffer *encoded = &sandbox->encoded;
    struct encoding encoding = {.lua = lua, .sandbox = sandbox};
    size_t limit = sandbox->config.limits.output_limit;
    size_t room = limit != 0 ? limit : SANDBOX_SCRIPT_SIZE_MAX;
    luaL_checkstack(lua, 16, "message");
    buffer_clear(encoded);
    if (buffer_reserve(encoded, room) != 0)
        luaL_error(lua, "not enough memory");
    msg_builder_init(&encoding.builder, encoded->data, room);
    put_identity(&encoding, sandbox);
    put_text(&encoding, "Type", msg_builder_type);
    put_text(&encoding, "Logger", msg_builder_logger);
    put_number(&encoding, "Severity", msg_builder_severity);
    put_text(&encoding, "Payload", msg_builder_payload);
    put_text(&encoding, "EnvVersion", msg_builder_env_version);
    put_number(&encoding, "Pid", msg_builder_pid);
    put_text(&encoding, "Hostname", msg_builder_hostname);
    put_fields(&encoding);
    int64_t size = msg_builder_finish(&encoding.builder);
    if (size < 0)
        luaL_error(lua, ENCODE_ERROR "strbuf output_limit exceeded");
    encoded->size = (size_t)size;
}
