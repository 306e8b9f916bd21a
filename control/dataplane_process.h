/* SPDX-License-Identifier: MPL-2.0
 *
 * dataplane_process.h - the data plane as a process: start, watch, stop.
 *
 * Place:   daemon.c decides when; this knows how.
 * Threads: [main], which must be the thread that lives longest: the child is asked to end with it.
 * Memory:  the caller's; texts are borrowed from the configuration.
 * Failure: start errors are texts; how it ended is in the struct.
 */
#ifndef CONTROL_DATAPLANE_PROCESS_H
#define CONTROL_DATAPLANE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct dataplane_command {
    const char *program, *core_map, *profile_dir, *plan;
    const char *run_dir; /* NULL with --check */
    const char *user;    /* may be NULL */
};

struct dataplane_process { /* zeroed: nothing runs */
    pid_t pid;             /* 0: nothing runs */
    int pidfd;             /* readable when it has ended; -1 when the kernel gives none */
    bool is_child;         /* otherwise found running, with no exit status for us */
    int exit_code;         /* of the last one: exit status, or 128 + signal, or -1 when unknown */
};

/* 0, or -1 after adding to `err`. */
int dataplane_process_start(struct dataplane_process *process,
                            const struct dataplane_command *command, struct err *err);

/* Watches a data plane that an earlier hekad started. */
int dataplane_process_adopt(struct dataplane_process *process, pid_t pid, struct err *err);

/* True once, when it has ended; pid is 0 then and exit_code set. */
bool dataplane_process_has_ended(struct dataplane_process *process);

void dataplane_process_signal(const struct dataplane_process *process, int signal_number);

/* Runs it with --check and waits; its texts go to our stderr. 0 when it says that all is well. */
int dataplane_process_check(const struct dataplane_command *command, struct err *err);

#endif
