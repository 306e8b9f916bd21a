/* SPDX-License-Identifier: MPL-2.0
 *
 * peg_code.c - patterns as programs of the machine in peg_match.c.
 *
 * A part is compiled with the set of bytes that may follow it. Where the first bytes of an
 * alternative or of a loop's body exclude what comes otherwise, no choice is kept.
 */
#include <string.h>

#include "sandbox/peg.h"

enum { WORDS_MAX = 1 << 24, WORDS_FIRST = 64, SET_WORDS = 8 };

struct compiler {
    lua_State *lua;
    const struct sandbox *sandbox;
    uint32_t *code; /* in a userdata at stack position `slot` */
    uint32_t size, room;
    int slot, values; /* `values`: a table */
    uint32_t value_count;
    const struct peg_node *grammar;
};

static const struct peg_set full_set = {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                                         UINT32_MAX, UINT32_MAX, UINT32_MAX}};

static void compile(struct compiler *c, const struct peg_node *node, const struct peg_set *follow);

/* ---- words ---- */

static void reserve(struct compiler *c, uint32_t words)
{
    if (words <= c->room - c->size)
        return;
    if (words > WORDS_MAX - c->size)
        luaL_error(c->lua, "pattern too big");
    uint32_t room = c->room;
    while (room - c->size < words)
        room *= 2;
    limits_charge(c->lua, room / 64);
    uint32_t *code = lua_newuserdata(c->lua, room * sizeof(*code));
    memcpy(code, c->code, c->size * sizeof(*code));
    lua_replace(c->lua, c->slot);
    c->code = code;
    c->room = room;
}

static void put(struct compiler *c, uint32_t word)
{
    reserve(c, 1);
    c->code[c->size++] = word;
}

static void put_op(struct compiler *c, enum peg_op op, uint32_t argument)
{
    put(c, (uint32_t)op | argument << 8);
}

static void put_set(struct compiler *c, const struct peg_set *set)
{
    reserve(c, SET_WORDS);
    memcpy(c->code + c->size, set->words, sizeof(set->words));
    c->size += SET_WORDS;
}

/* An instruction with a target that is not known yet. Returns its position. */
static uint32_t put_jump(struct compiler *c, enum peg_op op)
{
    put_op(c, op, 0);
    put(c, 0);
    return c->size - 1;
}

static void put_jump_to(struct compiler *c, enum peg_op op, uint32_t target)
{
    put_op(c, op, 0);
    put(c, target);
}

static void land(struct compiler *c, uint32_t position)
{
    c->code[position] = c->size;
}

/* ---- sets of first bytes ---- */

static bool is_disjoint(const struct peg_set *a, const struct peg_set *b)
{
    uint32_t common = 0;
    for (unsigned i = 0; i < SET_WORDS; i++)
        common |= a->words[i] & b->words[i];
    return common == 0;
}

static void unite(struct peg_set *set, const struct peg_set *other)
{
    for (unsigned i = 0; i < SET_WORDS; i++)
        set->words[i] |= other->words[i];
}

/* What first_of() says beside the set. */
enum { FIRST_EMPTY = 1, FIRST_CALLS = 2 };

static unsigned first_of(const struct compiler *c, const struct peg_node *node,
                         struct peg_set *set);

static unsigned first_of_two(const struct compiler *c, const struct peg_node *node,
                             struct peg_set *set)
{
    struct peg_set second;
    unsigned first_bits = first_of(c, node->a, set);
    if (node->kind == PEG_SEQUENCE && first_bits == 0)
        return 0;
    unsigned bits = first_of(c, node->b, &second);
    unite(set, &second);
    if (node->kind == PEG_CHOICE || ((first_bits | bits) & FIRST_CALLS) != 0)
        return first_bits | bits;
    return bits;
}

static unsigned first_of_text(const struct peg_node *node, struct peg_set *set)
{
    if (node->size == 0)
        return FIRST_EMPTY;
    uint8_t byte = (uint8_t)*peg_text(node);
    set->words[byte >> 5] = UINT32_C(1) << (byte & 31);
    return 0;
}

/* The bytes with which a match may begin. FIRST_EMPTY: it may also be that it looks at none;
 * FIRST_CALLS: functions may be called, so that nothing may be skipped. */
