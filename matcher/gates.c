/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/gates.h"

#include <errno.h>
#include <stdlib.h>

#include "matcher/gate_expr.h"

/* A gate while it is filled: clauses and negatives in any number. */
struct draft {
    uint32_t *atoms;
    uint32_t atom_count, atom_capacity;
    uint32_t *clause_starts; /* into atoms */
    uint32_t clause_count, clause_capacity;
    uint32_t *negatives;
    uint32_t negative_count, negative_capacity;
};

struct gate_writer {
    struct gates *gates;
    struct gate_exprs exprs;
};

static int64_t write_gate(struct gate_writer *writer, uint32_t node);

static int push(uint32_t **items, uint32_t *count, uint32_t *capacity, uint32_t item)
{
    if (*count == *capacity) {
        uint32_t larger = *capacity ? *capacity * 2 : 16;
        uint32_t *grown = realloc(*items, larger * sizeof *grown);

        if (!grown)
            return -ENOMEM;
        *items = grown;
        *capacity = larger;
    }
    (*items)[(*count)++] = item;
    return 0;
}

static void draft_fini(struct draft *draft)
{
    free(draft->atoms);
    free(draft->clause_starts);
    free(draft->negatives);
}

/* The atom that is true when gate `gate` is. */
static int64_t gate_atom(struct gates *gates, int64_t gate)
{
    struct atom atom = {.type = ATOM_GATE, .gate = (uint32_t)gate};

    return gate < 0 ? gate : atoms_put(&gates->atoms, &atom);
}

static int add_clause(struct draft *draft)
{
    return push(&draft->clause_starts, &draft->clause_count, &draft->clause_capacity,
                draft->atom_count);
}

static int add_atom(struct draft *draft, int64_t atom)
{
    if (atom < 0)
        return (int)atom;
    return push(&draft->atoms, &draft->atom_count, &draft->atom_capacity, (uint32_t)atom);
}

static int add_negative(struct draft *draft, int64_t atom)
{
    if (atom < 0)
        return (int)atom;
    return push(&draft->negatives, &draft->negative_count, &draft->negative_capacity,
                (uint32_t)atom);
}

/* Adds what makes the clause true: `node`, which is false when no atom is true. */
static int add_alternatives(struct gate_writer *writer, struct draft *draft, uint32_t node)
{
    const struct gate_expr *expr = &writer->exprs.nodes[node];
    int rc = 0;

    if (expr->op == EXPR_ATOM)
        return add_atom(draft, expr->atom);
    if (expr->op == EXPR_AND)
        return add_atom(draft, gate_atom(writer->gates, write_gate(writer, node)));
    for (uint32_t at = expr->child; at && rc == 0; at = writer->exprs.nodes[at].next)
        rc = add_alternatives(writer, draft, at);
    return rc;
}

/* Adds `node`, which is true when no atom is true, as something that must not happen. */
static int add_denial(struct gate_writer *writer, struct draft *draft, uint32_t node)
{
    int64_t opposite;

    if (writer->exprs.nodes[node].op == EXPR_NOT_ATOM)
        return add_negative(draft, writer->exprs.nodes[node].atom);
    opposite = gate_expr_negate(&writer->exprs, node);
    if (opposite >= 0)
        opposite = write_gate(writer, (uint32_t)opposite);
    return add_negative(draft, gate_atom(writer->gates, opposite));
}

/* Adds `node` to what the gate asks for. */
static int add_condition(struct gate_writer *writer, struct draft *draft, uint32_t node)
{
    const struct gate_expr *expr = &writer->exprs.nodes[node];
    int rc = 0;

    if (expr->op == EXPR_AND) {
        for (uint32_t at = expr->child; at && rc == 0; at = writer->exprs.nodes[at].next)
            rc = add_condition(writer, draft, at);
        return rc;
    }
    if (expr->initially)
        return add_denial(writer, draft, node);
    rc = add_clause(draft);
    return rc < 0 ? rc : add_alternatives(writer, draft, node);
}

