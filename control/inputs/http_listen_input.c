/* SPDX-License-Identifier: MPL-2.0
 *
 * http_listen_input.c - HttpListenInput: bodies of HTTP requests to messages.
 *
 * Place:   builtin_inputs. The server: control/net/http_receiver.h.
 * Failure: a request is answered with 200 when its messages are in the lane, where they survive
 *          hekad; with 401 when auth_type does not let it in (Heka: 200), 413 when its body is
 *          larger than can be taken, and 503 when hekad is about to end.
 * Source:  Heka 0.11 HttpListenInput.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control/net/http_receiver.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "control/inputs/listen_address.h"
#include "control/inputs/listen_socket.h"
#include "control/inputs/source_text.h"
#include "control/net/tls.h"
#include "control/trouble.h"
#include "core/clock.h"
#include "core/log.h"

enum { ENDING_MS = 1000, SLICE_MS = 10, SEVERITY = 6, HOST_SIZE = 256 };
enum { STATUS_OK = 200, STATUS_UNAUTHORIZED = 401, STATUS_TOO_LARGE = 413, STATUS_ENDING = 503 };

enum { CONNECTIONS, REQUESTS, AUTH_FAILED, TOO_LONG, NO_ROOM };
static const struct input_counter counters[] = {
    [CONNECTIONS] = {"connections", "connections accepted"},
    [REQUESTS] = {"requests", "requests"},
    [AUTH_FAILED] = {"auth_failed", "of these without the right name, password or key"},
    [TOO_LONG] = {"bodies_too_long", "of these with a body that is too large for a message, or "
                                     "for any request"},
    [NO_ROOM] = {"bodies_no_room", "of these refused because of all bodies together"},
    {NULL, NULL},
};

struct http_listen_options {
    const char *address, *auth_type, *username, *password, *api_key;
    const struct conf_node *headers;
    struct schema_list request_headers;
    bool use_tls;
    struct tls_options tls;
    int64_t connections_max;
};

#define LISTEN(member) .key = #member, .offset = offsetof(struct http_listen_options, member)
static const struct schema_key keys[] = {
    {LISTEN(address), .type = SCHEMA_STRING, .def = "127.0.0.1:8325", .help = "HOST:PORT."},
    {LISTEN(headers), .type = SCHEMA_NODE, .unit = "a table of names with lists of strings",
     .help = "Headers of all answers."},
    {LISTEN(request_headers), .type = SCHEMA_STRINGS,
     .help = "Headers of requests that become fields."},
    {LISTEN(auth_type), .type = SCHEMA_STRING,
     .help = "Basic (with username and password), API (with api_key as X-API-Key), or none."},
    {LISTEN(username), .type = SCHEMA_STRING, .help = "For Basic."},
    {LISTEN(password), .type = SCHEMA_STRING, .help = "For Basic."},
    {LISTEN(api_key), .type = SCHEMA_STRING, .help = "For API."},
    {LISTEN(use_tls), .type = SCHEMA_BOOL, .def = "false", .help = "HTTPS; needs [tls]."},
    {LISTEN(tls), .type = SCHEMA_TABLE, .sub = &tls_listener_schema, .help = "Only with use_tls."},
    {LISTEN(connections_max), .type = SCHEMA_INT, .min = 1, .max = 65536, .def = "1024",
     .help = "More wait until others end."},
    {0},
};
static const struct schema schema = {"HttpListenInput", keys};

struct http_listen_state {
    struct input_host *host;
    const struct http_listen_options *options;
    bool is_open;
    int listen_fd;
    struct http_headers headers;
    struct http_receiver *receiver;
    struct input_stream *stream;
    struct trouble trouble;
    struct http_receiver_counts counts;  /* counted so far */
    const struct http_incoming *request; /* in work */
};

/* ---- options ---- */

