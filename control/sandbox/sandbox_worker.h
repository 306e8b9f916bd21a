/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_worker.h - a process that runs sandboxed plugins in turn: the loop of heka-sandbox.
 *
 * Place:   sandbox_main.c. hekad's side: sandbox_pool.h. Bytes: docs/formats/sandbox_worker.md.
 * Threads: the caller's becomes the engine's; one more is the watchdog's.
 * Memory:  a page and one channel for each plugin, as hekad hands them over.
 * Failure: what cannot be sealed runs nothing: SANDBOX_EXIT_SEAL.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_WORKER_H
#define CONTROL_SANDBOX_SANDBOX_WORKER_H

#include "core/err.h"

struct sandbox_page;

/* With SANDBOX_SOCKET_FD and SANDBOX_PAGE_FD open. Seals the process, as far as that goes while it
 * has one thread. 0, or an exit code after adding to `err`. */
int sandbox_worker_open(struct sandbox_page **out, struct err *err);
/* Until hekad says END or is gone. The exit code. */
int sandbox_worker_run(struct sandbox_page *page, struct err *err);

#endif
