/* SPDX-License-Identifier: MPL-2.0
 *
 * restore_text.c - the Lua text that Heka preserved globals in, read as data.
 *
 * Nothing of it is executed. A line is one of
 *   if _PRESERVATION_VERSION and _PRESERVATION_VERSION ~= N then return end
 *   PATH = VALUE
 *   if PATH == nil then PATH = MODULE.new(NUMBERS and booleans) end
 *   PATH:set_header(...)  PATH:fromstring(...)
 * with PATH: _G["name"]["member"][1]..., VALUE: a number, 0/0, 1/0, -1/0, a string, true, false,
 * {}, or a PATH that came before.
 *
 * Source:  lua_sandbox: what it writes.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/preserve.h"
#include "sandbox/userdata.h"

enum { ARGUMENTS_MAX = 8, NUMBER_LEN_MAX = 64 };

struct text {
    lua_State *lua;
    const char *at, *end;
    int line;
};

static int fail(const struct text *t, const char *expected)
{
    return luaL_error(t->lua, "preserved data, line %d: %s expected", t->line, expected);
}

/* ---- words ---- */

static void skip_blanks(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\r'))
        t->at++;
}

/* Goes behind `word`, if it is next. */
static bool skip_word(struct text *t, const char *word)
{
    size_t size = strlen(word);
    skip_blanks(t);
    if ((size_t)(t->end - t->at) < size || memcmp(t->at, word, size) != 0)
        return false;
    t->at += size;
    return true;
}

static void need_word(struct text *t, const char *word)
{
    if (!skip_word(t, word))
        fail(t, word);
}

/* ---- values ---- */

/* %q of Lua 5.1: \", \\, \r, \0 and numbers, and a backslash before a line's end. */
static char take_escape(struct text *t)
{
    static const char letters[] = "abfnrtv", codes[] = "\a\b\f\n\r\t\v";
    char c = *t->at++;
    if (isdigit((unsigned char)c)) {
        int code = c - '0';
        for (int i = 0; i < 2 && t->at < t->end && isdigit((unsigned char)*t->at); i++)
            code = code * 10 + (*t->at++ - '0');
        if (code > 255)
            fail(t, "an escape below 256");
        return (char)code;
    }
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;
    if (c == '\n')
        t->line++;
    return letter != NULL ? codes[letter - letters] : c;
}

static void push_string(struct text *t)
{
    struct buffer *scratch = &sandbox_of(t->lua)->scratch;
    need_word(t, "\"");
    scratch->size = 0;
    for (;;) {
        if (t->at == t->end)
            fail(t, "the end of a string");
        char c = *t->at++;
        if (c == '"')
            break;
        if (c == '\n')
            t->line++;
        if (c == '\\' && t->at < t->end)
            c = take_escape(t);
        if (buffer_append(scratch, &c, 1) != 0)
            luaL_error(t->lua, "not enough memory");
    }
    lua_pushlstring(t->lua, scratch->size > 0 ? scratch->data : "", scratch->size);
    scratch->size = 0;
}

/* False: no number. */
static bool take_number(struct text *t, double *number)
{
    char digits[NUMBER_LEN_MAX + 1], *end;
    size_t len = 0;
    skip_blanks(t);
    while (t->at + len < t->end && len < NUMBER_LEN_MAX &&
           (isalnum((unsigned char)t->at[len]) || memchr("+-.", t->at[len], 3) != NULL)) {
        digits[len] = t->at[len];
        len++;
    }
    digits[len] = '\0';
    *number = strtod(digits, &end);
    if (end == digits)
        return false;
    t->at += end - digits;
    if (skip_word(t, "/0")) /* 0/0, 1/0, -1/0 */
        *number = *number / 0.0;
    return true;
}

static bool push_scalar(struct text *t)
{
    double number;
    skip_blanks(t);
    if (t->at < t->end && *t->at == '"') {
        push_string(t);
    } else if (skip_word(t, "true")) {
        lua_pushboolean(t->lua, 1);
    } else if (skip_word(t, "false")) {
        lua_pushboolean(t->lua, 0);
    } else if (take_number(t, &number)) {
        lua_pushnumber(t->lua, number);
    } else {
        return false;
    }
    return true;
}

/* ---- paths ---- */

/* Pushes table and key of the path behind "_G"; the table of its last step has to be there. */
static void push_path(struct text *t)
{
    lua_pushvalue(t->lua, LUA_GLOBALSINDEX);
    for (;;) {
        need_word(t, "[");
        if (!push_scalar(t) || (lua_type(t->lua, -1) == LUA_TNUMBER &&
                                lua_tonumber(t->lua, -1) != lua_tonumber(t->lua, -1)))
            fail(t, "a key");
        need_word(t, "]");
        limits_charge(t->lua, 1);
        if (t->at == t->end || *t->at != '[')
            return;
        lua_rawget(t->lua, -2);
        if (!lua_istable(t->lua, -1))
            fail(t, "a table that came before");
        lua_remove(t->lua, -2);
    }
}

