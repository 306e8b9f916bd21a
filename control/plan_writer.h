/* SPDX-License-Identifier: MPL-2.0
 *
 * plan_writer.h - instances to the plan of the data plane (docs/formats/plan.md).
 *
 * Place:   main.c writes RUN_DIR/plan.json, and a temporary one for -check.
 * Threads: start-up only.
 */
#ifndef CONTROL_PLAN_WRITER_H
#define CONTROL_PLAN_WRITER_H

#include "control/instances.h"

/* The plan as JSON text with a final newline; the caller frees it. NULL when memory is out. */
char *plan_writer_text(const struct instances *instances, unsigned generation);

/* Writes it to `path`, which is replaced whole or not at all. 0, or -1 after adding to `err`. */
int plan_writer_write(const struct instances *instances, unsigned generation, const char *path,
                      struct err *err);

#endif