static unsigned first_of(const struct compiler *c, const struct peg_node *node, struct peg_set *set)
{
    limits_charge(c->lua, 1);
    limits_check_stack(c->lua, c->sandbox);
    memset(set, 0, sizeof(*set));
    switch ((enum peg_kind)node->kind) {
    case PEG_TEXT:
        return first_of_text(node, set);
    case PEG_SET:
        *set = node->u.set;
        return 0;
    case PEG_ANY:
        *set = full_set;
        return 0;
    case PEG_FALSE:
        return 0;
    case PEG_SEQUENCE:
    case PEG_CHOICE:
        return first_of_two(c, node, set);
    case PEG_LEAST:
        return first_of(c, node->a, set) | (node->count == 0 ? FIRST_EMPTY : 0);
    case PEG_MOST:
        return first_of(c, node->a, set) | FIRST_EMPTY;
    case PEG_CAPTURE:
        return first_of(c, node->a, set);
    case PEG_NOT:
    case PEG_AND:
        if ((first_of(c, node->a, set) & FIRST_CALLS) != 0)
            break;
        memset(set, 0, sizeof(*set));
        return FIRST_EMPTY;
    case PEG_BEHIND:
        return FIRST_EMPTY;
    case PEG_FUNCTION:
    case PEG_RULE:
    case PEG_GRAMMAR:
        break;
    }
    *set = full_set;
    return FIRST_EMPTY | FIRST_CALLS;
}

/* What may follow the first of two parts. */
static struct peg_set follow_of(const struct compiler *c, const struct peg_node *next,
                                const struct peg_set *follow)
{
    struct peg_set set;
    if (first_of(c, next, &set) != 0)
        unite(&set, follow);
    return set;
}

/* An instruction that jumps when the next byte is not in the set. Returns its target's position. */
static uint32_t put_test(struct compiler *c, const struct peg_set *set)
{
    unsigned count = 0, byte = 0;
    for (unsigned i = 0; i < 256 && count < 2; i++) {
        if (peg_set_has(set, (uint8_t)i)) {
            count++;
            byte = i;
        }
    }
    if (count == 1) {
        put_op(c, OP_TEST_CHAR, byte);
        put(c, 0);
        return c->size - 1;
    }
    uint32_t position = put_jump(c, OP_TEST_SET);
    put_set(c, set);
    return position;
}

/* ---- parts ---- */

static void compile_text(struct compiler *c, const struct peg_node *node)
{
    if (node->size == 1) {
        put_op(c, OP_CHAR, (uint8_t)*peg_text(node));
    } else if (node->size > 1) {
        uint32_t words = (node->size + 3) / 4;
        put_op(c, OP_TEXT, node->size);
        reserve(c, words);
        memcpy(c->code + c->size, peg_text(node), node->size);
        c->size += words;
    }
}

static void compile_choice(struct compiler *c, const struct peg_node *node,
                           const struct peg_set *follow)
{
    struct peg_set first, second;
    uint32_t test = 0, choice = 0;
    bool is_tested = first_of(c, node->a, &first) == 0;
    if (is_tested)
        test = put_test(c, &first);
    if (first_of(c, node->b, &second) != 0)
        unite(&second, follow);
    bool is_choice = !is_tested || !is_disjoint(&first, &second);
    if (is_choice)
        choice = put_jump(c, OP_CHOICE);
    compile(c, node->a, is_choice ? &full_set : follow);
    uint32_t end = put_jump(c, is_choice ? OP_COMMIT : OP_JUMP);
    if (is_tested)
        land(c, test);
    if (is_choice)
        land(c, choice);
    compile(c, node->b, follow);
    land(c, end);
}

/* body^0 */
static void compile_star(struct compiler *c, const struct peg_node *body,
                         const struct peg_set *follow)
{
    struct peg_set set, first;
    if (peg_as_set(body, &set)) {
        put_op(c, OP_SPAN, 0);
        put_set(c, &set);
        return;
    }
    bool is_tested = first_of(c, body, &first) == 0;
    if (is_tested && is_disjoint(&first, follow)) {
        uint32_t start = c->size, test = put_test(c, &first);
        compile(c, body, &full_set);
        put_jump_to(c, OP_JUMP, start);
        land(c, test);
        return;
    }
    uint32_t test = is_tested ? put_test(c, &first) : 0;
    uint32_t choice = put_jump(c, OP_CHOICE), start = c->size;
    compile(c, body, &full_set);
    put_jump_to(c, OP_PARTIAL_COMMIT, start);
    land(c, choice);
    if (is_tested)
        land(c, test);
}

