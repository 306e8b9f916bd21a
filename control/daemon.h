/* SPDX-License-Identifier: MPL-2.0
 *
 * daemon.h - hekad at work: starts the outputs and the data plane, supervises, stops in order.
 *
 * Place:   main.c, when the configuration is good.
 * Threads: its loop is [main]; each output has a thread of its own (consumer.h).
 * Failure: a data plane that dies is started again, after 250 ms doubling to 30 s; what it had
 *          committed is read meanwhile. What cannot be delivered at the end stays in the lanes'
 *          files, and the next hekad with the same run directory delivers it first.
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include "control/setup.h"

struct dynamic;

struct daemon_config {
    struct setup *setup;     /* the daemon's from here on */
    const char *config_path; /* loaded again by a reload; NULL: a reload only opens files again */
    const char *run_dir;     /* NULL: as configured */
    struct dynamic *dynamic; /* of the caller, who frees it afterwards, unless threads are left */
    struct dataplane_command dataplane; /* program NULL: none; plan and run_dir are set here */
};

struct daemon_result {
    int exit_code;    /* 0, or 1 when it did not start */
    bool has_threads; /* an output did not end: nothing that it uses may be freed */
};

/* Runs until a signal or command stops it. When it did not start the reasons are in `err`, or
 * logged. */
struct daemon_result daemon_run(const struct daemon_config *config, struct err *err);

#endif
