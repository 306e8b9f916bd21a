/* SPDX-License-Identifier: MPL-2.0
 *
 * peg_match.c - the machine that runs patterns' programs.
 */
#include <string.h>

#include "sandbox/peg.h"

enum { SPAN_BYTES_STEP = 16 }; /* bytes of a span that are one step */

static void refill(struct peg_match *m)
{
    m->steps_left = PEG_STEPS;
    limits_charge(m->lua, PEG_STEPS);
}

static void charge(struct peg_match *m, size_t steps)
{
    if (steps < m->steps_left)
        m->steps_left -= (unsigned)steps;
    else
        limits_charge(m->lua, steps);
}

/* ---- frames and captures ---- */

static void grow_frames(struct peg_match *m)
{
    uint32_t room = m->frame_room * 2;
    if (m->frame_count >= m->frame_max)
        luaL_error(m->lua, "backtrack stack overflow (current limit is %d)", (int)m->frame_max);
    struct peg_frame *frames = lua_newuserdata(m->lua, room * sizeof(*frames));
    memcpy(frames, m->frames, m->frame_count * sizeof(*frames));
    lua_replace(m->lua, m->frames_slot);
    m->frames = frames;
    m->frame_room = room < m->frame_max ? room : m->frame_max;
}

static void push_frame(struct peg_match *m, const char *at, uint32_t pc)
{
    if (m->frame_count == m->frame_room)
        grow_frames(m);
    m->frames[m->frame_count++] =
        (struct peg_frame){.at = at, .pc = pc, .caps = m->cap_count, .top = m->top};
}

static void grow_caps(struct peg_match *m)
{
    uint32_t room = m->cap_room * 2;
    if (m->cap_count > UINT32_MAX / 4)
        luaL_error(m->lua, "too many captures");
    struct peg_cap *caps = lua_newuserdata(m->lua, room * sizeof(*caps));
    memcpy(caps, m->caps, m->cap_count * sizeof(*caps));
    lua_replace(m->lua, m->caps_slot);
    m->caps = caps;
    m->cap_room = room;
}

static void add_cap(struct peg_match *m, uint32_t kind, const char *at, uint32_t value,
                    uint32_t size)
{
    if (m->cap_count == m->cap_room)
        grow_caps(m);
    m->caps[m->cap_count++] =
        (struct peg_cap){.at = at, .value = value, .size = size, .kind = kind};
}

/* Back to where a frame was made: captures behind it, and values of functions, are gone. */
static void restore(struct peg_match *m, const struct peg_frame *frame)
{
    m->cap_count = frame->caps;
    if (frame->top != m->top) {
        m->top = frame->top;
        lua_settop(m->lua, m->top);
    }
}

/* ---- Cmt ---- */

static uint32_t find_open(const struct peg_match *m)
{
    uint32_t depth = 0, i = m->cap_count;
    for (;;) {
        const struct peg_cap *cap = &m->caps[--i];
        if (cap->kind == CAP_CLOSE)
            depth++;
        else if (cap->size == 0 && depth-- == 0)
            return i;
    }
}

/* The position that the function returned first, or NULL: no match. */
static const char *position_of(struct peg_match *m, int index, const char *s)
{
    if (!lua_toboolean(m->lua, index))
        return NULL;
    if (lua_isboolean(m->lua, index))
        return s;
    lua_Number position = luaL_checknumber(m->lua, index);
    if (!(position >= (lua_Number)(s - m->text) + 1 &&
          position <= (lua_Number)(m->end - m->text) + 1))
        luaL_error(m->lua, "invalid position returned by match-time capture");
    return m->text + (size_t)position - 1;
}

/* What it returned besides becomes values of a group in place of the captures within. */
static void keep_values(struct peg_match *m, uint32_t open, const char *s, int first)
{
    int count = lua_gettop(m->lua) - first;
    const char *start = m->caps[open].at;
    m->cap_count = open;
    lua_remove(m->lua, first);
    m->top = lua_gettop(m->lua);
    if (count == 0)
        return;
    add_cap(m, CAP_GROUP, start, 0, 0);
    for (int i = 0; i < count; i++)
        add_cap(m, CAP_RUNTIME, s, (uint32_t)(first + i), 1);
    add_cap(m, CAP_CLOSE, s, 0, 0);
}

