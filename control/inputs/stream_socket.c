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
    TLS_READS_MAX = 4,   /* in one turn: a TLS record has 16 KiB at most */
    TICK_MS = 1000       /* pauses, late handshakes, bytes that wait */
};

struct stream_connection {
    int fd;
    struct tls_session *tls; /* NULL: none */
    bool is_opened;          /* user has been told */
    void *user;
    uint64_t last_ns; /* when bytes came, or the connection; 0: the pause behind them was told */
    uint32_t events;  /* that epoll waits for; 0: it is not read, until there is credit */
    char *waiting;    /* what the handler did not take */
    size_t waiting_size;
    struct stream_connection *next, *previous;
    struct sockaddr_storage source;
    socklen_t source_size;
};

static void count(const struct stream_socket *socket, unsigned row)
{
    input_host_count(socket->config.host, socket->config.first_counter + row, 1);
}

static void count_tls(const struct stream_socket *socket, unsigned row)
{
    input_host_count(socket->config.host, socket->config.tls_counter + row, 1);
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
    socket->trouble.name = input_host_name(config->host);
    socket->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (socket->epoll_fd < 0)
        return err_add(err, "epoll: %s", strerror(errno));
    socket->is_open = true;
    socket->bytes = malloc(STREAM_READ_BYTES);
    if (socket->bytes == NULL)
        return err_add(err, "out of memory");
    socket->listen_fd = listen_socket_open(config->address, err);
    if (socket->listen_fd < 0)
        return -1;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(socket->epoll_fd, EPOLL_CTL_ADD, socket->listen_fd, &event) != 0)
        return err_add(err, "epoll: %s", strerror(errno));
    listen_socket_text(socket->listen_fd, text);
    log_info("Input '%s' listens on %s%s", input_host_name(config->host), text,
             config->tls != NULL ? " with TLS" : "");
    return 0;
}

/* ---- epoll ---- */

