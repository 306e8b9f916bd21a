/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/amqp_link.h"

#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/net/tls.h"
#include "core/clock.h"

enum { CHANNEL = 1, FRAME_MAX = 131072, URL_SIZE = 1024, FRAMES_MAX = 4096 };

struct amqp_link {
    const struct amqp_exchange_options *options;
    amqp_connection_state_t state; /* NULL: closed */
    bool has_envelope;
    amqp_envelope_t envelope;
    /* The window of messages that are published and not confirmed: */
    uint64_t published; /* messages on this channel */
    uint64_t base;      /* of them when the window began */
    bool is_confirmed[AMQP_WINDOW], is_refused[AMQP_WINDOW];
    char error[AMQP_ERROR_SIZE];
};

static const amqp_table_t no_arguments;

const char *amqp_link_error(const struct amqp_link *link)
{
    return link->error;
}

bool amqp_link_is_open(const struct amqp_link *link)
{
    return link->state != NULL;
}

int amqp_link_fd(const struct amqp_link *link)
{
    return amqp_get_sockfd(link->state);
}

struct amqp_link *amqp_link_new(const struct amqp_exchange_options *options)
{
    struct amqp_link *link = calloc(1, sizeof(*link));
    if (link != NULL)
        link->options = options;
    return link;
}

void amqp_link_free(struct amqp_link *link)
{
    if (link == NULL)
        return;
    amqp_link_close(link);
    free(link);
}

/* ---- errors ---- */

static int fail(struct amqp_link *link, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct amqp_link *link, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(link->error, sizeof(link->error), format, args);
    va_end(args);
    return code;
}

static int fail_status(struct amqp_link *link, const char *what, int status)
{
    /* Of a connection that is refused only this is left. */
    int code = status == AMQP_STATUS_SOCKET_ERROR && errno != EINPROGRESS ? errno : 0;
    return fail(link, -EIO, "%s: %s%s%s", what, amqp_error_string2(status), code != 0 ? ": " : "",
                code != 0 ? strerror(code) : "");
}

/* What the broker says when it closes channel or connection. */
static int fail_method(struct amqp_link *link, const char *what, const amqp_method_t *method)
{
    if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *close = method->decoded;
        return fail(link, -EIO, "%s: %d %.*s", what, close->reply_code, (int)close->reply_text.len,
                    (const char *)close->reply_text.bytes);
    }
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *close = method->decoded;
        return fail(link, -EIO, "%s: %d %.*s", what, close->reply_code, (int)close->reply_text.len,
                    (const char *)close->reply_text.bytes);
    }
    if (method->id == AMQP_BASIC_CANCEL_METHOD)
        return fail(link, -EIO, "%s: the broker has cancelled the consumer", what);
    return 0;
}

static int check_reply(struct amqp_link *link, const char *what, amqp_rpc_reply_t reply)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return 0;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return fail_status(link, what, reply.library_error);
    int rc = reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION
                 ? fail_method(link, what, &reply.reply)
                 : 0;
    return rc != 0 ? rc : fail(link, -EIO, "%s: no answer", what);
}

static int check_rpc(struct amqp_link *link, const char *what)
{
    return check_reply(link, what, amqp_get_rpc_reply(link->state));
}

/* ---- options ---- */

static int parse_url(const char *url, char copy[URL_SIZE], struct amqp_connection_info *info)
{
    if (url == NULL || strlen(url) >= URL_SIZE)
        return -1;
    snprintf(copy, URL_SIZE, "%s", url);
    return amqp_parse_url(copy, info) == AMQP_STATUS_OK ? 0 : -1;
}

