/* SPDX-License-Identifier: MPL-2.0
 *
 * modules.c - require: what is built in, and text files of fixed folders.
 */
#include "sandbox/sandbox_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { MODULE_NAME_MAX = 64 };

/* Words of letters, digits and _, with single dots between them. */
static bool is_module_name(const char *name, size_t len)
{
    if (len == 0 || len > MODULE_NAME_MAX || strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_word = isalnum((unsigned char)name[i]) || name[i] == '_';
        bool is_dot = name[i] == '.' && i > 0 && i + 1 < len && name[i - 1] != '.';
        if (!is_word && !is_dot)
            return false;
    }
    return true;
}

static int read_all(int fd, struct buffer *out)
{
    enum { PART = 16384 };
    for (;;) {
        if (buffer_reserve(out, PART) != 0)
            return -ENOMEM;
        ssize_t size = read(fd, out->data + out->size, PART);
        if (size <= 0)
            return size == 0 ? 0 : -errno;
        out->size += (size_t)size;
        if (out->size > SANDBOX_SCRIPT_SIZE_MAX)
            return -EFBIG;
    }
}

int modules_read(const char *path, struct buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = read_all(fd, out);
    close(fd);
    return rc;
}

/* FOLDER/a/b.lua of the name a.b; `folder` is the next of the list. False: too long. */
static bool make_path(char *path, const char *folder, size_t folder_len, const char *name)
{
    int size = snprintf(path, PATH_MAX, "%.*s/%s", (int)folder_len, folder, name);
    if (size < 0 || size + (int)sizeof(".lua") > PATH_MAX)
        return false;
    for (char *at = path + folder_len; *at != '\0'; at++) {
        if (*at == '.')
            *at = '/';
    }
    memcpy(path + size, ".lua", sizeof(".lua"));
    return true;
}

/* Leaves the chunk on the stack, or returns false. The file's text is held by `encoded`, which is
 * free while no injection is under way, so that no error can lose it. */
static bool load_file(lua_State *lua, const char *path, const char *name)
{
    struct buffer *text = &sandbox_of(lua)->encoded;
    buffer_clear(text);
    int rc = modules_read(path, text);
    if (rc == -ENOENT || rc == -ENOTDIR)
        return false;
    if (rc < 0)
        return luaL_error(lua, "module '%s' cannot be read: %s", name, strerror(-rc)) != 0;
    if (luaL_loadbufferx(lua, text->data, text->size, name, "t") != 0)
        lua_error(lua);
    return true;
}

static bool find_file(lua_State *lua, const char *name)
{
    const char *folders = sandbox_of(lua)->config.module_directory;
    char path[PATH_MAX];
    while (folders != NULL && *folders != '\0') {
        size_t len = strcspn(folders, ";");
        if (len > 0 && make_path(path, folders, len, name) && load_file(lua, path, name))
            return true;
        folders += len + (folders[len] == ';');
    }
    return false;
}

/* The value on top becomes the global `name`, when it has no dot; `is_new`: only when there is
 * none. */
static void set_global(lua_State *lua, const char *name, bool is_new)
{
    if (strchr(name, '.') != NULL)
        return;
    lua_pushstring(lua, name);
    lua_rawget(lua, LUA_GLOBALSINDEX);
    bool is_free = lua_isnil(lua, -1);
    lua_pop(lua, 1);
    if (is_new && !is_free)
        return;
    lua_pushstring(lua, name);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, LUA_GLOBALSINDEX);
}

/* Upvalues: the built-in modules, and those that were loaded. */
static int require(lua_State *lua)
{
    size_t len;
    const char *name = luaL_checklstring(lua, 1, &len);
    limits_charge(lua, SANDBOX_PATTERN_STEPS);
    if (!is_module_name(name, len))
        return luaL_error(lua, "module name is not allowed");
    lua_settop(lua, 1);
    lua_getfield(lua, lua_upvalueindex(2), name);
    if (lua_isboolean(lua, -1) && !lua_toboolean(lua, -1))
        return luaL_error(lua, "loop or previous error loading module '%s'", name);
    if (!lua_isnil(lua, -1))
        return 1;
    lua_getfield(lua, lua_upvalueindex(1), name);
    if (!lua_isnil(lua, -1)) {
        set_global(lua, name, false);
        lua_pushvalue(lua, -1);
        lua_setfield(lua, lua_upvalueindex(2), name);
        return 1;
    }
    lua_settop(lua, 1);
    if (!find_file(lua, name))
        return luaL_error(lua, "module '%s' not found", name);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, lua_upvalueindex(2), name);
    lua_pushvalue(lua, 1);
    lua_call(lua, 1, 1);
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushboolean(lua, 1);
    }
    if (lua_istable(lua, -1))
        set_global(lua, name, true);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, lua_upvalueindex(2), name);
    return 1;
}

void modules_open(lua_State *lua)
{
    lua_newtable(lua);
    lua_pushcclosure(lua, require, 2);
    lua_setfield(lua, LUA_GLOBALSINDEX, "require");
}
