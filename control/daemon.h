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

#include "control/dataplane_process.h"
#include "control/instances.h"

struct daemon_config {
    const struct hekad_config *config;
    const struct instances *instances;
    const char *run_dir;
    struct dataplane_command
        dataplane; /* program NULL: no data plane; plan and run_dir are set here */
};

struct daemon_result {
    int exit_code;    /* 0, or 1 when it did not start */
    bool has_threads; /* an output did not end: nothing that it uses may be freed */
};

/* Runs until a signal or command stops it. When it did not start the reasons are in `err`, or
 * logged. */
struct daemon_result daemon_run(const struct daemon_config *config, struct err *err);

#endif
