/* SPDX-License-Identifier: MPL-2.0
 *
 * pattern.c - string.find, match, gmatch and gsub whose work is counted.
 *
 * Place:   LuaJIT's own run in C, where no hook sees that one call takes hours.
 * Failure: a Lua error; the limits of the instance end a match as they end Lua code.
 * Source:  Lua 5.1 Reference Manual, 5.4.1 Patterns; %f as Lua 5.2 documents it.
 */
#include "sandbox/sandbox_internal.h"

#include <ctype.h>
#include <string.h>

enum {
    CAPTURES_MAX = 32,
    DEPTH_MAX = 200,   /* of captures and choices within each other */
    STEPS_BATCH = 256, /* between two looks at the limits */
    CAPTURE_OPEN = -1,
    CAPTURE_POSITION = -2
};

struct matcher {
    lua_State *lua;
    const char *text, *text_end;
    const char *pattern_end;
    unsigned depth, steps;
    int count; /* of captures */
    struct {
        const char *start;
        ptrdiff_t len; /* or CAPTURE_* */
    } captures[CAPTURES_MAX];
};

static const char *match(struct matcher *m, const char *s, const char *p);

static void step(struct matcher *m)
{
    if (++m->steps == STEPS_BATCH) {
        m->steps = 0;
        limits_charge(m->lua, STEPS_BATCH);
    }
}

/* ---- single characters ---- */

