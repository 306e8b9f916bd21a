/* SPDX-License-Identifier: MPL-2.0
 *
 * gate_expr.h - a rule's expression over atoms, with negation at the leaves only.
 *
 * Place:   gates.c: written from a parsed rule, read into gates, then dropped.
 * Threads: one owner.
 * Memory:  nodes grow on the heap; gate_exprs_fini() frees them.
 * Failure: -ENOMEM; -EINVAL when an expression cannot be written for the engines.
 */
#ifndef MATCHER_GATE_EXPR_H
#define MATCHER_GATE_EXPR_H

#include "matcher/atoms.h"

enum gate_expr_op { EXPR_TRUE, EXPR_FALSE, EXPR_ATOM, EXPR_NOT_ATOM, EXPR_AND, EXPR_OR };

struct gate_expr {
    enum gate_expr_op op;
    uint32_t atom;
    uint32_t child, last; /* of EXPR_AND and EXPR_OR, 0: none */
    uint32_t next;
    bool initially; /* the value when no atom is true */
};

/* Zero-initialise. Node 0 is unused. */
struct gate_exprs {
    struct gate_expr *nodes;
    uint32_t count;
    uint32_t capacity;
};

int64_t gate_expr_of_rule(struct gate_exprs *exprs, struct atoms *atoms, const struct rule *rule);
int64_t gate_expr_of_signer(struct gate_exprs *exprs, struct atoms *atoms, const char *signer);

/* Joins two into one; both are used up. */
int64_t gate_expr_join(struct gate_exprs *exprs, enum gate_expr_op op, uint32_t left,
                       uint32_t right);

/* A copy that is true where `node` is false. */
int64_t gate_expr_negate(struct gate_exprs *exprs, uint32_t node);
void gate_exprs_fini(struct gate_exprs *exprs);

#endif
