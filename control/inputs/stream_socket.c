/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/stream_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/inputs/listen_socket.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    EVENTS_MAX = 64,
    ACCEPTS_MAX = 64,    /* in one turn */
    LAST_READS_MAX = 64, /* of each connection when the input ends */
    PAUSE_MS = 1000      /* without a byte, for owners that end a group of lines then */
};

struct stream_connection {
    int fd;
    void *peer;
    uint64_t last_ns; /* when bytes came; 0: the pause behind them was told */
    struct stream_connection *next, *previous;
};

static void count(const struct stream_socket *socket, unsigned row)
{
    input_host_count(socket->config.host, socket->config.first_counter + row, 1);
}

static void show_open(const struct stream_socket *socket)
{
    input_host_set(socket->config.host, socket->config.first_counter + STREAM_OPEN,
                   socket->connection_count);
}

int stream_socket_open(struct stream_socket *socket, const struct stream_socket_config *config,
                       struct err *err)
{
    char text[LISTEN_TEXT_SIZE];
    *socket = (struct stream_socket){.config = *config, .listen_fd = -1};
    socket->config.address = NULL;
    socket->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (socket->epoll_fd < 0)
        return err_add(err, "epoll: %s", strerror(errno));
    socket->is_open = true;
    socket->listen_fd = listen_socket_open(config->address, err);
    if (socket->listen_fd < 0)
        return -1;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(socket->epoll_fd, EPOLL_CTL_ADD, socket->listen_fd, &event) != 0)
        return err_add(err, "epoll: %s", strerror(errno));
    listen_socket_text(socket->listen_fd, text);
    log_info("Input '%s' listens on %s", input_host_name(config->host), text);
    return 0;
}

/* ---- connections come and go ---- */

static void set_keep_alive(const struct stream_socket *socket, int fd)
{
    int on = 1, period = socket->config.keep_alive_period_s;
    if (!socket->config.keep_alive)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (period == 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &period, sizeof(period));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &period, sizeof(period));
}

/* When hekad is killed, the kernel resets its connections instead of ending them in order: a sender
 * must not believe that all was read which it was not. TcpOutput sends it again then. */