/* Replaces table and key on top by the value. */
static void get_path(struct text *t)
{
    lua_rawget(t->lua, -2);
    lua_remove(t->lua, -2);
}

static void push_value(struct text *t)
{
    if (skip_word(t, "{}")) {
        lua_newtable(t->lua);
    } else if (skip_word(t, "_G")) {
        push_path(t);
        get_path(t);
    } else if (!push_scalar(t)) {
        fail(t, "a value");
    }
}

/* ---- objects ---- */

/* Pushes what is between the parentheses. Returns how many. */
static int push_arguments(struct text *t)
{
    int count = 0;
    if (skip_word(t, ")"))
        return 0;
    do {
        if (count == ARGUMENTS_MAX || !push_scalar(t))
            fail(t, "an argument");
        count++;
    } while (skip_word(t, ","));
    need_word(t, ")");
    return count;
}

/* MODULE.new(...) */
static void push_new(struct text *t)
{
    char name[32];
    size_t len = 0;
    skip_blanks(t);
    while (t->at < t->end && (isalnum((unsigned char)*t->at) || *t->at == '_') &&
           len + 1 < sizeof(name))
        name[len++] = *t->at++;
    name[len] = '\0';
    if (!modules_push_library(t->lua, name))
        fail(t, "a module");
    lua_getfield(t->lua, -1, "new");
    lua_remove(t->lua, -2);
    if (!lua_iscfunction(t->lua, -1))
        fail(t, "a module with objects");
    need_word(t, ".new(");
    lua_call(t->lua, push_arguments(t), 1);
}

/* if PATH == nil then PATH = MODULE.new(...) end; behind "if _G". The script's own object stays. */
static void read_condition(struct text *t)
{
    push_path(t);
    need_word(t, "== nil then _G");
    lua_pop(t->lua, 2);
    push_path(t);
    need_word(t, "=");
    lua_pushvalue(t->lua, -1);
    lua_rawget(t->lua, -3);
    bool is_there = !lua_isnil(t->lua, -1);
    lua_pop(t->lua, 1);
    push_new(t);
    if (is_there)
        lua_pop(t->lua, 3);
    else
        lua_rawset(t->lua, -3), lua_pop(t->lua, 1);
    need_word(t, "end");
}

/* Behind PATH, whose value is on top: a method that restores. */
static void read_method(struct text *t)
{
    bool is_header = skip_word(t, "set_header(");
    if (!is_header)
        need_word(t, "fromstring(");
    const struct userdata_class *class = userdata_class_of(t->lua, -1);
    if (class == NULL)
        fail(t, "an object that came before");
    userdata_push_metatable(t->lua, class);
    lua_getfield(t->lua, -1, is_header ? "set_header" : "fromstring");
    lua_remove(t->lua, -2);
    if (!lua_iscfunction(t->lua, -1))
        fail(t, "an object with that method");
    lua_insert(t->lua, -2);
    lua_call(t->lua, push_arguments(t) + 1, 0);
}

/* ---- lines ---- */

/* Behind "if ": the guard. True: the script is of another version, nothing is restored. */
static bool is_other_version(struct text *t)
{
    bool has_version;
    double number;
    need_word(t, "and " PRESERVE_VERSION_NAME " ~=");
    if (!take_number(t, &number))
        fail(t, "a number");
    need_word(t, "then return end");
    double own = preserve_version(t->lua, &has_version);
    return has_version && own != number;
}

static void read_assignment(struct text *t)
{
    push_path(t);
    if (skip_word(t, ":")) {
        get_path(t);
        read_method(t);
        return;
    }
    need_word(t, "=");
    push_value(t);
    lua_rawset(t->lua, -3);
    lua_pop(t->lua, 1);
}

/* False: the rest is not to be read. */
static bool read_line(struct text *t)
{
    if (skip_word(t, "if " PRESERVE_VERSION_NAME))
        return !is_other_version(t);
    if (skip_word(t, "if _G"))
        read_condition(t);
    else if (skip_word(t, "_G"))
        read_assignment(t);
    return true;
}

void preserve_import(lua_State *lua, const char *text, size_t size)
{
    struct text t = {.lua = lua, .at = text, .end = text + size, .line = 1};
    while (t.at < t.end) {
        if (!read_line(&t))
            return;
        skip_blanks(&t);
        if (t.at < t.end && *t.at++ != '\n')
            fail(&t, "the end of the line");
        t.line++;
        limits_charge(lua, 1);
    }
}
