/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/plugins/input.h"
#include "control/plugins/output.h"
#include "control/net/tls.h"
#include "core/clock.h"

enum {
    EVENTS_MAX = 16,
    REDIRECTS_MAX = 10,
    WAIT_SLICE_MS = 50,
    HEADER_SIZE = 8192,
    HOST_SIZE = 1024
};

struct http_stream {
    struct http_client *client;
    struct http_stream *next, **link; /* of the client's list */
    CURL *easy;
    struct curl_slist *headers, *receivers, *connect_to;
    const struct http_stream_ops *ops;
    void *arg;
    struct http_answer *answer; /* of a transfer of http_client_send(); or NULL */
    const char *upload;         /* of a mail */
    size_t upload_left;
    long status;
    bool is_refused; /* a call said so */
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    struct http_client_config config;
    CURLM *multi;
    int epoll_fd;
    bool has_deadline;
    uint64_t deadline_ns; /* monotonic, of libcurl's timer */
    struct http_stream *streams;
    struct buffer body; /* of the last answer */
};

/* ---- libcurl's sockets and timer ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct http_client *client = arg;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(client->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    int rc = epoll_ctl(client->epoll_fd, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (rc != 0 && errno == EEXIST)
        rc = epoll_ctl(client->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    curl_multi_assign(client->multi, fd, client);
    return rc;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    client->has_deadline = timeout_ms >= 0;
    if (timeout_ms >= 0)
        client->deadline_ns = clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
    return 0;
}

/* ---- what comes ---- */

static void copy_text(char *to, size_t size, const char *from, size_t len)
{
    len = len < size ? len : size - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

/* "HTTP/1.1 200 OK": of each answer, those of redirects too. */
static void take_status_line(struct http_stream *stream, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    if (space == NULL)
        return;
    size_t rest = len - (size_t)(space + 1 - line);
    char status[HTTP_STATUS_SIZE];
    copy_text(status, sizeof(status), space + 1, rest);
    stream->status = strtol(status, NULL, 10);
    if (stream->answer == NULL)
        return;
    copy_text(stream->answer->status_line, HTTP_STATUS_SIZE, space + 1, rest);
    copy_text(stream->answer->protocol, HTTP_PROTOCOL_SIZE, line, (size_t)(space - line));
    stream->answer->status = stream->status;
}

static size_t on_header(char *bytes, size_t one, size_t size, void *arg)
{
    struct http_stream *stream = arg;
    size_t len = size;
    (void)one;
    while (len > 0 && (bytes[len - 1] == '\r' || bytes[len - 1] == '\n'))
        len--;
    if (len > 5 && memcmp(bytes, "HTTP/", 5) == 0)
        take_status_line(stream, bytes, len);
    if (len == 0 && stream->status >= 200 && stream->ops != NULL && stream->ops->on_head != NULL &&
        stream->ops->on_head(stream->arg, stream->status) < 0) {
        stream->is_refused = true;
        return 0;
    }
    return size;
}

static void keep(struct http_stream *stream, const char *bytes, size_t size)
{
    struct buffer *body = &stream->client->body;
    size_t room = body->max_size - body->size;
    stream->answer->is_cut |= size > room;
    if (buffer_append(body, bytes, size < room ? size : room) != 0)
        stream->answer->is_cut = true;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg)
{
    struct http_stream *stream = arg;
    (void)one;
    if (stream->answer != NULL) {
        keep(stream, bytes, size);
    } else if (stream->ops->on_body(stream->arg, bytes, size) < 0) {
        stream->is_refused = true;
        return 0;
    }
    return size;
}

static size_t on_upload(char *bytes, size_t one, size_t count, void *arg)
{
    struct http_stream *stream = arg;
    size_t size = one * count;
    size = size < stream->upload_left ? size : stream->upload_left;
    memcpy(bytes, stream->upload, size);
    stream->upload += size;
    stream->upload_left -= size;
    return size;
}

/* ---- a transfer's options ---- */

static CURLcode on_ssl_context(CURL *easy, void *ssl_ctx, void *arg)
{
    struct http_stream *stream = arg;
    struct err *err = calloc(1, sizeof(*err));
    (void)easy;
    if (err == NULL)
        return CURLE_OUT_OF_MEMORY;
    int rc = tls_configure(ssl_ctx, stream->client->config.tls, TLS_CLIENT, err);
    if (rc != 0)
        snprintf(stream->error, sizeof(stream->error), "%.*s", HTTP_ERROR_SIZE - 1, err->texts[0]);
    free(err);
    return rc == 0 ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

/* All of it is done by tls.c: libcurl loads no authorities of its own. */
static void set_tls(struct http_stream *stream)
{
    const struct tls_options *tls = stream->client->config.tls;
    CURL *easy = stream->easy;
    if (tls == NULL)
        return;
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, stream);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->insecure_skip_verify ? 0L : 2L);
}

