/* SPDX-License-Identifier: MPL-2.0
 *
 * peg_grammar.c - tables of rules as patterns, and what would make a grammar endless.
 */
#include <string.h>

#include "sandbox/peg.h"

static const char names_key[] = "lpeg-names"; /* name -> number, and [0]: the last number */
static const char texts_key[] = "lpeg-texts"; /* number -> text for errors */

enum { RULES_MAX = 1000 };

/* ---- names ---- */

static void push_table(lua_State *lua, const char *key)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, key);
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, key);
}

static void push_name_text(lua_State *lua, int index)
{
    int kind = lua_type(lua, index);
    if (kind == LUA_TSTRING || kind == LUA_TNUMBER) {
        lua_pushvalue(lua, index);
        lua_tostring(lua, -1);
    } else {
        lua_pushfstring(lua, "(a %s)", lua_typename(lua, kind));
    }
}

/* Named values are boxed, so that no name is the key of the table's own. */
uint32_t peg_name_number(lua_State *lua)
{
    int name = lua_gettop(lua);
    luaL_checkstack(lua, 8, "rule");
    push_table(lua, names_key);
    lua_pushvalue(lua, name);
    lua_rawget(lua, name + 1);
    uint32_t number = (uint32_t)lua_tonumber(lua, -1);
    if (number == 0) {
        push_table(lua, texts_key);
        number = (uint32_t)lua_objlen(lua, -1) + 1;
        push_name_text(lua, name);
        lua_rawseti(lua, -2, (int)number);
        lua_pushvalue(lua, name);
        lua_pushnumber(lua, number);
        lua_rawset(lua, name + 1);
    }
    lua_settop(lua, name - 1);
    return number;
}

const char *peg_name_text(lua_State *lua, uint32_t number)
{
    push_table(lua, texts_key);
    lua_rawgeti(lua, -1, (int)number);
    const char *text = lua_tostring(lua, -1);
    lua_pop(lua, 2);
    return text != NULL ? text : "?";
}

int peg_rule_index(const struct peg_node *grammar, uint32_t name)
{
    const struct peg_rule *rules = peg_rules(grammar);
    for (uint32_t i = 0; i < grammar->size; i++) {
        if (rules[i].name == name)
            return (int)i;
    }
    return -1;
}

/* ---- walks over the parts of rules ---- */

struct walk {
    lua_State *lua;
    const struct sandbox *sandbox;
    const struct peg_node *grammar;
    struct peg_rule *rules;
    uint8_t *states; /* of the rules, for the search for left recursion */
};

enum { STATE_NEW, STATE_OPEN, STATE_DONE };

static void walk_step(const struct walk *walk)
{
    limits_charge(walk->lua, 1);
    limits_check_stack(walk->lua, walk->sandbox);
}

/* Whether it may match the empty text, with what is known of the rules. */
static bool is_empty(const struct walk *walk, const struct peg_node *node)
{
    if ((node->flags & PEG_HAS_RULES) == 0)
        return (node->flags & PEG_IS_EMPTY) != 0;
    walk_step(walk);
    int rule;
    switch ((enum peg_kind)node->kind) {
    case PEG_RULE:
        rule = peg_rule_index(walk->grammar, (uint32_t)node->count);
        return rule >= 0 && walk->rules[rule].is_empty;
    case PEG_SEQUENCE:
        return is_empty(walk, node->a) && is_empty(walk, node->b);
    case PEG_CHOICE:
        return is_empty(walk, node->a) || is_empty(walk, node->b);
    case PEG_NOT:
    case PEG_AND:
    case PEG_BEHIND:
    case PEG_MOST:
        return true;
    case PEG_LEAST:
        return node->count == 0 || is_empty(walk, node->a);
    default:
        return is_empty(walk, node->a);
    }
}

static void find_empty_rules(const struct walk *walk)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < walk->grammar->size; i++) {
            if (!walk->rules[i].is_empty && is_empty(walk, walk->rules[i].body)) {
                walk->rules[i].is_empty = true;
                changed = true;
            }
        }
    }
}

/* Every rule that is named has to be there. What nobody names is not looked at any further. */
static void check_names(const struct walk *walk, const struct peg_node *node)
{
    if (node == NULL || (node->flags & PEG_HAS_RULES) == 0)
        return;
    walk_step(walk);
    if (node->kind == PEG_RULE) {
        int rule = peg_rule_index(walk->grammar, (uint32_t)node->count);
        if (rule < 0)
            luaL_error(walk->lua, "rule '%s' undefined in given grammar",
                       peg_name_text(walk->lua, (uint32_t)node->count));
        else
            walk->rules[rule].is_used = true;
        return;
    }
    check_names(walk, node->a);
    check_names(walk, node->b);
}

static void check_loops(const struct walk *walk, const struct peg_node *node, uint32_t rule)
{
    if (node == NULL || (node->flags & PEG_HAS_RULES) == 0 || node->kind == PEG_RULE)
        return;
    walk_step(walk);
    if (node->kind == PEG_LEAST && is_empty(walk, node->a))
        luaL_error(walk->lua, "empty loop in rule '%s'",
                   peg_name_text(walk->lua, walk->rules[rule].name));
    check_loops(walk, node->a, rule);
    check_loops(walk, node->b, rule);
}

static void visit_rule(const struct walk *walk, uint32_t rule);

