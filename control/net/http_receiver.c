/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/http_receiver.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/net/http_receiver_tls.h"
#include "core/buffer.h"

enum { CONNECTION_BYTES = 64 << 10, OPTIONS_MAX = 12 };

struct http_connection {
    struct http_receiver *receiver;
    struct MHD_Connection *connection;
    struct buffer body;
    size_t reserved; /* of the receiver's bodies_size */
    unsigned refusal;
    struct http_incoming request;
};

struct http_receiver {
    struct http_receiver_config config;
    struct MHD_Daemon *daemon;
    int listen_fd; /* the daemon's, until it is quiesced; then -1 */
    struct http_receiver_tls tls;
    size_t bodies_size;
    unsigned in_work; /* requests */
    unsigned fresh;   /* connections without a request so far */
    struct http_receiver_counts counts;
};

/* ---- requests ---- */

const char *http_incoming_header(const struct http_incoming *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection->connection, MHD_HEADER_KIND, name);
}

struct parameters {
    void (*take)(void *arg, const char *name, const char *value, size_t value_len);
    void *arg;
};

static enum MHD_Result on_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    const struct parameters *parameters = arg;
    (void)kind;
    (void)name_len;
    parameters->take(parameters->arg, name, value != NULL ? value : "",
                     value != NULL ? value_len : 0);
    return MHD_YES;
}

void http_incoming_parameters(const struct http_incoming *request,
                              void (*take)(void *arg, const char *name, const char *value,
                                           size_t value_len),
                              void *arg)
{
    struct parameters parameters = {take, arg};
    MHD_get_connection_values_n(request->connection->connection, MHD_GET_ARGUMENT_KIND,
                                on_parameter, &parameters);
}

/* Takes as long whatever `given` is. */
static bool is_same(const char *given, const char *wanted)
{
    size_t given_len = strlen(given), len = strlen(wanted);
    unsigned differs = given_len != len;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned)((unsigned char)given[given_len > i ? i : given_len] ^
                              (unsigned char)wanted[i]);
    return differs == 0;
}

bool http_incoming_is_user(const struct http_incoming *request, const char *user,
                           const char *password)
{
    char *given_password = NULL;
    char *given_user =
        MHD_basic_auth_get_username_password(request->connection->connection, &given_password);
    bool is_user = given_user != NULL && given_password != NULL && is_same(given_user, user) &&
                   is_same(given_password, password);
    MHD_free(given_user);
    MHD_free(given_password);
    return is_user;
}

/* ---- answers ---- */

static void add_headers(const struct http_receiver *receiver, struct MHD_Response *response)
{
    for (unsigned i = 0; i < receiver->config.headers->count; i++) {
        char name[HTTP_HEADER_SIZE];
        const char *line = receiver->config.headers->lines[i], *colon = strchr(line, ':');
        size_t len = (size_t)(colon - line);
        memcpy(name, line, len);
        name[len] = '\0';
        MHD_add_response_header(response, name, colon + 2);
    }
}

