/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/net/tls_internal.h"
#include "core/address.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    TICKET_KEYS_SIZE = 80, /* OpenSSL's: a name of 16 bytes, two keys of 32 */
    CIPHER_TEXT_SIZE = TLS_CIPHERS_SIZE + 32,
    LOOK_MS = 1000 /* between looks whether files have changed */
};

static int openssl_version(enum tls_version version)
{
    static const int versions[] = {
        [TLS_VERSION_ANY] = 0,
        [TLS_VERSION_SSL30] = TLS1_VERSION, /* the oldest that OpenSSL 3 has in Debian */
        [TLS_VERSION_10] = TLS1_VERSION,
        [TLS_VERSION_11] = TLS1_1_VERSION,
        [TLS_VERSION_12] = TLS1_2_VERSION,
        [TLS_VERSION_13] = TLS1_3_VERSION,
    };
    return versions[version];
}

static int set_versions(SSL_CTX *ssl, const struct tls_values *values, struct err *err)
{
    char text[CIPHER_TEXT_SIZE];
    bool is_old = values->min_version != TLS_VERSION_ANY && values->min_version < TLS_VERSION_12;
    int min = values->min_version == TLS_VERSION_ANY ? TLS1_2_VERSION
                                                     : openssl_version(values->min_version);
    if (SSL_CTX_set_min_proto_version(ssl, min) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, openssl_version(values->max_version)) != 1)
        return err_add(err, "tls: this version's OpenSSL does not have that TLS version");
    /* Their signatures are below the level of security that OpenSSL asks for by default. */
    snprintf(text, sizeof(text), "%s%s", values->ciphers[0] != '\0' ? values->ciphers : "DEFAULT",
             is_old ? ":@SECLEVEL=0" : "");
    if ((is_old || values->ciphers[0] != '\0') && SSL_CTX_set_cipher_list(ssl, text) != 1) {
        ERR_clear_error();
        return err_add(err, "tls: ciphers: OpenSSL takes none of %s", values->ciphers);
    }
    return 0;
}

/* Never asks on the terminal for the password of a key. */
static int no_password(char *text, int size, int is_writing, void *arg)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)arg;
    return 0;
}

static int load_certificate(SSL_CTX *ssl, const struct tls_options *options, struct err *err)
{
    char text[TLS_WHY_SIZE];
    if (!tls_option_is_set(options->cert_file))
        return 0;
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    if (SSL_CTX_use_certificate_chain_file(ssl, options->cert_file) != 1)
        return err_add(err, "tls: cert_file %s: %s", options->cert_file, tls_why(text));
    if (SSL_CTX_use_PrivateKey_file(ssl, options->key_file, SSL_FILETYPE_PEM) != 1)
        return err_add(err, "tls: key_file %s: %s", options->key_file, tls_why(text));
    if (SSL_CTX_check_private_key(ssl) != 1)
        return err_add(err, "tls: key_file %s is not the key of cert_file %s: %s",
                       options->key_file, options->cert_file, tls_why(text));
    return 0;
}

