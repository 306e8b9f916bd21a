/* SPDX-License-Identifier: MPL-2.0
 *
 * peg_tree.c - lpeg's constructors and operators: patterns as nodes that refer to their parts.
 */
#include "sandbox/peg.h"

#include <ctype.h>
#include <string.h>

#include "core/check.h"

static const char pattern_key[] = "lpeg-pattern"; /* metatable, in the registry */
static const char nodes_key[] = "lpeg-nodes";     /* address -> pattern; weak */

enum { FIXED_MAX = 1 << 24, FRAMES_LIMIT = 1000000, BEHIND_MAX = 255 };

/* ---- nodes ---- */

struct peg_node *peg_node_at(lua_State *lua, int index)
{
    void *node = lua_touserdata(lua, index);
    if (node == NULL || lua_type(lua, index) != LUA_TUSERDATA || !lua_getmetatable(lua, index))
        return NULL;
    luaL_getmetatable(lua, pattern_key);
    bool is_pattern = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2);
    return is_pattern ? node : NULL;
}

struct peg_node *peg_push_node(lua_State *lua, enum peg_kind kind, size_t more, bool has_anchors)
{
    struct peg_node *node = lua_newuserdata(lua, sizeof(*node) + more);
    memset(node, 0, sizeof(*node));
    node->kind = (uint8_t)kind;
    luaL_getmetatable(lua, pattern_key);
    lua_setmetatable(lua, -2);
    lua_createtable(lua, has_anchors ? ANCHOR_VALUE : 0, 0);
    lua_setfenv(lua, -2);
    return node;
}

void peg_anchor(lua_State *lua, struct peg_node *node, enum peg_anchor anchor)
{
    lua_getfenv(lua, -2);
    lua_insert(lua, -2);
    lua_rawseti(lua, -2, (int)anchor);
    lua_pop(lua, 1);
    if (anchor != ANCHOR_VALUE)
        return;
    node->flags |= PEG_HAS_VALUE;
    lua_getfield(lua, LUA_REGISTRYINDEX, nodes_key);
    lua_pushlightuserdata(lua, node);
    lua_pushvalue(lua, -3);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

void peg_push_value(lua_State *lua, const struct peg_node *node)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, nodes_key);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)node);
    lua_rawget(lua, -2);
    lua_getfenv(lua, -1);
    lua_rawgeti(lua, -1, ANCHOR_VALUE);
    lua_insert(lua, -4);
    lua_pop(lua, 3);
}

/* The parts at stack positions a and b (0: none) belong to the node on top. */
static void set_parts(lua_State *lua, struct peg_node *node, int a, int b)
{
    node->a = lua_touserdata(lua, a);
    lua_pushvalue(lua, a);
    peg_anchor(lua, node, ANCHOR_A);
    node->flags = node->a->flags & (PEG_HAS_RULES | PEG_HAS_CAPTURES);
    if (b == 0)
        return;
    node->b = lua_touserdata(lua, b);
    lua_pushvalue(lua, b);
    peg_anchor(lua, node, ANCHOR_B);
    node->flags |= node->b->flags & (PEG_HAS_RULES | PEG_HAS_CAPTURES);
}

static struct peg_node *push_text(lua_State *lua, const char *text, size_t size)
{
    luaL_argcheck(lua, size < FIXED_MAX, 1, "text too long");
    struct peg_node *node = peg_push_node(lua, PEG_TEXT, size, false);
    node->size = (uint32_t)size;
    node->fixed_len = (int32_t)size;
    node->flags = size == 0 ? PEG_IS_EMPTY | PEG_IS_SURE : 0;
    if (size > 0)
        memcpy(node + 1, text, size);
    return node;
}

static struct peg_node *push_any(lua_State *lua, lua_Number count)
{
    struct peg_node *node = peg_push_node(lua, PEG_ANY, 0, false);
    node->count = (int32_t)count;
    node->fixed_len = node->count;
    return node;
}

static struct peg_node *push_set(lua_State *lua, const struct peg_set *set)
{
    struct peg_node *node = peg_push_node(lua, PEG_SET, 0, false);
    node->u.set = *set;
    node->fixed_len = 1;
    return node;
}

