/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/http_receiver_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/net/tls.h"
#include "core/log.h"

enum { FILE_MAX = 4 << 20 };

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

/* ---- files ---- */

static char *read_file(const char *path, const char *option, struct err *err)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (file != NULL && (text = malloc(FILE_MAX + 1)) != NULL)
        size = fread(text, 1, FILE_MAX + 1, file);
    if (text == NULL || ferror(file) || size > FILE_MAX) {
        err_add(err, "tls: %s %s: %s", option, path,
                size > FILE_MAX ? "larger than 4 MiB" : strerror(errno));
        free(text);
        text = NULL;
    } else {
        text[size] = '\0';
    }
    if (file != NULL)
        fclose(file);
    return text;
}

/* ---- priorities ---- */

static void append(char priorities[HTTP_PRIORITIES_SIZE], const char *text)
{
    size_t len = strlen(priorities);
    if (strstr(priorities, text) == NULL)
        snprintf(priorities + len, HTTP_PRIORITIES_SIZE - len, "%s", text);
}

static void append_versions(char priorities[HTTP_PRIORITIES_SIZE], const struct tls_values *values,
                            bool has_aead)
{
    static const struct {
        enum tls_version version;
        const char *text;
    } versions[] = {
        {TLS_VERSION_10, ":+VERS-TLS1.0"},
        {TLS_VERSION_11, ":+VERS-TLS1.1"},
        {TLS_VERSION_12, ":+VERS-TLS1.2"},
        {TLS_VERSION_13, ":+VERS-TLS1.3"},
    };
    enum tls_version min = values->min_version, max = values->max_version;
    if (min == TLS_VERSION_ANY)
        min = TLS_VERSION_12;
    if (max == TLS_VERSION_ANY)
        max = TLS_VERSION_13;
    append(priorities, ":-VERS-ALL");
    for (unsigned i = 0; i < 4; i++)
        if (versions[i].version >= min && versions[i].version <= max &&
            (versions[i].version != TLS_VERSION_13 || has_aead || min == TLS_VERSION_13))
            append(priorities, versions[i].text);
}

/* GnuTLS has key exchange, cipher and MAC one by one: what OpenSSL's names are made of. */
static void append_ciphers(char priorities[HTTP_PRIORITIES_SIZE], const char *ciphers)
{
    static const struct {
        const char *openssl, *parts;
    } known[] = {
        {"ECDHE-ECDSA-", ":+ECDHE-ECDSA"}, {"ECDHE-RSA-", ":+ECDHE-RSA"},
        {"AES128-GCM", ":+AES-128-GCM"},   {"AES128-SHA", ":+AES-128-CBC"},
        {"AES256-SHA", ":+AES-256-CBC"},
    };
    append(priorities, ":-KX-ALL:-CIPHER-ALL:-MAC-ALL:+SHA1:+AEAD");
    for (unsigned i = 0; i < 5; i++)
        if (strstr(ciphers, known[i].openssl) != NULL)
            append(priorities, known[i].parts);
    if (strncmp(ciphers, "AES", 3) == 0 || strstr(ciphers, ":AES") != NULL)
        append(priorities, ":+RSA");
}

static int set_priorities(struct http_receiver_tls *tls, const struct tls_options *options,
                          const struct tls_values *values, struct err *err)
{
    gnutls_priority_t checked;
    const char *at = "";
    bool has_all = values->ciphers[0] == '\0';
    snprintf(tls->priorities, sizeof(tls->priorities), "NORMAL");
    append_versions(tls->priorities, values, has_all || strstr(values->ciphers, "GCM") != NULL);
    if (!has_all)
        append_ciphers(tls->priorities, values->ciphers);
    if (options->prefer_server_ciphers)
        append(tls->priorities, ":%SERVER_PRECEDENCE");
    if (gnutls_priority_init(&checked, tls->priorities, &at) != GNUTLS_E_SUCCESS)
        return err_add(err, "tls: GnuTLS does not take '%s'", at);
    gnutls_priority_deinit(checked);
    return 0;
}

int http_receiver_tls_init(struct http_receiver_tls *tls, const struct tls_options *options,
                           struct err *err)
{
    struct tls_values values;
    memset(tls, 0, sizeof(*tls));
    if (tls_check(options, TLS_SERVER, err) != 0 || tls_options_values(options, &values, err) != 0)
        return -1;
    if (values.weak[0] != '\0')
        log_info("tls: ciphers: not used, because they are not safe: %s", values.weak);
    if (values.has_ticket_key)
        log_info("tls: sesion_ticket_key has no effect here: there are no tickets");
    tls->client_auth = values.client_auth;
    tls->certificate = read_file(options->cert_file, "cert_file", err);
    tls->key = read_file(options->key_file, "key_file", err);
    if (tls->client_auth != TLS_NO_CLIENT_CERT)
        tls->authorities = read_file(
            tls_option_is_set(options->client_cafile) ? options->client_cafile : SYSTEM_AUTHORITIES,
            "client_cafile", err);
    if (tls->certificate == NULL || tls->key == NULL ||
        (tls->client_auth != TLS_NO_CLIENT_CERT && tls->authorities == NULL))
        return -1;
    return set_priorities(tls, options, &values, err);
}

void http_receiver_tls_fini(struct http_receiver_tls *tls)
{
    free(tls->certificate);
    free(tls->key);
    free(tls->authorities);
    memset(tls, 0, sizeof(*tls));
}

/* ---- clients' certificates ---- */

/* 0: goes on. */
static int verify(gnutls_session_t session)
{
    unsigned count = 0, status = 0;
    if (gnutls_certificate_get_peers(session, &count) == NULL || count == 0)
        return 0; /* one that has to be given is asked for by GNUTLS_CERT_REQUIRE */
    if (gnutls_certificate_verify_peers2(session, &status) != GNUTLS_E_SUCCESS || status != 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return 0;
}

void http_receiver_tls_begin(const struct http_receiver_tls *tls, void *session)
{
    bool is_required = tls->client_auth == TLS_REQUIRE_ANY_CLIENT_CERT ||
                       tls->client_auth == TLS_REQUIRE_AND_VERIFY_CLIENT_CERT;
    bool is_verified = tls->client_auth == TLS_VERIFY_CLIENT_CERT_IF_GIVEN ||
                       tls->client_auth == TLS_REQUIRE_AND_VERIFY_CLIENT_CERT;
    if (tls->client_auth == TLS_NO_CLIENT_CERT)
        return;
    gnutls_certificate_server_set_request(session,
                                          is_required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    /* Any client may try: it is not told by whom its certificate is to be signed. */
    gnutls_certificate_send_x509_rdn_sequence(session, 1);
    if (is_verified)
        gnutls_session_set_verify_function(session, verify);
}
