/* SPDX-License-Identifier: MPL-2.0
 *
 * plane.h - hekad's data plane: started, attached, watched, stopped, started again.
 *
 * Place:   daemon.c calls it in its loop; reload.c asks it to read a plan again.
 * Threads: [main].
 * Failure: a data plane that dies, or whose heartbeat stands still, is started again after 250 ms
 *          doubling to 30 s; what it had committed is read meanwhile, and what was lost with it is
 *          said. Lanes that nobody has read yet are moved aside first.
 */
#ifndef CONTROL_PLANE_H
#define CONTROL_PLANE_H

#include "control/daemon_state.h"
#include "control/status.h"

/* What an earlier run left is read first; a data plane that still runs by the same plan is kept,
 * one with another plan is stopped and replaced. 0, or -1 after adding to `err`. */
int plane_take_leftover(struct daemon *daemon, struct err *err);
/* The same without a data plane of our own: lanes of one that is gone are read, too. */
int plane_take_dead(struct daemon *daemon, struct err *err);
void plane_start(struct daemon *daemon, struct err *err);
void plane_step(struct daemon *daemon);
/* SIGTERM; then plane.process.pid becomes 0 in plane_step(). */
void plane_stop(struct daemon *daemon);
/* Waits until a child has ended, when a start failed behind it; then lets go of all. */
void plane_fini(struct daemon *daemon);

/* The data plane reads its plan again. 0, or -1 after adding its reasons to `err`. */
int plane_ask_reload(struct daemon *daemon, struct err *err);

const char *plane_state_name(const struct daemon *daemon);
void plane_status(struct daemon *daemon, struct status_dataplane *status);

/* Who sends to the data plane, and whose samples it refused; empty without one. */
void plane_talkers(struct daemon *daemon, struct talkers *talkers);

#endif
