/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/gate_expr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/regex_emit.h"
#include "matcher/regex_form.h"
#include "matcher/regex_shape.h"

/* Everything that turns one test into atoms. */
struct test_writer {
    struct gate_exprs *exprs;
    struct atoms *atoms;
    const struct rule_test *test;
    uint32_t input;
};

static int64_t expr_new(struct gate_exprs *exprs, enum gate_expr_op op, uint32_t atom)
{
    if (exprs->count == exprs->capacity) {
        uint32_t capacity = exprs->capacity ? exprs->capacity * 2 : 32;
        struct gate_expr *nodes = realloc(exprs->nodes, capacity * sizeof *nodes);

        if (!nodes)
            return -ENOMEM;
        exprs->nodes = nodes;
        exprs->capacity = capacity;
        if (exprs->count == 0)
            exprs->nodes[exprs->count++] = (struct gate_expr){.op = EXPR_FALSE};
    }
    exprs->nodes[exprs->count] = (struct gate_expr){
        .op = op,
        .atom = atom,
        .initially = op == EXPR_TRUE || op == EXPR_NOT_ATOM || op == EXPR_AND,
    };
    return exprs->count++;
}

/* Appends `child`, or its children when it is of the same kind. */
static void adopt(struct gate_exprs *exprs, uint32_t parent, uint32_t child)
{
    struct gate_expr *nodes = exprs->nodes;
    bool same = nodes[child].op == nodes[parent].op;
    uint32_t first = same ? nodes[child].child : child;

    if (nodes[parent].op == EXPR_AND)
        nodes[parent].initially &= nodes[child].initially;
    else
        nodes[parent].initially |= nodes[child].initially;
    if (nodes[parent].last)
        nodes[nodes[parent].last].next = first;
    else
        nodes[parent].child = first;
    nodes[parent].last = same ? nodes[child].last : child;
}

int64_t gate_expr_join(struct gate_exprs *exprs, enum gate_expr_op op, uint32_t left,
                       uint32_t right)
{
    enum gate_expr_op neutral = op == EXPR_AND ? EXPR_TRUE : EXPR_FALSE;
    enum gate_expr_op final = op == EXPR_AND ? EXPR_FALSE : EXPR_TRUE;
    int64_t node;

    if (exprs->nodes[left].op == neutral || exprs->nodes[right].op == final)
        return right;
    if (exprs->nodes[right].op == neutral || exprs->nodes[left].op == final)
        return left;
    if (exprs->nodes[left].op == op) {
        adopt(exprs, left, right);
        return left;
    }
    node = expr_new(exprs, op, 0);
    if (node < 0)
        return node;
    adopt(exprs, (uint32_t)node, left);
    adopt(exprs, (uint32_t)node, right);
    return node;
}

int64_t gate_expr_negate(struct gate_exprs *exprs, uint32_t node)
{
    static const enum gate_expr_op opposites[] = {
        [EXPR_TRUE] = EXPR_FALSE,    [EXPR_FALSE] = EXPR_TRUE, [EXPR_ATOM] = EXPR_NOT_ATOM,
        [EXPR_NOT_ATOM] = EXPR_ATOM, [EXPR_AND] = EXPR_OR,     [EXPR_OR] = EXPR_AND,
    };
    int64_t copy = expr_new(exprs, opposites[exprs->nodes[node].op], exprs->nodes[node].atom);

    for (uint32_t at = exprs->nodes[node].child; at && copy >= 0; at = exprs->nodes[at].next) {
        int64_t child = gate_expr_negate(exprs, at);

        if (child < 0)
            return child;
        adopt(exprs, (uint32_t)copy, (uint32_t)child);
    }
    return copy;
}

static int64_t write_literal(const struct test_writer *writer, const struct atom *atom,
                             bool negated)
{
    struct atom copy = *atom;
    int64_t index;

    copy.input = writer->input;
    index = atoms_put(writer->atoms, &copy);
    if (index < 0)
        return index;
    return expr_new(writer->exprs, negated ? EXPR_NOT_ATOM : EXPR_ATOM, (uint32_t)index);
}

