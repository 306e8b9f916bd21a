/* SPDX-License-Identifier: MPL-2.0
 *
 * stream_socket.h - connections of a listening TCP or UNIX socket, with TLS or without, and the
 *                   bytes that come: opened, data, closed and credit, as dataplane/tcp/tcp.h has
 *                   them for the data plane's own TCP.
 *
 * Place:   tcp_input.c, statsd_input.c.
 * Threads: open and close [main]; run, and all that it calls [the input]: one thread for all
 *          connections, with epoll. While the handler waits (for its lane), nobody reads and the
 *          peers' windows close.
 * Memory:  a small record for each connection, at most connections_max, a TLS session, and what the
 *          handler did not take, up to STREAM_READ_BYTES; one buffer of that size for all.
 * Failure: the counters below. A connection with bytes that could not be passed on is reset, so
 *          that its sender knows. What a handler does not take waits; that connection is not read.
 * Bounds:  TLS handshakes end within TLS_HANDSHAKE_MAX_S.
 */
#ifndef CONTROL_INPUTS_STREAM_SOCKET_H
#define CONTROL_INPUTS_STREAM_SOCKET_H

#include <sys/socket.h>

#include "control/plugins/input.h"
#include "control/inputs/listen_address.h"
#include "control/net/tls.h"
#include "control/trouble.h"

enum { STREAM_READ_BYTES = 64 << 10 }; /* at least a TLS record: 16 KiB */

/* Rows of the counters of an input that has one, and how many they are. */
enum {
    STREAM_CONNECTIONS,
    STREAM_OPEN,
    STREAM_REFUSED,
    STREAM_RESETS,
    STREAM_ACCEPT_ERRORS,
    STREAM_COUNTERS
};
/* And of one that has TLS, too. */
enum { STREAM_TLS_FAILED, STREAM_TLS_LATE, STREAM_TLS_CUT, STREAM_TLS_COUNTERS };
/* clang-format off */
#define STREAM_COUNTER_ROWS(first)                                                                 \
    [(first) + STREAM_CONNECTIONS] = {"connections", "connections accepted"},                      \
    [(first) + STREAM_OPEN] = {"connections_open", "of these open now"},                           \
    [(first) + STREAM_REFUSED] = {"connections_refused",                                           \
                                  "connections closed at once: more than connections_max"},        \
    [(first) + STREAM_RESETS] = {"connections_reset", "connections that did not end in order"},    \
    [(first) + STREAM_ACCEPT_ERRORS] = {"accept_errors",                                           \
                                        "connections that the kernel could not give us"}
#define STREAM_TLS_COUNTER_ROWS(first)                                                             \
    [(first) + STREAM_TLS_FAILED] = {"tls_failed", "TLS handshakes that failed, and connections "  \
                                                   "that broke TLS's rules"},                      \
    [(first) + STREAM_TLS_LATE] = {"tls_late", "TLS handshakes that took too long"},               \
    [(first) + STREAM_TLS_CUT] = {"tls_cut", "connections that ended without TLS's close_notify: " \
                                             "something may be missing"}
/* clang-format on */

struct stream_connection; /* valid from opened() until closed() returns */

/* Why a connection ended. */
enum stream_end {
    STREAM_END_FIN,    /* its sender ended it, and all that it sent was given to data() */
    STREAM_END_RESET,  /* its sender, or the network */
    STREAM_END_ABORTED /* we did: the input ends, or stream_socket_abort() */
};

struct stream_handler { /* what an input does with connections; all [the input's thread] */
    /* A connection has come; with TLS: after the handshake. What to call it by, or NULL to refuse
     * it: it is reset then. `source` is borrowed. */
    void *(*opened)(void *arg, struct stream_connection *connection, const struct sockaddr *source,
                    socklen_t size);
    /* The next bytes, in order. Returns how many it has taken, from the front; the others come
     * again after stream_socket_credit(), or by themselves after a second. Bytes are borrowed until
     * it returns. Must not call stream_socket_credit() or stream_socket_abort(). */
    size_t (*data)(void *user, const char *bytes, size_t size);
    /* No bytes came for a while; may be NULL. */
    void (*pause)(void *user);
    /* No more bytes come. 0: all that was taken is passed on; else the connection is reset. */
    int (*closed)(void *user, enum stream_end end);
};

struct stream_socket_config {
    const struct listen_address *address;
    struct input_host *host;
    const struct stream_handler *handler;
    void *arg;              /* of opened */
    unsigned first_counter; /* index of STREAM_CONNECTIONS in the input's counters */
    unsigned bytes_counter; /* of the one that counts bytes */
    unsigned tls_counter;   /* of STREAM_TLS_FAILED; not used without TLS */
    unsigned connections_max;
    bool keep_alive;
    int keep_alive_period_s; /* 0: the system's */
    struct tls_context *tls; /* the caller's; NULL: none */
};

struct stream_socket { /* zeroed: not open */
    struct stream_socket_config config;
    bool is_open;
    int listen_fd, epoll_fd; /* while is_open */
    struct stream_connection *connections;
    unsigned connection_count;
    uint64_t next_tick_ns;
    char *bytes; /* STREAM_READ_BYTES */
    struct trouble trouble;
};

/* 0, or -1 after adding to `err`; close it in any case. `config` is copied, but for the address. */
int stream_socket_open(struct stream_socket *socket, const struct stream_socket_config *config,
                       struct err *err);
void stream_socket_close(struct stream_socket *socket);

/* Takes connections and bytes until the input has to end; then what is there once more. */
void stream_socket_run(struct stream_socket *socket);

/* The handler has room for this connection's bytes again: gives it what waits. Returns true when
 * nothing waits any more, and the connection is read again. */
bool stream_socket_credit(struct stream_socket *socket, struct stream_connection *connection);
/* Resets a connection; closed() is called. */
void stream_socket_abort(struct stream_socket *socket, struct stream_connection *connection);

/* ---- for tests, which have no input_host ---- */
/* One turn of stream_socket_run() without waiting. */
void stream_socket_turn(struct stream_socket *socket);

#endif