bool peg_as_set(const struct peg_node *node, struct peg_set *set)
{
    memset(set, 0, sizeof(*set));
    if (node->kind == PEG_SET) {
        *set = node->u.set;
    } else if (node->kind == PEG_ANY && node->count == 1) {
        memset(set, 0xFF, sizeof(*set));
    } else if (node->kind == PEG_TEXT && node->size == 1) {
        uint8_t byte = (uint8_t)*peg_text(node);
        set->words[byte >> 5] = UINT32_C(1) << (byte & 31);
    } else {
        return node->kind == PEG_FALSE;
    }
    return true;
}

/* ---- values as patterns ---- */

/* -patt, of the pattern on top. */
static void push_not(lua_State *lua)
{
    int a = lua_gettop(lua);
    struct peg_node *node = peg_push_node(lua, PEG_NOT, 0, true);
    set_parts(lua, node, a, 0);
    node->flags |= PEG_IS_EMPTY;
    lua_replace(lua, a);
}

static void push_number(lua_State *lua, lua_Number number)
{
    if (number == 0) {
        push_text(lua, "", 0);
    } else if (number > 0) {
        push_any(lua, number);
    } else {
        push_any(lua, -number);
        push_not(lua);
    }
}

static void push_false(lua_State *lua)
{
    peg_push_node(lua, PEG_FALSE, 0, false);
}

/* Cmt: the pattern at stack position a, the function at `function`. */
static void push_function(lua_State *lua, int a, int function)
{
    struct peg_node *node = peg_push_node(lua, PEG_FUNCTION, 0, true);
    set_parts(lua, node, a, 0);
    node->flags |= PEG_HAS_CAPTURES | (node->a->flags & PEG_IS_EMPTY);
    node->fixed_len = -1;
    lua_pushvalue(lua, function);
    peg_anchor(lua, node, ANCHOR_VALUE);
}

struct peg_node *peg_to_pattern(lua_State *lua, int index)
{
    size_t size;
    const char *text;
    lua_Number number;
    struct peg_node *node = peg_node_at(lua, index);
    if (node != NULL)
        return node;
    luaL_checkstack(lua, 20, "pattern");
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, index, &size);
        push_text(lua, text, size);
        break;
    case LUA_TNUMBER:
        number = lua_tonumber(lua, index);
        luaL_argcheck(lua, number > -FIXED_MAX && number < FIXED_MAX, index, "too many bytes");
        push_number(lua, (lua_Number)(int32_t)number);
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(lua, index))
            push_text(lua, "", 0);
        else
            push_false(lua);
        break;
    case LUA_TTABLE:
        peg_push_grammar(lua, index);
        break;
    case LUA_TFUNCTION:
        push_text(lua, "", 0);
        push_function(lua, lua_gettop(lua), index);
        lua_remove(lua, -2);
        break;
    default:
        luaL_error(lua, "bad argument #%d (lpeg-pattern expected, got %s)", index,
                   luaL_typename(lua, index));
    }
    lua_replace(lua, index);
    return lua_touserdata(lua, index);
}

static int make_pattern(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_settop(lua, 1);
    peg_to_pattern(lua, 1);
    return 1;
}

/* ---- operators ---- */

static int32_t sum_of(int32_t a, int32_t b)
{
    return a < 0 || b < 0 || a + b > FIXED_MAX ? -1 : a + b;
}

static bool is_true(const struct peg_node *node)
{
    return node->kind == PEG_TEXT && node->size == 0;
}

/* The sequence of the patterns at a and b, on top. */
static void push_sequence(lua_State *lua, int a, int b)
{
    const struct peg_node *first = lua_touserdata(lua, a), *second = lua_touserdata(lua, b);
    if (first->kind == PEG_FALSE || is_true(second)) {
        lua_pushvalue(lua, a);
    } else if (is_true(first)) {
        lua_pushvalue(lua, b);
    } else {
        struct peg_node *node = peg_push_node(lua, PEG_SEQUENCE, 0, true);
        set_parts(lua, node, a, b);
        node->flags |= first->flags & second->flags & (PEG_IS_EMPTY | PEG_IS_SURE);
        node->fixed_len = sum_of(first->fixed_len, second->fixed_len);
    }
}

static int multiply(lua_State *lua)
{
    peg_to_pattern(lua, 1);
    peg_to_pattern(lua, 2);
    push_sequence(lua, 1, 2);
    return 1;
}

