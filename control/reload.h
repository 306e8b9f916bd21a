/* SPDX-License-Identifier: MPL-2.0
 *
 * reload.h - from one generation to the next, while everything runs.
 *
 * Place:   daemon.c, for SIGHUP and `hekad reload`.
 * Threads: [main].
 * Failure: a configuration that is not good changes nothing, and says why.
 *
 * The order: all of the new generation is made aside; the data plane changes over (its workers
 * between two turns); then hekad's own producers, each between two messages. When all have, new
 * consumers read from where each producer changed over, and former ones read to there. Each record
 * says by which generation it was matched, and no message is matched by two.
 */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "control/daemon_state.h"

/* 0, or -1 after adding to `err`, which is logged, too. */
int reload(struct daemon *daemon, struct err *err);

/* Brings pending changes of dynamic sections into force, when it is time and nothing else goes on.
 */
void reload_dynamic(struct daemon *daemon);

/* A change that producers were slow to adopt goes on. */
void reload_step(struct daemon *daemon);

#endif