static int64_t write_simple(const struct test_writer *writer, enum atom_type type)
{
    return write_literal(writer, &(struct atom){.type = type}, false);
}

static int64_t join_or_fail(const struct test_writer *writer, enum gate_expr_op op, int64_t left,
                            int64_t right)
{
    if (left < 0 || right < 0)
        return left < 0 ? left : right;
    return gate_expr_join(writer->exprs, op, (uint32_t)left, (uint32_t)right);
}

/* A test that says `atom`. A boolean field that is false passes it too (Heka). */
static int64_t write_positive(const struct test_writer *writer, const struct atom *atom)
{
    int64_t node = write_literal(writer, atom, false);

    if (writer->test->variable != RULE_FIELD)
        return node;
    return join_or_fail(writer, EXPR_OR, node, write_simple(writer, ATOM_IS_FALSE));
}

/* A test that denies `atom`: a field has to be of the kind `kind` for that. */
static int64_t write_negative(const struct test_writer *writer, const struct atom *atom,
                              enum atom_type kind)
{
    int64_t node = write_literal(writer, atom, true);

    if (writer->test->variable != RULE_FIELD)
        return node;
    return join_or_fail(writer, EXPR_AND, write_simple(writer, kind), node);
}

static int64_t write_string(const struct test_writer *writer)
{
    const struct rule_test *test = writer->test;
    struct atom atom = {
        .type = ATOM_EQUALS,
        .text = test->text,
        .text_len = test->text_len,
    };

    if (test->compare == RULE_EQ)
        return write_positive(writer, &atom);
    if (test->compare == RULE_NE)
        return write_negative(writer, &atom, ATOM_TEXT_OR_FALSE);
    atom.type = ATOM_ORDER;
    atom.compare = test->compare;
    return write_positive(writer, &atom);
}

static int64_t write_number(const struct test_writer *writer)
{
    const struct rule_test *test = writer->test;
    struct atom atom = {
        .type = ATOM_NUMBER,
        .compare = test->compare == RULE_NE ? RULE_EQ : test->compare,
        .number = test->number,
    };

    if (test->compare == RULE_NE)
        return write_negative(writer, &atom, ATOM_NUMBER_OR_FALSE);
    return write_positive(writer, &atom);
}

/* `== TRUE` is true for a boolean that is true, and for the text "TRUE" (Heka). */
static int64_t write_boolean(const struct test_writer *writer)
{
    const struct rule_test *test = writer->test;
    struct atom atom = {.type = ATOM_EQUALS, .text = test->text, .text_len = test->text_len};

    if (!test->boolean)
        return write_positive(writer, &atom);
    return join_or_fail(writer, EXPR_OR, write_literal(writer, &atom, false),
                        write_simple(writer, ATOM_IS_TRUE));
}

/* An expression that every text matches. */
static int64_t write_always(const struct test_writer *writer)
{
    bool matches = writer->test->compare == RULE_MATCHES;

    if (writer->test->variable != RULE_FIELD)
        return expr_new(writer->exprs, matches ? EXPR_TRUE : EXPR_FALSE, 0);
    return write_simple(writer, matches ? ATOM_TEXT_OR_FALSE : ATOM_IS_FALSE);
}

static int64_t write_regex_atom(const struct test_writer *writer, const struct atom *atom)
{
    if (writer->test->compare == RULE_MATCHES)
        return write_positive(writer, atom);
    return write_negative(writer, atom, ATOM_TEXT_OR_FALSE);
}