static int add(lua_State *lua)
{
    struct peg_set set, other;
    const struct peg_node *a = peg_to_pattern(lua, 1), *b = peg_to_pattern(lua, 2);
    if (peg_as_set(a, &set) && peg_as_set(b, &other) && a->kind != PEG_FALSE &&
        b->kind != PEG_FALSE) {
        for (unsigned i = 0; i < ARRAY_COUNT(set.words); i++)
            set.words[i] |= other.words[i];
        push_set(lua, &set);
    } else if ((a->flags & PEG_IS_SURE) != 0 || b->kind == PEG_FALSE) {
        lua_pushvalue(lua, 1);
    } else if (a->kind == PEG_FALSE) {
        lua_pushvalue(lua, 2);
    } else {
        struct peg_node *node = peg_push_node(lua, PEG_CHOICE, 0, true);
        set_parts(lua, node, 1, 2);
        node->flags |= ((a->flags | b->flags) & PEG_IS_EMPTY) | (b->flags & PEG_IS_SURE);
        node->fixed_len = a->fixed_len == b->fixed_len ? a->fixed_len : -1;
    }
    return 1;
}

static int subtract(lua_State *lua)
{
    struct peg_set set, other;
    const struct peg_node *a = peg_to_pattern(lua, 1), *b = peg_to_pattern(lua, 2);
    if (peg_as_set(a, &set) && peg_as_set(b, &other)) {
        for (unsigned i = 0; i < ARRAY_COUNT(set.words); i++)
            set.words[i] &= ~other.words[i];
        push_set(lua, &set);
        return 1;
    }
    lua_pushvalue(lua, 2);
    push_not(lua);
    push_sequence(lua, 3, 1);
    return 1;
}

static int negate(lua_State *lua)
{
    lua_settop(lua, 1);
    peg_to_pattern(lua, 1);
    push_not(lua);
    return 1;
}

static int look_ahead(lua_State *lua)
{
    lua_settop(lua, 1);
    peg_to_pattern(lua, 1);
    struct peg_node *node = peg_push_node(lua, PEG_AND, 0, true);
    set_parts(lua, node, 1, 0);
    node->flags |= PEG_IS_EMPTY | (node->a->flags & PEG_IS_SURE);
    return 1;
}

static int look_behind(lua_State *lua)
{
    luaL_checkany(lua, 1);
    const struct peg_node *a = peg_to_pattern(lua, 1);
    luaL_argcheck(lua, (a->flags & PEG_HAS_CAPTURES) == 0, 1, "pattern have captures");
    luaL_argcheck(lua, a->fixed_len >= 0, 1, "pattern may not have fixed length");
    luaL_argcheck(lua, a->fixed_len <= BEHIND_MAX, 1, "pattern too long to look behind");
    struct peg_node *node = peg_push_node(lua, PEG_BEHIND, 0, true);
    set_parts(lua, node, 1, 0);
    node->flags |= PEG_IS_EMPTY;
    node->count = a->fixed_len;
    return 1;
}

static int power(lua_State *lua)
{
    const struct peg_node *a = peg_to_pattern(lua, 1);
    lua_Number count = luaL_checknumber(lua, 2);
    luaL_argcheck(lua, count > -FIXED_MAX && count < FIXED_MAX, 2, "too many repetitions");
    bool is_least = (int32_t)count >= 0;
    if (is_least && (a->flags & PEG_IS_EMPTY) != 0)
        return luaL_error(lua, "loop body may accept empty string");
    struct peg_node *node = peg_push_node(lua, is_least ? PEG_LEAST : PEG_MOST, 0, true);
    set_parts(lua, node, 1, 0);
    node->count = is_least ? (int32_t)count : -(int32_t)count;
    node->fixed_len = -1;
    if (!is_least || node->count == 0)
        node->flags |= PEG_IS_EMPTY | PEG_IS_SURE;
    return 1;
}

/* ---- captures ---- */

/* Around the pattern at stack position 1; `value`: position of its value, or 0. */
static int push_capture(lua_State *lua, enum peg_capture kind, int value)
{
    struct peg_node *node = peg_push_node(lua, PEG_CAPTURE, 0, true);
    set_parts(lua, node, 1, 0);
    node->capture = (uint8_t)kind;
    node->flags |= PEG_HAS_CAPTURES | (node->a->flags & (PEG_IS_EMPTY | PEG_IS_SURE));
    node->fixed_len = node->a->fixed_len;
    if (value != 0) {
        lua_pushvalue(lua, value);
        peg_anchor(lua, node, ANCHOR_VALUE);
    }
    return 1;
}

static int around(lua_State *lua, enum peg_capture kind)
{
    luaL_checkany(lua, 1);
    peg_to_pattern(lua, 1);
    return push_capture(lua, kind, 0);
}

