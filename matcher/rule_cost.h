/* SPDX-License-Identifier: MPL-2.0
 *
 * rule_cost.h - what rules cost on given messages: measured, not estimated.
 *
 * Place:   `hekad status -rules` (control/rule_report.c).
 * Threads: any, no state; the caller's thread works for RULE_COST_MS_MAX at most.
 * Memory:  compiles, and frees.
 * Failure: as ruleset_compile().
 */
#ifndef MATCHER_RULE_COST_H
#define MATCHER_RULE_COST_H

#include "matcher/ruleset.h"

enum {
    RULE_COST_ROUNDS = 5,  /* at least, over all messages; the fastest one counts */
    RULE_COST_MS = 2,      /* and at least so long */
    RULE_COST_MS_MAX = 200 /* and no longer, when a round is done */
};

struct rule_cost {
    uint64_t accepted; /* messages that one of the rules accepts */
    double cycles;     /* of core/cycles.h, a message */
};

/* All `count` rules compiled together, and matched in bursts as producers do it. No message has a
 * signer. message_count is not 0. */
int rule_cost_measure(const struct rule_text *rules, size_t count, const struct msg_view *messages,
                      unsigned message_count, struct rule_cost *cost, struct err *err);

#endif
