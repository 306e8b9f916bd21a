/* SPDX-License-Identifier: MPL-2.0
 *
 * peg_capture.c - values of a match's captures, in the order of the manual.
 *
 * match->cap walks over the captures; they end with one that closes nothing.
 */
#include <string.h>

#include "sandbox/peg.h"

enum { TEXT_CAPTURES_MAX = 9 };

static int push_one(struct peg_match *m);

static bool is_full(const struct peg_cap *cap)
{
    return cap->size != 0;
}

static void push_value(struct peg_match *m, uint32_t value)
{
    lua_rawgeti(m->lua, m->values, (int)value);
}

static void skip(struct peg_match *m)
{
    unsigned depth = 0;
    do {
        if (m->cap->kind == CAP_CLOSE)
            depth--;
        else if (!is_full(m->cap))
            depth++;
        m->cap++;
    } while (depth > 0);
}

/* Text of the capture that begins at `open`, when the walk is behind it. */
static void push_whole(struct peg_match *m, const struct peg_cap *open)
{
    size_t len = is_full(open) ? open->size - 1 : (size_t)(m->cap[-1].at - open->at);
    lua_pushlstring(m->lua, open->at, len);
}

/* Values of all captures within; the text instead, when there are none, or in addition. */
static int push_nested(struct peg_match *m, bool is_added)
{
    const struct peg_cap *open = m->cap++;
    int count = 0;
    if (!is_full(open)) {
        while (m->cap->kind != CAP_CLOSE)
            count += push_one(m);
        m->cap++;
    }
    if (is_added || count == 0) {
        push_whole(m, open);
        count++;
    }
    return count;
}

/* As push_nested(), without more than the first value. */
static void push_first(struct peg_match *m)
{
    lua_pop(m->lua, push_nested(m, false) - 1);
}

/* ---- kinds ---- */

static int push_simple(struct peg_match *m)
{
    int count = push_nested(m, true);
    lua_insert(m->lua, -count);
    return count;
}

static int push_argument(struct peg_match *m)
{
    int number = (int)m->cap++->value;
    if (number > m->argument_count)
        luaL_error(m->lua, "absent extra argument #%d", number);
    lua_pushvalue(m->lua, m->arguments + number);
    return 1;
}

/* The last group of that name that is closed and not within another closed capture. */
static int push_back(struct peg_match *m)
{
    const struct peg_cap *back = m->cap, *cap = back;
    unsigned depth = 0;
    push_value(m, back->value);
    while (cap-- > m->caps) {
        if (cap->kind == CAP_CLOSE) {
            depth++;
            continue;
        }
        bool is_closed = is_full(cap) || depth > 0;
        if (!is_full(cap) && depth > 0)
            depth--;
        if (!is_closed || depth > 0 || cap->kind != CAP_GROUP || cap->value == 0)
            continue;
        push_value(m, cap->value);
        bool is_same = lua_equal(m->lua, -1, -2) != 0;
        lua_pop(m->lua, 1);
        if (!is_same)
            continue;
        lua_pop(m->lua, 1);
        m->cap = cap;
        int count = push_nested(m, false);
        m->cap = back + 1;
        return count;
    }
    return luaL_error(m->lua, "back reference '%s' not found",
                      lua_isstring(m->lua, -1) ? lua_tostring(m->lua, -1) : "(a value)");
}

static int push_group(struct peg_match *m)
{
    if (m->cap->value == 0)
        return push_nested(m, false);
    skip(m);
    return 0;
}

static int push_table(struct peg_match *m)
{
    lua_State *lua = m->lua;
    const struct peg_cap *open = m->cap++;
    int length = 0;
    lua_newtable(lua);
    if (is_full(open))
        return 1;
    while (m->cap->kind != CAP_CLOSE) {
        if (m->cap->kind == CAP_GROUP && m->cap->value != 0) {
            push_value(m, m->cap->value);
            push_first(m);
            lua_rawset(lua, -3);
            continue;
        }
        int count = push_one(m);
        for (int i = count; i > 0; i--)
            lua_rawseti(lua, -(i + 1), length + i);
        length += count;
    }
    m->cap++;
    return 1;
}