static void set_common(struct http_stream *stream)
{
    const struct http_client_config *config = &stream->client->config;
    CURL *easy = stream->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, stream);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, stream->error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)config->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, config->is_single_use ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, config->is_single_use ? 1L : 0L);
    set_tls(stream);
    if (!config->uses_proxy)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (config->user != NULL) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, config->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, config->password != NULL ? config->password : "");
    }
}

static void set_http(struct http_stream *stream)
{
    const struct http_client_config *config = &stream->client->config;
    CURL *easy = stream->easy;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Heka");
    if (config->unix_path != NULL)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, config->unix_path);
    if (config->follows) {
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
        curl_easy_setopt(easy, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    }
}

static int add_header(struct http_stream *stream, const char *header)
{
    char empty[HEADER_SIZE];
    size_t name_len = strcspn(header, ":");
    const char *value = header + name_len + (header[name_len] == ':');
    if (value[strspn(value, " ")] == '\0') { /* libcurl's way to send one without a value */
        if (name_len + 2 > sizeof(empty))
            return -EINVAL;
        copy_text(empty, sizeof(empty) - 1, header, name_len);
        empty[name_len] = ';';
        empty[name_len + 1] = '\0';
        header = empty;
    }
    struct curl_slist *more = curl_slist_append(stream->headers, header);
    if (more == NULL)
        return -ENOMEM;
    stream->headers = more;
    return 0;
}

static bool has_header(const struct http_request *request, const char *name)
{
    size_t len = strlen(name);
    for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
        if (strncasecmp(*header, name, len) == 0)
            return true;
    return false;
}

/* What libcurl would send by itself, and nobody asked for. */
static int set_headers(struct http_stream *stream, const struct http_request *request)
{
    static const char *const own[] = {"Accept:", "Content-Type:", "Expect:", NULL};
    int rc = 0;
    for (const char *const *name = own; *name != NULL && rc == 0; name++) {
        if (has_header(request, *name))
            continue;
        struct curl_slist *more = curl_slist_append(stream->headers, *name);
        rc = more != NULL ? 0 : -ENOMEM;
        stream->headers = more != NULL ? more : stream->headers;
    }
    if (rc == 0 && stream->client->config.is_single_use)
        rc = add_header(stream, "Connection: close");
    for (const char *const *header = request->headers; rc == 0 && header != NULL && *header != NULL;
         header++)
        rc = add_header(stream, *header);
    curl_easy_setopt(stream->easy, CURLOPT_HTTPHEADER, stream->headers);
    return rc;
}

/* The URL's host becomes `name`: libcurl asks for it, and looks for it in the certificate. The
 * connection, and the request's Host, are to what the URL said. */
static int rename_host(struct http_stream *stream, CURLU *url, const char *name)
{
    char text[HOST_SIZE], *host = NULL, *port = NULL, *whole = NULL;
    int rc = -ENOMEM;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, name, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        snprintf(text, sizeof(text), "::%s:%s", host, port);
        stream->connect_to = curl_slist_append(NULL, text);
        curl_easy_setopt(stream->easy, CURLOPT_CONNECT_TO, stream->connect_to);
        curl_easy_setopt(stream->easy, CURLOPT_URL, whole);
        snprintf(text, sizeof(text), "Host: %s:%s", host, port);
        rc = stream->connect_to != NULL ? add_header(stream, text) : -ENOMEM;
    }
    curl_free(host);
    curl_free(port);
    curl_free(whole);
    return rc;
}

