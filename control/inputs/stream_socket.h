/* SPDX-License-Identifier: MPL-2.0
 *
 * stream_socket.h - connections of a listening TCP or UNIX socket, and the bytes that come.
 *
 * Place:   tcp_input.c, statsd_input.c.
 * Threads: open and close [main]; run [the input]: one thread for all connections, with epoll.
 *          While the owner waits (for its lane), nobody reads and the peers' windows close.
 * Memory:  a small record for each connection, at most connections_max; its buffer is the owner's.
 * Failure: the counters below. A connection whose owner has no memory is ended and reset, so that
 *          its sender knows.
 */
#ifndef CONTROL_INPUTS_STREAM_SOCKET_H
#define CONTROL_INPUTS_STREAM_SOCKET_H

#include <sys/socket.h>

#include "control/input.h"
#include "control/inputs/listen_address.h"

/* Rows of the counters of an input that has one, and how many they are. */
enum {
    STREAM_CONNECTIONS,
    STREAM_OPEN,
    STREAM_REFUSED,
    STREAM_RESETS,
    STREAM_ACCEPT_ERRORS,
    STREAM_COUNTERS
};
/* clang-format off */
#define STREAM_COUNTER_ROWS(first)                                                                 \
    [(first) + STREAM_CONNECTIONS] = {"connections", "connections accepted"},                      \
    [(first) + STREAM_OPEN] = {"connections_open", "of these open now"},                           \
    [(first) + STREAM_REFUSED] = {"connections_refused",                                           \
                                  "connections closed at once: more than connections_max"},        \
    [(first) + STREAM_RESETS] = {"connections_reset", "connections that did not end in order"},    \
    [(first) + STREAM_ACCEPT_ERRORS] = {"accept_errors",                                           \
                                        "connections that the kernel could not give us"}
/* clang-format on */

struct stream_owner { /* what an input does with connections; all [the input's thread] */
    /* A connection has come: what to call it by, or NULL: out of memory. `source` is borrowed. */
    void *(*begin)(void *arg, const struct sockaddr *source, socklen_t size);
    /* Room for more of its bytes, at least one; NULL: out of memory. Then `size` of it is filled:
     * 0, or the connection ends. */
    void *(*room)(void *peer, size_t *room);
    int (*filled)(void *peer, size_t size);
    /* No bytes came for a while; may be NULL. */
    void (*pause)(void *peer);
    /* It is over, and peer is to be freed; in_order: its sender has ended it. 0: all that it had
     * said is passed on. */
    int (*end)(void *peer, bool in_order);
};

struct stream_socket_config {
    const struct listen_address *address;
    struct input_host *host;
    const struct stream_owner *owner;
    void *arg;             /* of begin */
    unsigned first_counter; /* index of STREAM_CONNECTIONS in the input's counters */
    unsigned bytes_counter; /* and of the one that counts bytes */
    unsigned connections_max;
    bool keep_alive;
    int keep_alive_period_s; /* 0: the system's */
};

struct stream_connection;

struct stream_socket { /* zeroed: not open */
    struct stream_socket_config config;
    bool is_open;
    int listen_fd, epoll_fd; /* while is_open */
    struct stream_connection *connections;
    unsigned connection_count;
    uint64_t next_pause_ns;
};

/* 0, or -1 after adding to `err`; close it in any case. `config` is copied, but for the address. */
int stream_socket_open(struct stream_socket *socket, const struct stream_socket_config *config,
                       struct err *err);
void stream_socket_close(struct stream_socket *socket);

/* Takes connections and bytes until the input has to end; then what is there once more. */
void stream_socket_run(struct stream_socket *socket);

#endif
