/* SPDX-License-Identifier: MPL-2.0
 *
 * types_command.h - `hekad plugins`: the plugin types that there are, and where each comes from.
 *
 * Place:   main.c.
 * Threads: [main] of a process of its own.
 */
#ifndef CONTROL_TYPES_COMMAND_H
#define CONTROL_TYPES_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "core/err.h"

/* Types of shared objects are those of the plugin_dir that the configuration names; NULL: none. 0,
 * or 1 after adding to `err`. */
int types_command(const char *config_path, bool json, FILE *out, struct err *err);

#endif
