/* SPDX-License-Identifier: MPL-2.0
 *
 * plan_splitter.h - the splitter of a plan's listener.
 *
 * Place:   plan.c makes and frees them; generation.c keeps those that TCP streams use, by
 *          plan_keep_splitters() of plan.h.
 * Threads: housekeeping's; what is made is immutable.
 * Memory:  options point into the plan's document.
 */
#ifndef DATAPLANE_PLAN_SPLITTER_H
#define DATAPLANE_PLAN_SPLITTER_H

#include "dataplane/plan.h"

/* Also for listeners that need none: nothing is made then. 0, or -1 after adding to err. */
int plan_splitter_make(struct plan *plan, struct plan_listener *listener, struct err *err);
void plan_splitter_free(struct plan_listener *listener); /* half-made is fine */

#endif
