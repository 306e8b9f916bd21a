/* SPDX-License-Identifier: MPL-2.0
 *
 * feed_command.h - runs a program once with a text on its standard input.
 *
 * Place:   NagiosOutput's send_nsca.
 * Threads: any; the caller's thread waits.
 * Failure: a program that cannot be started, ends with another code than 0, or does not end in
 *          time (it is killed then) is an error with a text.
 */
#ifndef CONTROL_FEED_COMMAND_H
#define CONTROL_FEED_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed_command {
    const char *const *args; /* program (looked for in PATH) and arguments, ended by NULL */
    const char *text;
    size_t size;
    uint64_t timeout_ns;
    bool (*is_stopping)(const void *arg); /* kills it, too; may be NULL */
    const void *arg;
};

/* 0; -ETIMEDOUT; -ECANCELED when it had to stop; or another negative errno. `why` gets words. */
int feed_command_run(const struct feed_command *command, char *why, size_t why_size);

#endif