int amqp_options_check(const struct amqp_exchange_options *options, struct err *err)
{
    static const char *const types[] = {"fanout", "direct", "topic", "headers"};
    struct amqp_connection_info info;
    char copy[URL_SIZE];
    int rc = 0;
    if (options->url == NULL || options->exchange == NULL || options->exchange_type == NULL)
        return -1; /* said so already */
    if (parse_url(options->url, copy, &info) != 0)
        return err_add(err,
                       "url: found '%s', allowed amqp://USER:PASSWORD@HOST:PORT/VHOST, or "
                       "amqps://...",
                       options->url);
    if (info.ssl)
        rc = tls_check(&options->tls, TLS_CLIENT, err);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i], options->exchange_type) == 0)
            return rc;
    if (strncmp(options->exchange_type, "x-", 2) == 0) /* of a plugin of the broker's */
        return rc;
    return err_add(err, "exchange_type: found '%s', allowed fanout, direct, topic, headers",
                   options->exchange_type);
}

/* ---- opening ---- */

static void keep_library(void)
{
    amqp_set_initialize_ssl_library(0); /* OpenSSL does it itself, and others use it */
}

static amqp_socket_t *new_socket(struct amqp_link *link, const struct amqp_connection_info *info)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct err err = {0};
    if (!info->ssl)
        return amqp_tcp_socket_new(link->state);
    pthread_once(&once, keep_library);
    amqp_socket_t *made = amqp_ssl_socket_new(link->state);
    if (made == NULL)
        return NULL;
    const struct tls_options *tls = &link->options->tls;
    amqp_ssl_socket_set_verify_peer(made, !tls->insecure_skip_verify);
    amqp_ssl_socket_set_verify_hostname(made, !tls->insecure_skip_verify);
    if (tls_configure(amqp_ssl_socket_get_context(made), tls, TLS_CLIENT, &err) == 0)
        return made;
    fail(link, -EINVAL, "%s", err.texts[0]);
    return NULL; /* the connection has it, and frees it */
}

static int connect_to(struct amqp_link *link, const struct amqp_connection_info *info)
{
    struct timeval timeout = {.tv_sec = AMQP_TIMEOUT_S};
    link->state = amqp_new_connection();
    link->error[0] = '\0';
    if (link->state == NULL)
        return fail(link, -ENOMEM, "out of memory");
    amqp_set_handshake_timeout(link->state, &timeout);
    amqp_set_rpc_timeout(link->state, &timeout);
    amqp_socket_t *made = new_socket(link, info);
    if (made == NULL)
        return link->error[0] != '\0' ? -EINVAL : fail(link, -ENOMEM, "out of memory");
    int status = amqp_socket_open_noblock(made, info->host, info->port, &timeout);
    if (status == AMQP_STATUS_OK)
        return 0;
    char what[URL_SIZE];
    snprintf(what, sizeof(what), "connect to %s:%d", info->host, info->port);
    return fail_status(link, what, status);
}

static int log_in(struct amqp_link *link, const struct amqp_connection_info *info)
{
    int rc = check_reply(link, "login",
                         amqp_login(link->state, info->vhost, 0, FRAME_MAX, AMQP_HEARTBEAT_S,
                                    AMQP_SASL_METHOD_PLAIN, info->user, info->password));
    if (rc != 0)
        return rc;
    amqp_channel_open(link->state, CHANNEL);
    return check_rpc(link, "channel");
}

static int declare_exchange(struct amqp_link *link)
{
    const struct amqp_exchange_options *options = link->options;
    amqp_exchange_declare(link->state, CHANNEL, amqp_cstring_bytes(options->exchange),
                          amqp_cstring_bytes(options->exchange_type), 0,
                          options->exchange_durability, options->exchange_auto_delete, 0,
                          no_arguments);
    return check_rpc(link, "exchange");
}

int amqp_link_open(struct amqp_link *link, bool declares)
{
    struct amqp_connection_info info;
    char copy[URL_SIZE];
    amqp_link_close(link);
    if (parse_url(link->options->url, copy, &info) != 0)
        return fail(link, -EINVAL, "url");
    int rc = connect_to(link, &info);
    if (rc == 0)
        rc = log_in(link, &info);
    if (rc == 0 && declares)
        rc = declare_exchange(link);
    link->published = 0;
    if (rc != 0)
        amqp_link_close(link);
    return rc;
}

static void drop_envelope(struct amqp_link *link)
{
    if (link->has_envelope)
        amqp_destroy_envelope(&link->envelope);
    link->has_envelope = false;
}

