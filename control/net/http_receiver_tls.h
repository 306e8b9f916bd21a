/* SPDX-License-Identifier: MPL-2.0
 *
 * http_receiver_tls.h - [tls] of a listener for GnuTLS, which libmicrohttpd uses.
 *
 * Place:   http_receiver.c. The only user of GnuTLS.
 * Threads: made by [main]; sessions [the receiver's].
 * Failure: texts as tls_check() has them; a client whose certificate is not what client_auth wants
 *          gets no further than the handshake.
 */
#ifndef CONTROL_HTTP_RECEIVER_TLS_H
#define CONTROL_HTTP_RECEIVER_TLS_H

#include "control/net/tls_options.h"

enum { HTTP_PRIORITIES_SIZE = 512 };

struct http_receiver_tls {
    char *certificate, *key, *authorities; /* PEM texts; authorities: NULL without client_auth */
    char priorities[HTTP_PRIORITIES_SIZE];
    enum tls_client_auth client_auth;
};

/* 0, or -1 after adding to `err`; http_receiver_tls_fini() in both cases. */
int http_receiver_tls_init(struct http_receiver_tls *tls, const struct tls_options *options,
                           struct err *err);
void http_receiver_tls_fini(struct http_receiver_tls *tls);

/* Before the handshake of a session (gnutls_session_t). The struct outlives it. */
void http_receiver_tls_begin(const struct http_receiver_tls *tls, void *session);

#endif
