/* SPDX-License-Identifier: MPL-2.0
 *
 * modules.c - require: what is built in, and text files of fixed folders; for sandboxes that may do
 * I/O, shared objects of these and of Debian's packages, too.
 */
#include "sandbox/sandbox_internal.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "sandbox/cjson.h"
#include "sandbox/peg.h"
#include "sandbox/userdata.h"

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
static bool make_path(char *path, const char *folder, size_t folder_len, const char *name,
                      const char *suffix)
{
    int size = snprintf(path, PATH_MAX, "%.*s/%s", (int)folder_len, folder, name);
    if (size < 0 || (size_t)size + strlen(suffix) >= PATH_MAX)
        return false;
    for (char *at = path + folder_len; *at != '\0'; at++) {
        if (*at == '.')
            *at = '/';
    }
    memcpy(path + size, suffix, strlen(suffix) + 1);
    return true;
}

static int read_module(const struct sandbox_host *host, const char *path, struct buffer *text)
{
    return host->read_module != NULL ? host->read_module(host->host, path, text)
                                     : modules_read(path, text);
}

typedef bool (*load_fn)(lua_State *lua, const char *path, const char *name);

/* Leaves the chunk of a text that was read on the stack, or returns false. The text is held by
 * `encoded`, which is free while no injection is under way, so that no error can lose it. */
static bool load_text(lua_State *lua, int rc, const char *name)
{
    const struct buffer *text = &sandbox_of(lua)->encoded;
    if (rc == -ENOENT || rc == -ENOTDIR)
        return false;
    if (rc < 0)
        return luaL_error(lua, "module '%s' cannot be read: %s", name, strerror(-rc)) != 0;
    if (luaL_loadbufferx(lua, text->data, text->size, name, "t") != 0)
        lua_error(lua);
    return true;
}

static bool load_file(lua_State *lua, const char *path, const char *name)
{
    struct buffer *text = &sandbox_of(lua)->encoded;
    buffer_clear(text);
    return load_text(lua, read_module(&sandbox_of(lua)->config.host, path, text), name);
}

/* ---- sandboxes that may do I/O ---- */

/* Of Debian's packages lua-socket and lua-sec. */
#define SYSTEM_TEXTS   "/usr/share/lua/5.1"
#define SYSTEM_OBJECTS "/usr/lib/" HEKA_LIBRARY_ARCHITECTURE "/lua/5.1"

static bool load_system_file(lua_State *lua, const char *path, const char *name)
{
    struct buffer *text = &sandbox_of(lua)->encoded;
    buffer_clear(text);
    return load_text(lua, modules_read(path, text), name);
}

/* luaopen_a_b of the module a.b. The object stays loaded. */
static bool load_object(lua_State *lua, const char *path, const char *name)
{
    char symbol[MODULE_NAME_MAX + sizeof("luaopen_")];
    lua_CFunction function;
    if (access(path, F_OK) != 0)
        return false;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return luaL_error(lua, "module '%s' cannot be loaded: %s", name, dlerror()) != 0;
    snprintf(symbol, sizeof(symbol), "luaopen_%s", name);
    for (char *at = symbol; *at != '\0'; at++) {
        if (*at == '.')
            *at = '_';
    }
    void *address = dlsym(object, symbol);
    if (address == NULL)
        return luaL_error(lua, "module '%s' has no %s", name, symbol) != 0;
    memcpy(&function, &address, sizeof(function));
    lua_pushcfunction(lua, function);
    return true;
}

/* Leaves a chunk or C function of one of the folders, with ';' between them, on the stack. */
static bool find_in(lua_State *lua, const char *folders, const char *name, const char *suffix,
                    load_fn load)
{
    char path[PATH_MAX];
    while (folders != NULL && *folders != '\0') {
        size_t len = strcspn(folders, ";");
        if (len > 0 && make_path(path, folders, len, name, suffix) && load(lua, path, name))
            return true;
        folders += len + (folders[len] == ';');
    }
    return false;
}

static bool find_file(lua_State *lua, const char *name)
{
    const struct sandbox_config *config = &sandbox_of(lua)->config;
    if (find_in(lua, config->module_directory, name, ".lua", load_file))
        return true;
    return config->io && (find_in(lua, config->module_directory, name, ".so", load_object) ||
                          find_in(lua, SYSTEM_TEXTS, name, ".lua", load_system_file) ||
                          find_in(lua, SYSTEM_OBJECTS, name, ".so", load_object));
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

/* Built in, opened when they are asked for. Each leaves its module on the stack. */
static const struct {
    const char *name;
    void (*open)(lua_State *lua);
} libraries[] = {
    {"lpeg", peg_open},
    {"cjson", cjson_open},
    {"circular_buffer", cbuf_open},
    {"hyperloglog", hyperloglog_open},
    {"bloom_filter", bloom_filter_open},
    {"cuckoo_filter", cuckoo_filter_open},
    {"sax", sax_open},
    {"struct", struct_open},
};

bool modules_push_library(lua_State *lua, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(libraries); i++) {
        if (strcmp(name, libraries[i].name) == 0) {
            libraries[i].open(lua);
            return true;
        }
    }
    return false;
}

/* Pushes the built-in module `name`, or returns false. */
static bool push_built_in(lua_State *lua, const char *name)
{
    if (modules_push_library(lua, name))
        return true;
    lua_getfield(lua, lua_upvalueindex(1), name);
    if (!lua_isnil(lua, -1))
        return true;
    lua_pop(lua, 1);
    return false;
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
    if (push_built_in(lua, name)) {
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
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, MODULES_LOADED);
    lua_pushcclosure(lua, require, 2);
    lua_setfield(lua, LUA_GLOBALSINDEX, "require");
}
