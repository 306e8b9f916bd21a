/* SPDX-License-Identifier: MPL-2.0
 *
 * explain_command.h - `hekad explain RULE MESSAGE`: how each test of a rule comes out.
 *
 * Place:   main.c calls it; matcher/explain.c answers, codec/message_read.c reads what people type.
 * Threads: [main].
 * Failure: texts in err; nothing of a running hekad is touched.
 */
#ifndef CONTROL_EXPLAIN_COMMAND_H
#define CONTROL_EXPLAIN_COMMAND_H

#include <stdio.h>

#include "core/err.h"

enum {
    EXPLAIN_MESSAGES_MAX = 1000, /* of one file; what is behind them is said */
    EXPLAIN_MATCH = 0,           /* exit statuses */
    EXPLAIN_ERROR = 1,
    EXPLAIN_NO_MATCH = 2
};

/* `arguments` are those behind "explain". Writes to `out`, returns the exit status. */
int explain_command(int count, char **arguments, FILE *out, struct err *err);

#endif