static int load_authorities(SSL_CTX *ssl, const char *path, struct err *err)
{
    char text[TLS_WHY_SIZE];
    if (!tls_option_is_set(path)) {
        SSL_CTX_set_default_verify_paths(ssl);
        ERR_clear_error();
        return 0;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_add(err, "tls: %s: %s", path, strerror(errno));
    fclose(file);
    if (SSL_CTX_load_verify_locations(ssl, path, NULL) == 1)
        return 0;
    return err_add(err, "tls: No PEM encoded certificates found in: %s (%s)", path, tls_why(text));
}

static int accept_any(int is_good, X509_STORE_CTX *store)
{
    (void)is_good;
    (void)store;
    return 1;
}

static int set_client(SSL_CTX *ssl, const struct tls_options *options, struct err *err)
{
    SSL_CTX_set_verify(ssl, options->insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    return load_authorities(ssl, options->root_cafile, err);
}

static void set_client_auth(SSL_CTX *ssl, enum tls_client_auth auth)
{
    int mode = SSL_VERIFY_NONE;
    if (auth != TLS_NO_CLIENT_CERT)
        mode = SSL_VERIFY_PEER;
    if (auth == TLS_REQUIRE_ANY_CLIENT_CERT || auth == TLS_REQUIRE_AND_VERIFY_CLIENT_CERT)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    bool is_any = auth == TLS_REQUEST_CLIENT_CERT || auth == TLS_REQUIRE_ANY_CLIENT_CERT;
    SSL_CTX_set_verify(ssl, mode, is_any ? accept_any : NULL);
}

/* Which CAs the server names when it asks for a certificate. */
static void name_authorities(SSL_CTX *ssl, const char *path)
{
    if (tls_option_is_set(path))
        SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(path));
    ERR_clear_error();
}

/* OpenSSL wants 80 bytes; all of them follow from the 32 that are configured. */
static int set_ticket_key(SSL_CTX *ssl, const struct tls_values *values)
{
    uint8_t input[TLS_TICKET_KEY_SIZE + 1], keys[96];
    if (!values->has_ticket_key)
        return 0;
    memcpy(input, values->ticket_key, TLS_TICKET_KEY_SIZE);
    for (uint8_t i = 0; i < 3; i++) {
        input[TLS_TICKET_KEY_SIZE] = i;
        if (EVP_Digest(input, sizeof(input), keys + 32 * i, NULL, EVP_sha256(), NULL) != 1)
            return -1;
    }
    return SSL_CTX_set_tlsext_ticket_keys(ssl, keys, TICKET_KEYS_SIZE) == 1 ? 0 : -1;
}

static int set_server(SSL_CTX *ssl, const struct tls_options *options,
                      const struct tls_values *values, struct err *err)
{
    static const unsigned char session_context[] = "hekaline";
    int rc = 0;
    set_client_auth(ssl, values->client_auth);
    rc |= load_authorities(ssl, options->client_cafile, err);
    name_authorities(ssl, options->client_cafile);
    if (options->prefer_server_ciphers)
        SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Sessions are in tickets or nowhere. TLS 1.3 sends its tickets after the handshake, to senders
     * that never read: when such a one closes, its kernel resets the connection because of them,
     * and what it has sent and we have not read yet is lost. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_session_id_context(ssl, session_context, sizeof(session_context) - 1);
    if (set_ticket_key(ssl, values) != 0)
        rc = err_add(err, "tls: sesion_ticket_key: OpenSSL refuses it");
    return rc;
}

static int configure(SSL_CTX *ssl, const struct tls_options *options,
                     const struct tls_values *values, enum tls_side side, struct err *err)
{
    int rc = set_versions(ssl, values, err);
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    if (options->session_tickets_disabled)
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    rc |= load_certificate(ssl, options, err);
    rc |=
        side == TLS_CLIENT ? set_client(ssl, options, err) : set_server(ssl, options, values, err);
    return rc;
}

static int get_values(const struct tls_options *options, enum tls_side side,
                      struct tls_values *values, struct err *err)
{
    bool has_cert = tls_option_is_set(options->cert_file);
    bool has_key = tls_option_is_set(options->key_file);
    int rc = 0;
    if (options->server_name != NULL && strlen(options->server_name) >= ADDRESS_HOST_SIZE)
        rc = err_add(err, "tls: server_name: found %zu characters, allowed up to %d",
                     strlen(options->server_name), ADDRESS_HOST_SIZE - 1);
    if (side == TLS_SERVER && !(has_cert && has_key))
        rc = err_add(err, "tls: TLS config requires both cert_file and key_file value.");
    else if (has_cert != has_key)
        rc = err_add(err, "tls: cert_file and key_file go together; %s is not given",
                     has_cert ? "key_file" : "cert_file");
    return tls_options_values(options, values, err) | rc;
}

int tls_configure(void *ssl_ctx, const struct tls_options *options, enum tls_side side,
                  struct err *err)
{
    struct tls_values values;
    if (get_values(options, side, &values, err) != 0)
        return -1;
    return configure(ssl_ctx, options, &values, side, err);
}

/* NULL after adding to `err`. */
static SSL_CTX *make_ssl(const struct tls_options *options, const struct tls_values *values,
                         enum tls_side side, struct err *err)
{
    SSL_CTX *ssl = SSL_CTX_new(side == TLS_CLIENT ? TLS_client_method() : TLS_server_method());
    if (ssl == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    if (configure(ssl, options, values, side, err) != 0) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ssl;
}

static uint64_t mix(uint64_t state, uint64_t value)
{
    return (state ^ value) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Changes when one of the files does; 0: one of them is not there. */
static uint64_t stamp_of(const struct tls_options *options)
{
    const char *paths[] = {options->cert_file, options->key_file, options->client_cafile,
                           options->root_cafile};
    uint64_t stamp = 1;
    for (unsigned i = 0; i < ARRAY_COUNT(paths); i++) {
        struct stat about;
        if (!tls_option_is_set(paths[i]))
            continue;
        if (stat(paths[i], &about) != 0)
            return 0;
        stamp = mix(mix(stamp, about.st_ino), (uint64_t)about.st_size);
        stamp = mix(mix(stamp, (uint64_t)about.st_mtim.tv_sec), (uint64_t)about.st_mtim.tv_nsec);
    }
    return stamp | 1;
}

int tls_context_new(const struct tls_options *options, enum tls_side side, struct tls_context **out,
                    struct err *err)
{
    struct tls_values values;
    if (get_values(options, side, &values, err) != 0)
        return -1;
    if (values.weak[0] != '\0')
        log_info("tls: ciphers: not used, because OpenSSL 3 does not have them: %s", values.weak);
    struct tls_context *context = calloc(1, sizeof(*context));
    if (context == NULL)
        return err_add(err, "out of memory");
    context->side = side;
    context->options = options;
    context->stamp = stamp_of(options);
    context->ssl = make_ssl(options, &values, side, err);
    if (context->ssl == NULL) {
        tls_context_free(context);
        return -1;
    }
    *out = context;
    return 0;
}

int tls_check(const struct tls_options *options, enum tls_side side, struct err *err)
{
    struct tls_values values;
    if (get_values(options, side, &values, err) != 0)
        return -1;
    SSL_CTX *ssl = make_ssl(options, &values, side, err);
    SSL_CTX_free(ssl);
    return ssl != NULL ? 0 : -1;
}

void tls_context_refresh(struct tls_context *context)
{
    uint64_t now_ns = clock_mono_ns(), stamp;
    struct tls_values values;
    if (now_ns < context->next_look_ns)
        return;
    context->next_look_ns = now_ns + LOOK_MS * CLOCK_NS_PER_MS;
    stamp = stamp_of(context->options);
    if (stamp == context->stamp || stamp == 0)
        return;
    context->stamp = stamp;
    struct err *err = calloc(1, sizeof(*err));
    SSL_CTX *ssl = NULL;
    if (err != NULL && get_values(context->options, context->side, &values, err) == 0)
        ssl = make_ssl(context->options, &values, context->side, err);
    if (ssl != NULL) {
        SSL_CTX_free(context->ssl);
        context->ssl = ssl;
        log_info("tls: files have changed, and are loaded again");
    } else {
        log_error("tls: files have changed, and those from before stay in force: %s",
                  err != NULL ? err->texts[0] : "out of memory");
    }
    free(err);
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}
