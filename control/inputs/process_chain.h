/* SPDX-License-Identifier: MPL-2.0
 *
 * process_chain.h - commands that run at the same time, each one's output the next one's input.
 *
 * Place:   process_input.c.
 * Threads: one owner.
 * Memory:  the commands are the caller's and outlive the chain.
 * Failure: a command that cannot be started ends those that were; process_chain_start() says why.
 * Bounds:  PROCESS_COMMANDS_MAX commands, ERRORS_SIZE bytes of texts about them.
 * Source:  Heka 0.11 CommandChain: texts, and that the timeout of a command begins when the one
 *          before it has ended. Each command has a process group of its own, which is killed as a
 *          whole.
 */
#ifndef CONTROL_INPUTS_PROCESS_CHAIN_H
#define CONTROL_INPUTS_PROCESS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_COMMANDS_MAX = 32, PROCESS_ERRORS_SIZE = 2048 };

struct process_command {
    char **argv;           /* argv[0] is looked for in PATH unless it has a slash; ended by NULL */
    char **environment;    /* ended by NULL; NULL: ours */
    const char *directory; /* NULL: ours */
};

struct process_chain { /* zero-initialise and set the first three */
    const struct process_command *commands;
    unsigned count;
    uint64_t timeout_ns; /* 0: none */

    int output_fd, error_fd; /* of the last command, non-blocking; -1: none */
    int pid_fd;              /* readable when the first that runs has ended; -1: none */
    pid_t pids[PROCESS_COMMANDS_MAX];
    unsigned first; /* of those that run */
    uint64_t deadline_ns;
    bool is_killed;                   /* the first one, by us */
    int exit_status;                  /* of the last one; 0 when it was killed by us */
    char errors[PROCESS_ERRORS_SIZE]; /* "Subcommand[0] returned an error: [...]", lines */
    unsigned timeouts;
};

/* Output that is not wanted goes nowhere. 0, or negative errno and `why`. */
int process_chain_start(struct process_chain *chain, bool wants_output, bool wants_errors,
                        char *why, size_t why_size);
/* Takes note of those that have ended, and kills one that has had its time. True when all have. */
bool process_chain_poll(struct process_chain *chain, uint64_t now_ns);
void process_chain_close(int *fd); /* output_fd or error_fd, at its end */
/* Kills what runs, waits for it, closes all. Fine on one that was not started. */
void process_chain_stop(struct process_chain *chain);

#endif
