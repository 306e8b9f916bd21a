/* SPDX-License-Identifier: MPL-2.0
 *
 * evaluate.h - one rule against one message, test by test, as Heka did it.
 *
 * Place:   the measure for ruleset_match(): slow and plain. Used by the tests, explain.c and tools
 *          that have one rule only.
 * Threads: an evaluator is immutable and shared; a scratch belongs to one thread.
 * Memory:  evaluate() allocates nothing, but see regex_match.h.
 * Failure: an expression that finds no answer within its limits counts as "does not match" and in
 *          the scratch.
 * Source:  docs/formats/matcher.md.
 */
#ifndef MATCHER_EVALUATE_H
#define MATCHER_EVALUATE_H

#include "core/message.h"
#include "matcher/rule_parse.h"
#include "matcher/rule_value.h"

struct evaluator;
struct evaluator_scratch;

/* Borrows the rule. */
int evaluator_new(const struct rule *rule, struct evaluator **out);
void evaluator_free(struct evaluator *evaluator);

int evaluator_scratch_new(struct evaluator_scratch **out);
/* Makes the scratch fit for `evaluator`; call it once for each. */
int evaluator_scratch_fit(struct evaluator_scratch *scratch, const struct evaluator *evaluator);
void evaluator_scratch_free(struct evaluator_scratch *scratch);

/* Expressions given up at a limit so far. */
uint64_t evaluator_scratch_limits(const struct evaluator_scratch *scratch);

bool evaluate(const struct evaluator *evaluator, struct evaluator_scratch *scratch,
              const struct msg_view *message);

/* Test `index` of the rule; *value is what the variable was. */
bool evaluate_test(const struct evaluator *evaluator, struct evaluator_scratch *scratch,
                   const struct msg_view *message, uint32_t index, struct rule_value *value);

#endif
