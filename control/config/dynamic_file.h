/* SPDX-License-Identifier: MPL-2.0
 *
 * dynamic_file.h - dynamic sections in RUN_DIR/dynamic.json, for the next hekad.
 *
 * Place:   daemon.c reads it at the start, so that what waits in lanes for consumers that plugins
 *          added is theirs again, and the plan is the one that a running data plane has; reload.c
 *          writes it with each change.
 * Threads: [main].
 * Failure: a file that cannot be read is as none, and said.
 */
#ifndef CONTROL_DYNAMIC_FILE_H
#define CONTROL_DYNAMIC_FILE_H

#include "control/dynamic.h"

enum { DYNAMIC_FILE_PATH_SIZE = 560 };

/* Replaces the file; none without sections. Mode 0600: sections may hold secrets. */
void dynamic_file_save(const char *run_dir, const struct dynamic_sections *sections);
/* What the file has, copies; nothing when there is none. */
void dynamic_file_load(const char *run_dir, struct dynamic_sections *out);

#endif
