/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_command.h - `hekad queue ls|verify|dump|skip` on the command line.
 *
 * Place:   main.c calls it; control/queue/queue_tool.c does it.
 * Threads: [main] of a process of its own; a hekad that runs goes on.
 * Failure: texts in err. skip is refused while a hekad has the queue.
 */
#ifndef CONTROL_QUEUE_COMMAND_H
#define CONTROL_QUEUE_COMMAND_H

#include <stdio.h>

#include "core/err.h"

/* `arguments` are those behind "queue". Writes to `out`, returns the exit status: 0; 1 when
 * something is wrong with the command, with a queue that was verified, or with a message that was
 * to be dumped. */
int queue_command(int count, char **arguments, FILE *out, struct err *err);

#endif
