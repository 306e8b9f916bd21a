/* SPDX-License-Identifier: MPL-2.0
 *
 * start_check.h - `hekad -check`: whether a start with this configuration would succeed.
 *
 * Place:   main.c.
 * Threads: [main] of a process of its own; a hekad that runs goes on.
 * Failure: all errors at once. What only is in the way because a hekad with the same run directory
 *          runs now is a remark.
 */
#ifndef CONTROL_START_CHECK_H
#define CONTROL_START_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "core/err.h"

struct start_check_config {
    const char *config_path, *run_dir; /* run_dir NULL: as configured */
    bool json;
};

/* Loads the configuration and looks at all that a start needs: folders, ports, expressions, Lua
 * scripts, cores, devices and huge pages of the core map, and what the data plane says to its plan.
 * Writes the result to `out` as text, or as JSON: {"ok", "config", "errors": [{"file", "line",
 * "text"}], "notes"}. The errors are in `err`, too. Returns the exit status, 0 or 1. */
int start_check(const struct start_check_config *config, FILE *out, struct err *err);

#endif
