/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_process.h - a sandbox worker as a process: its start, its commands, its end.
 *
 * Place:   sandbox_pool.c decides when; this knows how.
 * Threads: under the pool's lock.
 * Memory:  the page stays mapped from the first start to sandbox_process_fini().
 * Failure: start errors are texts; why it ended is in the struct.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_PROCESS_H
#define CONTROL_SANDBOX_SANDBOX_PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include "control/sandbox/sandbox_page.h"
#include "core/err.h"

enum { SANDBOX_END_TEXT_SIZE = 96 };

struct sandbox_process { /* zeroed, with all descriptors -1: none */
    pid_t pid;           /* 0: it does not run */
    int pidfd, socket;
    int page_fd;
    struct sandbox_page *page;
    char end_text[SANDBOX_END_TEXT_SIZE]; /* how it ended */
    bool was_fault; /* by what it did itself: whoever was in turn has done it */
};

void sandbox_process_init(struct sandbox_process *process);
/* On these CPUs; NULL: where the caller runs. 0, or -1 after adding to `err`. */
int sandbox_process_start(struct sandbox_process *process, const char *program,
                          enum sandbox_class class, const cpu_set_t *cpus, struct err *err);
/* A packet; `fd` -1: none with it. 0 or negative errno. */
int sandbox_process_send(struct sandbox_process *process, enum sandbox_command_kind kind,
                         unsigned index, int fd);
void sandbox_process_kill(struct sandbox_process *process);
/* True once, when it has ended. */
bool sandbox_process_has_ended(struct sandbox_process *process);
/* Waits for it, unless it does not run. */
void sandbox_process_reap(struct sandbox_process *process);
void sandbox_process_fini(struct sandbox_process *process); /* it does not run */

#endif
