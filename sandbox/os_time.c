/* SPDX-License-Identifier: MPL-2.0
 *
 * os_time.c - os.date and os.time with UTC as the only zone, as Heka has them.
 *
 * "Now" is the clock at the moment of the call, not the time of the message or of the timer event,
 * as in Heka: a request that is done again after a crash sees a later clock. Both functions read
 * the same one, and so do Timestamps of what is injected: the host's, or the system's.
 */
#include "sandbox/sandbox_internal.h"

#include <string.h>
#include <time.h>

static lua_Number now_s(lua_State *lua)
{
    return (lua_Number)(api_now_ns(sandbox_of(lua)) / 1000000000);
}

/* The original with "!" in front of the format, and with a time. */
static int os_date(lua_State *lua)
{
    const char *format = luaL_optstring(lua, 1, "%c");
    lua_settop(lua, 2);
    if (*format != '!')
        lua_pushfstring(lua, "!%s", format);
    else
        lua_pushstring(lua, format);
    lua_replace(lua, 1);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    if (lua_isnil(lua, 3)) {
        lua_settop(lua, 2);
        lua_pushnumber(lua, now_s(lua));
    }
    lua_call(lua, lua_gettop(lua) - 1, 1);
    return 1;
}

static int get_part(lua_State *lua, const char *name, int missing)
{
    lua_getfield(lua, 1, name);
    lua_Number number = lua_tonumber(lua, -1);
    bool is_there = lua_isnumber(lua, -1) && number >= -1e9 && number <= 1e9;
    if (!is_there && missing < 0)
        return luaL_error(lua, "field '%s' missing in date table", name);
    lua_pop(lua, 1);
    return is_there ? (int)number : missing;
}

static int os_time(lua_State *lua)
{
    lua_Number seconds;
    if (lua_isnoneornil(lua, 1)) {
        seconds = now_s(lua);
    } else {
        struct tm tm = {0};
        luaL_checktype(lua, 1, LUA_TTABLE);
        tm.tm_sec = get_part(lua, "sec", 0);
        tm.tm_min = get_part(lua, "min", 0);
        tm.tm_hour = get_part(lua, "hour", 12);
        tm.tm_mday = get_part(lua, "day", -1);
        tm.tm_mon = get_part(lua, "month", -1) - 1;
        tm.tm_year = get_part(lua, "year", -1) - 1900;
        seconds = (lua_Number)timegm(&tm);
    }
    lua_pushnumber(lua, seconds);
    return 1;
}

void os_time_open(lua_State *lua)
{
    lua_getfield(lua, LUA_GLOBALSINDEX, LUA_OSLIBNAME);
    lua_getfield(lua, -1, "date");
    lua_remove(lua, -2);
    lua_pushcclosure(lua, os_date, 1);
    lua_setfield(lua, -2, "date");
    lua_pushcfunction(lua, os_time);
    lua_setfield(lua, -2, "time");
}
