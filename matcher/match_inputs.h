/* SPDX-License-Identifier: MPL-2.0
 *
 * match_inputs.h - the tables of a plan that look at the variables.
 *
 * Place:   match_plan.c only.
 * Threads: one owner.
 * Memory:  belongs to the plan; match_inputs_free() is fine with a half-built one.
 * Failure: -ENOMEM, -E2BIG with a text in err, those of scan_db_new().
 */
#ifndef MATCHER_MATCH_INPUTS_H
#define MATCHER_MATCH_INPUTS_H

#include "matcher/match_plan.h"

/* atom_fires[a] is what atom a sets. */
int match_inputs_build(struct match_plan *plan, const struct gates *gates,
                       const struct fire_list *atom_fires, struct scan_reader *saved,
                       struct err *err);
void match_inputs_free(struct match_plan *plan);

/* The scan of the expressions on atom input `input`. */
uint32_t match_inputs_scan(const struct match_plan *plan, uint32_t input);

#endif