static const char *close_function(struct peg_match *m, const char *s)
{
    lua_State *lua = m->lua;
    uint32_t open = find_open(m);
    add_cap(m, CAP_CLOSE, s, 0, 0);
    luaL_checkstack(lua, 8, "too many runtime captures");
    lua_rawgeti(lua, m->values, (int)m->caps[open].value);
    int function = lua_gettop(lua);
    lua_pushvalue(lua, 2);
    lua_pushnumber(lua, (lua_Number)(s - m->text) + 1);
    int count = peg_push_arguments(m, open);
    lua_call(lua, count + 2, LUA_MULTRET);
    if (lua_gettop(lua) < function)
        lua_pushnil(lua);
    const char *position = position_of(m, function, s);
    if (position == NULL) {
        lua_settop(lua, m->top);
        return NULL;
    }
    keep_values(m, open, position, function);
    return position;
}

/* ---- the machine ---- */

/* Captures, and what is rare. False: failed. */
static bool step_other(struct peg_match *m, const uint32_t **pc, const char **s)
{
    const uint32_t *p = *pc;
    uint32_t argument = *p >> 8;
    switch ((enum peg_op)(*p & 0xFF)) {
    case OP_FULL:
        add_cap(m, argument, *s - p[2], p[1], p[2] + 1);
        *pc += 3;
        return true;
    case OP_OPEN:
        add_cap(m, argument, *s, p[1], 0);
        *pc += 2;
        return true;
    case OP_CLOSE:
        add_cap(m, CAP_CLOSE, *s, 0, 0);
        *pc += 1;
        return true;
    case OP_CLOSE_FUNCTION:
        *s = close_function(m, *s);
        *pc += 1;
        return *s != NULL;
    case OP_BEHIND:
        if (*s - m->text < (ptrdiff_t)argument)
            return false;
        *s -= argument;
        *pc += 1;
        return true;
    case OP_BACK_COMMIT:
        m->frame_count--;
        *s = m->frames[m->frame_count].at;
        restore(m, &m->frames[m->frame_count]);
        *pc = m->code + p[1];
        return true;
    case OP_FAIL_TWICE:
        m->frame_count--;
        return false;
    case OP_CALL:
        push_frame(m, NULL, (uint32_t)(p + 2 - m->code));
        *pc = m->code + p[1];
        return true;
    case OP_RETURN:
        *pc = m->code + m->frames[--m->frame_count].pc;
        return true;
    default:
        return false;
    }
}

/* To the last choice; false when there is none. */
static bool fail(struct peg_match *m, const uint32_t **pc, const char **s)
{
    const struct peg_frame *frame;
    do {
        if (m->frame_count == 0)
            return false;
        frame = &m->frames[--m->frame_count];
    } while (frame->at == NULL);
    restore(m, frame);
    *s = frame->at;
    *pc = m->code + frame->pc;
    return true;
}

static inline bool is_in(const uint32_t *words, char c)
{
    uint8_t byte = (uint8_t)c;
    return (words[byte >> 5] >> (byte & 31) & 1) != 0;
}

static const char *span(struct peg_match *m, const uint32_t *words, const char *s)
{
    const char *start = s;
    while (s < m->end && is_in(words, *s))
        s++;
    if (s - start >= SPAN_BYTES_STEP)
        charge(m, (size_t)(s - start) / SPAN_BYTES_STEP);
    return s;
}