static int set_url(struct http_stream *stream, const char *text)
{
    const struct tls_options *tls = stream->client->config.tls;
    curl_easy_setopt(stream->easy, CURLOPT_URL, text);
    if (tls == NULL || !tls_option_is_set(tls->server_name) || strncasecmp(text, "https:", 6) != 0)
        return 0;
    CURLU *url = curl_url();
    if (url == NULL)
        return -ENOMEM;
    int rc = 0;
    if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
        rc = rename_host(stream, url, tls->server_name);
    curl_url_cleanup(url);
    return rc;
}

static void set_method(struct http_stream *stream, const struct http_request *request,
                       bool copies_body)
{
    CURL *easy = stream->easy;
    bool is_post = strcmp(request->method, "POST") == 0;
    if (request->body != NULL || is_post) {
        const void *body = request->body != NULL ? request->body : "";
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        curl_easy_setopt(easy, copies_body ? CURLOPT_COPYPOSTFIELDS : CURLOPT_POSTFIELDS, body);
    }
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (!is_post)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* ---- transfers ---- */

static void free_stream(struct http_stream *stream)
{
    if (stream->link != NULL) {
        *stream->link = stream->next;
        if (stream->next != NULL)
            stream->next->link = stream->link;
        curl_multi_remove_handle(stream->client->multi, stream->easy);
    }
    curl_easy_cleanup(stream->easy);
    curl_slist_free_all(stream->headers);
    curl_slist_free_all(stream->receivers);
    curl_slist_free_all(stream->connect_to);
    free(stream);
}

static struct http_stream *new_stream(struct http_client *client)
{
    struct http_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->client = client;
    stream->easy = curl_easy_init();
    if (stream->easy == NULL) {
        free(stream);
        return NULL;
    }
    set_common(stream);
    return stream;
}

/* 0, or negative and the stream is gone. */
static int join(struct http_stream *take_stream)
{
    struct http_stream *stream = take_stream;
    struct http_client *client = stream->client;
    if (curl_multi_add_handle(client->multi, stream->easy) != CURLM_OK) {
        free_stream(stream);
        return -ENOMEM;
    }
    stream->next = client->streams;
    stream->link = &client->streams;
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    client->streams = stream;
    return 0;
}

static struct http_stream *new_request(struct http_client *client,
                                       const struct http_request *request, bool copies_body)
{
    struct http_stream *stream = new_stream(client);
    if (stream == NULL)
        return NULL;
    set_http(stream);
    set_method(stream, request, copies_body);
    if (set_url(stream, request->url) == 0 && set_headers(stream, request) == 0)
        return stream;
    free_stream(stream);
    return NULL;
}

struct http_stream *http_client_start(struct http_client *client,
                                      const struct http_request *request,
                                      const struct http_stream_ops *ops, void *arg)
{
    struct http_stream *stream = new_request(client, request, true);
    if (stream == NULL)
        return NULL;
    stream->ops = ops;
    stream->arg = arg;
    return join(stream) == 0 ? stream : NULL;
}

void http_client_stop(struct http_client *client, struct http_stream *stream)
{
    (void)client;
    free_stream(stream);
}

static int errno_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static void finish_answer(struct http_stream *stream, int rc, const char *error)
{
    struct http_answer *answer = stream->answer;
    curl_off_t length = -1, head_us = 0;
    answer->rc = rc;
    copy_text(answer->error, sizeof(answer->error), error, strlen(error));
    curl_easy_getinfo(stream->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer->content_length = (int64_t)length;
    curl_easy_getinfo(stream->easy, CURLINFO_STARTTRANSFER_TIME_T, &head_us);
    answer->head_ns = (uint64_t)head_us * 1000;
    if (answer->status == 0) /* SMTP */
        curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &answer->status);
}

static void end_stream(struct http_stream *stream, CURLcode code)
{
    const struct http_stream_ops *ops = stream->ops;
    void *arg = stream->arg;
    long status = stream->status;
    char error[CURL_ERROR_SIZE];
    const char *text = stream->error[0] != '\0' ? stream->error : curl_easy_strerror(code);
    int rc = stream->is_refused ? -ECANCELED : errno_of(code);
    copy_text(error, sizeof(error), text, code != CURLE_OK ? strlen(text) : 0);
    if (stream->answer != NULL)
        finish_answer(stream, rc, error);
    free_stream(stream);
    if (ops != NULL)
        ops->on_end(arg, rc, status, error);
}

/* ---- a client's turn ---- */

int http_client_fd(const struct http_client *client)
{
    return client->epoll_fd;
}

int http_client_timeout_ms(const struct http_client *client)
{
    if (!client->has_deadline)
        return -1;
    uint64_t now_ns = clock_mono_ns();
    if (client->deadline_ns <= now_ns)
        return 0;
    uint64_t left_ms = (client->deadline_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

static void end_finished(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        void *private;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) == CURLE_OK)
            end_stream(private, code);
    }
}

