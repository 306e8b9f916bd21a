/* SPDX-License-Identifier: MPL-2.0
 *
 * plan_writer.h - instances to the plan of the data plane (docs/formats/plan.md).
 *
 * Place:   main.c writes RUN_DIR/plan.json, and a temporary one for -check.
 * Threads: start-up only.
 */
#ifndef CONTROL_PLAN_WRITER_H
#define CONTROL_PLAN_WRITER_H

#include "control/plugins/instances.h"

struct rule_store;

/* The plan as JSON text with a final newline; the caller frees it. `rules` (may be NULL) is the
 * database that it names. NULL when memory is out. */
char *plan_writer_text(const struct instances *instances, unsigned generation,
                       const struct rule_store *rules);

/* True when `path` holds what plan_writer_write() would write. */
bool plan_writer_is_same(const struct instances *instances, unsigned generation, const char *path);

/* Compiles the rules (or takes them from the cache), writes their database into the folder of
 * `path` and the plan to `path`. A file is replaced whole or not at all; databases that are there
 * and good stay, those of other plans go. 0, or -1 after adding to `err`. */
int plan_writer_write(const struct instances *instances, unsigned generation, const char *path,
                      struct err *err);

#endif
