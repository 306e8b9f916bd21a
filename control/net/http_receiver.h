/* SPDX-License-Identifier: MPL-2.0
 *
 * http_receiver.h - an HTTP server for those who take requests with bodies, driven by its owner.
 *
 * Place:   inputs/http_listen_input.c. With file_server.c the users of libmicrohttpd.
 * Threads: start and stop [main, when nobody runs it]; turn and all calls from it [the owner's].
 *          While `take` waits nobody is served: that is back-pressure.
 * Memory:  bodies, HTTP_BODY_MAX each and HTTP_BODIES_MAX together.
 * Failure: a body that is too long is answered with 413, one that there is no room for with 503;
 *          both are counted. A connection that is idle for HTTP_IDLE_S is closed; those beyond
 *          connections_max wait in the kernel.
 * Source:  RFC 9110, RFC 9112, by libmicrohttpd; TLS by GnuTLS, which it uses: options of [tls] as
 *          OpenSSL's, with the differences in docs/formats/http.md.
 */
#ifndef CONTROL_HTTP_RECEIVER_H
#define CONTROL_HTTP_RECEIVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "control/net/http_headers.h"
#include "control/net/tls_options.h"

enum { HTTP_BODY_MAX = 16 << 20, HTTP_BODIES_MAX = 64 << 20, HTTP_IDLE_S = 60 };

struct http_receiver;
struct http_connection; /* one request's */

struct http_incoming {                    /* all borrowed until the call returns */
    const char *method, *path, *protocol; /* the path without %XX and query */
    const struct sockaddr *source;
    const char *body;
    size_t body_size;
    struct http_connection *connection;
};

/* A header's value, or NULL. */
const char *http_incoming_header(const struct http_incoming *request, const char *name);
/* Calls for each parameter of the query; values may be "". */
void http_incoming_parameters(const struct http_incoming *request,
                              void (*take)(void *arg, const char *name, const char *value,
                                           size_t value_len),
                              void *arg);
/* True when the request has these by basic authentication. */
bool http_incoming_is_user(const struct http_incoming *request, const char *user,
                           const char *password);

struct http_receiver_counts {
    uint64_t requests, bodies_too_long, bodies_no_room, connections;
};

struct http_receiver_config {
    int listen_fd; /* non-blocking; stays the caller's */
    unsigned connections_max;
    const struct tls_options *tls;      /* NULL: none */
    const struct http_headers *headers; /* of all answers */
    /* Before the body is read: the status to refuse it with, or 0. */
    unsigned (*admit)(void *arg, const struct http_incoming *request);
    /* All of it: the status of the answer. */
    unsigned (*take)(void *arg, const struct http_incoming *request);
    void *arg;
};

/* NULL after adding to `err`. */
struct http_receiver *http_receiver_start(const struct http_receiver_config *config,
                                          struct err *err);
void http_receiver_stop(struct http_receiver *receiver); /* NULL is fine */

/* What to wait for before http_receiver_turn(). */
int http_receiver_fd(const struct http_receiver *receiver);
int http_receiver_timeout_ms(const struct http_receiver *receiver); /* -1: none */
void http_receiver_turn(struct http_receiver *receiver);
/* No more connections; how many requests are not answered, or expected on new connections. */
unsigned http_receiver_quiesce(struct http_receiver *receiver);

void http_receiver_counts(const struct http_receiver *receiver,
                          struct http_receiver_counts *counts);

#endif
