/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_seal.h - gives up everything that a worker does not need to run scripts.
 *
 * Place:   sandbox_worker.c, before the first script is loaded.
 * Threads: sandbox_seal_process() while there is one thread; sandbox_seal_calls() binds all.
 * Failure: what the kernel must offer is an error (no_new_privs, seccomp); the rest is done where
 *          it can be (landlock, namespaces of its own, another user when we are root).
 * Source:  docs/decisions/0012-sandbox-workers.md says what remains possible, and why.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_SEAL_H
#define CONTROL_SANDBOX_SANDBOX_SEAL_H

#include <stdbool.h>

#include "core/err.h"

/* Another user, namespaces, limits, no new privileges, no files (landlock). `may_io`: only the
 * limits and no new privileges. 0, or -1 after adding to `err`. */
int sandbox_seal_process(bool may_io, struct err *err);

/* System calls: a short list, the others are refused with EPERM, and those that nobody has a reason
 * to try end the process. `may_compile`: memory may become executable. */
int sandbox_seal_calls(bool may_compile, struct err *err);

#endif