static void compile_most(struct compiler *c, const struct peg_node *node)
{
    if (node->count == 0)
        return;
    uint32_t choice = put_jump(c, OP_CHOICE);
    for (int32_t i = 0; i < node->count; i++) {
        compile(c, node->a, &full_set);
        if (i + 1 < node->count)
            put_jump_to(c, OP_PARTIAL_COMMIT, c->size + 2);
    }
    put_jump_to(c, OP_COMMIT, c->size + 2);
    land(c, choice);
}

static void compile_not(struct compiler *c, const struct peg_node *node)
{
    struct peg_set set;
    if (peg_as_set(node->a, &set)) {
        uint32_t test = put_test(c, &set);
        put_op(c, OP_FAIL, 0);
        land(c, test);
        return;
    }
    uint32_t choice = put_jump(c, OP_CHOICE);
    compile(c, node->a, &full_set);
    put_op(c, OP_FAIL_TWICE, 0);
    land(c, choice);
}

static void compile_and(struct compiler *c, const struct peg_node *node)
{
    uint32_t choice = put_jump(c, OP_CHOICE);
    compile(c, node->a, &full_set);
    uint32_t back = put_jump(c, OP_BACK_COMMIT);
    land(c, choice);
    put_op(c, OP_FAIL, 0);
    land(c, back);
}

/* ---- captures ---- */

/* Index of a node's Lua value in the program's; a number is its own. */
static uint32_t value_of(struct compiler *c, const struct peg_node *node)
{
    if ((node->flags & PEG_HAS_VALUE) == 0)
        return (uint32_t)node->count;
    peg_push_value(c->lua, node);
    lua_rawseti(c->lua, c->values, (int)++c->value_count);
    return c->value_count;
}

static void compile_capture(struct compiler *c, const struct peg_node *node,
                            const struct peg_set *follow)
{
    uint32_t value = value_of(c, node);
    bool is_function = node->kind == PEG_FUNCTION;
    if (!is_function && node->fixed_len >= 0 && (node->a->flags & PEG_HAS_CAPTURES) == 0) {
        compile(c, node->a, follow);
        put_op(c, OP_FULL, node->capture);
        put(c, value);
        put(c, (uint32_t)node->fixed_len);
        return;
    }
    put_op(c, OP_OPEN, is_function ? CAP_FUNCTION : node->capture);
    put(c, value);
    compile(c, node->a, is_function ? &full_set : follow);
    put_op(c, is_function ? OP_CLOSE_FUNCTION : OP_CLOSE, 0);
}

/* ---- grammars ---- */

static uint32_t op_words(const uint32_t *code)
{
    switch ((enum peg_op)(*code & 0xFF)) {
    case OP_SET:
    case OP_SPAN:
        return 1 + SET_WORDS;
    case OP_TEXT:
        return 1 + ((*code >> 8) + 3) / 4;
    case OP_TEST_SET:
        return 2 + SET_WORDS;
    case OP_FULL:
        return 3;
    case OP_TEST_CHAR:
    case OP_CHOICE:
    case OP_COMMIT:
    case OP_PARTIAL_COMMIT:
    case OP_BACK_COMMIT:
    case OP_JUMP:
    case OP_CALL:
    case OP_OPEN_CALL:
    case OP_OPEN:
        return 2;
    default:
        return 1;
    }
}

/* Calls of the grammar's rules get their targets; the last of a rule becomes a jump. */
static void resolve_calls(struct compiler *c, uint32_t from, const uint32_t *starts)
{
    for (uint32_t at = from; at < c->size; at += op_words(c->code + at)) {
        limits_charge(c->lua, 1);
        if ((c->code[at] & 0xFF) != OP_OPEN_CALL)
            continue;
        bool is_last = at + 2 < c->size && (c->code[at + 2] & 0xFF) == OP_RETURN;
        c->code[at] = is_last ? OP_JUMP : OP_CALL;
        c->code[at + 1] = starts[c->code[at + 1]];
    }
}

static void compile_grammar(struct compiler *c, const struct peg_node *node)
{
    const struct peg_node *outer = c->grammar;
    const struct peg_rule *rules = peg_rules(node);
    luaL_checkstack(c->lua, 8, "grammar");
    uint32_t *starts = lua_newuserdata(c->lua, node->size * sizeof(*starts));
    uint32_t from = c->size;
    c->grammar = node;
    put_jump_to(c, OP_OPEN_CALL, 0);
    uint32_t end = put_jump(c, OP_JUMP);
    for (uint32_t i = 0; i < node->size; i++) {
        starts[i] = c->size;
        compile(c, rules[i].body, &full_set);
        put_op(c, OP_RETURN, 0);
    }
    land(c, end);
    resolve_calls(c, from, starts);
    lua_pop(c->lua, 1);
    c->grammar = outer;
}

