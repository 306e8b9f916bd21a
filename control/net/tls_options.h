/* SPDX-License-Identifier: MPL-2.0
 *
 * tls_options.h - the options of [X.tls] as configured, and what they mean, for any TLS library.
 *
 * Place:   sub table `tls` of the inputs, outputs and tools that speak TLS; tls.c makes OpenSSL
 *          contexts of it; those whose client library has TLS of its own take struct tls_values.
 * Threads: no state.
 * Failure: texts in Heka's words, all of them at once.
 * Source:  Heka 0.11 plugins/tcp/tls.go. New here: TLS13; `session_ticket_key`, which Heka's manual
 *          names, beside `sesion_ticket_key`, which its program reads.
 */
#ifndef CONTROL_TLS_OPTIONS_H
#define CONTROL_TLS_OPTIONS_H

#include "core/schema.h"

struct tls_options { /* texts may be NULL or "": not given */
    const char *server_name;
    const char *cert_file, *key_file;
    const char *client_auth;
    struct schema_list ciphers; /* const char *, Heka's names */
    bool insecure_skip_verify, prefer_server_ciphers, session_tickets_disabled;
    const char *sesion_ticket_key, *session_ticket_key;
    const char *min_version, *max_version;
    const char *client_cafile, *root_cafile;
};

/* Of a plugin that connects; of one that listens, where prefer_server_ciphers is true by default. A
 * row of a plugin:
 *     {X(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Only with use_tls."} */
extern const struct schema tls_schema, tls_listener_schema;

enum tls_version {
    TLS_VERSION_ANY, /* not given: the library's; at least TLS_VERSION_12 here */
    TLS_VERSION_SSL30,
    TLS_VERSION_10,
    TLS_VERSION_11,
    TLS_VERSION_12,
    TLS_VERSION_13
};

enum tls_client_auth { /* what a listener asks of its clients */
                       TLS_NO_CLIENT_CERT,
                       TLS_REQUEST_CLIENT_CERT,     /* and does not look at it */
                       TLS_REQUIRE_ANY_CLIENT_CERT, /* and does not verify it */
                       TLS_VERIFY_CLIENT_CERT_IF_GIVEN,
                       TLS_REQUIRE_AND_VERIFY_CLIENT_CERT
};

enum { TLS_CIPHERS_SIZE = 512, TLS_TICKET_KEY_SIZE = 32 };

struct tls_values {
    enum tls_version min_version, max_version;
    enum tls_client_auth client_auth;
    char ciphers[TLS_CIPHERS_SIZE]; /* OpenSSL's names with ":" between; "": the library's */
    char weak[TLS_CIPHERS_SIZE];    /* Heka's names of those given that OpenSSL 3 has no more */
    bool has_ticket_key;
    uint8_t ticket_key[TLS_TICKET_KEY_SIZE];
};

/* 0, or -1 after adding to `err` texts that begin with "tls: ". Opens no file:
 * tls_check() does. */
int tls_options_values(const struct tls_options *options, struct tls_values *values,
                       struct err *err);

/* True when a text is given. */
static inline bool tls_option_is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

#endif
