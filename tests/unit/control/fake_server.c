/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/fake_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { POLL_MS = 5, READ_SIZE = 65536, PAUSE_WAITS = 60000 };

static uint64_t next_random(struct fake_server *server)
{
    server->seed ^= server->seed << 13;
    server->seed ^= server->seed >> 7;
    server->seed ^= server->seed << 17;
    return server->seed;
}

static bool is_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, POLL_MS) > 0;
}

static void keep(struct fake_server *server, struct buffer *lines, const char *bytes, size_t size)
{
    pthread_mutex_lock(&server->lock);
    buffer_append(&server->stream, bytes, size);
    pthread_mutex_unlock(&server->lock);
    buffer_append(lines, bytes, size);
    if (size > server->longest)
        server->longest = size;
}

static void keep_whole_lines(struct fake_server *server, const struct buffer *lines)
{
    size_t size = lines->size;
    while (size > 0 && lines->data[size - 1] != '\n')
        size--;
    pthread_mutex_lock(&server->lock);
    buffer_append(&server->whole, lines->data, size);
    pthread_mutex_unlock(&server->lock);
}

static void reset(struct fake_server *server, int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    server->resets++;
}

/* Reads one connection until it ends, or until its time has come. */
static void serve_tcp(struct fake_server *server, int fd)
{
    static _Thread_local char bytes[READ_SIZE];
    struct buffer lines = {0};
    size_t got_size = 0, reset_after = server->reset_after, close_after = server->close_after;
    bool has_ended = false;
    if (server->seed != 0) {
        bool is_reset = next_random(server) % 2 == 0;
        size_t after = next_random(server) % 400 + 1;
        reset_after = is_reset ? after : 0;
        close_after = is_reset ? 0 : after;
    }
    while (!server->stopping && !has_ended) {
        if (server->paused) {
            server->has_paused = true;
            usleep(POLL_MS * 1000);
            continue;
        }
        if (!is_readable(fd))
            continue;
        size_t want = sizeof(bytes);
        if (reset_after > 0 && reset_after - got_size < want)
            want = reset_after - got_size;
        ssize_t got = read(fd, bytes, want);
        if (got > 0) {
            keep(server, &lines, bytes, (size_t)got);
            got_size += (size_t)got;
        }
        has_ended =
            (got <= 0 && !server->stays_open) || (close_after > 0 && got_size >= close_after);
        if (reset_after > 0 && got_size >= reset_after) {
            reset(server, fd);
            has_ended = true;
        }
        if (got <= 0)
            usleep(1000);
    }
    keep_whole_lines(server, &lines);
    buffer_fini(&lines);
    close(fd);
}

static void serve_udp(struct fake_server *server)
{
    static _Thread_local char bytes[READ_SIZE];
    struct buffer lines = {0};
    ssize_t got = recv(server->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got <= 0)
        return;
    server->connections++;
    keep(server, &lines, bytes, (size_t)got);
    keep_whole_lines(server, &lines);
    buffer_fini(&lines);
}

static void *run(void *arg)
{
    struct fake_server *server = arg;
    while (!server->stopping) {
        if (!is_readable(server->fd))
            continue;
        if (server->is_udp) {
            serve_udp(server);
            continue;
        }
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            continue;
        server->connections++;
        serve_tcp(server, fd);
    }
    return NULL;
}

void fake_server_start(struct fake_server *server, bool is_udp, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof(address);
    int on = 1;
    server->is_udp = is_udp;
    server->stopping = false;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(server->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    if (!is_udp)
        assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", server->port);
    pthread_mutex_init(&server->lock, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
}

void fake_server_stop(struct fake_server *server)
{
    server->stopping = true;
    pthread_join(server->thread, NULL);
    close(server->fd);
}

void fake_server_fini(struct fake_server *server)
{
    buffer_fini(&server->whole);
    buffer_fini(&server->stream);
}

void fake_server_pause(struct fake_server *server)
{
    server->has_paused = false;
    server->paused = true;
    for (unsigned i = 0; i < PAUSE_WAITS && !server->has_paused; i++)
        usleep(1000);
    assert_true(server->has_paused);
}

unsigned fake_server_count(struct fake_server *server, const char *line)
{
    unsigned count = 0;
    size_t len = strlen(line);
    pthread_mutex_lock(&server->lock);
    const char *at = server->whole.data, *end = at + server->whole.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = (size_t)(newline - at) + 1;
        count += line_len == len && memcmp(at, line, len) == 0;
        at = newline + 1;
    }
    pthread_mutex_unlock(&server->lock);
    return count;
}

size_t fake_server_size(struct fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t size = server->stream.size;
    pthread_mutex_unlock(&server->lock);
    return size;
}