static int push_query(struct peg_match *m)
{
    uint32_t table = m->cap->value;
    push_first(m);
    push_value(m, table);
    lua_insert(m->lua, -2);
    lua_gettable(m->lua, -2);
    lua_remove(m->lua, -2);
    if (!lua_isnil(m->lua, -1))
        return 1;
    lua_pop(m->lua, 1);
    return 0;
}

static int push_select(struct peg_match *m)
{
    int number = (int)m->cap->value;
    if (number == 0) {
        skip(m);
        return 0;
    }
    int count = push_nested(m, false);
    if (count < number)
        luaL_error(m->lua, "no capture '%d'", number);
    lua_pushvalue(m->lua, -(count - number + 1));
    lua_insert(m->lua, -(count + 1));
    lua_pop(m->lua, count);
    return 1;
}

static int push_call(struct peg_match *m)
{
    int top = lua_gettop(m->lua);
    push_value(m, m->cap->value);
    int count = push_nested(m, false);
    lua_call(m->lua, count, LUA_MULTRET);
    return lua_gettop(m->lua) - top;
}

static int push_fold(struct peg_match *m)
{
    const struct peg_cap *open = m->cap++;
    int count = 0;
    if (!is_full(open) && m->cap->kind != CAP_CLOSE)
        count = push_one(m);
    if (count == 0)
        return luaL_error(m->lua, "no initial value for fold capture");
    lua_pop(m->lua, count - 1);
    while (m->cap->kind != CAP_CLOSE) {
        push_value(m, open->value);
        lua_insert(m->lua, -2);
        count = push_one(m);
        lua_call(m->lua, count + 1, 1);
    }
    m->cap++;
    return 1;
}

/* ---- texts made of captures ---- */

/* They grow in the sandbox's scratch, from where they begin; what an error leaves there is cleared
 * with the next call into the script. */
static void append(struct peg_match *m, const char *text, size_t size)
{
    if (buffer_append(&m->sandbox->scratch, text, size) != 0)
        luaL_error(m->lua, "not enough memory");
}

/* Pops a text or a number. */
static void append_value(struct peg_match *m)
{
    size_t size;
    const char *text = lua_tolstring(m->lua, -1, &size);
    append(m, text, size);
    lua_pop(m->lua, 1);
}

static void push_appended(struct peg_match *m, size_t start)
{
    struct buffer *scratch = &m->sandbox->scratch;
    lua_pushlstring(m->lua, scratch->size > start ? scratch->data + start : "",
                    scratch->size - start);
    scratch->size = start;
}

/* Pushes one text or number for the capture; false: it has no value. */
static bool push_replacement(struct peg_match *m, const char *what)
{
    int count = push_one(m);
    if (count == 0)
        return false;
    lua_pop(m->lua, count - 1);
    if (!lua_isstring(m->lua, -1))
        luaL_error(m->lua, "invalid %s value (a %s)", what, luaL_typename(m->lua, -1));
    return true;
}

static int push_substitute(struct peg_match *m)
{
    const struct peg_cap *open = m->cap++;
    const char *at = open->at;
    size_t start = m->sandbox->scratch.size;
    if (is_full(open)) {
        push_whole(m, open);
        return 1;
    }
    while (m->cap->kind != CAP_CLOSE) {
        append(m, at, (size_t)(m->cap->at - at));
        at = m->cap->at;
        if (!push_replacement(m, "replacement"))
            continue;
        append_value(m);
        const struct peg_cap *last = m->cap - 1;
        at = last->at + (is_full(last) ? last->size - 1 : 0);
    }
    append(m, at, (size_t)(m->cap->at - at));
    m->cap++;
    push_appended(m, start);
    return 1;
}

struct text_values { /* what %1 to %9 stand for */
    int count;
    const struct peg_cap *caps[TEXT_CAPTURES_MAX];
    const struct peg_cap *ends[TEXT_CAPTURES_MAX]; /* behind those whose text it is */
};

