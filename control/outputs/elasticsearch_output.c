/* SPDX-License-Identifier: MPL-2.0
 *
 * elasticsearch_output.c - ElasticSearchOutput: documents in bulk requests over HTTP, or datagrams.
 *
 * Place:   builtin_outputs. The client: control/net/http_client.h; answers: es_answer.h.
 * Failure: what the server has no room for, and requests that fail, come again, until they are
 *          taken. A document that the server refuses for good ends as "rejected", the others of its
 *          request do not. A request that is refused as a whole (400, 413) is sent in smaller
 *          parts, down to single documents.
 * Bounds:  REQUEST_MAX documents in a request, whatever flush_count is.
 * Source:  Heka 0.11 ElasticSearchOutput, which looks at no document's status and drops a request
 *          that is answered with an error.
 *
 * Fewer than flush_count documents wait until the first of them is flush_interval old; more go at
 * once, in requests of flush_count. Those that come while others wait go with the next ones: an
 * output is given a batch once, and it does not grow.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "control/net/http_client.h"
#include "control/net/resolve.h"
#include "control/outputs/es_answer.h"
#include "control/outputs/outputs.h"
#include "control/net/tls.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    REQUEST_MAX = 256,
    DATAGRAM_SIZE = 65000, /* Heka's */
    DATAGRAM_MAX = 65507,
    ANSWER_MAX = 8 << 20,
    REASON_SIZE = 160,
    TEXT_MAX = 120,
    LOG_AGAIN_S = 30,
    URL_SIZE = 2048,
    STATUS_BAD_REQUEST = 400,
    STATUS_TOO_LARGE = 413
};

enum { REQUESTS, INDEXED, REJECTED, RETRIED, FAILURES };
static const struct output_counter counters[] = {
    [REQUESTS] = {"requests", "bulk requests answered, or datagrams sent"},
    [INDEXED] = {"indexed", "documents that the server took, or that went in datagrams"},
    [REJECTED] = {"rejected_documents", "documents that the server refused for good"},
    [RETRIED] = {"retried_documents", "documents to be sent again: the server had no room"},
    [FAILURES] = {"failures", "requests without an answer that counts; they are sent again"},
    {NULL, NULL},
};

struct es_output_options {
    const char *server, *username, *password;
    int64_t flush_interval, flush_count, http_timeout, connect_timeout;
    bool http_disable_keepalives;
    struct tls_options tls;
};

