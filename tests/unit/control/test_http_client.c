/* SPDX-License-Identifier: MPL-2.0
 *
 * test_http_client.c - requests to a server of the test that says what it is told to say.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/net/http_client.h"
#include "core/clock.h"

enum { REQUEST_SIZE = 65536, WAIT_MS = 60000 };

#define NO_REPLY "-" /* and the connection stays */

static struct {
    int fd;
    uint16_t port;
    char path[64]; /* of a UNIX socket */
    pthread_t thread;
    const char *const *replies; /* one a request; ended by NULL; "" closes */
    unsigned next;
    _Atomic unsigned connections;
    pthread_mutex_t lock;
    char last[REQUEST_SIZE]; /* request; under the lock */
} server;

static struct http_client *client;
static struct http_answer answer;

static const char *last_request(void)
{
    static char text[REQUEST_SIZE];
    pthread_mutex_lock(&server.lock);
    memcpy(text, server.last, sizeof(text));
    pthread_mutex_unlock(&server.lock);
    return text;
}

/* Reads a request with its body; false when the connection ends. */
static bool read_request(int fd)
{
    static char text[REQUEST_SIZE];
    size_t size = 0;
    for (;;) {
        ssize_t got = read(fd, text + size, sizeof(text) - 1 - size);
        if (got <= 0)
            return false;
        size += (size_t)got;
        text[size] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "\r\nContent-Length: ");
        size_t body = length != NULL && length < end ? strtoul(length + 18, NULL, 10) : 0;
        if (end != NULL && size >= (size_t)(end + 4 - text) + body)
            break;
    }
    pthread_mutex_lock(&server.lock);
    memcpy(server.last, text, size + 1);
    pthread_mutex_unlock(&server.lock);
    return true;
}

static void *serve(void *arg)
{
    int fd;
    (void)arg;
    while (server.replies[server.next] != NULL && (fd = accept(server.fd, NULL, NULL)) >= 0) {
        server.connections++;
        while (server.replies[server.next] != NULL && read_request(fd)) {
            const char *reply = server.replies[server.next++];
            if (strcmp(reply, NO_REPLY) == 0)
                continue;
            if (reply[0] == '\0' || write(fd, reply, strlen(reply)) < 0)
                break;
        }
        close(fd);
    }
    return NULL;
}

static void listen_at(const struct sockaddr *address, socklen_t size)
{
    server.fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server.fd >= 0);
    assert_int_equal(bind(server.fd, address, size), 0);
    assert_int_equal(listen(server.fd, 8), 0);
}

static void start(const char *const *replies, const struct http_client_config *config)
{
    struct err *err = calloc(1, sizeof(*err));
    memset(&server, 0, sizeof(server));
    pthread_mutex_init(&server.lock, NULL);
    server.replies = replies;
    if (config->unix_path != NULL) {
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        snprintf(server.path, sizeof(server.path), "%s", config->unix_path);
        snprintf(name.sun_path, sizeof(name.sun_path), "%s", config->unix_path);
        unlink(server.path);
        listen_at((const struct sockaddr *)(const void *)&name, sizeof(name));
    } else {
        struct sockaddr_in name = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(name);
        listen_at((const struct sockaddr *)(const void *)&name, sizeof(name));
        assert_int_equal(getsockname(server.fd, (struct sockaddr *)(void *)&name, &size), 0);
        server.port = ntohs(name.sin_port);
    }
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
    client = http_client_new(config, err);
    if (client == NULL)
        fail_msg("%s", err->texts[0]);
    free(err);
}

static void stop(void)
{
    http_client_free(client);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    if (server.path[0] != '\0')
        unlink(server.path);
}

static int send_to(const char *path, struct http_request request)
{
    char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
    request.url = url;
    return http_client_send(client, &request, NULL, NULL, &answer);
}