void http_client_turn(struct http_client *client)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    int count = epoll_wait(client->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        int what = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                   ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                   ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(client->multi, events[i].data.fd, what, &running);
    }
    if (http_client_timeout_ms(client) == 0) {
        client->has_deadline = false;
        curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    end_finished(client);
}

/* ---- one at a time ---- */

static int wait_with_poll(void *arg, struct pollfd *fds, unsigned count, int timeout_ms)
{
    (void)arg;
    int rc = poll(fds, count, timeout_ms);
    return rc < 0 ? 0 : rc;
}

int http_wait_output(void *arg, struct pollfd *fds, unsigned count, int timeout_ms)
{
    const struct output_host *host = arg;
    if (output_host_stopping(host))
        return -ECANCELED;
    if (timeout_ms < 0 || timeout_ms > WAIT_SLICE_MS)
        timeout_ms = WAIT_SLICE_MS;
    return poll(fds, count, timeout_ms) < 0 ? 0 : 1;
}

int http_wait_input(void *arg, struct pollfd *fds, unsigned count, int timeout_ms)
{
    return input_host_wait(arg, fds, count, timeout_ms);
}

/* Gives up by `rc` and `text`. */
static void give_up(struct http_client *client, struct http_answer *answer, int rc,
                    const char *text)
{
    struct http_stream *stream = client->streams;
    while (stream != NULL && stream->answer != answer)
        stream = stream->next;
    if (stream != NULL)
        finish_answer(stream, rc, text);
    if (stream != NULL)
        free_stream(stream);
    answer->rc = rc;
}

static void wait_for(struct http_client *client, struct http_answer *answer, http_wait_fn *wait,
                     void *wait_arg)
{
    uint64_t start_ns = clock_mono_ns();
    uint64_t limit_ns = (uint64_t)client->config.answer_timeout_ms * CLOCK_NS_PER_MS;
    for (;;) {
        http_client_turn(client);
        answer->elapsed_ns = clock_mono_ns() - start_ns;
        if (answer->rc != -EINPROGRESS)
            return;
        if (limit_ns > 0 && answer->status == 0 && answer->elapsed_ns >= limit_ns) {
            give_up(client, answer, -ETIMEDOUT, "timeout awaiting response headers");
            return;
        }
        struct pollfd fd = {.fd = client->epoll_fd, .events = POLLIN};
        int timeout_ms = http_client_timeout_ms(client);
        if (timeout_ms < 0 || timeout_ms > WAIT_SLICE_MS)
            timeout_ms = WAIT_SLICE_MS;
        if (wait(wait_arg, &fd, 1, timeout_ms) < 0) {
            give_up(client, answer, -ECANCELED, "stopped");
            return;
        }
    }
}

static int run_alone(struct http_stream *take_stream, http_wait_fn *wait, void *wait_arg,
                     struct http_answer *answer)
{
    struct http_client *client = take_stream->client;
    buffer_clear(&client->body);
    take_stream->answer = answer;
    if (join(take_stream) != 0)
        return answer->rc = -ENOMEM;
    wait_for(client, answer, wait != NULL ? wait : wait_with_poll, wait_arg);
    answer->body = client->body;
    return answer->rc;
}

