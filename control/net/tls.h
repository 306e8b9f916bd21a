/* SPDX-License-Identifier: MPL-2.0
 *
 * tls.h - TLS over a connected, non-blocking socket: contexts from options, and sessions.
 *
 * Place:   stream_socket.c (server), peer.c and the tools (client). The only owner of OpenSSL's
 *          ssl.h. Outputs whose client library gives out its SSL_CTX use tls_configure().
 * Threads: a context and its sessions belong to one thread.
 * Memory:  a session about 50 KiB while bytes are under way, less when idle.
 * Failure: results are negative; tls_session_error() says it in words. Nothing here blocks or
 *          waits: -EAGAIN says that tls_session_events() have to come first. SIGPIPE is never
 *          raised.
 * Source:  RFC 5246, RFC 8446 (close_notify is the end in order), RFC 6066 (server name).
 */
#ifndef CONTROL_TLS_H
#define CONTROL_TLS_H

#include <stddef.h>
#include <sys/types.h>

#include "control/net/tls_options.h"

enum tls_side { TLS_CLIENT, TLS_SERVER };

enum { TLS_ERROR_SIZE = 256, TLS_HANDSHAKE_MAX_S = 10 };

struct tls_context;
struct tls_session;

/* Values, certificates, keys and CA files, for `-check`: as tls_context_new() without a context.
 * A listener needs cert_file and key_file. 0, or -1 after adding texts that begin with "tls: ". */
int tls_check(const struct tls_options *options, enum tls_side side, struct err *err);

/* Reads the files, and reads them again for later sessions when they have changed. `options` must
 * outlive it. *out: tls_context_free(). 0, or -1 after adding to `err`. Logs what is accepted
 * without effect (ciphers that this OpenSSL does not have). */
int tls_context_new(const struct tls_options *options, enum tls_side side, struct tls_context **out,
                    struct err *err);
void tls_context_free(struct tls_context *context); /* NULL is fine; sessions outlive it */

/* Sets up somebody else's SSL_CTX (libcurl's, librabbitmq's) in the same way, apart from the
 * server's name, which the caller gives to its library. 0, or -1 after adding to `err`. */
int tls_configure(void *ssl_ctx, const struct tls_options *options, enum tls_side side,
                  struct err *err);

/* A session over `fd`, which stays the caller's. `host`: whom a client expects, when server_name
 * does not say it: a host name, an address, or "host:port"; NULL: a server. NULL: no memory. */
struct tls_session *tls_session_new(struct tls_context *context, int fd, const char *host);
void tls_session_free(struct tls_session *session); /* without a word to the peer; NULL is fine */

/* One step of the handshake. 0: done; -EAGAIN; -EPROTO, -ECONNRESET or -EACCES (a certificate is
 * not accepted): over. The caller ends one that takes longer than TLS_HANDSHAKE_MAX_S. */
int tls_session_handshake(struct tls_session *session);
bool tls_session_is_ready(const struct tls_session *session); /* the handshake is done */

/* As recv(): bytes, 0 when the peer has ended in order (close_notify), -EAGAIN, or over:
 * -ECONNRESET when the connection ended without that (bytes may be missing), -EPROTO. Does the
 * handshake when it is not done. */
ssize_t tls_session_read(struct tls_session *session, void *bytes, size_t size);
/* Bytes that were read from the socket and not yet given out: a poll() does not show them. */
bool tls_session_has_more(const struct tls_session *session);

/* As send(): how many bytes it took, which may be fewer; -EAGAIN; or over. After -EAGAIN it must be
 * called again with the same bytes, or more of them. */
ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t size);

/* Says that no more comes (close_notify). 0, -EAGAIN, or over. */
int tls_session_finish(struct tls_session *session);

/* Bytes given to the socket so far, as they are on the wire. */
uint64_t tls_session_sent(const struct tls_session *session);
/* POLLIN or POLLOUT: what the last -EAGAIN waits for. */
short tls_session_events(const struct tls_session *session);
/* Why the last call failed; "" when none did. */
const char *tls_session_error(const struct tls_session *session);

/* ---- for tests and status ---- */
const char *tls_session_version(const struct tls_session *session); /* "TLSv1.3" */
const char *tls_session_cipher(const struct tls_session *session);  /* OpenSSL's name, or "" */
bool tls_session_is_resumed(const struct tls_session *session);

#endif