/* The pattern of an expression, or the literal of a plain one, becomes the text of the atom. */
static int fill_regex_atom(const struct regex_form *form, struct buffer *text, struct atom *atom)
{
    static const enum atom_type types[] = {
        [REGEX_EQUALS] = ATOM_EQUALS,  [REGEX_PREFIX] = ATOM_PREFIX, [REGEX_SUFFIX] = ATOM_SUFFIX,
        [REGEX_CONTAINS] = ATOM_REGEX, [REGEX_GENERAL] = ATOM_REGEX,
    };
    int rc = 0;

    atom->type = types[form->type];
    if (atom->type == ATOM_REGEX) {
        atom->span = form->span;
        atom->utf8 = !regex_shape_of(&form->span).is_byte_safe;
        buffer_clear(text);
        rc = regex_emit(&form->span, atom->utf8 ? REGEX_AS_UTF8 : REGEX_AS_BYTES, text);
    }
    atom->text = text->data;
    atom->text_len = text->size;
    return rc;
}

static int64_t write_regex(const struct test_writer *writer)
{
    struct buffer text = {0};
    struct regex_form form;
    struct atom atom = {0};
    int64_t result = regex_form_of(writer->test->regex, &form, &text);

    if (result == 0 && form.type == REGEX_ALWAYS) {
        result = write_always(writer);
    } else if (result == 0) {
        result = fill_regex_atom(&form, &text, &atom);
        if (result == 0)
            result = write_regex_atom(writer, &atom);
    }
    buffer_fini(&text);
    return result == -ENOSPC ? -EINVAL : result;
}

static int64_t write_nil(const struct test_writer *writer)
{
    struct atom atom = {.type = ATOM_EXISTS};

    return write_literal(writer, &atom, writer->test->compare == RULE_EQ);
}

static int64_t write_test(struct gate_exprs *exprs, struct atoms *atoms,
                          const struct rule_test *test)
{
    struct atom_input input = {
        .variable = test->variable,
        .name = test->name,
        .name_len = test->name_len,
        .field_index = test->field_index,
        .value_index = test->value_index,
    };
    int64_t index = atoms_input(atoms, &input);
    struct test_writer writer = {exprs, atoms, test, (uint32_t)index};

    if (index < 0)
        return index;
    switch (test->operand) {
    case RULE_STRING:
        return write_string(&writer);
    case RULE_NUMBER:
        return write_number(&writer);
    case RULE_BOOLEAN:
        return write_boolean(&writer);
    case RULE_NIL:
        return write_nil(&writer);
    case RULE_REGEX:
        break;
    }
    return write_regex(&writer);
}

static int64_t write_node(struct gate_exprs *exprs, struct atoms *atoms, const struct rule *rule,
                          uint32_t index)
{
    const struct rule_node *node = &rule->nodes[index];
    int64_t left;
    int64_t right;

    if (node->op == RULE_TEST)
        return write_test(exprs, atoms, &rule->tests[node->left]);
    if (node->op == RULE_TRUE || node->op == RULE_FALSE)
        return expr_new(exprs, node->op == RULE_TRUE ? EXPR_TRUE : EXPR_FALSE, 0);
    left = write_node(exprs, atoms, rule, node->left);
    right = left < 0 ? left : write_node(exprs, atoms, rule, node->right);
    if (right < 0)
        return right;
    return gate_expr_join(exprs, node->op == RULE_AND ? EXPR_AND : EXPR_OR, (uint32_t)left,
                          (uint32_t)right);
}

int64_t gate_expr_of_rule(struct gate_exprs *exprs, struct atoms *atoms, const struct rule *rule)
{
    return write_node(exprs, atoms, rule, rule->root);
}

int64_t gate_expr_of_signer(struct gate_exprs *exprs, struct atoms *atoms, const char *signer)
{
    struct atom_input input = {.variable = ATOM_SIGNER};
    int64_t index = atoms_input(atoms, &input);
    struct atom atom = {
        .type = ATOM_EQUALS,
        .input = (uint32_t)index,
        .text = signer,
        .text_len = strlen(signer),
    };

    if (index >= 0)
        index = atoms_put(atoms, &atom);
    return index < 0 ? index : expr_new(exprs, EXPR_ATOM, (uint32_t)index);
}

void gate_exprs_fini(struct gate_exprs *exprs)
{
    free(exprs->nodes);
    *exprs = (struct gate_exprs){0};
}