static int capture_simple(lua_State *lua)
{
    return around(lua, CAP_SIMPLE);
}

static int capture_substitute(lua_State *lua)
{
    return around(lua, CAP_SUBSTITUTE);
}

static int capture_table(lua_State *lua)
{
    return around(lua, CAP_TABLE);
}

static int capture_group(lua_State *lua)
{
    if (lua_isnoneornil(lua, 2))
        return around(lua, CAP_GROUP);
    peg_to_pattern(lua, 1);
    return push_capture(lua, CAP_GROUP, 2);
}

static int capture_fold(lua_State *lua)
{
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    peg_to_pattern(lua, 1);
    return push_capture(lua, CAP_FOLD, 2);
}

static int capture_function(lua_State *lua)
{
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    peg_to_pattern(lua, 1);
    push_function(lua, 1, 2);
    return 1;
}

/* A capture of the empty text; its value at stack position 1. */
static int empty_capture(lua_State *lua, enum peg_capture kind, bool has_value)
{
    push_text(lua, "", 0);
    lua_insert(lua, 1);
    return push_capture(lua, kind, has_value ? 2 : 0);
}

static int capture_position(lua_State *lua)
{
    lua_settop(lua, 0);
    return empty_capture(lua, CAP_POSITION, false);
}

static int capture_back(lua_State *lua)
{
    luaL_argcheck(lua, !lua_isnoneornil(lua, 1), 1, "name expected");
    lua_settop(lua, 1);
    return empty_capture(lua, CAP_BACK, true);
}

static int capture_argument(lua_State *lua)
{
    lua_Number number = luaL_checknumber(lua, 1);
    luaL_argcheck(lua, number >= 1 && number <= 255, 1, "invalid argument index");
    lua_settop(lua, 1);
    empty_capture(lua, CAP_ARGUMENT, false);
    ((struct peg_node *)lua_touserdata(lua, -1))->count = (int32_t)number;
    return 1;
}

/* A sequence of constants in a group, so that they are one capture. */
static int capture_constant(lua_State *lua)
{
    int count = lua_gettop(lua);
    push_text(lua, "", 0);
    lua_insert(lua, 1);
    if (count == 0) {
        lua_settop(lua, 1);
        return 1;
    }
    luaL_checkstack(lua, 20, "too many constants");
    push_capture(lua, CAP_CONSTANT, 2);
    int sequence = lua_gettop(lua);
    for (int i = 3; i <= count + 1; i++) {
        push_capture(lua, CAP_CONSTANT, i);
        push_sequence(lua, sequence, sequence + 1);
        lua_replace(lua, sequence);
        lua_settop(lua, sequence);
    }
    if (count == 1)
        return 1;
    lua_replace(lua, 1);
    return push_capture(lua, CAP_GROUP, 0);
}

static int divide(lua_State *lua)
{
    peg_to_pattern(lua, 1);
    lua_Number number;
    switch (lua_type(lua, 2)) {
    case LUA_TSTRING:
        return push_capture(lua, CAP_TEXT, 2);
    case LUA_TTABLE:
        return push_capture(lua, CAP_QUERY, 2);
    case LUA_TFUNCTION:
        return push_capture(lua, CAP_CALL, 2);
    case LUA_TNUMBER:
        number = lua_tonumber(lua, 2);
        luaL_argcheck(lua, number >= 0 && number <= UINT16_MAX, 1, "invalid number");
        push_capture(lua, CAP_SELECT, 0);
        ((struct peg_node *)lua_touserdata(lua, -1))->count = (int32_t)number;
        return 1;
    default:
        return luaL_argerror(lua, 2, "invalid replacement value");
    }
}

/* ---- sets ---- */

static void add_byte(struct peg_set *set, unsigned byte)
{
    set->words[byte >> 5] |= UINT32_C(1) << (byte & 31);
}

static int make_set(lua_State *lua)
{
    size_t size;
    const char *text = luaL_checklstring(lua, 1, &size);
    struct peg_set set = {{0}};
    if (size == 1) {
        push_text(lua, text, 1);
        return 1;
    }
    for (size_t i = 0; i < size; i++)
        add_byte(&set, (uint8_t)text[i]);
    push_set(lua, &set);
    return 1;
}