/* The rules that may be called before a byte was consumed. */
static void visit_left(const struct walk *walk, const struct peg_node *node)
{
    if ((node->flags & PEG_HAS_RULES) == 0)
        return;
    walk_step(walk);
    if (node->kind == PEG_RULE) {
        visit_rule(walk, (uint32_t)peg_rule_index(walk->grammar, (uint32_t)node->count));
        return;
    }
    visit_left(walk, node->a);
    if (node->b != NULL && (node->kind != PEG_SEQUENCE || is_empty(walk, node->a)))
        visit_left(walk, node->b);
}

static void visit_rule(const struct walk *walk, uint32_t rule)
{
    if (walk->states[rule] == STATE_OPEN)
        luaL_error(walk->lua, "rule '%s' may be left recursive",
                   peg_name_text(walk->lua, walk->rules[rule].name));
    if (walk->states[rule] == STATE_DONE)
        return;
    walk->states[rule] = STATE_OPEN;
    visit_left(walk, walk->rules[rule].body);
    walk->states[rule] = STATE_DONE;
}

static void check_grammar(lua_State *lua, const struct peg_node *grammar, struct peg_rule *rules)
{
    uint8_t states[RULES_MAX] = {0};
    struct walk walk = {.lua = lua,
                        .sandbox = sandbox_of(lua),
                        .grammar = grammar,
                        .rules = rules,
                        .states = states};
    for (uint32_t i = 0; i < grammar->size; i++)
        check_names(&walk, rules[i].body);
    find_empty_rules(&walk);
    for (uint32_t i = 0; i < grammar->size; i++) {
        if (rules[i].is_used)
            visit_rule(&walk, i);
    }
    for (uint32_t i = 0; i < grammar->size; i++) {
        if (rules[i].is_used)
            check_loops(&walk, rules[i].body, i);
    }
}

/* ---- from a table ---- */

/* Pushes the initial rule's name and pattern. */
static void push_initial(lua_State *lua, int table)
{
    lua_rawgeti(lua, table, 1);
    if (lua_isstring(lua, -1)) {
        lua_pushvalue(lua, -1);
        lua_gettable(lua, table);
    } else {
        lua_pushnumber(lua, 1);
        lua_insert(lua, -2);
    }
    if (lua_isnil(lua, -1))
        luaL_error(lua, "grammar has no initial rule");
    if (peg_node_at(lua, -1) == NULL) {
        push_name_text(lua, lua_gettop(lua) - 1);
        luaL_error(lua, "initial rule '%s' is not a pattern", lua_tostring(lua, -1));
    }
}

/* Whether the pair on top is a rule beside the initial one, whose name is at `initial`. */
static bool is_other_rule(lua_State *lua, int initial)
{
    if (lua_tonumber(lua, -2) == 1 || lua_rawequal(lua, -2, initial) != 0)
        return false;
    if (peg_node_at(lua, -1) == NULL) {
        push_name_text(lua, lua_gettop(lua) - 1);
        luaL_error(lua, "rule '%s' is not a pattern", lua_tostring(lua, -1));
    }
    return true;
}

static uint32_t count_rules(lua_State *lua, int table, int initial)
{
    uint32_t count = 1;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        limits_charge(lua, 1);
        count += is_other_rule(lua, initial);
        lua_pop(lua, 1);
    }
    if (count > RULES_MAX)
        luaL_error(lua, "grammar has too many rules");
    return count;
}

/* Name and pattern on top become a rule; the pattern is anchored in the table at `anchors`. */
static void set_rule(lua_State *lua, int anchors, struct peg_rule *rules, uint32_t index)
{
    rules[index].body = lua_touserdata(lua, -1);
    lua_rawseti(lua, anchors, (int)(ANCHOR_VALUES + 1 + index));
    lua_pushvalue(lua, -1);
    rules[index].name = peg_name_number(lua);
    rules[index].is_empty = false;
    rules[index].is_used = index == 0;
}

static void add_rules(lua_State *lua, int table, int initial, struct peg_rule *rules)
{
    uint32_t index = 1;
    int anchors = lua_gettop(lua);
    lua_pushvalue(lua, initial);
    lua_pushvalue(lua, initial + 1);
    set_rule(lua, anchors, rules, 0);
    lua_pop(lua, 1);
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        if (is_other_rule(lua, initial))
            set_rule(lua, anchors, rules, index++);
        else
            lua_pop(lua, 1);
    }
}

void peg_push_grammar(lua_State *lua, int index)
{
    int initial = lua_gettop(lua) + 1;
    luaL_checkstack(lua, 20, "grammar");
    push_initial(lua, index);
    uint32_t count = count_rules(lua, index, initial);
    struct peg_node *grammar =
        peg_push_node(lua, PEG_GRAMMAR, count * sizeof(struct peg_rule), true);
    struct peg_rule *rules = (struct peg_rule *)(grammar + 1);
    lua_getfenv(lua, -1);
    add_rules(lua, index, initial, rules);
    lua_pop(lua, 1);
    grammar->size = count;
    grammar->fixed_len = rules[0].body->fixed_len;
    check_grammar(lua, grammar, rules);
    for (uint32_t i = 0; i < count; i++)
        grammar->flags |= rules[i].body->flags & PEG_HAS_CAPTURES;
    grammar->flags |= rules[0].is_empty ? PEG_IS_EMPTY : 0;
    grammar->flags |= rules[0].body->flags & PEG_IS_SURE;
    lua_replace(lua, initial);
    lua_settop(lua, initial);
}