static void set_abortive(int fd, bool on)
{
    struct linger linger = {.l_onoff = on};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void add_connection(struct stream_socket *socket, struct stream_connection *connection)
{
    connection->next = socket->connections;
    if (socket->connections != NULL)
        socket->connections->previous = connection;
    socket->connections = connection;
    socket->connection_count++;
    count(socket, STREAM_CONNECTIONS);
    show_open(socket);
}

/* NULL: no memory, or epoll has no room. */
static struct stream_connection *make_connection(const struct stream_socket *socket, int fd,
                                                 const struct sockaddr *source, socklen_t size)
{
    struct stream_connection *connection = calloc(1, sizeof(*connection));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (connection == NULL)
        return NULL;
    connection->fd = fd;
    connection->peer = socket->config.owner->begin(socket->config.arg, source, size);
    if (connection->peer != NULL &&
        epoll_ctl(socket->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return connection;
    if (connection->peer != NULL)
        socket->config.owner->end(connection->peer, false);
    free(connection);
    return NULL;
}

static void take_connection(struct stream_socket *socket, int fd, const struct sockaddr *source,
                            socklen_t size)
{
    if (socket->connection_count >= socket->config.connections_max) {
        count(socket, STREAM_REFUSED);
        close(fd);
        return;
    }
    struct stream_connection *connection = make_connection(socket, fd, source, size);
    if (connection == NULL) {
        count(socket, STREAM_ACCEPT_ERRORS);
        close(fd);
        return;
    }
    set_keep_alive(socket, fd);
    set_abortive(fd, true);
    add_connection(socket, connection);
}

/* False when there are none, or no more to be had now. */
static bool accept_one(struct stream_socket *socket)
{
    struct sockaddr_storage storage;
    struct sockaddr *source = (struct sockaddr *)(void *)&storage;
    socklen_t size = sizeof(storage);
    int fd = accept4(socket->listen_fd, source, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_connection(socket, fd, source, size);
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    if (errno != EINTR && errno != ECONNABORTED)
        count(socket, STREAM_ACCEPT_ERRORS);
    return errno == EINTR || errno == ECONNABORTED;
}

static void accept_some(struct stream_socket *socket)
{
    for (unsigned i = 0; i < ACCEPTS_MAX && accept_one(socket); i++)
        ;
}

/* It ends in order when all that was read is passed on. */
static void drop_connection(struct stream_socket *socket, struct stream_connection *connection,
                            bool in_order)
{
    if (socket->config.owner->end(connection->peer, in_order) == 0)
        set_abortive(connection->fd, false);
    close(connection->fd);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        socket->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    free(connection);
    socket->connection_count--;
    show_open(socket);
}

/* ---- bytes ---- */

enum read_result { READ_SOME, READ_NOTHING, READ_END /* its sender's */, READ_FAILED };

static enum read_result read_once(struct stream_socket *socket,
                                  struct stream_connection *connection)
{
    size_t room;
    void *place = socket->config.owner->room(connection->peer, &room);
    if (place == NULL) { /* no memory: the sender will send it again, to whoever has some */
        count(socket, STREAM_RESETS);
        return READ_FAILED;
    }
    ssize_t size = recv(connection->fd, place, room, 0);
    if (size == 0)
        return READ_END;
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_NOTHING;
    if (size < 0) {
        count(socket, STREAM_RESETS);
        return READ_FAILED;
    }
    input_host_count(socket->config.host, socket->config.bytes_counter, (uint64_t)size);
    connection->last_ns = clock_mono_ns();
    return socket->config.owner->filled(connection->peer, (size_t)size) == 0 ? READ_SOME
                                                                             : READ_FAILED;
}

static void take_events(struct stream_socket *socket)
{
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(socket->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < ready; i++) {
        struct stream_connection *connection = events[i].data.ptr;
        if (connection == NULL) {
            accept_some(socket);
            continue;
        }
        enum read_result result = read_once(socket, connection);
        if (result == READ_END || result == READ_FAILED)
            drop_connection(socket, connection, result == READ_END);
    }
}

static void tell_pauses(struct stream_socket *socket)
{
    uint64_t now_ns = clock_mono_ns();
    if (now_ns < socket->next_pause_ns || socket->config.owner->pause == NULL)
        return;
    socket->next_pause_ns = now_ns + PAUSE_MS * CLOCK_NS_PER_MS;
    for (struct stream_connection *c = socket->connections; c != NULL; c = c->next) {
        if (c->last_ns == 0 || now_ns - c->last_ns < PAUSE_MS * CLOCK_NS_PER_MS)
            continue;
        c->last_ns = 0;
        socket->config.owner->pause(c->peer);
    }
}

/* What has arrived is taken; what comes later the kernel refuses, so that its sender knows. */
static void end_all(struct stream_socket *socket)
{
    while (socket->connections != NULL) {
        struct stream_connection *connection = socket->connections;
        enum read_result result = READ_SOME;
        for (unsigned i = 0; i < LAST_READS_MAX && result == READ_SOME; i++)
            result = read_once(socket, connection);
        drop_connection(socket, connection, result == READ_END);
    }
}

void stream_socket_run(struct stream_socket *socket)
{
    struct pollfd fd = {.fd = socket->epoll_fd, .events = POLLIN};
    int ready;
    while ((ready = input_host_wait(socket->config.host, &fd, 1, -1)) >= 0) {
        if (ready > 0)
            take_events(socket);
        tell_pauses(socket);
    }
    end_all(socket);
}

void stream_socket_close(struct stream_socket *socket)
{
    if (!socket->is_open)
        return;
    while (socket->connections != NULL)
        drop_connection(socket, socket->connections, false);
    if (socket->listen_fd >= 0)
        listen_socket_close(socket->listen_fd);
    close(socket->epoll_fd);
    socket->is_open = false;
}