static void test_answers(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 Very Fine\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n", NULL};
    (void)state;
    start(replies, &(struct http_client_config){.user = "me", .password = "secret"});
    const char *const headers[] = {"X-One: 1", "X-Empty: ", "User-Agent: own", NULL};
    struct http_request request = {
        .method = "PUT", .headers = headers, .body = "body", .body_size = 4};
    assert_int_equal(send_to("/a?b", request), 0);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.status_line, "200 Very Fine");
    assert_string_equal(answer.protocol, "HTTP/1.1");
    assert_int_equal(answer.content_length, 5);
    assert_int_equal(answer.body.size, 5);
    assert_memory_equal(answer.body.data, "hello", 5);
    assert_true(answer.head_ns <= answer.elapsed_ns && !answer.is_cut);
    assert_int_equal(strncmp(last_request(), "PUT /a?b HTTP/1.1\r\n", 19), 0);
    assert_non_null(strstr(last_request(), "\r\nX-One: 1\r\nX-Empty:\r\nUser-Agent: own\r\n"));
    assert_non_null(strstr(last_request(), "Authorization: Basic bWU6c2VjcmV0\r\n"));
    assert_null(strstr(last_request(), "Accept"));
    assert_null(strstr(last_request(), "Content-Type"));
    assert_string_equal(strstr(last_request(), "\r\n\r\n"), "\r\n\r\nbody");
    assert_int_equal(send_to("/", (struct http_request){.method = "GET"}), 0);
    assert_int_equal(answer.status, 404);
    assert_int_equal(answer.content_length, -1);
    assert_memory_equal(answer.body.data, "abcde", 5);
    assert_non_null(strstr(last_request(), "\r\nUser-Agent: Heka\r\n"));
    assert_int_equal(send_to("/", (struct http_request){.method = "POST"}), 0);
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.body.size, 0);
    assert_non_null(strstr(last_request(), "Content-Length: 0\r\n"));
    assert_int_equal(server.connections, 1);
    stop();
}

static void test_redirects_and_connections(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", NULL};
    (void)state;
    start(replies, &(struct http_client_config){.follows = true, .is_single_use = true});
    struct http_request request = {.method = "POST", .body = "body", .body_size = 4};
    assert_int_equal(send_to("/", request), 0);
    assert_int_equal(answer.status, 200);
    assert_int_equal(strncmp(last_request(), "POST /there ", 12), 0);
    assert_string_equal(strstr(last_request(), "\r\n\r\n"), "\r\n\r\nbody");
    assert_non_null(strstr(last_request(), "\r\nConnection: close\r\n"));
    assert_int_equal(server.connections, 2);
    assert_true(send_to("/", request) < 0);
    assert_int_equal(answer.rc, -EIO);
    stop();
}

static void test_long_answer_is_cut(void **state)
{
    static const char *const replies[] = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
                                          NULL};
    (void)state;
    start(replies, &(struct http_client_config){.answer_max = 4});
    assert_int_equal(send_to("/", (struct http_request){.method = "GET"}), 0);
    assert_true(answer.is_cut);
    assert_int_equal(answer.body.size, 4);
    assert_memory_equal(answer.body.data, "0123", 4);
    stop();
}

static int give_up_at_once(void *arg, struct pollfd *fds, unsigned count, int timeout_ms)
{
    (void)fds;
    (void)count;
    (void)timeout_ms;
    return ++*(unsigned *)arg < 3 ? 0 : -ECANCELED;
}

static void test_failures(void **state)
{
    static const char *const replies[] = {"",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly",
                                          "no HTTP\r\n\r\n",
                                          NO_REPLY,
                                          NO_REPLY,
                                          NULL};
    (void)state;
    unsigned calls = 0;
    start(replies, &(struct http_client_config){.timeout_ms = 300});
    assert_true(send_to("/", (struct http_request){.method = "GET"}) < 0);
    assert_true(answer.error[0] != '\0' && answer.status == 0);
    assert_int_equal(send_to("/", (struct http_request){.method = "GET"}), -ETIMEDOUT);
    assert_int_equal(answer.status, 200);
    assert_int_equal(send_to("/", (struct http_request){.method = "GET"}), -EIO);
    struct http_request request = {.method = "GET", .url = "http://127.0.0.1:1/"};
    assert_int_equal(http_client_send(client, &request, NULL, NULL, &answer), -ECONNREFUSED);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
    request.url = url;
    assert_int_equal(http_client_send(client, &request, give_up_at_once, &calls, &answer),
                     -ECANCELED);
    assert_int_equal(calls, 3);
    stop();
}

