/* SPDX-License-Identifier: MPL-2.0
 *
 * arguments.h - command lines of the test programs: --NAME VALUE and --NAME, as a table.
 *
 * Place:   tcp_flow.c, tcp_tun.c.
 * Failure: what is no row, has no value, or has one that is no number, ends the program with 2
 *          after saying so.
 */
#ifndef TESTS_ARGUMENTS_H
#define TESTS_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct argument { /* ended by name == NULL; one of the others is where the value goes */
    const char *name;
    uint64_t *number;
    const char **text;
    bool *flag; /* has no value */
};

void arguments_read(int argc, char **argv, const struct argument *rows);

/* As many open files as the system lets this process have. */
void arguments_raise_file_limit(void);

#endif
