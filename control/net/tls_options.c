/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/tls_options.h"

#include <string.h>

#include "core/check.h"

#define TLS(member) .key = #member, .offset = offsetof(struct tls_options, member)
#define ROWS(prefers)                                                                              \
    {TLS(server_name), .type = SCHEMA_STRING,                                                      \
     .help = "A client's: the name asked for, and that the certificate has to have. Default: the " \
             "host of the address."},                                                              \
        {TLS(cert_file), .type = SCHEMA_STRING,                                                    \
         .help = "PEM file: certificate, and those that vouch for it. Listeners need it."},        \
        {TLS(key_file), .type = SCHEMA_STRING,                                                     \
         .help = "PEM file: the certificate's private key; may be the same file."},                \
        {TLS(client_auth), .type = SCHEMA_STRING,                                                  \
         .help =                                                                                   \
             "A listener's: NoClientCert (also \"\"), RequestClientCert, RequireAnyClientCert, "   \
             "VerifyClientCertIfGiven or RequireAndVerifyClientCert."},                            \
        {TLS(ciphers), .type = SCHEMA_STRINGS,                                                     \
         .help =                                                                                   \
             "Up to TLS 1.2: which, as in ECDHE_RSA_WITH_AES_128_GCM_SHA256; those with RC4 and "  \
             "3DES are accepted and not used. Default: OpenSSL's."},                               \
        {TLS(insecure_skip_verify), .type = SCHEMA_BOOL, .def = "false",                           \
         .help = "A client's: accepts any certificate. For tests only."},                          \
        {TLS(prefer_server_ciphers), .type = SCHEMA_BOOL, .def = prefers,                          \
         .help = "A listener's: its order of ciphers counts, not the client's."},                  \
        {TLS(session_tickets_disabled), .type = SCHEMA_BOOL, .def = "false",                       \
         .help = "No resumption by tickets. Inputs give tickets up to TLS 1.2 only."},             \
        {TLS(sesion_ticket_key), .type = SCHEMA_STRING,                                            \
         .help = "A listener's: 64 hexadecimal digits, so that tickets outlive a restart."},       \
        {TLS(session_ticket_key), .type = SCHEMA_STRING,                                           \
         .help = "The same, as Heka's manual spells it."},                                         \
        {TLS(min_version), .type = SCHEMA_STRING,                                                  \
         .help = "SSL30, TLS10, TLS11, TLS12 or TLS13. Default: TLS12."},                          \
        {TLS(max_version), .type = SCHEMA_STRING, .help = "The same. Default: the newest."},       \
        {TLS(client_cafile), .type = SCHEMA_STRING,                                                \
         .help = "A listener's: PEM file with the CAs of clients. Default: the system's."},        \
        {TLS(root_cafile), .type = SCHEMA_STRING,                                                  \
         .help = "A client's: PEM file with the CAs of servers. Default: the system's."},          \
    {                                                                                              \
        0                                                                                          \
    }

static const struct schema_key client_keys[] = {ROWS("false")};
static const struct schema_key listener_keys[] = {ROWS("true")};
const struct schema tls_schema = {"tls", client_keys};
const struct schema tls_listener_schema = {"tls of listeners", listener_keys};

static const char *const versions[] = {
    [TLS_VERSION_SSL30] = "SSL30", [TLS_VERSION_10] = "TLS10", [TLS_VERSION_11] = "TLS11",
    [TLS_VERSION_12] = "TLS12",    [TLS_VERSION_13] = "TLS13",
};

static const char *const client_auths[] = {
    [TLS_NO_CLIENT_CERT] = "NoClientCert",
    [TLS_REQUEST_CLIENT_CERT] = "RequestClientCert",
    [TLS_REQUIRE_ANY_CLIENT_CERT] = "RequireAnyClientCert",
    [TLS_VERIFY_CLIENT_CERT_IF_GIVEN] = "VerifyClientCertIfGiven",
    [TLS_REQUIRE_AND_VERIFY_CLIENT_CERT] = "RequireAndVerifyClientCert",
};

