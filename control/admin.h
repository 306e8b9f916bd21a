/* SPDX-License-Identifier: MPL-2.0
 *
 * admin.h - commands over a UNIX socket: one line of JSON in, one line of JSON out.
 *
 * Place:   RUN_DIR/hekad.sock, mode 0660; daemon.c polls it, `hekad status` and `hekad stop` ask.
 * Threads: [main].
 * Memory:  at most ADMIN_CLIENTS_MAX clients with a request of ADMIN_REQUEST_MAX bytes each.
 * Failure: a request that is no JSON object, too long or unknown gets {"error": text}; a client
 *          that is slower than ADMIN_TIMEOUT_MS is dropped.
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/err.h"

enum { ADMIN_CLIENTS_MAX = 8, ADMIN_REQUEST_MAX = 4096, ADMIN_TIMEOUT_MS = 5000 };

/* Answers a command; a new reference, or NULL for an unknown one. */
typedef json_t *(*admin_command_fn)(void *arg, const char *command);

struct admin_client {
    int fd;
    uint64_t until_ns; /* CLOCK_MONOTONIC */
    char request[ADMIN_REQUEST_MAX];
    size_t request_size;
    struct buffer reply; /* empty while the request is read */
    size_t sent;
};

struct admin { /* zeroed is fine for admin_close() */
    int fd;
    char *path;
    admin_command_fn command;
    void *arg;
    struct admin_client clients[ADMIN_CLIENTS_MAX];
    unsigned client_count;
};

/* A socket that a dead process left is replaced. 0, or -1 after adding to `err`. */
int admin_open(struct admin *admin, const char *path, admin_command_fn command, void *arg,
               struct err *err);
void admin_close(struct admin *admin);

/* For poll(): writes at most 1 + ADMIN_CLIENTS_MAX entries; returns how many. */
unsigned admin_poll_fds(const struct admin *admin, struct pollfd *fds);

/* Does what can be done without waiting. */
void admin_step(struct admin *admin, uint64_t now_mono_ns);

/* The client's side: sends a command, waits for the reply. With `wait_for_end` it then waits until
 * the server is gone. NULL after adding to `err`. */
json_t *admin_ask(const char *path, const char *command, bool wait_for_end, struct err *err);

#endif
