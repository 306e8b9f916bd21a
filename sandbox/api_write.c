/* SPDX-License-Identifier: MPL-2.0
 *
 * api_write.c - write_message, for decoders and encoders.
 *
 * Source:  Heka 0.11; codec/message_write.h has what it does to the message.
 */
#include "sandbox/sandbox_internal.h"

#include <errno.h>
#include <string.h>

#include "codec/message_write.h"

/* The message that is processed, in a buffer of its own. */
static int begin_edit(struct sandbox *sandbox)
{
    struct buffer *buffer = &sandbox->edited;
    size_t size = sandbox->view.size;
    if (sandbox->is_edited)
        return 0;
    buffer_clear(buffer);
    if (buffer_reserve(buffer, size + SANDBOX_EDIT_ROOM) != 0)
        return -ENOMEM;
    memcpy(buffer->data, sandbox->view.bytes, size);
    int rc = msg_edit_init(&sandbox->edit, buffer->data, size, size + SANDBOX_EDIT_ROOM);
    sandbox->is_edited = rc == 0;
    return rc;
}

static void read_value(lua_State *lua, struct message_write *write)
{
    switch (lua_type(lua, 2)) {
    case LUA_TSTRING:
        write->kind = WRITE_STRING;
        write->string = api_check_slice(lua, 2);
        break;
    case LUA_TNUMBER:
        write->kind = WRITE_NUMBER;
        write->number = lua_tonumber(lua, 2);
        break;
    case LUA_TBOOLEAN:
        write->kind = WRITE_BOOL;
        write->boolean = lua_toboolean(lua, 2);
        break;
    case LUA_TNIL:
        write->kind = WRITE_NIL;
        break;
    default:
        luaL_error(lua, "write_message() only accepts numeric, string, or boolean field values, "
                        "or nil to delete");
    }
}

/* The view follows the message. */
static int apply(struct sandbox *sandbox, const struct message_write *write, const char **reason)
{
    *reason = "no message or no memory";
    if (sandbox->message == NULL || begin_edit(sandbox) != 0)
        return -ENOMEM;
    int rc = message_write(&sandbox->edit, write, sandbox->times, api_now_ns(sandbox), reason);
    if (rc < 0)
        return rc;
    sandbox->edited.size = sandbox->edit.size;
    sandbox->next_field_ended = true; /* its position was of the message as it was */
    return msg_view_init(&sandbox->view, sandbox->edit.bytes, sandbox->edit.size);
}

int api_write_message(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    const struct sandbox_host *host = &sandbox->config.host;
    struct message_write write = {.representation = {"", 0}};
    const char *reason;
    int args = lua_gettop(lua);
    if (args < 2 || args > 5)
        return luaL_error(lua, "write_message() incorrect number of arguments");
    write.name = api_check_slice(lua, 1);
    read_value(lua, &write);
    if (!lua_isnoneornil(lua, 3))
        write.representation = api_check_slice(lua, 3);
    write.field_index = api_check_index(lua, 4, "field index must be >= 0");
    write.value_index = api_check_index(lua, 5, "array index must be >= 0");
    write.has_value_index = args == 5 && !lua_isnil(lua, 5);
    if (apply(sandbox, &write, &reason) == 0)
        return 0;
    if (host->log != NULL)
        host->log(host->host, reason);
    return luaL_error(lua, "write_message() failed");
}
