/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/net/tls.h"
#include "control/net/tls_internal.h"
#include "core/address.h"

struct tls_session {
    SSL *ssl;
    int fd;
    uint64_t sent; /* bytes on the wire */
    short events;
    bool is_ready;
    char error[TLS_ERROR_SIZE];
};

const char *tls_why(char text[TLS_WHY_SIZE])
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (reason != NULL)
        snprintf(text, TLS_WHY_SIZE, "%s", reason);
    else if (code != 0)
        ERR_error_string_n(code, text, TLS_WHY_SIZE);
    else
        snprintf(text, TLS_WHY_SIZE, "unknown reason");
    ERR_clear_error();
    return text;
}

/* OpenSSL's own would use write(), and a peer that is gone would end us by a signal. */
static int put_bytes(BIO *bio, const char *bytes, size_t size, size_t *put)
{
    struct tls_session *session = BIO_get_data(bio);
    ssize_t sent;
    do
        sent = send(session->fd, bytes, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(bio);
    *put = sent > 0 ? (size_t)sent : 0;
    session->sent += *put;
    return sent > 0;
}

static int get_bytes(BIO *bio, char *bytes, size_t size, size_t *got)
{
    const struct tls_session *session = BIO_get_data(bio);
    ssize_t read;
    do
        read = recv(session->fd, bytes, size, 0);
    while (read < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    if (read < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    if (read == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    *got = read > 0 ? (size_t)read : 0;
    return read > 0;
}

static long control_bytes(BIO *bio, int command, long number, void *arg)
{
    (void)number;
    (void)arg;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *method; /* made once, never changed */

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals");
    if (method == NULL || BIO_meth_set_write_ex(method, put_bytes) != 1 ||
        BIO_meth_set_read_ex(method, get_bytes) != 1 ||
        BIO_meth_set_ctrl(method, control_bytes) != 1)
        method = NULL;
}

static int set_socket(struct tls_session *session, int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return -1;
    session->fd = fd;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    return 0;
}

/* The name that the server's certificate must have, and that it is asked for. */
static int expect(const struct tls_context *context, SSL *ssl, const char *host)
{
    uint8_t address[16];
    char name[ADDRESS_HOST_SIZE]; /* OpenSSL's macro wants it not to be const */
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (strlen(host) >= sizeof(name))
        return -1;
    memcpy(name, host, strlen(host) + 1);
    if (!is_address && SSL_set_tlsext_host_name(ssl, name) != 1)
        return -1;
    if (context->options->insecure_skip_verify)
        return 0;
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : -1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 ? 0 : -1;
}

static int set_peer(const struct tls_context *context, SSL *ssl, const char *host)
{
    struct address_parts parts;
    if (context->side == TLS_SERVER) {
        SSL_set_accept_state(ssl);
        return 0;
    }
    SSL_set_connect_state(ssl);
    if (tls_option_is_set(context->options->server_name))
        return expect(context, ssl, context->options->server_name);
    if (host != NULL && address_split(host, &parts) == 0)
        return expect(context, ssl, parts.host[0] != '\0' ? parts.host : "localhost");
    return host != NULL ? expect(context, ssl, host) : -1;
}

struct tls_session *tls_session_new(struct tls_context *context, int fd, const char *host)
{
    struct tls_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return NULL;
    tls_context_refresh(context);
    session->ssl = SSL_new(context->ssl);
    if (session->ssl == NULL || set_socket(session, fd) != 0 ||
        set_peer(context, session->ssl, host) != 0) {
        tls_session_free(session);
        ERR_clear_error();
        return NULL;
    }
    session->events = context->side == TLS_SERVER ? POLLIN : POLLOUT;
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL)
        return;
    SSL_free(session->ssl);
    free(session);
}

static int fail(struct tls_session *session, int code, const char *text)
{
    snprintf(session->error, sizeof(session->error), "%s", text);
    return code;
}

static int fail_protocol(struct tls_session *session)
{
    char text[TLS_WHY_SIZE];
    long verified = SSL_get_verify_result(session->ssl);
    unsigned long code = ERR_peek_error();
    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return fail(session, -ECONNRESET, "the connection ended without close_notify");
    }
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        ERR_clear_error();
        snprintf(session->error, sizeof(session->error), "certificate is not accepted: %s",
                 X509_verify_cert_error_string(verified));
        return -EACCES;
    }
    return fail(session, -EPROTO, tls_why(text));
}

/* What became of a call of OpenSSL that returned `result` (not positive): 0 when the peer has
 * ended in order. */
static int fail_call(struct tls_session *session, int result, int code)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        session->events = POLLIN;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        session->events = POLLOUT;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return code == 0 ? fail(session, -ECONNRESET, "the connection ended without close_notify")
                         : fail(session, -code, strerror(code));
    default:
        return fail_protocol(session);
    }
}

/* OpenSSL looks at what an earlier failure left in the thread's queue. */
static void prepare(struct tls_session *session)
{
    ERR_clear_error();
    session->error[0] = '\0';
    errno = 0;
}

int tls_session_handshake(struct tls_session *session)
{
    if (session->is_ready)
        return 0;
    prepare(session);
    int result = SSL_do_handshake(session->ssl);
    session->is_ready = result == 1;
    if (session->is_ready)
        return 0;
    int rc = fail_call(session, result, errno);
    return rc == 0 ? fail(session, -ECONNRESET, "the peer ended the handshake") : rc;
}

bool tls_session_is_ready(const struct tls_session *session)
{
    return session->is_ready;
}

ssize_t tls_session_read(struct tls_session *session, void *bytes, size_t size)
{
    size_t got = 0;
    int rc = tls_session_handshake(session);
    if (rc != 0)
        return rc;
    prepare(session);
    int result = SSL_read_ex(session->ssl, bytes, size, &got);
    return result == 1 ? (ssize_t)got : fail_call(session, result, errno);
}

bool tls_session_has_more(const struct tls_session *session)
{
    return SSL_has_pending(session->ssl) == 1;
}

ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t size)
{
    size_t put = 0;
    int rc = tls_session_handshake(session);
    if (rc != 0)
        return rc;
    prepare(session);
    int result = SSL_write_ex(session->ssl, bytes, size, &put);
    if (result == 1)
        return (ssize_t)put;
    rc = fail_call(session, result, errno);
    return rc == 0 ? fail(session, -EPIPE, "the peer has ended the connection") : rc;
}

int tls_session_finish(struct tls_session *session)
{
    if (!session->is_ready)
        return 0;
    prepare(session);
    int result = SSL_shutdown(session->ssl);
    if (result >= 0) /* 0: ours is sent, the peer's has not come: that is what was asked for */
        return 0;
    return fail_call(session, result, errno);
}

uint64_t tls_session_sent(const struct tls_session *session)
{
    return session->sent;
}

short tls_session_events(const struct tls_session *session)
{
    return session->events;
}

const char *tls_session_error(const struct tls_session *session)
{
    return session->error;
}

const char *tls_session_version(const struct tls_session *session)
{
    return SSL_get_version(session->ssl);
}

const char *tls_session_cipher(const struct tls_session *session)
{
    const char *name = SSL_get_cipher_name(session->ssl);
    return name != NULL ? name : "";
}

bool tls_session_is_resumed(const struct tls_session *session)
{
    return SSL_session_reused(session->ssl) == 1;
}