static int64_t new_gate(struct gates *gates)
{
    if (gates->count == gates->capacity) {
        uint32_t capacity = gates->capacity ? gates->capacity * 2 : 32;
        struct gate *items = realloc(gates->items, capacity * sizeof *items);

        if (!items)
            return -ENOMEM;
        gates->items = items;
        gates->capacity = capacity;
    }
    gates->items[gates->count] = (struct gate){0};
    return gates->count++;
}

static int keep_members(struct gates *gates, const uint32_t *atoms, uint32_t count,
                        struct gate *gate, struct gate_list *list)
{
    int rc = 0;

    *list = (struct gate_list){gates->member_count, count};
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const struct atom *atom = &gates->atoms.items[atoms[i]];

        if (atom->type == ATOM_GATE && gates->items[atom->gate].depth >= gate->depth)
            gate->depth = gates->items[atom->gate].depth + 1;
        rc = push(&gates->members, &gates->member_count, &gates->member_capacity, atoms[i]);
    }
    return rc;
}

static int64_t close_gate(struct gates *gates, const struct draft *draft, uint32_t clause,
                          bool with_negatives);

static uint32_t clause_end(const struct draft *draft, uint32_t clause)
{
    return clause + 1 < draft->clause_count ? draft->clause_starts[clause + 1] : draft->atom_count;
}

/* The last clause of a gate that is full stands for all clauses from `clause` on. */
static int close_rest(struct gates *gates, const struct draft *draft, uint32_t clause,
                      struct gate *gate)
{
    int64_t atom = gate_atom(gates, close_gate(gates, draft, clause, false));
    uint32_t member = (uint32_t)atom;

    if (atom < 0)
        return (int)atom;
    return keep_members(gates, &member, 1, gate, &gate->clauses[gate->clause_count++]);
}

/* Writes the draft from `clause` on as a gate. */
static int64_t close_gate(struct gates *gates, const struct draft *draft, uint32_t clause,
                          bool with_negatives)
{
    struct gate gate = {0};
    int64_t index;
    int rc = 0;

    for (; clause < draft->clause_count && rc == 0; clause++) {
        uint32_t start = draft->clause_starts[clause];

        if (gate.clause_count == GATE_CLAUSES_MAX - 1 && draft->clause_count - clause > 1) {
            rc = close_rest(gates, draft, clause, &gate);
            break;
        }
        rc = keep_members(gates, draft->atoms + start, clause_end(draft, clause) - start, &gate,
                          &gate.clauses[gate.clause_count]);
        gate.clause_count++;
    }
    if (rc == 0 && with_negatives)
        rc = keep_members(gates, draft->negatives, draft->negative_count, &gate, &gate.negatives);
    index = rc < 0 ? rc : new_gate(gates);
    if (index >= 0)
        gates->items[index] = gate;
    return index;
}

static int64_t write_gate(struct gate_writer *writer, uint32_t node)
{
    struct draft draft = {0};
    int64_t gate = 0;
    bool never = writer->exprs.nodes[node].op == EXPR_FALSE;

    if (!never && writer->exprs.nodes[node].op != EXPR_TRUE)
        gate = add_condition(writer, &draft, node);
    if (gate == 0)
        gate = close_gate(writer->gates, &draft, 0, true);
    if (gate >= 0)
        writer->gates->items[gate].never = never;
    draft_fini(&draft);
    return gate;
}

int64_t gates_add_rule(struct gates *gates, const struct rule *rule, const char *signer)
{
    struct gate_writer writer = {.gates = gates};
    int64_t node = gate_expr_of_rule(&writer.exprs, &gates->atoms, rule);

    if (node >= 0 && signer) {
        int64_t signed_by = gate_expr_of_signer(&writer.exprs, &gates->atoms, signer);

        node = signed_by < 0
                   ? signed_by
                   : gate_expr_join(&writer.exprs, EXPR_AND, (uint32_t)signed_by, (uint32_t)node);
    }
    if (node >= 0)
        node = write_gate(&writer, (uint32_t)node);
    gate_exprs_fini(&writer.exprs);
    return node;
}

void gates_fini(struct gates *gates)
{
    atoms_fini(&gates->atoms);
    free(gates->items);
    free(gates->members);
    *gates = (struct gates){0};
}