static void compile_rule(struct compiler *c, const struct peg_node *node)
{
    uint32_t name = (uint32_t)node->count;
    int rule = c->grammar != NULL ? peg_rule_index(c->grammar, name) : -1;
    if (rule < 0)
        luaL_error(c->lua, "rule '%s' used outside a grammar", peg_name_text(c->lua, name));
    put_jump_to(c, OP_OPEN_CALL, (uint32_t)rule);
}

/* ---- all ---- */

static void compile_simple(struct compiler *c, const struct peg_node *node)
{
    switch ((enum peg_kind)node->kind) {
    case PEG_TEXT:
        compile_text(c, node);
        break;
    case PEG_SET:
        put_op(c, OP_SET, 0);
        put_set(c, &node->u.set);
        break;
    case PEG_ANY:
        put_op(c, OP_ANY, (uint32_t)node->count);
        break;
    case PEG_BEHIND:
        if (node->count > 0)
            put_op(c, OP_BEHIND, (uint32_t)node->count);
        compile(c, node->a, &full_set);
        break;
    default:
        put_op(c, OP_FAIL, 0);
    }
}

static void compile(struct compiler *c, const struct peg_node *node, const struct peg_set *follow)
{
    struct peg_set set;
    limits_charge(c->lua, 1);
    limits_check_stack(c->lua, c->sandbox);
    switch ((enum peg_kind)node->kind) {
    case PEG_SEQUENCE:
        set = follow_of(c, node->b, follow);
        compile(c, node->a, &set);
        compile(c, node->b, follow);
        break;
    case PEG_CHOICE:
        compile_choice(c, node, follow);
        break;
    case PEG_LEAST:
        for (int32_t i = 0; i < node->count; i++)
            compile(c, node->a, &full_set);
        compile_star(c, node->a, follow);
        break;
    case PEG_MOST:
        compile_most(c, node);
        break;
    case PEG_NOT:
        compile_not(c, node);
        break;
    case PEG_AND:
        compile_and(c, node);
        break;
    case PEG_RULE:
        compile_rule(c, node);
        break;
    case PEG_GRAMMAR:
        compile_grammar(c, node);
        break;
    case PEG_CAPTURE:
    case PEG_FUNCTION:
        compile_capture(c, node, follow);
        break;
    default:
        compile_simple(c, node);
    }
}

/* The program of the pattern at `index`, with its values: both anchored, and on top. */
static const struct peg_program *build(lua_State *lua, int index)
{
    struct compiler c = {.lua = lua, .sandbox = sandbox_of(lua), .room = WORDS_FIRST};
    const struct peg_node *node = lua_touserdata(lua, index);
    luaL_checkstack(lua, 20, "pattern");
    lua_getfenv(lua, index);
    lua_newtable(lua);
    c.values = lua_gettop(lua);
    c.code = lua_newuserdata(lua, c.room * sizeof(*c.code));
    c.slot = lua_gettop(lua);
    compile(&c, node, &full_set);
    put_op(&c, OP_END, 0);
    struct peg_program *program = lua_newuserdata(lua, sizeof(*program) + c.size * sizeof(*c.code));
    program->size = c.size;
    memcpy(program->code, c.code, c.size * sizeof(*c.code));
    lua_replace(lua, c.slot);
    lua_pushvalue(lua, c.slot);
    lua_rawseti(lua, c.values - 1, ANCHOR_PROGRAM);
    lua_pushvalue(lua, c.values);
    lua_rawseti(lua, c.values - 1, ANCHOR_VALUES);
    lua_insert(lua, -2);
    lua_remove(lua, c.values - 1);
    return program;
}

const struct peg_program *peg_push_program(lua_State *lua, int index)
{
    lua_getfenv(lua, index);
    lua_rawgeti(lua, -1, ANCHOR_PROGRAM);
    const struct peg_program *program = lua_touserdata(lua, -1);
    if (program == NULL) {
        lua_pop(lua, 2);
        return build(lua, index);
    }
    lua_rawgeti(lua, -2, ANCHOR_VALUES);
    lua_remove(lua, -3);
    return program;
}
