/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tls.c - TLS sessions between two ends in one thread, and what options mean and refuse. Each
 *              option against other programs: tests/system/test_tls.py.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/net/tls.h"
#include "tests/support/certificate.h"
#include "tests/unit/core/alloc_fail.h"

enum { STEPS_MAX = 100000, BULK_BYTES = 3 << 20 };

static char dir[] = "/tmp/heka-tls-XXXXXX", good[64], other[64];

static int make_certificates(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(good, sizeof(good), "%s/good.pem", dir);
    snprintf(other, sizeof(other), "%s/other.pem", dir);
    return certificate_make(good, "DNS:localhost,IP:127.0.0.1") |
           certificate_make(other, "DNS:log.example");
}

static int remove_certificates(void **state)
{
    (void)state;
    unlink(good);
    unlink(other);
    return rmdir(dir);
}

/* ---- a connection ---- */

struct pair {
    int fds[2];
    struct tls_context *contexts[2];
    struct tls_session *client, *server;
};

static const struct tls_options server_options = {.cert_file = good, .key_file = good};
static const struct tls_options client_options = {.root_cafile = good};

static void open_pair(struct pair *pair, const struct tls_options *client,
                      const struct tls_options *server, const char *host)
{
    static struct err err;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds),
                     0);
    err.count = 0;
    assert_int_equal(tls_context_new(client, TLS_CLIENT, &pair->contexts[0], &err), 0);
    assert_int_equal(tls_context_new(server, TLS_SERVER, &pair->contexts[1], &err), 0);
    pair->client = tls_session_new(pair->contexts[0], pair->fds[0], host);
    pair->server = tls_session_new(pair->contexts[1], pair->fds[1], NULL);
    assert_non_null(pair->client);
    assert_non_null(pair->server);
}

static void close_pair(struct pair *pair)
{
    tls_session_free(pair->client);
    tls_session_free(pair->server);
    tls_context_free(pair->contexts[0]);
    tls_context_free(pair->contexts[1]);
    close(pair->fds[0]);
    close(pair->fds[1]);
}

/* Both until they are through or one has failed; the client's result. */
static int shake_hands(struct pair *pair, int *server)
{
    int client = -EAGAIN;
    *server = -EAGAIN;
    for (unsigned i = 0; i < 100 && (client == -EAGAIN || *server == -EAGAIN); i++) {
        if (client == -EAGAIN)
            client = tls_session_handshake(pair->client);
        if (*server == -EAGAIN)
            *server = tls_session_handshake(pair->server);
        if ((client != -EAGAIN && client != 0) || (*server != -EAGAIN && *server != 0))
            break;
    }
    return client;
}

static void connect_pair(struct pair *pair, const char *host)
{
    int server;
    open_pair(pair, &client_options, &server_options, host);
    assert_int_equal(shake_hands(pair, &server), 0);
    assert_int_equal(server, 0);
}

static void test_bytes(void **state)
{
    static char sent[BULK_BYTES], got[BULK_BYTES];
    struct pair pair;
    size_t put = 0, taken = 0;
    (void)state;
    for (size_t i = 0; i < BULK_BYTES; i++)
        sent[i] = (char)(i * 2654435761u >> 13);
    connect_pair(&pair, "127.0.0.1:5565");
    assert_true(tls_session_is_ready(pair.client));
    assert_string_equal(tls_session_version(pair.client), "TLSv1.3");
    for (unsigned i = 0; i < STEPS_MAX && taken < BULK_BYTES; i++) {
        ssize_t rc =
            put < BULK_BYTES ? tls_session_write(pair.client, sent + put, BULK_BYTES - put) : 0;
        assert_true(rc >= 0 || rc == -EAGAIN);
        if (rc == -EAGAIN)
            assert_int_equal(tls_session_events(pair.client), POLLOUT);
        put += rc > 0 ? (size_t)rc : 0;
        rc = tls_session_read(pair.server, got + taken, 1 + i % 30000);
        assert_true(rc > 0 || rc == -EAGAIN);
        taken += rc > 0 ? (size_t)rc : 0;
        if (taken + 30000 > BULK_BYTES && taken < BULK_BYTES) { /* the last ones one by one */
            rc = tls_session_read(pair.server, got + taken, BULK_BYTES - taken);
            taken += rc > 0 ? (size_t)rc : 0;
        }
    }
    assert_int_equal(taken, BULK_BYTES);
    assert_memory_equal(sent, got, BULK_BYTES);
    assert_true(tls_session_sent(pair.client) > BULK_BYTES);
    close_pair(&pair);
}

static void test_end_in_order(void **state)
{
    struct pair pair;
    char byte;
    (void)state;
    connect_pair(&pair, "localhost");
    assert_int_equal(tls_session_write(pair.client, "x", 1), 1);
    assert_int_equal(tls_session_finish(pair.client), 0);
    assert_int_equal(shutdown(pair.fds[0], SHUT_WR), 0);
    assert_int_equal(tls_session_read(pair.server, &byte, 1), 1);
    assert_int_equal(tls_session_read(pair.server, &byte, 1), 0);
    assert_string_equal(tls_session_error(pair.server), "");
    assert_int_equal(tls_session_finish(pair.server), 0);
    close_pair(&pair);
}