static const struct {
    const char *heka, *openssl; /* NULL: OpenSSL 3 does not have it */
} ciphers[] = {
    {"RSA_WITH_RC4_128_SHA", NULL},
    {"RSA_WITH_3DES_EDE_CBC_SHA", NULL},
    {"RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    {"RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
    {"ECDHE_ECDSA_WITH_RC4_128_SHA", NULL},
    {"ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"ECDHE_RSA_WITH_RC4_128_SHA", NULL},
    {"ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", NULL},
    {"ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
};

/* The index of `text`, 0 when it is not given, or -1. */
static int find(const char *const *names, unsigned count, const char *text)
{
    if (!tls_option_is_set(text))
        return 0;
    for (unsigned i = 0; i < count; i++)
        if (names[i] != NULL && strcmp(names[i], text) == 0)
            return (int)i;
    return -1;
}

static int take_versions(const struct tls_options *options, struct tls_values *values,
                         struct err *err)
{
    int min = find(versions, ARRAY_COUNT(versions), options->min_version);
    int max = find(versions, ARRAY_COUNT(versions), options->max_version);
    int rc = 0;
    if (min < 0)
        rc = err_add(err, "tls: Invalid MinVersion: %s", options->min_version);
    if (max < 0)
        rc = err_add(err, "tls: Invalid MaxVersion: %s", options->max_version);
    if (rc != 0)
        return rc;
    if (max > 0 && max < min)
        return err_add(err, "tls: MaxVersion (%s) must be newer than MinVersion (%s)",
                       options->max_version, options->min_version);
    if (max == TLS_VERSION_SSL30)
        return err_add(err, "tls: MaxVersion SSL30: this version's OpenSSL begins with TLS10");
    if (max > 0 && min == 0 && max < TLS_VERSION_12)
        min = TLS_VERSION_10;
    values->min_version = (enum tls_version)min;
    values->max_version = (enum tls_version)max;
    return 0;
}

static void append(char text[TLS_CIPHERS_SIZE], char between, const char *name)
{
    size_t len = strlen(text), name_len = strlen(name);
    CHECK(len + name_len + 2 <= TLS_CIPHERS_SIZE);
    if (len > 0)
        text[len++] = between;
    memcpy(text + len, name, name_len + 1);
}

static bool holds(const char *text, const char *name, char between)
{
    size_t name_len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += name_len)
        if ((at == text || at[-1] == between) && (at[name_len] == '\0' || at[name_len] == between))
            return true;
    return false;
}

static int take_cipher(const char *name, struct tls_values *values, struct err *err)
{
    for (unsigned i = 0; i < ARRAY_COUNT(ciphers); i++) {
        if (strcmp(ciphers[i].heka, name) != 0)
            continue;
        if (ciphers[i].openssl == NULL && !holds(values->weak, name, ' '))
            append(values->weak, ' ', name);
        else if (ciphers[i].openssl != NULL && !holds(values->ciphers, ciphers[i].openssl, ':'))
            append(values->ciphers, ':', ciphers[i].openssl);
        return 0;
    }
    return err_add(err, "tls: Invalid cipher string: %s", name);
}

static int take_ciphers(const struct tls_options *options, struct tls_values *values,
                        struct err *err)
{
    const char *const *names = options->ciphers.items;
    int rc = 0;
    for (size_t i = 0; i < options->ciphers.count; i++)
        rc |= take_cipher(names[i], values, err);
    if (rc == 0 && options->ciphers.count > 0 && values->ciphers[0] == '\0')
        rc = err_add(err, "tls: ciphers: this version's OpenSSL has none of %s", values->weak);
    return rc;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_ticket_key(const char *text, struct tls_values *values, struct err *err)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (hex_digit(text[i]) < 0)
            return err_add(err, "tls: sesion_ticket_key: '%c' is not a hexadecimal digit", text[i]);
    if (len != 2 * TLS_TICKET_KEY_SIZE)
        return err_add(err, "tls: Invalid SessionTicketKey length: %zu", len / 2);
    for (size_t i = 0; i < TLS_TICKET_KEY_SIZE; i++)
        values->ticket_key[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    values->has_ticket_key = true;
    return 0;
}

static int take_ticket_keys(const struct tls_options *options, struct tls_values *values,
                            struct err *err)
{
    const char *one = options->sesion_ticket_key, *other = options->session_ticket_key;
    if (tls_option_is_set(one) && tls_option_is_set(other) && strcmp(one, other) != 0)
        return err_add(err, "tls: sesion_ticket_key and session_ticket_key are the same option, "
                            "and differ");
    if (!tls_option_is_set(one))
        one = other;
    return tls_option_is_set(one) ? take_ticket_key(one, values, err) : 0;
}

int tls_options_values(const struct tls_options *options, struct tls_values *values,
                       struct err *err)
{
    int auth = find(client_auths, ARRAY_COUNT(client_auths), options->client_auth), rc = 0;
    memset(values, 0, sizeof(*values));
    rc |= take_versions(options, values, err);
    if (auth < 0)
        rc = err_add(err, "tls: Invalid ClientAuth value: %s", options->client_auth);
    else
        values->client_auth = (enum tls_client_auth)auth;
    rc |= take_ticket_keys(options, values, err);
    rc |= take_ciphers(options, values, err);
    return rc;
}
