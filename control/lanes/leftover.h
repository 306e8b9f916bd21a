/* SPDX-License-Identifier: MPL-2.0
 *
 * leftover.h - what an earlier hekad left in the run directory: lanes with messages, or a running
 * data plane.
 *
 * Place:   daemon.c, before it starts its own data plane.
 * Threads: [main].
 * Failure: a segment of another version is logged and ignored.
 */
#ifndef CONTROL_LEFTOVER_H
#define CONTROL_LEFTOVER_H

#include <sys/types.h>

#include "control/lanes/attachment.h"
#include "control/plugins/instances.h"

struct leftover {
    struct attachment *attachment; /* the caller's; NULL: nothing there. Consumers mapped by name */
    bool is_unreadable;            /* there is something, of another version perhaps */
    pid_t pid;                     /* of the data plane that made it */
    bool is_running;               /* state of the segment; it may be dead nevertheless */
    bool is_same_plan;             /* it works by the plan that we would write */
    uint64_t started_wall_ns;
};

/* `dir`: the run directory, or a producer's folder in it. `plan_path`: the plan of the earlier run.
 * Messages for plugins that are no longer configured are logged as lost, and passed over. */
void leftover_find(const char *dir, const char *plan_path, const struct instances *instances,
                   unsigned generation, struct leftover *leftover);

/* True when `path` was changed after the data plane was started. */
bool leftover_is_older(const struct leftover *leftover, const char *path);

#endif