static void start_answer(struct http_answer *answer)
{
    *answer = (struct http_answer){.rc = -EINPROGRESS, .content_length = -1};
}

int http_client_send(struct http_client *client, const struct http_request *request,
                     http_wait_fn *wait, void *wait_arg, struct http_answer *answer)
{
    start_answer(answer);
    struct http_stream *stream = new_request(client, request, false);
    if (stream == NULL)
        return answer->rc = -ENOMEM;
    return run_alone(stream, wait, wait_arg, answer);
}

/* ---- mail ---- */

static int set_mail(struct http_stream *stream, const struct http_mail *mail)
{
    CURL *easy = stream->easy;
    char url[512];
    int len = snprintf(url, sizeof(url), "smtp://%s/localhost", mail->server);
    if (len < 0 || (size_t)len >= sizeof(url))
        return -EINVAL;
    for (const char *const *to = mail->receivers; *to != NULL; to++) {
        struct curl_slist *more = curl_slist_append(stream->receivers, *to);
        if (more == NULL)
            return -ENOMEM;
        stream->receivers = more;
    }
    if (mail->auth == HTTP_MAIL_NO_AUTH)
        curl_easy_setopt(easy, CURLOPT_USERNAME, NULL);
    else
        curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS,
                         mail->auth == HTTP_MAIL_PLAIN ? "AUTH=PLAIN" : "AUTH=CRAM-MD5");
    stream->upload = mail->text;
    stream->upload_left = mail->text_size;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp");
    curl_easy_setopt(easy, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail->sender);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, stream->receivers);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(easy, CURLOPT_READDATA, stream);
    return 0;
}

int http_client_mail(struct http_client *client, const struct http_mail *mail, http_wait_fn *wait,
                     void *wait_arg, struct http_answer *answer)
{
    start_answer(answer);
    struct http_stream *stream = new_stream(client);
    if (stream == NULL)
        return answer->rc = -ENOMEM;
    int rc = set_mail(stream, mail);
    if (rc != 0) {
        free_stream(stream);
        return answer->rc = rc;
    }
    return run_alone(stream, wait, wait_arg, answer);
}

/* ---- clients ---- */

static void init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_new(const struct http_client_config *config, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    client->config = *config;
    client->epoll_fd = -1;
    if (config->tls != NULL && tls_check(config->tls, TLS_CLIENT, err) != 0) {
        http_client_free(client);
        return NULL;
    }
    client->body.max_size = config->answer_max > 0 ? config->answer_max : HTTP_ANSWER_MAX;
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->multi = curl_multi_init();
    if (client->epoll_fd < 0 || client->multi == NULL) {
        err_add(err, "HTTP client: %s", strerror(errno));
        http_client_free(client);
        return NULL;
    }
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->streams != NULL)
        free_stream(client->streams);
    if (client->multi != NULL)
        curl_multi_cleanup(client->multi);
    if (client->epoll_fd >= 0)
        close(client->epoll_fd);
    buffer_fini(&client->body);
    free(client);
}

/* ---- URLs ---- */

static bool is_one_of(const char *scheme, const char *const *schemes)
{
    while (*schemes != NULL && strcasecmp(*schemes, scheme) != 0)
        schemes++;
    return *schemes != NULL;
}

int http_url_check(const char *url, const char *const *schemes, const char *option, struct err *err)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL;
    int rc = 0;
    if (parsed == NULL)
        return err_add(err, "%s: out of memory", option);
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parsed, CURLUPART_HOST, &host, 0);
    if (code != CURLUE_OK)
        rc = err_add(err, "%s: found '%s': %s", option, url, curl_url_strerror(code));
    else if (!is_one_of(scheme, schemes))
        rc = err_add(err, "%s: found '%s', allowed a URL with one of the schemes %s%s%s", option,
                     url, schemes[0], schemes[1] != NULL ? ", " : "",
                     schemes[1] != NULL ? schemes[1] : "");
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    return rc;
}