static const char *address(const void *config, const char **net)
{
    const struct http_listen_options *options = config;
    *net = "tcp";
    return options->address;
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool has_auth(const struct http_listen_options *options, const char *type)
{
    return is_given(options->auth_type) && strcmp(options->auth_type, type) == 0;
}

static int check_auth(const struct http_listen_options *options, struct err *err)
{
    if (has_auth(options, "Basic") &&
        (!is_given(options->username) || !is_given(options->password)))
        return err_add(err, "auth_type: Basic needs username and password");
    if (has_auth(options, "API") && !is_given(options->api_key))
        return err_add(err, "auth_type: API needs api_key");
    if (is_given(options->auth_type) && !has_auth(options, "Basic") && !has_auth(options, "API"))
        return err_add(err, "auth_type: found '%s', allowed Basic, API", options->auth_type);
    return 0;
}

static int check_request_headers(const struct http_listen_options *options, struct err *err)
{
    const char *const *names = options->request_headers.items;
    int rc = 0;
    for (size_t i = 0; i < options->request_headers.count; i++)
        if (!http_header_name_is_good(names[i]))
            rc = err_add(err, "request_headers: '%s' is no name of a header", names[i]);
    return rc;
}

static int check(const void *config, struct err *err)
{
    const struct http_listen_options *options = config;
    struct listen_address parsed;
    int rc = listen_address_parse("tcp", options->address, &parsed, err);
    rc |= http_headers_check(options->headers, "headers", err);
    rc |= check_request_headers(options, err);
    rc |= check_auth(options, err);
    if (options->use_tls)
        rc |= tls_check(&options->tls, TLS_SERVER, err);
    return rc;
}

/* ---- messages ---- */

static void add_text(struct msg_builder *builder, const char *name, const char *value)
{
    value = value != NULL ? value : "";
    msg_builder_field_string(builder, name, value, strlen(value), NULL);
}

/* What Go's net.SplitHostPort() gives of it; without a port: all of it. */
static void add_host(struct msg_builder *builder, const char *host)
{
    struct address_parts parts;
    if (host != NULL && strchr(host, ':') != NULL && address_split(host, &parts) == 0)
        host = parts.host;
    add_text(builder, "Host", host);
}

static void add_source(struct msg_builder *builder, const struct sockaddr *source)
{
    char text[INET6_ADDRSTRLEN];
    source_text(source, text);
    add_text(builder, "RemoteAddr", text);
}

static void add_parameter(void *arg, const char *name, const char *value, size_t value_len)
{
    msg_builder_field_string(arg, name, value, value_len, NULL);
}

static void write_request(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    static const char type[] = "heka.httpdata.request";
    const struct http_listen_state *listen = arg;
    const struct http_incoming *request = listen->request;
    const char *hostname = input_host_hostname(listen->host);
    const char *logger = input_host_name(listen->host);
    const char *const *names = listen->options->request_headers.items;
    msg_builder_type(builder, type, sizeof(type) - 1);
    msg_builder_logger(builder, logger, strlen(logger));
    msg_builder_severity(builder, SEVERITY);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_env_version(builder, "1", 1);
    msg_builder_pid(builder, getpid());
    msg_builder_hostname(builder, hostname, strlen(hostname));
    add_text(builder, "Protocol", request->protocol);
    add_text(builder, "UserAgent", http_incoming_header(request, "User-Agent"));
    add_text(builder, "ContentType", http_incoming_header(request, "Content-Type"));
    add_text(builder, "Path", request->path);
    add_host(builder, http_incoming_header(request, "Host"));
    add_source(builder, request->source);
    for (size_t i = 0; i < listen->options->request_headers.count; i++) {
        const char *value = http_incoming_header(request, names[i]);
        if (is_given(value))
            add_text(builder, names[i], value);
    }
    http_incoming_parameters(request, add_parameter, builder);
}

/* ---- requests ---- */

static unsigned refuse(struct http_listen_state *listen, const char *why)
{
    input_host_count(listen->host, AUTH_FAILED, 1);
    trouble_say(&listen->trouble, "%s", why);
    return STATUS_UNAUTHORIZED;
}

static bool is_key(const char *given, const char *wanted)
{
    size_t len = strlen(wanted);
    unsigned differs = given == NULL || strlen(given) != len;
    for (size_t i = 0; differs == 0 && i < len; i++)
        differs |= given[i] != wanted[i];
    return differs == 0;
}

static unsigned admit(void *arg, const struct http_incoming *request)
{
    struct http_listen_state *listen = arg;
    const struct http_listen_options *options = listen->options;
    if (has_auth(options, "Basic") &&
        !http_incoming_is_user(request, options->username, options->password))
        return refuse(listen, "Basic Auth Failed");
    if (has_auth(options, "API") &&
        !is_key(http_incoming_header(request, "X-API-Key"), options->api_key))
        return refuse(listen, "API Auth Failed");
    return 0;
}

static unsigned take(void *arg, const struct http_incoming *request)
{
    struct http_listen_state *listen = arg;
    bool is_cut = request->body_size >= input_stream_body_max(listen->stream);
    listen->request = request;
    int rc = input_stream_body(listen->stream, request->body, request->body_size, is_cut);
    if (rc == 0)
        rc = input_host_flush(listen->host);
    if (rc != 0)
        return STATUS_ENDING;
    if (is_cut)
        input_host_count(listen->host, TOO_LONG, 1);
    return is_cut ? STATUS_TOO_LARGE : STATUS_OK;
}

/* ---- its life ---- */

static int open_receiver(struct http_listen_state *listen, struct err *err)
{
    const struct http_listen_options *options = listen->options;
    char text[LISTEN_TEXT_SIZE];
    listen->receiver = http_receiver_start(
        &(struct http_receiver_config){
            .listen_fd = listen->listen_fd,
            .connections_max = (unsigned)options->connections_max,
            .tls = options->use_tls ? &options->tls : NULL,
            .headers = &listen->headers,
            .admit = admit,
            .take = take,
            .arg = listen,
        },
        err);
    if (listen->receiver == NULL)
        return -1;
    listen_socket_text(listen->listen_fd, text);
    log_info("Input '%s': Listening on %s", input_host_name(listen->host), text);
    return 0;
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct http_listen_state *listen = state;
    struct listen_address parsed;
    listen->host = host;
    listen->options = config;
    listen->trouble.name = input_host_name(host);
    if (listen_address_parse("tcp", listen->options->address, &parsed, err) != 0 ||
        http_headers_read(&listen->headers, listen->options->headers, "headers", err) != 0)
        return -1;
    listen->stream = input_host_stream(host, err);
    if (listen->stream == NULL)
        return -1;
    input_stream_set_decorator(listen->stream, write_request, listen);
    listen->listen_fd = listen_socket_open(&parsed, err);
    listen->is_open = listen->listen_fd >= 0;
    return listen->is_open ? open_receiver(listen, err) : -1;
}

static void count(struct http_listen_state *listen)
{
    struct http_receiver_counts now, *before = &listen->counts;
    http_receiver_counts(listen->receiver, &now);
    input_host_count(listen->host, CONNECTIONS, now.connections - before->connections);
    input_host_count(listen->host, REQUESTS, now.requests - before->requests);
    input_host_count(listen->host, TOO_LONG, now.bodies_too_long - before->bodies_too_long);
    input_host_count(listen->host, NO_ROOM, now.bodies_no_room - before->bodies_no_room);
    *before = now;
}

/* Requests that have begun may end. */
static void end(struct http_listen_state *listen)
{
    uint64_t until_ns = clock_mono_ns() + ENDING_MS * CLOCK_NS_PER_MS;
    while (http_receiver_quiesce(listen->receiver) > 0 && clock_mono_ns() < until_ns) {
        struct pollfd fd = {.fd = http_receiver_fd(listen->receiver), .events = POLLIN};
        poll(&fd, 1, SLICE_MS);
        http_receiver_turn(listen->receiver);
    }
    count(listen);
}

static void run(void *state)
{
    struct http_listen_state *listen = state;
    for (;;) {
        struct pollfd fd = {.fd = http_receiver_fd(listen->receiver), .events = POLLIN};
        if (input_host_wait(listen->host, &fd, 1, http_receiver_timeout_ms(listen->receiver)) < 0)
            break;
        http_receiver_turn(listen->receiver);
        count(listen);
    }
    end(listen);
}

static void fini(void *state)
{
    struct http_listen_state *listen = state;
    http_receiver_stop(listen->receiver);
    if (listen->is_open)
        listen_socket_close(listen->listen_fd);
    http_headers_fini(&listen->headers);
    input_stream_free(listen->stream);
}

const struct input_ops http_listen_input = {
    .plugin = {PLUGIN_ABI, "HttpListenInput", &schema, sizeof(struct http_listen_options),
               sizeof(struct http_listen_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .address = address,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