/* Where the match ends, or NULL. `break` in the switch is a failure. */
static const char *run(struct peg_match *m, const char *s)
{
    const uint32_t *p = m->code;
    const char *const end = m->end;
    enum { SET_WORDS = 8 };
    for (;;) {
        if (--m->steps_left == 0)
            refill(m);
        uint32_t argument = *p >> 8;
        switch ((enum peg_op)(*p & 0xFF)) {
        case OP_END:
            return s;
        case OP_CHAR:
            if (s == end || (uint8_t)*s != argument)
                break;
            s++, p++;
            continue;
        case OP_SET:
            if (s == end || !is_in(p + 1, *s))
                break;
            s++, p += 1 + SET_WORDS;
            continue;
        case OP_SPAN:
            s = span(m, p + 1, s);
            p += 1 + SET_WORDS;
            continue;
        case OP_ANY:
            if (end - s < (ptrdiff_t)argument)
                break;
            s += argument, p++;
            continue;
        case OP_TEXT:
            if (end - s < (ptrdiff_t)argument || memcmp(s, p + 1, argument) != 0)
                break;
            s += argument, p += 1 + (argument + 3) / 4;
            continue;
        case OP_TEST_CHAR:
            p = s < end && (uint8_t)*s == argument ? p + 2 : m->code + p[1];
            continue;
        case OP_TEST_SET:
            p = s < end && is_in(p + 2, *s) ? p + 2 + SET_WORDS : m->code + p[1];
            continue;
        case OP_CHOICE:
            push_frame(m, s, p[1]);
            p += 2;
            continue;
        case OP_COMMIT:
            m->frame_count--;
            p = m->code + p[1];
            continue;
        case OP_PARTIAL_COMMIT:
            m->frames[m->frame_count - 1].at = s;
            m->frames[m->frame_count - 1].caps = m->cap_count;
            m->frames[m->frame_count - 1].top = m->top;
            p = m->code + p[1];
            continue;
        case OP_JUMP:
            p = m->code + p[1];
            continue;
        default:
            if (step_other(m, &p, &s))
                continue;
        }
        if (!fail(m, &p, &s))
            return NULL;
    }
}

/* ---- lpeg.match ---- */

/* Offset of the first byte from a position; 0 and below count from the end. */
static size_t start_of(lua_State *lua, int index, size_t size)
{
    lua_Number init = luaL_optnumber(lua, index, 1);
    if (init > 0)
        return init - 1 <= (lua_Number)size ? (size_t)init - 1 : size;
    if (-init <= (lua_Number)size)
        return size - (size_t)-init;
    return 0;
}

static void init_match(struct peg_match *m, lua_State *lua, const char *text, size_t size)
{
    m->lua = lua;
    m->sandbox = sandbox_of(lua);
    m->text = text;
    m->end = text + size;
    m->steps_left = PEG_STEPS;
    m->frame_count = m->cap_count = 0;
    m->frame_max = m->sandbox->peg_frames_max;
    m->frame_room = m->frame_max < PEG_FRAMES ? m->frame_max : PEG_FRAMES;
    m->cap_room = PEG_CAPS;
    m->frames = m->first_frames;
    m->caps = m->first_caps;
    m->argument_count = lua_gettop(lua) - 3 > 0 ? lua_gettop(lua) - 3 : 0;
    m->arguments = 3;
    m->code = peg_push_program(lua, 1)->code;
    m->values = lua_gettop(lua);
    lua_pushnil(lua);
    m->frames_slot = lua_gettop(lua);
    lua_pushnil(lua);
    m->caps_slot = m->top = lua_gettop(lua);
}

int peg_match(lua_State *lua)
{
    struct peg_match match;
    size_t size;
    limits_check_stack(lua, sandbox_of(lua));
    luaL_checkany(lua, 1);
    peg_to_pattern(lua, 1);
    const char *text = luaL_checklstring(lua, 2, &size);
    size_t start = start_of(lua, 3, size);
    luaL_checkstack(lua, 20, "lpeg.match");
    init_match(&match, lua, text, size);
    const char *end = run(&match, text + start);
    limits_charge(lua, PEG_STEPS - match.steps_left);
    if (end == NULL) {
        lua_pushnil(lua);
        return 1;
    }
    int count = peg_push_captures(&match);
    if (count > 0)
        return count;
    lua_pushnumber(lua, (lua_Number)(end - text) + 1);
    return 1;
}