static void test_cut(void **state)
{
    struct pair pair;
    char byte;
    (void)state;
    connect_pair(&pair, "localhost");
    assert_int_equal(tls_session_write(pair.client, "xy", 2), 2);
    assert_int_equal(shutdown(pair.fds[0], SHUT_WR), 0);
    assert_int_equal(tls_session_read(pair.server, &byte, 1), 1);
    assert_true(tls_session_has_more(pair.server));
    assert_int_equal(tls_session_read(pair.server, &byte, 1), 1);
    assert_int_equal(tls_session_read(pair.server, &byte, 1), -ECONNRESET);
    assert_string_equal(tls_session_error(pair.server),
                        "the connection ended without close_notify");
    close_pair(&pair);
}

/* The peer is gone: an error, and no signal. */
static void test_gone(void **state)
{
    struct pair pair;
    (void)state;
    connect_pair(&pair, "localhost");
    close(pair.fds[1]);
    pair.fds[1] = -1;
    assert_true(tls_session_write(pair.client, "xy", 2) < 0);
    assert_true(tls_session_error(pair.client)[0] != '\0');
    close_pair(&pair);
}

static void test_names(void **state)
{
    static const struct {
        const char *host, *server_name;
        bool skips;
        int result;
    } cases[] = {
        {"localhost:5565", NULL, false, 0},
        {"127.0.0.1", NULL, false, 0},
        {":5565", NULL, false, 0},
        {"127.0.0.2:5565", NULL, false, -EACCES},
        {"[::1]:5565", NULL, false, -EACCES},
        {"log.example:1", NULL, false, -EACCES},
        {"log.example:1", NULL, true, 0},
        {"log.example:1", "localhost", false, 0},
        {"localhost:1", "elsewhere", false, -EACCES},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_options client = client_options;
        struct pair pair;
        int server;
        client.server_name = cases[i].server_name;
        client.insecure_skip_verify = cases[i].skips;
        open_pair(&pair, &client, &server_options, cases[i].host);
        assert_int_equal(shake_hands(&pair, &server), cases[i].result);
        if (cases[i].result != 0)
            assert_non_null(strstr(tls_session_error(pair.client), "certificate is not accepted"));
        close_pair(&pair);
    }
}

static void test_plain_bytes(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair, &client_options, &server_options, "localhost");
    assert_int_equal(write(pair.fds[0], "GET / HTTP/1.0\r\n\r\n", 18), 18);
    assert_int_equal(tls_session_handshake(pair.server), -EPROTO);
    assert_string_equal(tls_session_error(pair.server), "http request");
    close_pair(&pair);
}

/* ---- options ---- */

static void refuse(const struct tls_options *options, enum tls_side side, const char *text)
{
    static struct err err;
    err.count = 0;
    assert_int_equal(tls_check(options, side, &err), -1);
    assert_true(err.count > 0);
    assert_string_equal(err.texts[0], text);
}

static void test_refused(void **state)
{
    static const char *const unknown[] = {"foo"}, *const weak[] = {"RSA_WITH_RC4_128_SHA"};
    static char longest[300];
    char text[160];
    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    refuse(&(struct tls_options){0}, TLS_SERVER,
           "tls: TLS config requires both cert_file and key_file value.");
    refuse(&(struct tls_options){.cert_file = good}, TLS_CLIENT,
           "tls: cert_file and key_file go together; key_file is not given");
    refuse(&(struct tls_options){.min_version = "TLS9"}, TLS_CLIENT,
           "tls: Invalid MinVersion: TLS9");
    refuse(&(struct tls_options){.max_version = "SSL30"}, TLS_CLIENT,
           "tls: MaxVersion SSL30: this version's OpenSSL begins with TLS10");
    refuse(&(struct tls_options){.min_version = "TLS11", .max_version = "TLS10"}, TLS_CLIENT,
           "tls: MaxVersion (TLS10) must be newer than MinVersion (TLS11)");
    refuse(&(struct tls_options){.client_auth = "foo"}, TLS_CLIENT,
           "tls: Invalid ClientAuth value: foo");
    refuse(&(struct tls_options){.ciphers = {unknown, 1}}, TLS_CLIENT,
           "tls: Invalid cipher string: foo");
    refuse(&(struct tls_options){.ciphers = {weak, 1}}, TLS_CLIENT,
           "tls: ciphers: this version's OpenSSL has none of RSA_WITH_RC4_128_SHA");
    refuse(&(struct tls_options){.sesion_ticket_key = "0g"}, TLS_CLIENT,
           "tls: sesion_ticket_key: 'g' is not a hexadecimal digit");
    refuse(&(struct tls_options){.session_ticket_key = "00"}, TLS_CLIENT,
           "tls: Invalid SessionTicketKey length: 1");
    refuse(&(struct tls_options){.session_ticket_key = "00", .sesion_ticket_key = "01"}, TLS_CLIENT,
           "tls: sesion_ticket_key and session_ticket_key are the same option, and differ");
    refuse(&(struct tls_options){.server_name = longest}, TLS_CLIENT,
           "tls: server_name: found 299 characters, allowed up to 255");
    snprintf(text, sizeof(text), "tls: key_file %s: key values mismatch", other);
    refuse(&(struct tls_options){.cert_file = good, .key_file = other}, TLS_CLIENT, text);
    refuse(&(struct tls_options){.root_cafile = "/nowhere"}, TLS_CLIENT,
           "tls: /nowhere: No such file or directory");
}

