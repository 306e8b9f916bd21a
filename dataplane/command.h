/* SPDX-License-Identifier: MPL-2.0
 *
 * command.h - the data plane's UNIX socket for commands, RUN_DIR/dataplane.sock.
 *
 * Place:   main.c's loop calls command_step(); hekad (control) is the client.
 * Bytes:   one JSON object on one line each way, a connection for each command
 *          (docs/formats/segment.md): {"command": "ping"}, {"command": "reload"}: load the plan
 *          file again and change over to it. The answer comes when it is done: {"ok": true,
 *          "generation": N} or {"ok": false, "errors": [...]}.
 * Threads: housekeeping only; never blocks.
 * Memory:  one client at a time, COMMAND_BYTES_MAX of request.
 * Failure: a request that is not understood gets an answer that says so; slow clients are cut off.
 */
#ifndef DATAPLANE_COMMAND_H
#define DATAPLANE_COMMAND_H

#include "dataplane/housekeeping.h"

enum { COMMAND_BYTES_MAX = 4096, COMMAND_PATIENCE_MS = 5000 };

struct command_server {
    struct housekeeping *housekeeping;
    const char *plan_path;
    int listen_fd, client_fd; /* -1: none */
    uint64_t deadline_ns;     /* of the client; CLOCK_MONOTONIC */
    size_t received;
    char request[COMMAND_BYTES_MAX];
    bool is_reloading; /* the client waits for this generation */
    uint32_t generation;
};

/* `group`: may connect, beside the owner; (gid_t)-1: leave. */
int command_open(struct command_server *server, const char *run_dir, gid_t group, struct err *err);
void command_close(struct command_server *server);

void command_step(struct command_server *server, uint64_t now_ns, uint64_t now_mono_ns);

#endif
