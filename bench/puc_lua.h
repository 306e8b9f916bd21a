/* SPDX-License-Identifier: MPL-2.0
 *
 * puc_lua.h - what PUC Lua 5.1 lacks of LuaJIT's C interface.
 *
 * Place:   included before every file of sandbox/ that bench/sandbox_puc is made of, and by
 *          nothing else. Texts and bytecode are not told apart, and there is no library bit.
 */
#ifndef BENCH_PUC_LUA_H
#define BENCH_PUC_LUA_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define LUA_BITLIBNAME                                "bit"
#define LUA_FFILIBNAME                                "ffi"
#define LUA_JITLIBNAME                                "jit"
#define luaL_loadbufferx(lua, text, size, name, mode) luaL_loadbuffer(lua, text, size, name)

static inline int puc_open_nothing(lua_State *lua)
{
    const char *name = lua_tostring(lua, 1);
    lua_newtable(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_GLOBALSINDEX, name);
    return 1;
}
#define luaopen_bit puc_open_nothing
#define luaopen_ffi puc_open_nothing
#define luaopen_jit puc_open_nothing

#endif
