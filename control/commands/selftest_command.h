/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_command.h - `hekad selftest`: checks the configuration, writes what heka-selftest needs
 *                      into a folder of its own, and becomes heka-selftest.
 *
 * Place:   main.c. What is written is docs/formats/selftest.md.
 * Threads: [main] of a process of its own.
 * Failure: a hekad or data plane that holds the configuration's run directory is refused.
 */
#ifndef CONTROL_SELFTEST_COMMAND_H
#define CONTROL_SELFTEST_COMMAND_H

#include <stdio.h>

#include "core/err.h"

/* `arguments` are those behind "selftest". Does not come back when heka-selftest runs; else the
 * exit status: 0 after -help, 1 for what is wrong with configuration or machine, 2 for options. */
int selftest_command(int count, char **arguments, FILE *out, struct err *err);

#endif
