/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_watchdog.h - a thread of a worker that ends calls which take too long, and the worker
 *                      when nothing else helps.
 *
 * Place:   sandbox_worker.c starts it before the worker is sealed.
 * Threads: one of its own. The engine's thread says what it does by begin and end; frees engines
 *          between lock and unlock.
 * Failure: a machine that stands still ends nobody's call, see below.
 *
 * A call is stopped after SANDBOX_CALL_MS (sandbox_stop); SANDBOX_ESCALATE_MS later the engine's
 * thread is interrupted (sandbox_escalate); SANDBOX_KILL_MS after the stop the process ends with
 * SANDBOX_EXIT_STUCK, and hekad knows from the page whose call it was.
 *
 * The time of a call is wall-clock time, but at most SANDBOX_SHARE times the processor time that
 * the engine's thread got in it. A script cannot wait for anything, so what is between the two
 * clocks is the machine's other work. Hence both: where a worker gets at least 1/SANDBOX_SHARE of a
 * processor, every call ends within SANDBOX_CALL_MS + SANDBOX_KILL_MS of wall-clock time; and
 * however busy the machine is, no call ends that took less than SANDBOX_CALL_MS / SANDBOX_SHARE of
 * processor time.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_WATCHDOG_H
#define CONTROL_SANDBOX_SANDBOX_WATCHDOG_H

#include "control/sandbox/sandbox_page.h"
#include "core/err.h"
#include "sandbox/sandbox.h"

enum {
    SANDBOX_CALL_MS = 1000,
    SANDBOX_ESCALATE_MS = 250,
    SANDBOX_KILL_MS = 500,
    SANDBOX_SHARE = 2
};

struct sandbox_watchdog;

/* [engine] For the calling thread. NULL after adding to `err`. */
struct sandbox_watchdog *sandbox_watchdog_new(struct sandbox_page *page, struct err *err);

/* [engine] From here on instance `index` runs; `sandbox` is NULL while its script is loaded. */
void sandbox_watchdog_begin(struct sandbox_watchdog *watchdog, unsigned index,
                            struct sandbox *sandbox);
void sandbox_watchdog_end(struct sandbox_watchdog *watchdog);

/* [engine] sandbox_free(), when the watchdog does not look at it. */
void sandbox_watchdog_free_engine(struct sandbox_watchdog *watchdog, struct sandbox *sandbox);

#endif
