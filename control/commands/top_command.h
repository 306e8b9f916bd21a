/* SPDX-License-Identifier: MPL-2.0
 *
 * top_command.h - `hekad top`: what the running hekad does now, again and again, in a terminal.
 *
 * Place:   main.c. It asks the socket behind `hekad status`.
 * Threads: [main] of a process of its own.
 * Bounds:  as many lines as the terminal has; TOP_ROWS_MAX plugins.
 */
#ifndef CONTROL_TOP_COMMAND_H
#define CONTROL_TOP_COMMAND_H

#include <jansson.h>
#include <stdio.h>

#include "core/err.h"

enum { TOP_ROWS_MAX = 512 };

struct top_config {
    const char *socket_path;
    unsigned interval_ms;
    unsigned count; /* how often; 0: until q, Ctrl-C or the end of hekad */
};

/* 0, or 1 after adding to `err`. */
int top_command(const struct top_config *config, FILE *out, struct err *err);

/* One picture of two statuses, `seconds` apart (`before` NULL: no rates), at most `lines` lines of
 * `columns` characters (0: no limit). */
void top_draw(const json_t *before, const json_t *now, double seconds, unsigned lines,
              unsigned columns, FILE *out);

#endif