/* The captures within the one at m->cap, and those within simple ones. */
static void find_values(struct peg_match *m, struct text_values *values)
{
    if (is_full(m->cap++))
        return;
    while (m->cap->kind != CAP_CLOSE) {
        if (values->count == TEXT_CAPTURES_MAX) {
            skip(m);
            continue;
        }
        int i = values->count++;
        values->caps[i] = m->cap;
        values->ends[i] = NULL;
        if (m->cap->kind == CAP_SIMPLE) {
            limits_check_stack(m->lua, m->sandbox);
            find_values(m, values);
            values->ends[i] = m->cap;
        } else {
            skip(m);
        }
    }
    m->cap++;
}

/* The text of a capture from `open` to before `end`. */
static void append_whole(struct peg_match *m, const struct peg_cap *open, const struct peg_cap *end)
{
    append(m, open->at, is_full(open) ? open->size - 1 : (size_t)(end[-1].at - open->at));
}

static void append_numbered(struct peg_match *m, const struct text_values *values, int number)
{
    const struct peg_cap *after = m->cap;
    if (number > values->count)
        luaL_error(m->lua, "invalid capture index (%d)", number);
    if (values->ends[number - 1] != NULL) {
        append_whole(m, values->caps[number - 1], values->ends[number - 1]);
        return;
    }
    m->cap = values->caps[number - 1];
    if (!push_replacement(m, "capture"))
        luaL_error(m->lua, "no values in capture index %d", number);
    append_value(m);
    m->cap = after;
}

static int push_text(struct peg_match *m)
{
    const struct peg_cap *open = m->cap;
    struct text_values values = {.count = 0};
    size_t size, start = m->sandbox->scratch.size;
    push_value(m, open->value);
    const char *format = lua_tolstring(m->lua, -1, &size);
    find_values(m, &values);
    for (size_t i = 0; i < size; i++) {
        bool is_escaped = format[i] == '%' && i + 1 < size;
        char c = format[is_escaped ? ++i : i];
        bool is_number = is_escaped && c >= '0' && c <= '9';
        if (is_number && c > '0')
            append_numbered(m, &values, c - '0');
        else if (is_number)
            append_whole(m, open, m->cap);
        else
            append(m, &c, 1);
    }
    lua_pop(m->lua, 1);
    push_appended(m, start);
    return 1;
}

/* ---- all ---- */

static int push_one(struct peg_match *m)
{
    lua_State *lua = m->lua;
    limits_charge(lua, 1);
    luaL_checkstack(lua, 8, "too many captures");
    switch ((enum peg_capture)m->cap->kind) {
    case CAP_SIMPLE:
        return push_simple(m);
    case CAP_POSITION:
        lua_pushnumber(lua, (lua_Number)(m->cap++->at - m->text) + 1);
        return 1;
    case CAP_CONSTANT:
        push_value(m, m->cap++->value);
        return 1;
    case CAP_ARGUMENT:
        return push_argument(m);
    case CAP_BACK:
        return push_back(m);
    case CAP_GROUP:
        return push_group(m);
    case CAP_TABLE:
        return push_table(m);
    case CAP_SUBSTITUTE:
        return push_substitute(m);
    case CAP_FOLD:
        return push_fold(m);
    case CAP_TEXT:
        return push_text(m);
    case CAP_SELECT:
        return push_select(m);
    case CAP_QUERY:
        return push_query(m);
    case CAP_CALL:
        return push_call(m);
    case CAP_RUNTIME:
        lua_pushvalue(lua, (int)m->cap++->value);
        return 1;
    case CAP_FUNCTION:
    case CAP_CLOSE:
        break;
    }
    return luaL_error(lua, "invalid capture");
}

int peg_push_captures(struct peg_match *m)
{
    int count = 0;
    m->cap = m->caps;
    while (m->cap < m->caps + m->cap_count)
        count += push_one(m);
    return count;
}

int peg_push_arguments(struct peg_match *m, uint32_t first)
{
    m->cap = m->caps + first;
    return push_nested(m, false);
}
