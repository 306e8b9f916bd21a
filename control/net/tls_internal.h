/* SPDX-License-Identifier: MPL-2.0
 *
 * tls_internal.h - what tls.c (contexts) and tls_session.c share.
 *
 * Place:   these two only.
 * Threads: as tls.h.
 */
#ifndef CONTROL_TLS_INTERNAL_H
#define CONTROL_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "control/net/tls.h"

enum { TLS_WHY_SIZE = 160 };

struct tls_context {
    SSL_CTX *ssl;
    enum tls_side side;
    const struct tls_options *options;
    uint64_t stamp; /* of its files, as they were loaded */
    uint64_t next_look_ns;
};

/* The oldest text of OpenSSL's queue, which names the cause; empties the queue. */
const char *tls_why(char text[TLS_WHY_SIZE]);

/* Loads files that have changed; those in force stay when that fails. */
void tls_context_refresh(struct tls_context *context);

#endif