static int make_range(lua_State *lua)
{
    struct peg_set set = {{0}};
    int count = lua_gettop(lua);
    for (int i = 1; i <= count; i++) {
        size_t size;
        const char *range = luaL_checklstring(lua, i, &size);
        luaL_argcheck(lua, size == 2, i, "range must have two characters");
        for (unsigned byte = (uint8_t)range[0]; byte <= (uint8_t)range[1]; byte++)
            add_byte(&set, byte);
    }
    push_set(lua, &set);
    return 1;
}

static int make_rule(lua_State *lua)
{
    luaL_argcheck(lua, !lua_isnoneornil(lua, 1), 1, "non-nil value expected");
    lua_settop(lua, 1);
    uint32_t number = peg_name_number(lua);
    struct peg_node *node = peg_push_node(lua, PEG_RULE, 0, false);
    node->count = (int32_t)number;
    node->fixed_len = -1;
    node->flags = PEG_HAS_RULES;
    return 1;
}

/* Sets of the C locale, in the table that is given or a new one. */
static int set_locale(lua_State *lua)
{
    static const struct {
        const char *name;
        int (*is_in)(int);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"cntrl", iscntrl},  {"digit", isdigit},
                   {"graph", isgraph}, {"lower", islower}, {"print", isprint},  {"punct", ispunct},
                   {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};
    if (lua_isnoneornil(lua, 1)) {
        lua_settop(lua, 0);
        lua_newtable(lua);
    }
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        struct peg_set set = {{0}};
        for (unsigned byte = 0; byte < 128; byte++) {
            if (classes[i].is_in((int)byte))
                add_byte(&set, byte);
        }
        lua_pushstring(lua, classes[i].name);
        push_set(lua, &set);
        lua_rawset(lua, 1);
    }
    return 1;
}

/* ---- the rest of the module ---- */

static int type_of(lua_State *lua)
{
    luaL_checkany(lua, 1);
    if (peg_node_at(lua, 1) != NULL)
        lua_pushliteral(lua, "pattern");
    else
        lua_pushnil(lua);
    return 1;
}

static int version(lua_State *lua)
{
    lua_pushliteral(lua, "1.0");
    return 1;
}

static int set_max_stack(lua_State *lua)
{
    lua_Number frames = luaL_checknumber(lua, 1);
    luaL_argcheck(lua, frames >= 1 && frames <= FRAMES_LIMIT, 1, "out of range");
    sandbox_of(lua)->peg_frames_max = (uint32_t)frames;
    return 0;
}

static const luaL_Reg operators[] = {{"__mul", multiply},   {"__add", add},    {"__sub", subtract},
                                     {"__div", divide},     {"__unm", negate}, {"__pow", power},
                                     {"__len", look_ahead}, {NULL, NULL}};

/* ptree and pcode: they print to the process's standard output, in LPeg's debug builds only. */
static int print_nothing(lua_State *lua)
{
    return luaL_error(lua, "function only implemented in debug mode");
}

static const luaL_Reg functions[] = {{"P", make_pattern},
                                     {"S", make_set},
                                     {"R", make_range},
                                     {"V", make_rule},
                                     {"B", look_behind},
                                     {"C", capture_simple},
                                     {"Cc", capture_constant},
                                     {"Cp", capture_position},
                                     {"Cs", capture_substitute},
                                     {"Ct", capture_table},
                                     {"Cg", capture_group},
                                     {"Cb", capture_back},
                                     {"Cf", capture_fold},
                                     {"Carg", capture_argument},
                                     {"Cmt", capture_function},
                                     {"match", peg_match},
                                     {"locale", set_locale},
                                     {"type", type_of},
                                     {"version", version},
                                     {"setmaxstack", set_max_stack},
                                     {"ptree", print_nothing},
                                     {"pcode", print_nothing},
                                     {NULL, NULL}};

void peg_open(lua_State *lua)
{
    sandbox_of(lua)->peg_frames_max = PEG_FRAMES_MAX;
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushliteral(lua, "v");
    lua_setfield(lua, -2, "__mode");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, LUA_REGISTRYINDEX, nodes_key);
    lua_newtable(lua);
    luaL_register(lua, NULL, functions);
    luaL_newmetatable(lua, pattern_key);
    luaL_register(lua, NULL, operators);
    lua_pushvalue(lua, -2);
    lua_setfield(lua, -2, "__index");
    /* What getmetatable() gives a script: re.lua calls the operators by name. */
    lua_newtable(lua);
    luaL_register(lua, NULL, operators);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}