static enum MHD_Result answer(struct http_connection *connection, unsigned status)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    add_headers(connection->receiver, response);
    enum MHD_Result result;
    if (status == MHD_HTTP_UNAUTHORIZED)
        result = MHD_queue_basic_auth_fail_response(connection->connection, "heka", response);
    else
        result = MHD_queue_response(connection->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- bodies ---- */

/* Keeps more of the body, or its refusal. */
static void take_bytes(struct http_connection *connection, const char *bytes, size_t size)
{
    struct http_receiver *receiver = connection->receiver;
    if (connection->refusal != 0)
        return;
    if (size > HTTP_BODY_MAX - connection->body.size) {
        connection->refusal = MHD_HTTP_CONTENT_TOO_LARGE;
        receiver->counts.bodies_too_long++;
    } else if (size > HTTP_BODIES_MAX - receiver->bodies_size ||
               buffer_append(&connection->body, bytes, size) != 0) {
        connection->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
        receiver->counts.bodies_no_room++;
    } else {
        connection->reserved += size;
        receiver->bodies_size += size;
    }
}

static void forget_fresh(struct http_receiver *receiver, bool *is_fresh)
{
    receiver->fresh -= *is_fresh;
    *is_fresh = false;
}

static struct http_connection *begin(struct http_receiver *receiver, struct MHD_Connection *mhd)
{
    struct http_connection *connection = calloc(1, sizeof(*connection));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (connection == NULL)
        return NULL;
    connection->receiver = receiver;
    connection->connection = mhd;
    connection->body.max_size = HTTP_BODY_MAX;
    connection->request.connection = connection;
    connection->request.source = info != NULL ? info->client_addr : NULL;
    receiver->in_work++;
    receiver->counts.requests++;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info != NULL && info->socket_context != NULL)
        forget_fresh(receiver, info->socket_context);
    return connection;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **request_arg)
{
    struct http_receiver *receiver = arg;
    struct http_connection *connection = *request_arg;
    bool is_first = connection == NULL;
    if (is_first && (connection = *request_arg = begin(receiver, mhd)) == NULL)
        return MHD_NO;
    struct http_incoming *request = &connection->request;
    request->method = method;
    request->path = url;
    request->protocol = version;
    if (is_first) {
        unsigned status = receiver->config.admit(receiver->config.arg, request);
        return status != 0 ? answer(connection, status) : MHD_YES;
    }
    if (*upload_data_size > 0) {
        take_bytes(connection, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    if (connection->refusal != 0)
        return answer(connection, connection->refusal);
    request->body = connection->body.data;
    request->body_size = connection->body.size;
    return answer(connection, receiver->config.take(receiver->config.arg, request));
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **request_arg,
                         enum MHD_RequestTerminationCode code)
{
    struct http_receiver *receiver = arg;
    struct http_connection *connection = *request_arg;
    (void)mhd;
    (void)code;
    if (connection == NULL)
        return;
    receiver->bodies_size -= connection->reserved;
    receiver->in_work--;
    buffer_fini(&connection->body);
    free(connection);
    *request_arg = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **connection_arg,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_receiver *receiver = arg;
    if (code != MHD_CONNECTION_NOTIFY_STARTED) {
        if (*connection_arg != NULL)
            forget_fresh(receiver, *connection_arg);
        free(*connection_arg);
        *connection_arg = NULL;
        return;
    }
    bool *is_fresh = malloc(sizeof(*is_fresh));
    *connection_arg = is_fresh;
    if (is_fresh != NULL) {
        *is_fresh = true;
        receiver->fresh++;
    }
    receiver->counts.connections++;
    if (receiver->config.tls == NULL)
        return;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL)
        http_receiver_tls_begin(&receiver->tls, info->tls_session);
}

/* ---- its life ---- */

static struct MHD_Daemon *start_daemon(struct http_receiver *receiver)
{
    struct MHD_OptionItem options[OPTIONS_MAX];
    unsigned count = 0, flags = MHD_USE_EPOLL;
    if (receiver->config.tls != NULL) {
        flags |= MHD_USE_TLS;
        options[count++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, receiver->tls.certificate};
        options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, receiver->tls.key};
        options[count++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, receiver->tls.priorities};
        if (receiver->tls.authorities != NULL)
            options[count++] =
                (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, receiver->tls.authorities};
    }
    options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, receiver, MHD_OPTION_LISTEN_SOCKET,
                            receiver->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                            receiver->config.connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            receiver, MHD_OPTION_NOTIFY_CONNECTION, on_connection, receiver,
                            MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

struct http_receiver *http_receiver_start(const struct http_receiver_config *config,
                                          struct err *err)
{
    struct http_receiver *receiver = calloc(1, sizeof(*receiver));
    if (receiver == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    receiver->config = *config;
    receiver->listen_fd = -1;
    int rc = 0;
    if (config->tls != NULL)
        rc = http_receiver_tls_init(&receiver->tls, config->tls, err);
    if (rc == 0) {
        receiver->listen_fd = dup(config->listen_fd); /* the daemon closes its own */
        receiver->daemon = receiver->listen_fd >= 0 ? start_daemon(receiver) : NULL;
        if (receiver->daemon == NULL)
            err_add(err, "the HTTP server does not start");
    }
    if (receiver->daemon != NULL)
        return receiver;
    http_receiver_stop(receiver);
    return NULL;
}

void http_receiver_stop(struct http_receiver *receiver)
{
    if (receiver == NULL)
        return;
    if (receiver->daemon != NULL)
        MHD_stop_daemon(receiver->daemon); /* with listen_fd */
    else if (receiver->listen_fd >= 0)
        close(receiver->listen_fd);
    http_receiver_tls_fini(&receiver->tls);
    free(receiver);
}

int http_receiver_fd(const struct http_receiver *receiver)
{
    return MHD_get_daemon_info(receiver->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int http_receiver_timeout_ms(const struct http_receiver *receiver)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(receiver->daemon, &timeout_ms) != MHD_YES)
        return -1;
    return timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX;
}

void http_receiver_turn(struct http_receiver *receiver)
{
    MHD_run(receiver->daemon);
}

unsigned http_receiver_quiesce(struct http_receiver *receiver)
{
    if (receiver->listen_fd >= 0) {
        int fd = MHD_quiesce_daemon(receiver->daemon);
        if (fd >= 0)
            close(fd);
        receiver->listen_fd = -1;
    }
    return receiver->in_work + receiver->fresh;
}

void http_receiver_counts(const struct http_receiver *receiver, struct http_receiver_counts *counts)
{
    *counts = receiver->counts;
}
