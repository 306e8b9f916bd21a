/* SPDX-License-Identifier: MPL-2.0
 *
 * http_output.c - HttpOutput: a request for each message.
 *
 * Place:   builtin_outputs. The client: control/net/http_client.h.
 * Failure: a request that fails, or is answered with a status of 300 or more, comes again; Heka
 *          loses the message when there is no disk queue.
 * Source:  Heka 0.11 HttpOutput. Redirects are followed with method and body.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "control/net/http_client.h"
#include "control/net/http_headers.h"
#include "control/outputs/outputs.h"
#include "control/net/tls.h"

enum { TEXT_MAX = 100, STATUS_GOOD_MAX = 299 };

enum { REQUESTS, FAILURES, REFUSALS };
static const struct output_counter counters[] = {
    [REQUESTS] = {"requests", "requests sent"},
    [FAILURES] = {"failures", "requests without an answer; they are sent again"},
    [REFUSALS] = {"refusals", "answers with a status of 300 or more; they are sent again"},
    {NULL, NULL},
};

struct http_options {
    const char *address, *method, *username, *password;
    const struct conf_node *headers;
    int64_t http_timeout;
    struct tls_options tls;
};

#define HTTP(member) .key = #member, .offset = offsetof(struct http_options, member)
static const struct schema_key keys[] = {
    {HTTP(address), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .help = "http or https URL."},
    {HTTP(method), .type = SCHEMA_STRING, .def = "POST",
     .help = "POST, GET or PUT; GET sends no body."},
    {HTTP(headers), .type = SCHEMA_NODE, .unit = "a table of names with lists of strings",
     .help = "Headers of each request."},
    {HTTP(http_timeout), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0", .unit = "ms",
     .help = "Of a whole request; 0: none."},
    {HTTP(username), .type = SCHEMA_STRING, .help = "Basic authentication."},
    {HTTP(password), .type = SCHEMA_STRING, .help = "Basic authentication."},
    {HTTP(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Of https."},
    {0},
};
static const struct schema schema = {"HttpOutput", keys};

struct http_state {
    const struct http_options *options;
    struct output_host *host;
    struct http_client *client;
    struct http_headers headers;
};

static const char *find_method(const struct http_options *options)
{
    static const char *const methods[] = {"POST", "GET", "PUT", NULL};
    const char *const *method = methods;
    while (*method != NULL && strcasecmp(*method, options->method) != 0)
        method++;
    return *method;
}

static bool is_https(const struct http_options *options)
{
    return strncasecmp(options->address, "https:", 6) == 0;
}

static int check(const void *config, struct err *err)
{
    static const char *const schemes[] = {"http", "https", NULL};
    const struct http_options *options = config;
    int rc = http_headers_check(options->headers, "headers", err);
    if (options->address == NULL) /* said so already */
        return -1;
    rc |= http_url_check(options->address, schemes, "address", err);
    if (find_method(options) == NULL)
        rc = err_add(err, "method: found '%s': HTTP Method must be POST, GET, or PUT.",
                     options->method);
    if (is_https(options))
        rc |= tls_check(&options->tls, TLS_CLIENT, err);
    return rc;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct http_state *http = state;
    const struct http_options *options = config;
    bool has_auth = (options->username != NULL && options->username[0] != '\0') ||
                    (options->password != NULL && options->password[0] != '\0');
    http->options = options;
    http->host = host;
    if (http_headers_read(&http->headers, options->headers, "headers", err) != 0)
        return -1;
    http->client = http_client_new(
        &(struct http_client_config){
            .timeout_ms = options->http_timeout,
            .user = has_auth ? (options->username != NULL ? options->username : "") : NULL,
            .password = options->password,
            .tls = is_https(options) ? &options->tls : NULL,
            .follows = true,
            .uses_proxy = !is_https(options),
        },
        err);
    return http->client != NULL ? 0 : -1;
}

/* 0, or negative: it has to be sent again. */
static int send_one(struct http_state *http, const struct output_item *item)
{
    const char *method = find_method(http->options);
    bool has_body = strcmp(method, "GET") != 0;
    struct http_request request = {
        .method = method,
        .url = http->options->address,
        .headers = (const char *const *)http->headers.lines,
        .body = has_body ? item->bytes : NULL,
        .body_size = has_body ? item->size : 0,
    };
    struct http_answer answer;
    int rc = http_client_send(http->client, &request, http_wait_output, http->host, &answer);
    if (rc == -ECANCELED)
        return rc;
    output_host_count(http->host, REQUESTS, 1);
    if (rc != 0) {
        output_host_count(http->host, FAILURES, 1);
        return output_host_fail(http->host, rc, "Error making HTTP request: %s", answer.error);
    }
    if (answer.status <= STATUS_GOOD_MAX)
        return 0;
    int len = answer.body.size < TEXT_MAX ? (int)answer.body.size : TEXT_MAX;
    output_host_count(http->host, REFUSALS, 1);
    return output_host_fail(http->host, -EIO, "HTTP Error code returned: %s - %.*s",
                            answer.status_line, len, len > 0 ? answer.body.data : "");
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct http_state *http = state;
    int rc = 0;
    unsigned taken = 0;
    while (taken < count && !output_host_stopping(http->host) &&
           (rc = send_one(http, &items[taken])) == 0)
        taken++;
    if (taken > 0 || rc == -ECANCELED)
        return (int)taken;
    return rc;
}

static void fini(void *state)
{
    struct http_state *http = state;
    http_client_free(http->client);
    http_headers_fini(&http->headers);
}

const struct output_ops http_output = {
    .plugin = {PLUGIN_ABI, "HttpOutput", &schema, sizeof(struct http_options),
               sizeof(struct http_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .fini = fini,
};
