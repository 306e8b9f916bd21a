/* SPDX-License-Identifier: MPL-2.0
 *
 * gates.h - rules as AND gates over atoms.
 *
 * Place:   between the parsed rules and match_plan.c.
 *          A gate is true when each of its clauses has a true atom and none of its negatives is
 *          true. What does not fit (an OR of ANDs, more than GATE_CLAUSES_MAX clauses) becomes a
 *          gate of its own, whose result is one more atom; such an inner gate is false when no atom
 *          is true, so it costs nothing on messages that it has nothing to do with.
 * Threads: one owner.
 * Memory:  everything is freed by gates_fini(). Atoms borrow the rules.
 * Failure: -ENOMEM; -EINVAL when an expression cannot be written for the engines.
 */
#ifndef MATCHER_GATES_H
#define MATCHER_GATES_H

#include "matcher/atoms.h"
#include "matcher/rule_parse.h"

enum { GATE_CLAUSES_MAX = 4 };

struct gate_list { /* gates.members[first ..+ count] */
    uint32_t first;
    uint32_t count;
};

struct gate {
    struct gate_list clauses[GATE_CLAUSES_MAX];
    uint32_t clause_count;
    struct gate_list negatives;
    uint32_t depth; /* 0: only atoms of the message */
    bool never;     /* constant FALSE */
};

/* Zero-initialise. */
struct gates {
    struct atoms atoms;
    struct gate *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *members; /* atoms */
    uint32_t member_count;
    uint32_t member_capacity;
};

/* The gate of a rule with its signer (NULL: any); its number or a negative error. */
int64_t gates_add_rule(struct gates *gates, const struct rule *rule, const char *signer);
void gates_fini(struct gates *gates);

#endif