#define ES(member) .key = #member, .offset = offsetof(struct es_output_options, member)
static const struct schema_key keys[] = {
    {ES(server), .type = SCHEMA_STRING, .def = "http://localhost:9200",
     .help = "URL; http, https or udp. A path is put in front of /_bulk."},
    {ES(flush_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "1000",
     .unit = "ms", .help = "The longest that a document waits for others; 0: not at all."},
    {ES(flush_count), .type = SCHEMA_INT, .min = 1, .max = INT32_MAX, .def = "10",
     .help = "Documents in a request; more than 256 are sent in several."},
    {ES(username), .type = SCHEMA_STRING, .help = "Basic authentication, with password."},
    {ES(password), .type = SCHEMA_STRING, .help = "Basic authentication, with username."},
    {ES(http_timeout), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0", .unit = "ms",
     .help = "Of a whole request; 0: none."},
    {ES(http_disable_keepalives), .type = SCHEMA_BOOL, .def = "false",
     .help = "A connection for each request."},
    {ES(connect_timeout), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0", .unit = "ms",
     .help = "Of resolving and connecting; 0: the library's."},
    {ES(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Of https."},
    {0},
};
static const struct schema schema = {"ElasticSearchOutput", keys};

struct es_state {
    const struct es_output_options *options;
    struct output_host *host;
    struct http_client *client; /* NULL: datagrams */
    char url[URL_SIZE];
    bool has_socket;
    int fd;

    enum es_outcome outcomes[REQUEST_MAX]; /* of the first items of the next call */
    unsigned known;                        /* of outcomes */
    unsigned rest;         /* items that the last call left: they waited long enough */
    unsigned limit;        /* documents in a request, after it was refused as a whole */
    uint64_t last_send_ns; /* monotonic */
    uint64_t last_log_ns;
    struct buffer body;
};

/* ---- options ---- */

static bool has_scheme(const struct es_output_options *options, const char *scheme)
{
    return strncasecmp(options->server, scheme, strlen(scheme)) == 0;
}

static int check(const void *config, struct err *err)
{
    static const char *const schemes[] = {"http", "https", "udp", NULL};
    const struct es_output_options *options = config;
    struct address_parts parts;
    if (http_url_check(options->server, schemes, "server", err) != 0)
        return -1;
    if (has_scheme(options, "udp:") && address_split(options->server + 6, &parts) != 0)
        return err_add(err, "server: found '%s', allowed udp://HOST:PORT", options->server);
    return has_scheme(options, "https:") ? tls_check(&options->tls, TLS_CLIENT, err) : 0;
}

static int make_url(struct es_state *es, struct err *err)
{
    size_t len = strlen(es->options->server);
    while (len > 0 && es->options->server[len - 1] == '/')
        len--;
    int size = snprintf(es->url, sizeof(es->url), "%.*s/_bulk", (int)len, es->options->server);
    return size < URL_SIZE ? 0 : err_add(err, "server: longer than %d bytes", URL_SIZE - 7);
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct es_state *es = state;
    const struct es_output_options *options = config;
    bool has_auth = options->username != NULL && options->username[0] != '\0' &&
                    options->password != NULL && options->password[0] != '\0';
    es->options = options;
    es->host = host;
    es->limit = REQUEST_MAX;
    if (options->flush_count < REQUEST_MAX)
        es->limit = (unsigned)options->flush_count;
    if (has_scheme(options, "udp:"))
        return 0;
    if (make_url(es, err) != 0)
        return -1;
    es->client = http_client_new(
        &(struct http_client_config){
            .timeout_ms = options->http_timeout,
            .connect_timeout_ms = options->connect_timeout,
            .user = has_auth ? options->username : NULL,
            .password = options->password,
            .tls = has_scheme(options, "https:") ? &options->tls : NULL,
            .answer_max = ANSWER_MAX,
            .is_single_use = options->http_disable_keepalives,
        },
        err);
    return es->client != NULL ? 0 : -1;
}

/* ---- when ---- */

static unsigned request_size(const struct es_state *es)
{
    return es->options->flush_count < REQUEST_MAX ? (unsigned)es->options->flush_count
                                                  : REQUEST_MAX;
}

/* How long the items are to wait for others. */
static uint64_t wait_ns(const struct es_state *es, const struct output_item *first, unsigned count)
{
    uint64_t interval_ns = (uint64_t)es->options->flush_interval * CLOCK_NS_PER_MS;
    if (count >= request_size(es) || count <= es->rest || output_host_stopping(es->host))
        return 0;
    /* From the disk queue there is no time of arrival; there is only one source then, too. */
    uint64_t now_ns = first->record != NULL ? clock_wall_ns() : clock_mono_ns();
    uint64_t since_ns = first->record != NULL ? first->record->ingest_ns : es->last_send_ns;
    if (since_ns > now_ns || now_ns - since_ns >= interval_ns)
        return 0;
    return interval_ns - (now_ns - since_ns);
}

/* ---- what ---- */

/* Appends the next documents that are pending to the body; their positions. */
static unsigned fill_body(struct es_state *es, const struct output_item *items, unsigned count,
                          unsigned *positions)
{
    size_t size_max = es->client != NULL ? BUFFER_MAX_DEFAULT : DATAGRAM_SIZE;
    unsigned filled = 0;
    buffer_clear(&es->body);
    for (unsigned i = 0; i < count && filled < es->limit; i++) {
        if (es->outcomes[i] != ES_PENDING)
            continue;
        if (filled > 0 && es->body.size + items[i].size > size_max)
            break;
        if (buffer_append(&es->body, items[i].bytes, items[i].size) != 0)
            break;
        positions[filled++] = i;
    }
    return filled;
}

static void say_rejected(struct es_state *es, const char *reason)
{
    uint64_t now_ns = clock_mono_ns();
    if (es->last_log_ns != 0 && now_ns - es->last_log_ns < LOG_AGAIN_S * CLOCK_NS_PER_S)
        return;
    es->last_log_ns = now_ns;
    log_error("Output '%s': documents are not indexed: %s", output_host_name(es->host), reason);
}

/* ---- over HTTP ---- */

static void set_outcomes(struct es_state *es, const unsigned *positions, unsigned count,
                         const enum es_outcome *outcomes)
{
    static const unsigned counter_of[] = {
        [ES_PENDING] = RETRIED, [ES_INDEXED] = INDEXED, [ES_REJECTED] = REJECTED};
    for (unsigned i = 0; i < count; i++) {
        es->outcomes[positions[i]] = outcomes[i];
        output_host_count(es->host, counter_of[outcomes[i]], 1);
    }
}

static int take_good_answer(struct es_state *es, const struct http_answer *answer,
                            const unsigned *positions, unsigned count)
{
    enum es_outcome outcomes[REQUEST_MAX] = {ES_PENDING};
    char reason[REASON_SIZE];
    int rc = es_answer_read(answer->body.data, answer->body.size, outcomes, count, reason,
                            sizeof(reason));
    int len = answer->body.size < TEXT_MAX ? (int)answer->body.size : TEXT_MAX;
    const char *text = len > 0 ? answer->body.data : "";
    if (rc == -EBADMSG)
        return output_host_fail(es->host, rc,
                                "can't index: HTTP response didn't contain valid JSON. "
                                "Status: %s. Body: %.*s",
                                answer->status_line, len, text);
    if (rc != 0)
        return output_host_fail(es->host, rc,
                                "can't index: the answer has not an item for each "
                                "document: %.*s",
                                len, text);
    set_outcomes(es, positions, count, outcomes);
    if (reason[0] != '\0')
        say_rejected(es, reason);
    if (es->limit < request_size(es)) /* the part that was refused is behind us */
        es->limit = es->limit * 2 < request_size(es) ? es->limit * 2 : request_size(es);
    return 0;
}

/* 400 and 413: some document, or all together, are not to be had. */
static int take_refusal(struct es_state *es, const struct http_answer *answer,
                        const unsigned *positions, unsigned count)
{
    static const enum es_outcome rejected = ES_REJECTED;
    if (count > 1) {
        es->limit = answer->status == STATUS_TOO_LARGE ? count / 2 : 1;
        return 0;
    }
    set_outcomes(es, positions, 1, &rejected);
    say_rejected(es, answer->status_line);
    return 0;
}

static int send_request(struct es_state *es, const unsigned *positions, unsigned count)
{
    static const char *const headers[] = {"Accept: application/json",
                                          "Content-Type: application/x-ndjson", NULL};
    struct http_request request = {
        .method = "POST",
        .url = es->url,
        .headers = headers,
        .body = es->body.data,
        .body_size = es->body.size,
    };
    struct http_answer answer;
    int rc = http_client_send(es->client, &request, http_wait_output, es->host, &answer);
    if (rc == -ECANCELED)
        return rc;
    if (rc == -ETIMEDOUT)
        return output_host_fail(es->host, rc,
                                "can't index: HTTP request was interrupted after timeout. It "
                                "lasted %llu ms",
                                (unsigned long long)(answer.elapsed_ns / CLOCK_NS_PER_MS));
    if (rc != 0)
        return output_host_fail(es->host, rc, "can't index: HTTP request failed: %s", answer.error);
    output_host_count(es->host, REQUESTS, 1);
    if (answer.status == STATUS_BAD_REQUEST || answer.status == STATUS_TOO_LARGE)
        return take_refusal(es, &answer, positions, count);
    if (answer.status >= 300 || answer.status < 200) {
        int len = answer.body.size < TEXT_MAX ? (int)answer.body.size : TEXT_MAX;
        return output_host_fail(es->host, -EIO,
                                "can't index: HTTP response error. Status: %s. Body: %.*s",
                                answer.status_line, len, len > 0 ? answer.body.data : "");
    }
    return take_good_answer(es, &answer, positions, count);
}

/* ---- datagrams ---- */

static int open_socket(struct es_state *es)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    int rc = resolve_text(es->options->server + sizeof("udp://") - 1, &hints, &list);
    if (rc != 0)
        return output_host_fail(es->host, -EHOSTUNREACH, "Error resolving UDP address [%s]: %s",
                                es->options->server, gai_strerror(rc));
    const struct addrinfo *to = resolve_prefer_ip4(list);
    es->fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    es->has_socket = es->fd >= 0 && connect(es->fd, to->ai_addr, to->ai_addrlen) == 0;
    rc = es->has_socket ? 0 : -errno;
    if (!es->has_socket && es->fd >= 0)
        close(es->fd);
    freeaddrinfo(list);
    return rc == 0 ? 0
                   : output_host_fail(es->host, rc, "Error creating UDP client: %s", strerror(-rc));
}

static int send_datagram(struct es_state *es, const unsigned *positions, unsigned count)
{
    enum es_outcome outcomes[REQUEST_MAX];
    bool is_too_large = es->body.size > DATAGRAM_MAX;
    if (!es->has_socket && open_socket(es) != 0)
        return -EIO;
    if (!is_too_large && send(es->fd, es->body.data, es->body.size, MSG_NOSIGNAL) < 0) {
        int rc = -errno;
        close(es->fd);
        es->has_socket = false;
        return output_host_fail(es->host, rc, "Error writing data to UDP server: %s",
                                strerror(-rc));
    }
    for (unsigned i = 0; i < count; i++)
        outcomes[i] = is_too_large ? ES_REJECTED : ES_INDEXED;
    set_outcomes(es, positions, count, outcomes);
    output_host_count(es->host, REQUESTS, !is_too_large);
    if (is_too_large)
        say_rejected(es, "larger than a datagram");
    return 0;
}

/* ---- deliveries ---- */

/* The items from the front that are done with. */
static unsigned take_done(struct es_state *es, unsigned count)
{
    unsigned taken = 0;
    for (; taken < count && es->outcomes[taken] != ES_PENDING; taken++)
        if (es->outcomes[taken] == ES_REJECTED)
            output_host_drop(es->host, "rejected");
    es->known -= taken;
    memmove(es->outcomes, es->outcomes + taken, es->known * sizeof(es->outcomes[0]));
    es->rest = es->known;
    return taken;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct es_state *es = state;
    unsigned positions[REQUEST_MAX];
    count = count < REQUEST_MAX ? count : REQUEST_MAX;
    output_host_sleep(es->host, wait_ns(es, items, count));
    for (; es->known < count; es->known++)
        es->outcomes[es->known] = ES_PENDING;
    unsigned filled = fill_body(es, items, count, positions);
    if (filled == 0)
        return output_host_fail(es->host, -ENOMEM, "out of memory");
    int rc = es->client != NULL ? send_request(es, positions, filled)
                                : send_datagram(es, positions, filled);
    es->last_send_ns = clock_mono_ns();
    es->rest = es->known;
    if (rc == 0)
        return (int)take_done(es, count);
    if (rc == -ECANCELED)
        return 0;
    output_host_count(es->host, FAILURES, 1);
    return rc;
}

static void fini(void *state)
{
    struct es_state *es = state;
    http_client_free(es->client);
    if (es->has_socket)
        close(es->fd);
    buffer_fini(&es->body);
}

const struct output_ops elasticsearch_output = {
    .plugin = {PLUGIN_ABI, "ElasticSearchOutput", &schema, sizeof(struct es_output_options),
               sizeof(struct es_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .buffers_by_default = true,
    .refuses_ticker = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .fini = fini,
};
