/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_watch.h - passes the data plane's bell on to hekad's, so that its consumers can sleep.
 *
 * Place:   daemon.c makes one and tells it which segment is the living one; consumers wait on the
 *          bell. Producers in hekad ring that themselves. How the bells work: core/bell.h.
 * Threads: one of its own; the functions here are for [main].
 * Memory:  a reference of the attachment that it watches.
 * Failure: without a thread there is no watch: NULL. Consumers look by themselves now and then.
 */
#ifndef CONTROL_LANE_WATCH_H
#define CONTROL_LANE_WATCH_H

#include "control/lanes/attachment.h"
#include "core/bell.h"

struct lane_watch;

/* `bell` is rung whenever a lane of the attachment has moved. NULL after adding to `err`. */
struct lane_watch *lane_watch_new(struct bell *bell, struct err *err);

/* From now on this one; NULL: none. Takes a reference of its own. */
void lane_watch_set(struct lane_watch *watch, struct attachment *attachment);

void lane_watch_free(struct lane_watch *watch); /* NULL is fine; joins the thread */

#endif