void amqp_link_close(struct amqp_link *link)
{
    if (link->state == NULL)
        return;
    struct timeval timeout = {.tv_sec = 1};
    drop_envelope(link);
    amqp_set_rpc_timeout(link->state, &timeout);
    amqp_connection_close(link->state, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(link->state);
    link->state = NULL;
}

/* ---- consuming ---- */

static int declare_queue(struct amqp_link *link, const struct amqp_queue_options *queue,
                         amqp_bytes_t *name)
{
    amqp_table_entry_t ttl = {
        .key = amqp_cstring_bytes("x-message-ttl"),
        .value = {.kind = AMQP_FIELD_KIND_I32, .value = {.i32 = (int32_t)queue->ttl_ms}}};
    amqp_table_t arguments = {.num_entries = queue->ttl_ms >= 0, .entries = &ttl};
    amqp_queue_declare_ok_t *made =
        amqp_queue_declare(link->state, CHANNEL, *name, 0, queue->durable, queue->exclusive,
                           queue->auto_delete, arguments);
    int rc = check_rpc(link, "queue");
    if (rc != 0)
        return rc;
    *name = amqp_bytes_malloc_dup(made->queue);
    if (name->bytes == NULL)
        return fail(link, -ENOMEM, "out of memory");
    amqp_queue_bind(link->state, CHANNEL, *name, amqp_cstring_bytes(link->options->exchange),
                    amqp_cstring_bytes(link->options->routing_key), no_arguments);
    rc = check_rpc(link, "bind");
    if (rc != 0)
        amqp_bytes_free(*name);
    return rc;
}

int amqp_link_consume(struct amqp_link *link, const struct amqp_queue_options *declared,
                      const char *queue, bool is_exclusive, uint16_t prefetch_count)
{
    amqp_bytes_t name = amqp_cstring_bytes(queue);
    int rc = declared != NULL ? declare_queue(link, declared, &name) : 0;
    if (rc != 0)
        return rc;
    amqp_basic_qos(link->state, CHANNEL, 0, prefetch_count, 0);
    rc = check_rpc(link, "qos");
    if (rc == 0) {
        amqp_basic_consume(link->state, CHANNEL, name, amqp_empty_bytes, 0, 0, is_exclusive,
                           no_arguments);
        rc = check_rpc(link, "consume");
    }
    if (declared != NULL)
        amqp_bytes_free(name);
    return rc;
}

/* Reads a frame that consuming did not expect: what ends the channel. */
static int read_method(struct amqp_link *link)
{
    struct timeval now = {0};
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(link->state, &frame, &now);
    if (status == AMQP_STATUS_TIMEOUT)
        return 0;
    if (status != AMQP_STATUS_OK)
        return fail_status(link, "read", status);
    return frame.frame_type == AMQP_FRAME_METHOD
               ? fail_method(link, "closed", &frame.payload.method)
               : 0;
}

int amqp_link_take(struct amqp_link *link, struct amqp_delivery *delivery)
{
    struct timeval now = {0};
    drop_envelope(link);
    amqp_maybe_release_buffers(link->state);
    amqp_rpc_reply_t reply = amqp_consume_message(link->state, &link->envelope, &now, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        link->has_envelope = true;
        *delivery = (struct amqp_delivery){
            .body = link->envelope.message.body.bytes,
            .size = link->envelope.message.body.len,
            .tag = link->envelope.delivery_tag,
        };
        return 1;
    }
    if (reply.reply_type != AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return check_reply(link, "consume", reply);
    if (reply.library_error == AMQP_STATUS_TIMEOUT)
        return 0;
    if (reply.library_error == AMQP_STATUS_UNEXPECTED_STATE)
        return read_method(link);
    return fail_status(link, "consume", reply.library_error);
}

int amqp_link_acknowledge(struct amqp_link *link, uint64_t tag)
{
    int status = amqp_basic_ack(link->state, CHANNEL, tag, 1);
    return status == AMQP_STATUS_OK ? 0 : fail_status(link, "acknowledge", status);
}

/* ---- publishing ---- */

int amqp_link_confirm(struct amqp_link *link)
{
    amqp_confirm_select(link->state, CHANNEL);
    return check_rpc(link, "confirm");
}

void amqp_link_begin(struct amqp_link *link)
{
    link->base = link->published;
    memset(link->is_confirmed, 0, sizeof(link->is_confirmed));
    memset(link->is_refused, 0, sizeof(link->is_refused));
}

int amqp_link_publish(struct amqp_link *link, const struct amqp_message *message)
{
    enum {
        FLAGS =
            AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_TIMESTAMP_FLAG
    };
    amqp_basic_properties_t properties = {
        ._flags = FLAGS,
        .content_type = amqp_cstring_bytes(message->content_type),
        .delivery_mode = message->is_persistent ? 2 : 1,
        .timestamp = message->timestamp_s,
    };
    amqp_bytes_t body = {.len = message->size, .bytes = (void *)(uintptr_t)message->body};
    int status =
        amqp_basic_publish(link->state, CHANNEL, amqp_cstring_bytes(link->options->exchange),
                           amqp_cstring_bytes(link->options->routing_key), 0, 0, &properties, body);
    if (status != AMQP_STATUS_OK)
        return fail_status(link, "publish", status);
    link->published++;
    return 0;
}

static void note_confirm(struct amqp_link *link, uint64_t tag, bool is_multiple, bool is_refused)
{
    bool *flags = is_refused ? link->is_refused : link->is_confirmed;
    uint64_t first = is_multiple ? link->base + 1 : tag;
    for (uint64_t i = first; i <= tag && i <= link->published; i++)
        if (i > link->base && i - link->base <= AMQP_WINDOW)
            flags[i - link->base - 1] = true;
}

static int take_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
    if (frame->frame_type != AMQP_FRAME_METHOD)
        return 0;
    const amqp_method_t *method = &frame->payload.method;
    if (method->id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = method->decoded;
        note_confirm(link, ack->delivery_tag, ack->multiple, false);
    } else if (method->id == AMQP_BASIC_NACK_METHOD) {
        const amqp_basic_nack_t *nack = method->decoded;
        note_confirm(link, nack->delivery_tag, nack->multiple, true);
    }
    return fail_method(link, "closed", method);
}

/* 1 when there was a frame. */
static int read_frame(struct amqp_link *link, unsigned timeout_ms)
{
    struct timeval timeout = {.tv_sec = timeout_ms / 1000,
                              .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    amqp_frame_t frame;
    amqp_maybe_release_buffers(link->state);
    int status = amqp_simple_wait_frame_noblock(link->state, &frame, &timeout);
    if (status == AMQP_STATUS_TIMEOUT)
        return 0;
    if (status != AMQP_STATUS_OK)
        return fail_status(link, "read", status);
    int rc = take_frame(link, &frame);
    return rc != 0 ? rc : 1;
}

static unsigned confirmed_count(const struct amqp_link *link, unsigned window)
{
    unsigned count = 0;
    while (count < window && link->is_confirmed[count])
        count++;
    return count;
}

int amqp_link_confirmed(struct amqp_link *link, unsigned timeout_ms, bool *refused)
{
    unsigned window = (unsigned)(link->published - link->base);
    uint64_t until_ns = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;
    *refused = false;
    for (;;) {
        unsigned count = confirmed_count(link, window);
        uint64_t now_ns = clock_mono_ns();
        *refused = count < window && link->is_refused[count];
        if (count == window || *refused || now_ns >= until_ns)
            return (int)count;
        int rc = read_frame(link, (unsigned)((until_ns - now_ns) / CLOCK_NS_PER_MS) + 1);
        if (rc < 0)
            return rc;
    }
}

int amqp_link_turn(struct amqp_link *link)
{
    int rc = 1;
    for (unsigned i = 0; i < FRAMES_MAX && rc == 1; i++)
        rc = read_frame(link, 0);
    return rc < 0 ? rc : 0;
}