/* Behind one item of the pattern: a character, %x or [set]. */
static const char *item_end(struct matcher *m, const char *p)
{
    char c = *p++;
    if (c == '%') {
        if (p == m->pattern_end)
            luaL_error(m->lua, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do {
        if (p >= m->pattern_end)
            luaL_error(m->lua, "malformed pattern (missing ']')");
        if (*p++ == '%')
            p++;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool is_in_class(int c, int class)
{
    bool is_in;
    switch (tolower(class)) {
    case 'a':
        is_in = isalpha(c);
        break;
    case 'c':
        is_in = iscntrl(c);
        break;
    case 'd':
        is_in = isdigit(c);
        break;
    case 'g':
        is_in = isgraph(c);
        break;
    case 'l':
        is_in = islower(c);
        break;
    case 'p':
        is_in = ispunct(c);
        break;
    case 's':
        is_in = isspace(c);
        break;
    case 'u':
        is_in = isupper(c);
        break;
    case 'w':
        is_in = isalnum(c);
        break;
    case 'x':
        is_in = isxdigit(c);
        break;
    case 'z':
        is_in = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !is_in : is_in;
}

/* `p` is at '[', `last` at its ']'. */
static bool is_in_set(struct matcher *m, int c, const char *p, const char *last)
{
    bool is_positive = true;
    if (p[1] == '^') {
        is_positive = false;
        p++;
    }
    while (++p < last) {
        step(m);
        if (*p == '%') {
            p++;
            if (is_in_class(c, (unsigned char)*p))
                return is_positive;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
                return is_positive;
        } else if ((unsigned char)*p == c) {
            return is_positive;
        }
    }
    return !is_positive;
}

static bool is_single(struct matcher *m, const char *s, const char *p, const char *end)
{
    step(m);
    if (s >= m->text_end)
        return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return is_in_class(c, (unsigned char)p[1]);
    case '[':
        return is_in_set(m, c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- repetitions ---- */

static const char *repeat_most(struct matcher *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t i = 0;
    while (is_single(m, s + i, p, end))
        i++;
    for (; i >= 0; i--) {
        const char *rest = match(m, s + i, end + 1);
        if (rest != NULL)
            return rest;
    }
    return NULL;
}

static const char *repeat_least(struct matcher *m, const char *s, const char *p, const char *end)
{
    for (;;) {
        const char *rest = match(m, s, end + 1);
        if (rest != NULL)
            return rest;
        if (!is_single(m, s, p, end))
            return NULL;
        s++;
    }
}

/* ---- captures ---- */

static const char *capture_start(struct matcher *m, const char *s, const char *p, ptrdiff_t kind)
{
    if (m->count >= CAPTURES_MAX)
        luaL_error(m->lua, "too many captures");
    m->captures[m->count].start = s;
    m->captures[m->count].len = kind;
    m->count++;
    const char *rest = match(m, s, p);
    if (rest == NULL)
        m->count--;
    return rest;
}

static const char *capture_end(struct matcher *m, const char *s, const char *p)
{
    int i = m->count - 1;
    while (i >= 0 && m->captures[i].len != CAPTURE_OPEN)
        i--;
    if (i < 0)
        luaL_error(m->lua, "invalid pattern capture");
    m->captures[i].len = s - m->captures[i].start;
    const char *rest = match(m, s, p);
    if (rest == NULL)
        m->captures[i].len = CAPTURE_OPEN;
    return rest;
}

static const char *match_back(struct matcher *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->count || m->captures[i].len < 0)
        luaL_error(m->lua, "invalid capture index");
    ptrdiff_t len = m->captures[i].len;
    limits_charge(m->lua, (uint64_t)len / 8 + 1);
    if (m->text_end - s < len || memcmp(m->captures[i].start, s, (size_t)len) != 0)
        return NULL;
    return s + len;
}

/* %bxy: `p` is at x. */
static const char *match_balance(struct matcher *m, const char *s, const char *p)
{
    unsigned nested = 1;
    if (m->pattern_end - p < 2)
        luaL_error(m->lua, "unbalanced pattern");
    if (s >= m->text_end || *s != *p)
        return NULL;
    while (++s < m->text_end) {
        step(m);
        if (*s == p[1]) {
            if (--nested == 0)
                return s + 1;
        } else if (*s == *p) {
            nested++;
        }
    }
    return NULL;
}

/* %f[set]: between a character that is not in the set and one that is. */
static bool is_frontier(struct matcher *m, const char *s, const char *p, const char *end)
{
    int before = s == m->text ? 0 : (unsigned char)s[-1];
    int here = s == m->text_end ? 0 : (unsigned char)*s;
    return !is_in_set(m, before, p, end - 1) && is_in_set(m, here, p, end - 1);
}

/* ---- the pattern ---- */

/* One item with what follows it. Sets *p when the pattern goes on with the returned position. */
static const char *match_item(struct matcher *m, const char *s, const char **p)
{
    const char *end = item_end(m, *p), *rest;
    char suffix = end < m->pattern_end ? *end : '\0';
    switch (suffix) {
    case '?':
        if (is_single(m, s, *p, end) && (rest = match(m, s + 1, end + 1)) != NULL)
            return *p = NULL, rest;
        *p = end + 1;
        return s;
    case '*':
        rest = repeat_most(m, s, *p, end);
        return *p = NULL, rest;
    case '+':
        rest = is_single(m, s, *p, end) ? repeat_most(m, s + 1, *p, end) : NULL;
        return *p = NULL, rest;
    case '-':
        rest = repeat_least(m, s, *p, end);
        return *p = NULL, rest;
    default:
        if (!is_single(m, s, *p, end))
            return *p = NULL, NULL;
        *p = end;
        return s + 1;
    }
}

/* %b, %f and %1: as match_item. */
static const char *match_escape(struct matcher *m, const char *s, const char **p)
{
    const char *at = *p + 2;
    char kind = (*p)[1];
    if (kind == 'b') {
        s = match_balance(m, s, at);
        *p = s != NULL ? at + 2 : NULL;
    } else if (kind == 'f') {
        if (at >= m->pattern_end || *at != '[')
            luaL_error(m->lua, "missing '[' after '%%f' in pattern");
        const char *end = item_end(m, at);
        bool is_there = is_frontier(m, s, at, end);
        *p = is_there ? end : NULL;
        s = is_there ? s : NULL;
    } else {
        s = match_back(m, s, (unsigned char)kind);
        *p = s != NULL ? at : NULL;
    }
    return s;
}

static bool is_escape(const struct matcher *m, const char *p)
{
    if (*p != '%' || p + 1 >= m->pattern_end)
        return false;
    return p[1] == 'b' || p[1] == 'f' || isdigit((unsigned char)p[1]);
}

static const char *match(struct matcher *m, const char *s, const char *p)
{
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->lua, "pattern too complex");
    while (p != NULL && p < m->pattern_end) {
        step(m);
        if (*p == '(') {
            bool is_position = p + 1 < m->pattern_end && p[1] == ')';
            s = is_position ? capture_start(m, s, p + 2, CAPTURE_POSITION)
                            : capture_start(m, s, p + 1, CAPTURE_OPEN);
            break;
        }
        if (*p == ')') {
            s = capture_end(m, s, p + 1);
            break;
        }
        if (*p == '$' && p + 1 == m->pattern_end) {
            s = s == m->text_end ? s : NULL;
            break;
        }
        s = is_escape(m, p) ? match_escape(m, s, &p) : match_item(m, s, &p);
    }
    m->depth--;
    return s;
}

/* ---- results ---- */

static void push_capture(struct matcher *m, int index, const char *s, const char *end)
{
    if (index >= m->count) {
        if (index != 0)
            luaL_error(m->lua, "invalid capture index");
        lua_pushlstring(m->lua, s, (size_t)(end - s));
        return;
    }
    ptrdiff_t len = m->captures[index].len;
    if (len == CAPTURE_OPEN)
        luaL_error(m->lua, "unfinished capture");
    if (len == CAPTURE_POSITION)
        lua_pushinteger(m->lua, m->captures[index].start - m->text + 1);
    else
        lua_pushlstring(m->lua, m->captures[index].start, (size_t)len);
}

/* All of them; the whole match when there are none and `s` is not NULL. */
static int push_captures(struct matcher *m, const char *s, const char *end)
{
    int count = m->count == 0 && s != NULL ? 1 : m->count;
    luaL_checkstack(m->lua, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(m, i, s, end);
    return count;
}

static void matcher_init(struct matcher *m, lua_State *lua, struct msg_slice text,
                         struct msg_slice pattern)
{
    m->lua = lua;
    m->text = text.ptr;
    m->text_end = text.ptr + text.len;
    m->pattern_end = pattern.ptr + pattern.len;
    m->steps = 0;
}

static const char *match_at(struct matcher *m, const char *s, const char *pattern)
{
    m->count = 0;
    m->depth = 0;
    return match(m, s, pattern);
}

/* ---- find and match ---- */

static bool has_specials(struct msg_slice pattern)
{
    for (uint32_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] != '\0' && strchr("^$*+?.([%-", pattern.ptr[i]) != NULL)
            return true;
    }
    return false;
}

/* Position of argument `index` as an offset into the text, within it. */
static size_t start_of(lua_State *lua, int index, size_t len)
{
    lua_Number position = luaL_optnumber(lua, index, 1);
    if (position < 0)
        position += (lua_Number)len + 1;
    if (!(position > 1))
        return 0;
    return position > (lua_Number)len + 1 ? len : (size_t)position - 1;
}

static int find_plain(lua_State *lua, struct msg_slice text, size_t start, struct msg_slice what)
{
    limits_charge(lua, (text.len - start) / 8);
    const char *at = what.len == 0 ? text.ptr + start
                                   : memmem(text.ptr + start, text.len - start, what.ptr, what.len);
    if (at == NULL)
        return lua_pushnil(lua), 1;
    lua_pushinteger(lua, at - text.ptr + 1);
    lua_pushinteger(lua, at - text.ptr + (ptrdiff_t)what.len);
    return 2;
}

static int find_or_match(lua_State *lua, bool is_find)
{
    struct msg_slice text = api_check_slice(lua, 1), pattern = api_check_slice(lua, 2);
    size_t start = start_of(lua, 3, text.len);
    if (is_find && (lua_toboolean(lua, 4) || !has_specials(pattern)))
        return find_plain(lua, text, start, pattern);
    struct matcher m;
    matcher_init(&m, lua, text, pattern);
    bool is_anchored = pattern.len > 0 && pattern.ptr[0] == '^';
    const char *s = text.ptr + start;
    limits_charge(lua, 1);
    do {
        const char *end = match_at(&m, s, pattern.ptr + is_anchored);
        if (end == NULL)
            continue;
        if (!is_find)
            return push_captures(&m, s, end);
        lua_pushinteger(lua, s - text.ptr + 1);
        lua_pushinteger(lua, end - text.ptr);
        return push_captures(&m, NULL, NULL) + 2;
    } while (++s <= m.text_end && !is_anchored);
    lua_pushnil(lua);
    return 1;
}

static int string_find(lua_State *lua)
{
    return find_or_match(lua, true);
}

static int string_match(lua_State *lua)
{
    return find_or_match(lua, false);
}

/* ---- gmatch ---- */

/* Upvalues: text, pattern, offset of where to go on. */
static int gmatch_next(lua_State *lua)
{
    struct msg_slice text = api_check_slice(lua, lua_upvalueindex(1));
    struct msg_slice pattern = api_check_slice(lua, lua_upvalueindex(2));
    struct matcher m;
    matcher_init(&m, lua, text, pattern);
    limits_charge(lua, 1);
    const char *s = text.ptr + (size_t)lua_tonumber(lua, lua_upvalueindex(3));
    for (; s <= m.text_end; s++) {
        const char *end = match_at(&m, s, pattern.ptr);
        if (end == NULL)
            continue;
        lua_pushnumber(lua, (lua_Number)(end - text.ptr + (end == s)));
        lua_replace(lua, lua_upvalueindex(3));
        return push_captures(&m, s, end);
    }
    return 0;
}

static int string_gmatch(lua_State *lua)
{
    luaL_checkstring(lua, 1);
    luaL_checkstring(lua, 2);
    lua_settop(lua, 2);
    lua_pushnumber(lua, 0);
    lua_pushcclosure(lua, gmatch_next, 3);
    return 1;
}

/* ---- gsub ---- */

static void add_text(struct matcher *m, luaL_Buffer *out, const char *s, const char *end)
{
    size_t len;
    const char *text = lua_tolstring(m->lua, 3, &len);
    for (size_t i = 0; i < len; i++) {
        step(m);
        if (text[i] != '%' || i + 1 == len) {
            luaL_addchar(out, text[i]);
            continue;
        }
        i++;
        if (!isdigit((unsigned char)text[i])) {
            luaL_addchar(out, text[i]);
        } else if (text[i] == '0') {
            luaL_addlstring(out, s, (size_t)(end - s));
        } else {
            push_capture(m, text[i] - '1', s, end);
            luaL_addvalue(out);
        }
    }
}

/* What the match from `s` to `end` becomes. */
static void add_value(struct matcher *m, luaL_Buffer *out, const char *s, const char *end)
{
    lua_State *lua = m->lua;
    int kind = lua_type(lua, 3);
    if (kind == LUA_TSTRING || kind == LUA_TNUMBER) {
        add_text(m, out, s, end);
        return;
    }
    if (kind == LUA_TTABLE) {
        push_capture(m, 0, s, end);
        lua_gettable(lua, 3);
    } else {
        lua_pushvalue(lua, 3);
        lua_call(lua, push_captures(m, s, end), 1);
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushlstring(lua, s, (size_t)(end - s));
    } else if (!lua_isstring(lua, -1)) {
        luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
    }
    luaL_addvalue(out);
}

static int string_gsub(lua_State *lua)
{
    struct msg_slice text = api_check_slice(lua, 1), pattern = api_check_slice(lua, 2);
    int kind = lua_type(lua, 3);
    luaL_argcheck(lua,
                  kind == LUA_TSTRING || kind == LUA_TNUMBER || kind == LUA_TTABLE ||
                      kind == LUA_TFUNCTION,
                  3, "string/function/table expected");
    lua_Number most = luaL_optnumber(lua, 4, (lua_Number)text.len + 1), count = 0;
    bool is_anchored = pattern.len > 0 && pattern.ptr[0] == '^';
    lua_settop(lua, 3);
    if (kind == LUA_TNUMBER)
        (void)lua_tostring(lua, 3);
    limits_charge(lua, 1);
    struct matcher m;
    matcher_init(&m, lua, text, pattern);
    luaL_Buffer out;
    luaL_buffinit(lua, &out);
    const char *s = text.ptr;
    while (count < most) {
        const char *end = match_at(&m, s, pattern.ptr + is_anchored);
        if (end != NULL) {
            count++;
            add_value(&m, &out, s, end);
        }
        if (end != NULL && end > s)
            s = end;
        else if (s < m.text_end)
            luaL_addchar(&out, *s++);
        else
            break;
        if (is_anchored)
            break;
    }
    luaL_addlstring(&out, s, (size_t)(m.text_end - s));
    luaL_pushresult(&out);
    lua_pushnumber(lua, count);
    return 2;
}

void pattern_open(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"find", string_find},
                                         {"match", string_match},
                                         {"gmatch", string_gmatch},
                                         {"gsub", string_gsub},
                                         {NULL, NULL}};
    for (const luaL_Reg *at = functions; at->name != NULL; at++) {
        lua_pushcfunction(lua, at->func);
        lua_setfield(lua, -2, at->name);
    }
    lua_getfield(lua, -1, "gmatch");
    lua_setfield(lua, -2, "gfind");
}