static void test_answer_timeout(void **state)
{
    static const char *const replies[] = {NO_REPLY, NO_REPLY, NULL};
    (void)state;
    start(replies, &(struct http_client_config){.answer_timeout_ms = 50});
    assert_int_equal(send_to("/", (struct http_request){.method = "GET"}), -ETIMEDOUT);
    assert_string_equal(answer.error, "timeout awaiting response headers");
    stop();
}

/* ---- several at once ---- */

static struct {
    unsigned heads, ends;
    char body[64];
    int rc, refuse_at; /* bytes */
} streams;

static int take_head(void *arg, long status)
{
    (void)arg;
    streams.heads++;
    return status == 200 ? 0 : -1;
}

static int take_body(void *arg, const void *bytes, size_t size)
{
    (void)arg;
    size_t len = strlen(streams.body);
    assert_true(len + size < sizeof(streams.body));
    memcpy(streams.body + len, bytes, size);
    return streams.refuse_at > 0 && (int)strlen(streams.body) >= streams.refuse_at ? -1 : 0;
}

static void take_end(void *arg, int rc, long status, const char *error)
{
    (void)arg;
    (void)status;
    (void)error;
    streams.ends++;
    streams.rc = rc;
}

static const struct http_stream_ops ops = {take_head, take_body, take_end};

static struct http_stream *begin(void)
{
    char url[64] = "http://docker/events";
    struct http_request request = {.method = "GET", .url = url};
    struct http_stream *stream = http_client_start(client, &request, &ops, NULL);
    assert_non_null(stream);
    memset(url, 0, sizeof(url)); /* it is copied */
    return stream;
}

static void turn_until(const bool *is_done, unsigned ends)
{
    uint64_t until_ns = clock_mono_ns() + WAIT_MS * CLOCK_NS_PER_MS;
    while ((is_done != NULL ? !*is_done : streams.ends < ends) && clock_mono_ns() < until_ns) {
        struct pollfd fd = {.fd = http_client_fd(client), .events = POLLIN};
        int timeout_ms = http_client_timeout_ms(client);
        poll(&fd, 1, timeout_ms < 0 || timeout_ms > 100 ? 100 : timeout_ms);
        http_client_turn(client);
        if (is_done != NULL && streams.body[0] != '\0')
            return;
    }
}

static void test_streams(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        NO_REPLY,
        NO_REPLY,
        NULL};
    char path[64];
    const bool never = false;
    (void)state;
    snprintf(path, sizeof(path), "/tmp/heka-http-%d.sock", getpid());
    start(replies, &(struct http_client_config){.unix_path = path});
    memset(&streams, 0, sizeof(streams));
    begin();
    turn_until(NULL, 1);
    assert_int_equal(streams.rc, 0);
    assert_string_equal(streams.body, "abc");
    memset(&streams, 0, sizeof(streams));
    streams.refuse_at = 3;
    begin();
    turn_until(NULL, 1);
    assert_int_equal(streams.rc, -ECANCELED);
    memset(&streams, 0, sizeof(streams));
    begin(); /* refused at the head */
    turn_until(NULL, 1);
    assert_int_equal(streams.rc, -ECANCELED);
    assert_string_equal(streams.body, "");
    struct http_stream *stream = begin();
    turn_until(&never, 0);
    assert_string_equal(streams.body, "abc");
    http_client_stop(client, stream); /* without a call */
    assert_int_equal(streams.ends, 1);
    begin(); /* freed with the client */
    stop();
}

static void test_urls(void **state)
{
    static const char *const schemes[] = {"http", "https", NULL};
    (void)state;
    struct err *err = calloc(1, sizeof(*err));
    assert_int_equal(http_url_check("http://host:80/path", schemes, "url", err), 0);
    assert_int_equal(http_url_check("HTTPS://[::1]/", schemes, "url", err), 0);
    assert_int_equal(http_url_check("ftp://host/", schemes, "url", err), -1);
    assert_int_equal(http_url_check("host/path", schemes, "url", err), -1);
    assert_int_equal(http_url_check("http://ho st/", schemes, "url", err), -1);
    assert_int_equal(http_url_check("", schemes, "url", err), -1);
    assert_non_null(strstr(err->texts[0], "url: found 'ftp://host/'"));
    free(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_redirects_and_connections),
        cmocka_unit_test(test_long_answer_is_cut),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_answer_timeout),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
