/* SPDX-License-Identifier: MPL-2.0
 *
 * api_read.c - read_message, read_next_field, read_config.
 *
 * Source:  Heka 0.11.
 */
#include "sandbox/sandbox_internal.h"

#include <string.h>

struct msg_slice api_slice(const char *text)
{
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

bool api_field_name(struct msg_slice name, struct msg_slice *field)
{
    static const char start[] = "Fields[";
    enum { START = sizeof(start) - 1 };
    if (name.len <= START || memcmp(name.ptr, start, START) != 0 || name.ptr[name.len - 1] != ']')
        return false;
    *field = (struct msg_slice){name.ptr + START, name.len - START - 1};
    return true;
}

uint32_t api_check_index(lua_State *lua, int index, const char *error)
{
    lua_Number number = luaL_optnumber(lua, index, 0);
    luaL_argcheck(lua, number >= 0, index, error);
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

struct msg_slice api_check_slice(lua_State *lua, int index)
{
    size_t len;
    const char *text = luaL_checklstring(lua, index, &len);
    return (struct msg_slice){text, (uint32_t)len};
}

static void push_slice(lua_State *lua, struct msg_slice slice)
{
    lua_pushlstring(lua, slice.len > 0 ? slice.ptr : "", slice.len);
}

/* ---- header ---- */

static bool push_number(lua_State *lua, const struct msg_view *view, struct msg_slice name)
{
    if (name.len == 9 && memcmp(name.ptr, "Timestamp", 9) == 0)
        lua_pushnumber(lua, (lua_Number)view->timestamp_ns);
    else if (name.len == 8 && memcmp(name.ptr, "Severity", 8) == 0 &&
             (view->present & MSG_HAS_SEVERITY) != 0)
        lua_pushnumber(lua, view->severity);
    else if (name.len == 3 && memcmp(name.ptr, "Pid", 3) == 0 && (view->present & MSG_HAS_PID) != 0)
        lua_pushnumber(lua, view->pid);
    else
        return false;
    return true;
}

static const struct msg_slice *find_text(const struct msg_view *view, struct msg_slice name)
{
    const struct {
        const char *name;
        uint32_t len;
        const struct msg_slice *slice;
    } texts[] = {{"Type", 4, &view->type},
                 {"Payload", 7, &view->payload},
                 {"Logger", 6, &view->logger},
                 {"Hostname", 8, &view->hostname},
                 {"EnvVersion", 10, &view->env_version}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].len == name.len && memcmp(texts[i].name, name.ptr, name.len) == 0)
            return texts[i].slice;
    }
    return NULL;
}

static void push_header(lua_State *lua, const struct msg_view *view, struct msg_slice name)
{
    char uuid[MSG_UUID_TEXT_LEN];
    const struct msg_slice *text = find_text(view, name);
    if (text != NULL) {
        push_slice(lua, *text);
    } else if (name.len == 4 && memcmp(name.ptr, "Uuid", 4) == 0) {
        msg_uuid_text(view->uuid, uuid);
        lua_pushlstring(lua, uuid, sizeof(uuid));
    } else if (name.len == 3 && memcmp(name.ptr, "raw", 3) == 0 && view->size > 0) {
        lua_pushlstring(lua, (const char *)view->bytes, view->size);
    } else if (!push_number(lua, view, name)) {
        lua_pushnil(lua);
    }
}

/* ---- fields ---- */

/* The value of a field that has it. */
static void push_value_of(lua_State *lua, const struct msg_field *field,
                          const struct msg_value *value)
{
    switch (value->type) {
    case MSG_INTEGER:
        lua_pushnumber(lua, (lua_Number)value->integer);
        break;
    case MSG_DOUBLE:
        lua_pushnumber(lua, value->number);
        break;
    case MSG_BOOL:
        lua_pushboolean(lua, value->boolean);
        break;
    default:
        if (value->slice.len == 0 && field->value_type == MSG_BYTES)
            lua_pushnil(lua);
        else
            push_slice(lua, value->slice);
    }
}

static void push_value(lua_State *lua, const struct msg_field *field, uint32_t index)
{
    struct msg_values values;
    struct msg_value value;
    if (index >= field->value_count) {
        lua_pushnil(lua);
        return;
    }
    msg_values_init(&values, field);
    do {
        if (!msg_values_next(&values, &value)) {
            lua_pushnil(lua);
            return;
        }
    } while (index-- > 0);
    push_value_of(lua, field, &value);
}

int api_read_message(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    struct msg_slice field_name;
    struct msg_field field;
    int args = lua_gettop(lua);
    if (args < 1 || args > 3)
        return luaL_error(lua, "read_message() incorrect number of arguments");
    struct msg_slice name = api_check_slice(lua, 1);
    uint32_t field_index = 0, value_index = 0;
    if (args > 1) {
        field_index = api_check_index(lua, 2, "field index must be >= 0");
        value_index = api_check_index(lua, 3, "array index must be >= 0");
    }
    if (sandbox->message == NULL)
        lua_pushnil(lua);
    else if (!api_field_name(name, &field_name))
        push_header(lua, sandbox->message, name);
    else if (!msg_field_find(sandbox->message, field_name.ptr, field_name.len, field_index, &field))
        lua_pushnil(lua);
    else
        push_value(lua, &field, value_index);
    return 1;
}

/* False at the end. */
static bool next_field(struct sandbox *sandbox)
{
    struct msg_field *field = &sandbox->next_field;
    if (sandbox->next_field_ended || sandbox->message == NULL)
        return false;
    bool is_there = sandbox->next_field_begun ? msg_field_next(sandbox->message, field)
                                              : msg_field_first(sandbox->message, field);
    sandbox->next_field_begun = true;
    sandbox->next_field_ended = !is_there;
    return is_there;
}

int api_read_next_field(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    if (lua_gettop(lua) != 0)
        return luaL_error(lua, "read_next_field() takes no arguments");
    if (!next_field(sandbox)) {
        lua_settop(lua, 5);
        return 5;
    }
    lua_pushnumber(lua, sandbox->next_field.value_type);
    push_slice(lua, sandbox->next_field.name);
    push_value(lua, &sandbox->next_field, 0);
    push_slice(lua, sandbox->next_field.representation);
    lua_pushnumber(lua, sandbox->next_field.value_count);
    return 5;
}

int api_read_config(lua_State *lua)
{
    const struct sandbox_host *host = &sandbox_of(lua)->config.host;
    struct sandbox_value value = {0};
    if (lua_gettop(lua) != 1)
        return luaL_error(lua, "read_config() must have a single argument");
    struct msg_slice name = api_check_slice(lua, 1);
    if (host->read_config != NULL)
        host->read_config(host->host, name, &value);
    if (value.kind == SANDBOX_STRING)
        push_slice(lua, value.string);
    else if (value.kind == SANDBOX_NUMBER)
        lua_pushnumber(lua, value.number);
    else if (value.kind == SANDBOX_BOOL)
        lua_pushboolean(lua, value.boolean);
    else
        lua_pushnil(lua);
    return 1;
}