static void test_values(void **state)
{
    static const char *const names[] = {"ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                                        "ECDHE_RSA_WITH_RC4_128_SHA", "RSA_WITH_AES_256_CBC_SHA",
                                        "ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                                        "RSA_WITH_3DES_EDE_CBC_SHA"};
    struct tls_options options = {.ciphers = {names, 5},
                                  .max_version = "TLS11",
                                  .client_auth = "VerifyClientCertIfGiven",
                                  .sesion_ticket_key = "00112233445566778899AABBCCDDEEFF"
                                                       "00112233445566778899aabbccddeeff"};
    struct tls_values values;
    (void)state;
    assert_int_equal(tls_options_values(&options, &values, NULL), 0);
    assert_string_equal(values.ciphers, "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA");
    assert_string_equal(values.weak, "ECDHE_RSA_WITH_RC4_128_SHA RSA_WITH_3DES_EDE_CBC_SHA");
    assert_int_equal(values.min_version, TLS_VERSION_10); /* so that there is one */
    assert_int_equal(values.max_version, TLS_VERSION_11);
    assert_int_equal(values.client_auth, TLS_VERIFY_CLIENT_CERT_IF_GIVEN);
    assert_true(values.has_ticket_key);
    assert_int_equal(values.ticket_key[10], 0xAA);
    assert_int_equal(values.ticket_key[31], 0xFF);
    /* "" is as if it were not given. */
    options = (struct tls_options){.min_version = "",
                                   .max_version = "",
                                   .client_auth = "",
                                   .sesion_ticket_key = "",
                                   .session_ticket_key = ""};
    assert_int_equal(tls_options_values(&options, &values, NULL), 0);
    assert_int_equal(values.min_version, TLS_VERSION_ANY);
    assert_int_equal(values.client_auth, TLS_NO_CLIENT_CERT);
    assert_false(values.has_ticket_key);
}

/* Old versions are there for those who ask for them, and only then. */
static void test_old_versions(void **state)
{
    struct tls_options client = client_options, server = server_options;
    struct pair pair;
    int result;
    (void)state;
    client.max_version = "TLS10";
    open_pair(&pair, &client, &server, "localhost");
    assert_true(shake_hands(&pair, &result) < 0 || result < 0);
    close_pair(&pair);
    server.min_version = "SSL30";
    open_pair(&pair, &client, &server, "localhost");
    assert_int_equal(shake_hands(&pair, &result), 0);
    assert_string_equal(tls_session_version(pair.client), "TLSv1");
    close_pair(&pair);
}

/* ---- memory ---- */

enum { FAILURES_MAX = 200000, FAILURE_STRIDE = 53 };

static void *take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *resize(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(memory, size);
}

static void give(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* A context and a session; true when both are there. */
static bool make(const struct tls_options *options, enum tls_side side, const char *host)
{
    static struct err err;
    struct tls_context *context = NULL;
    struct tls_session *session = NULL;
    err.count = 0;
    int rc = tls_context_new(options, side, &context, &err);
    assert_int_equal(rc != 0, err.count > 0);
    assert_int_equal(rc == 0, context != NULL);
    if (context != NULL)
        session = tls_session_new(context, 0, host);
    bool is_good = session != NULL;
    tls_session_free(session);
    tls_context_free(context);
    return is_good;
}

/* Any allocation of ours or of OpenSSL's fails: an error, and nothing left behind. */
static void test_memory(void **state)
{
    struct tls_options options = server_options;
    unsigned failures = 0;
    bool failed = true;
    options.client_cafile = good; /* the system's are many */
    (void)state;
    assert_true(make(&client_options, TLS_CLIENT, "localhost"));
    assert_true(make(&options, TLS_SERVER, NULL));
    for (unsigned i = 0; failed && i < FAILURES_MAX; i += i < 50 ? 1 : FAILURE_STRIDE) {
        alloc_fail_at(i);
        bool is_good = make(&options, TLS_SERVER, NULL);
        failed = alloc_fail_stop();
        assert_true(is_good || failed);
        failures += failed;
    }
    assert_false(failed);
    assert_true(failures > 50);
    assert_true(make(&options, TLS_SERVER, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),        cmocka_unit_test(test_end_in_order),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_gone),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_plain_bytes),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_old_versions), cmocka_unit_test(test_memory),
    };
    CRYPTO_set_mem_functions(take, resize, give);
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