/* Waits for `events` of it; 0: for nothing, not even its end. */
static int watch(const struct stream_socket *socket, struct stream_connection *connection,
                 uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int how = connection->events != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (events == 0)
        how = EPOLL_CTL_DEL;
    if (events == connection->events)
        return 0;
    if (epoll_ctl(socket->epoll_fd, how, connection->fd, &event) != 0)
        return -errno;
    connection->events = events;
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

static void free_connection(struct stream_connection *connection)
{
    tls_session_free(connection->tls);
    close(connection->fd);
    free(connection->waiting);
    free(connection);
}

/* Ends it in order when all that its sender sent is passed on. */
static void drop(struct stream_socket *socket, struct stream_connection *connection,
                 enum stream_end end)
{
    int rc = connection->is_opened ? socket->config.handler->closed(connection->user, end) : -1;
    bool is_whole = connection->waiting_size == 0 &&
                    (connection->tls == NULL || !tls_session_has_more(connection->tls));
    if (rc == 0 && is_whole) {
        if (connection->tls != NULL)
            tls_session_finish(connection->tls);
        set_abortive(connection->fd, false);
    }
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        socket->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    free_connection(connection);
    socket->connection_count--;
    show_open(socket);
}

void stream_socket_abort(struct stream_socket *socket, struct stream_connection *connection)
{
    set_abortive(connection->fd, true);
    count(socket, STREAM_RESETS);
    drop(socket, connection, STREAM_END_ABORTED);
}

/* False: it is refused, and dropped. */
static bool open_user(struct stream_socket *socket, struct stream_connection *connection)
{
    const struct sockaddr *source = (const struct sockaddr *)(const void *)&connection->source;
    connection->user = socket->config.handler->opened(socket->config.arg, connection, source,
                                                      connection->source_size);
    connection->is_opened = connection->user != NULL;
    if (connection->is_opened)
        return true;
    count(socket, STREAM_ACCEPT_ERRORS);
    drop(socket, connection, STREAM_END_ABORTED);
    return false;
}

/* NULL: no memory, or epoll has no room; the fd is closed. */
static struct stream_connection *make_connection(const struct stream_socket *socket, int fd)
{
    struct stream_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        close(fd);
        return NULL;
    }
    connection->fd = fd;
    connection->last_ns = clock_mono_ns();
    if (socket->config.tls != NULL)
        connection->tls = tls_session_new(socket->config.tls, fd, NULL);
    if ((socket->config.tls == NULL || connection->tls != NULL) &&
        watch(socket, connection, EPOLLIN) == 0)
        return connection;
    free_connection(connection);
    return NULL;
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

static void take_connection(struct stream_socket *socket, int fd,
                            const struct sockaddr_storage *source, socklen_t size)
{
    if (socket->connection_count >= socket->config.connections_max) {
        count(socket, STREAM_REFUSED);
        close(fd);
        return;
    }
    set_keep_alive(socket, fd);
    set_abortive(fd, true);
    struct stream_connection *connection = make_connection(socket, fd);
    if (connection == NULL) {
        count(socket, STREAM_ACCEPT_ERRORS);
        return;
    }
    connection->source = *source;
    connection->source_size = size;
    add_connection(socket, connection);
    if (connection->tls == NULL)
        open_user(socket, connection);
}

/* False when there are none, or no more to be had now. */
static bool accept_one(struct stream_socket *socket)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    int fd = accept4(socket->listen_fd, (struct sockaddr *)(void *)&storage, &size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_connection(socket, fd, &storage, size);
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

/* ---- bytes ---- */

enum read_result {
    READ_SOME,
    READ_NOTHING,
    READ_WAITS,  /* the handler did not take all: it is not read for now */
    READ_DROPPED /* the connection is gone */
};

/* Keeps what the handler did not take. False: no memory for it. */
static bool keep(struct stream_connection *connection, const char *bytes, size_t size)
{
    char *waiting = malloc(size);
    if (waiting == NULL)
        return false;
    memcpy(waiting, bytes, size);
    free(connection->waiting);
    connection->waiting = waiting;
    connection->waiting_size = size;
    return true;
}

static enum read_result give(struct stream_socket *socket, struct stream_connection *connection,
                             size_t size)
{
    input_host_count(socket->config.host, socket->config.bytes_counter, size);
    connection->last_ns = clock_mono_ns();
    size_t taken = socket->config.handler->data(connection->user, socket->bytes, size);
    if (taken >= size)
        return READ_SOME;
    if (keep(connection, socket->bytes + taken, size - taken) &&
        watch(socket, connection, 0) == 0)
        return READ_WAITS;
    stream_socket_abort(socket, connection); /* its sender will send it again */
    return READ_DROPPED;
}

/* As recv(), and a negative code. */
static ssize_t receive(const struct stream_socket *socket,
                       const struct stream_connection *connection)
{
    if (connection->tls != NULL)
        return tls_session_read(connection->tls, socket->bytes, STREAM_READ_BYTES);
    ssize_t size = recv(connection->fd, socket->bytes, STREAM_READ_BYTES, 0);
    return size >= 0 ? size : -errno;
}

/* TLS has ended out of order: which is the network's doing, and which is not? */
static enum read_result fail_tls(struct stream_socket *socket,
                                 struct stream_connection *connection, int code)
{
    const char *why = tls_session_error(connection->tls);
    if (connection->is_opened && code == -ECONNRESET) {
        count_tls(socket, STREAM_TLS_CUT);
    } else {
        count_tls(socket, STREAM_TLS_FAILED);
        trouble_say(&socket->trouble, "TLS: %s", why);
    }
    drop(socket, connection, STREAM_END_RESET);
    return READ_DROPPED;
}

static enum read_result fail_read(struct stream_socket *socket,
                                  struct stream_connection *connection, int code)
{
    if (connection->tls != NULL)
        return fail_tls(socket, connection, code);
    count(socket, STREAM_RESETS);
    drop(socket, connection, STREAM_END_RESET);
    return READ_DROPPED;
}

/* 0: the user is there. */
static enum read_result shake_hands(struct stream_socket *socket,
                                    struct stream_connection *connection)
{
    int rc = tls_session_handshake(connection->tls);
    if (rc == -EAGAIN) {
        uint32_t events = tls_session_events(connection->tls) == POLLOUT ? EPOLLOUT : EPOLLIN;
        return watch(socket, connection, events) == 0 ? READ_NOTHING
                                                      : fail_tls(socket, connection, -EPROTO);
    }
    if (rc != 0)
        return fail_tls(socket, connection, rc);
    trouble_end(&socket->trouble);
    connection->last_ns = clock_mono_ns();
    if (!open_user(socket, connection))
        return READ_DROPPED;
    return watch(socket, connection, EPOLLIN) == 0 ? READ_SOME
                                                   : fail_tls(socket, connection, -EPROTO);
}

static enum read_result read_once(struct stream_socket *socket,
                                  struct stream_connection *connection)
{
    if (!connection->is_opened) {
        enum read_result result = shake_hands(socket, connection);
        if (result != READ_SOME)
            return result;
    }
    ssize_t size = receive(socket, connection);
    if (size > 0)
        return give(socket, connection, (size_t)size);
    if (size == -EAGAIN || size == -EINTR || size == -EWOULDBLOCK)
        return READ_NOTHING;
    if (size < 0)
        return fail_read(socket, connection, (int)size);
    drop(socket, connection, STREAM_END_FIN);
    return READ_DROPPED;
}

bool stream_socket_credit(struct stream_socket *socket, struct stream_connection *connection)
{
    if (connection->waiting_size > 0) {
        size_t taken = socket->config.handler->data(connection->user, connection->waiting,
                                                    connection->waiting_size);
        connection->waiting_size -= taken;
        memmove(connection->waiting, connection->waiting + taken, connection->waiting_size);
    }
    if (connection->waiting_size > 0)
        return false;
    free(connection->waiting);
    connection->waiting = NULL;
    return watch(socket, connection, EPOLLIN) == 0;
}

static void read_some(struct stream_socket *socket, struct stream_connection *connection)
{
    unsigned reads_max = connection->tls != NULL ? TLS_READS_MAX : 1;
    enum read_result result = READ_SOME;
    for (unsigned i = 0; i < reads_max && result == READ_SOME; i++)
        result = read_once(socket, connection);
}

static void take_events(struct stream_socket *socket)
{
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(socket->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < ready; i++) {
        if (events[i].data.ptr == NULL)
            accept_some(socket);
        else
            read_some(socket, events[i].data.ptr);
    }
}

/* ---- now and then ---- */

static void tick_one(struct stream_socket *socket, struct stream_connection *connection,
                     uint64_t now_ns)
{
    uint64_t since_ns = now_ns - connection->last_ns;
    if (!connection->is_opened) {
        if (since_ns < TLS_HANDSHAKE_MAX_S * CLOCK_NS_PER_S)
            return;
        count_tls(socket, STREAM_TLS_LATE);
        drop(socket, connection, STREAM_END_ABORTED);
        return;
    }
    if (connection->events == 0 && !stream_socket_credit(socket, connection))
        return;
    if (connection->last_ns == 0 || since_ns < TICK_MS * CLOCK_NS_PER_MS ||
        socket->config.handler->pause == NULL)
        return;
    connection->last_ns = 0;
    socket->config.handler->pause(connection->user);
}

static void tick(struct stream_socket *socket)
{
    uint64_t now_ns = clock_mono_ns();
    struct stream_connection *next;
    if (now_ns < socket->next_tick_ns)
        return;
    socket->next_tick_ns = now_ns + TICK_MS * CLOCK_NS_PER_MS;
    for (struct stream_connection *c = socket->connections; c != NULL; c = next) {
        next = c->next;
        tick_one(socket, c, now_ns);
    }
}

/* What has arrived is taken; what comes later the kernel refuses, so that its sender knows. */
static void end_one(struct stream_socket *socket, struct stream_connection *connection)
{
    enum read_result result = READ_SOME;
    if (connection->events == 0 && !stream_socket_credit(socket, connection))
        result = READ_WAITS;
    for (unsigned i = 0; i < LAST_READS_MAX && result == READ_SOME; i++)
        result = read_once(socket, connection);
    if (result != READ_DROPPED)
        drop(socket, connection, STREAM_END_ABORTED);
}

void stream_socket_turn(struct stream_socket *socket)
{
    take_events(socket);
    tick(socket);
}

void stream_socket_run(struct stream_socket *socket)
{
    struct pollfd fd = {.fd = socket->epoll_fd, .events = POLLIN};
    int ready;
    while ((ready = input_host_wait(socket->config.host, &fd, 1, -1)) >= 0) {
        if (ready > 0)
            take_events(socket);
        tick(socket);
    }
    while (socket->connections != NULL)
        end_one(socket, socket->connections);
}

void stream_socket_close(struct stream_socket *socket)
{
    if (!socket->is_open)
        return;
    while (socket->connections != NULL)
        drop(socket, socket->connections, STREAM_END_ABORTED);
    if (socket->listen_fd >= 0)
        listen_socket_close(socket->listen_fd);
    close(socket->epoll_fd);
    free(socket->bytes);
    socket->is_open = false;
}
