/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_flow.c - the two ends of an appliance under test: lines into its TCP inputs by the kernel's
 *              sockets, and lines out of a TcpOutput, every byte of which is known.
 *
 *   tcp_flow send --port N [--ipv4 IP] [--ipv6 IP] --connections N --lines N [--size N]
 *   tcp_flow check --port N --connections N --lines N [--size N] [--pause-us N] [--wait]
 *
 * --lines are of each connection, --size bytes long. send connects (in turn to the one address and
 * the other), sends, closes its side and waits for the other side's FIN. check listens on 127.0.0.1
 * and compares: a line is a function of its connection and number, and those of a connection come
 * in order, each once. --pause-us makes it sleep after each 64 KiB; with --wait it does not listen
 * before SIGUSR1 comes, so that connections are refused. Both print one JSON object; exit status 1
 * when something is wrong, missing or does not move for a while.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/support/arguments.h"

enum {
    PATTERN = 65521,
    SIZE_MIN = 32,
    SIZE_MAX_ = 32768,
    HEAD = 22, /* "CCCCCCCC NNNNNNNNNNNN " */
    CHUNK = 65536,
    EVENTS = 256,
    CONNECTIONS_MAX = 1 << 20,
    PAUSE_US_MAX = 1000000,
    STALL_S = 120
};

struct options {
    const char *ipv4, *ipv6;
    uint64_t port, connections, lines, size, pause_us;
    bool waits;
};

static char pattern[PATTERN + SIZE_MAX_];

static void die(const char *what)
{
    fprintf(stderr, "tcp_flow: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void make_pattern(void)
{
    uint64_t z = 1;
    for (size_t i = 0; i < sizeof(pattern); i++) {
        if (i >= PATTERN) {
            pattern[i] = pattern[i - PATTERN];
            continue;
        }
        z = z * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        pattern[i] = (char)(' ' + (z >> 33) % 95);
    }
}

static void put_digits(char *at, unsigned count, uint64_t value)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
}

static uint64_t get_digits(const char *at, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value * 10 + (uint64_t)(unsigned char)(at[i] - '0');
    return value;
}

static void make_line(char *line, unsigned connection, uint64_t number, size_t size)
{
    put_digits(line, 8, connection);
    line[8] = ' ';
    put_digits(line + 9, 12, number);
    line[21] = ' ';
    memcpy(line + HEAD, pattern + (connection * UINT64_C(7919) + number * 13) % PATTERN,
           size - HEAD - 1);
    line[size - 1] = '\n';
}

/* ---- send ---- */

struct client {
    int fd;
    uint64_t sent;
    bool is_done, has_shut;
};

static void connect_client(struct client *client, unsigned index, const struct options *options)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = to4.sin_port};
    bool is_ipv6 = options->ipv6 != NULL && (options->ipv4 == NULL || index % 2 == 1);
    if (is_ipv6 ? inet_pton(AF_INET6, options->ipv6, &to6.sin6_addr) != 1
                : inet_pton(AF_INET, options->ipv4, &to4.sin_addr) != 1)
        die("address");
    const struct sockaddr *to = is_ipv6 ? (const void *)&to6 : (const void *)&to4;
    client->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    /* What all kernels have: BBR, when it is the default, may believe in a few bytes a second when
     * it has 10,000 connections and a short ring to go through. */
    setsockopt(client->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
    if (client->fd < 0 || (connect(client->fd, to, is_ipv6 ? sizeof(to6) : sizeof(to4)) != 0 &&
                           errno != EINPROGRESS))
        die("connect");
}

/* What comes at `offset` of a connection's stream: whole lines, cut in front. */
static size_t fill(char *chunk, unsigned index, uint64_t offset, const struct options *options)
{
    uint64_t number = offset / options->size;
    size_t at = 0;
    for (; number < options->lines && at + options->size <= CHUNK; number++, at += options->size)
        make_line(chunk + at, index, number, options->size);
    return at;
}

/* True when it has made progress. */
static bool step_client(struct client *client, unsigned index, const struct options *options)
{
    static char chunk[CHUNK];
    uint64_t size = options->lines * options->size;
    bool moved = false;
    while (client->sent < size) {
        size_t skip = client->sent % options->size;
        size_t filled = fill(chunk, index, client->sent, options);
        ssize_t put = send(client->fd, chunk + skip, filled - skip, MSG_NOSIGNAL);
        if (put < 0 && (errno == EAGAIN || errno == EINPROGRESS))
            return moved;
        if (put < 0) { /* refused or reset: seen as missing bytes */
            client->is_done = true;
            return true;
        }
        client->sent += (uint64_t)put;
        moved = true;
    }
    if (!client->has_shut) {
        shutdown(client->fd, SHUT_WR);
        client->has_shut = moved = true;
    }
    char byte;
    ssize_t got = recv(client->fd, &byte, 1, 0);
    client->is_done = got == 0 || (got < 0 && errno != EAGAIN);
    return moved || client->is_done;
}

static unsigned drive(struct client *clients, int epoll, const struct options *options)
{
    unsigned left = (unsigned)options->connections;
    uint64_t last_ns = clock_mono_ns();
    while (left > 0 && clock_mono_ns() - last_ns < STALL_S * CLOCK_NS_PER_S) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            unsigned index = events[i].data.u32;
            if (clients[index].is_done || !step_client(&clients[index], index, options))
                continue;
            last_ns = clock_mono_ns();
            left -= clients[index].is_done;
        }
    }
    return left;
}

static int run_send(const struct options *options)
{
    struct client *clients = calloc(options->connections, sizeof(*clients));
    int epoll = epoll_create1(0);
    uint64_t sent = 0, start_ns = clock_mono_ns();
    if (clients == NULL || epoll < 0)
        die("start");
    for (unsigned i = 0; i < options->connections; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP,
                                    .data.u32 = i};
        connect_client(&clients[i], i, options);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
            die("epoll_ctl");
    }
    unsigned left = drive(clients, epoll, options);
    for (unsigned i = 0; i < options->connections; i++)
        sent += clients[i].sent;
    bool is_good = left == 0 && sent == options->connections * options->lines * options->size;
    printf("{\"sent\": %llu, \"left\": %u, \"seconds\": %.3f, \"good\": %s}\n",
           (unsigned long long)sent, left,
           (double)(clock_mono_ns() - start_ns) / (double)CLOCK_NS_PER_S,
           is_good ? "true" : "false");
    free(clients);
    return is_good ? 0 : 1;
}

/* ---- check ---- */

struct checker {
    const struct options *options;
    uint64_t *next; /* line, by connection */
    uint64_t good, wrong, again, skipped, connections;
    char line[SIZE_MAX_];
    size_t used; /* of an incomplete one */
};

static void check_line(struct checker *checker, const char *line)
{
    static char wanted[SIZE_MAX_];
    const struct options *options = checker->options;
    uint64_t connection = get_digits(line, 8), number = get_digits(line + 9, 12);
    if (connection >= options->connections || number >= options->lines) {
        checker->wrong++;
        return;
    }
    make_line(wanted, (unsigned)connection, number, options->size);
    uint64_t *next = &checker->next[connection];
    if (memcmp(line, wanted, options->size) != 0)
        checker->wrong++;
    else if (number < *next)
        checker->again++;
    else
        checker->good++;
    checker->skipped += number > *next ? number - *next : 0;
    if (number >= *next)
        *next = number + 1;
}

static void check_bytes(struct checker *checker, const char *bytes, size_t size)
{
    size_t line = checker->options->size;
    while (size > 0) {
        if (checker->used == 0 && size >= line) {
            check_line(checker, bytes);
            bytes += line;
            size -= line;
            continue;
        }
        size_t more = line - checker->used < size ? line - checker->used : size;
        memcpy(checker->line + checker->used, bytes, more);
        checker->used += more;
        bytes += more;
        size -= more;
        if (checker->used == line) {
            check_line(checker, checker->line);
            checker->used = 0;
        }
    }
}

static bool is_complete(const struct checker *checker)
{
    const struct options *options = checker->options;
    return checker->good >= options->connections * options->lines;
}

/* Until it ends, all is there, or nothing comes for a while. */
static void read_connection(struct checker *checker, int fd)
{
    static char bytes[CHUNK];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    checker->connections++;
    checker->used = 0;
    while (!is_complete(checker) && poll(&ready, 1, STALL_S * 1000) > 0) {
        ssize_t size = read(fd, bytes, sizeof(bytes));
        if (size <= 0)
            break;
        check_bytes(checker, bytes, (size_t)size);
        if (checker->options->pause_us > 0)
            usleep((useconds_t)checker->options->pause_us);
    }
    close(fd);
}

static void wait_for_signal(void)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    puts("waiting");
    fflush(stdout);
    sigwait(&set, &number);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, small = CHUNK, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) != 0 ||
        bind(fd, (const struct sockaddr *)(const void *)&at, sizeof(at)) != 0 || listen(fd, 8) != 0)
        die("listen");
    return fd;
}

static int run_check(const struct options *options)
{
    struct checker *checker = calloc(1, sizeof(*checker));
    if (checker == NULL || (checker->next = calloc(options->connections, 8)) == NULL)
        die("memory");
    checker->options = options;
    if (options->waits)
        wait_for_signal();
    struct pollfd ready = {.fd = listen_on((uint16_t)options->port), .events = POLLIN};
    puts("listening");
    fflush(stdout);
    while (!is_complete(checker) && poll(&ready, 1, STALL_S * 1000) > 0) {
        int fd = accept(ready.fd, NULL, NULL);
        if (fd >= 0)
            read_connection(checker, fd);
    }
    bool is_good = is_complete(checker) && checker->wrong == 0 && checker->skipped == 0;
    printf("{\"lines\": %llu, \"wrong\": %llu, \"again\": %llu, \"skipped\": %llu, "
           "\"connections\": %llu, \"good\": %s}\n",
           (unsigned long long)checker->good, (unsigned long long)checker->wrong,
           (unsigned long long)checker->again, (unsigned long long)checker->skipped,
           (unsigned long long)checker->connections, is_good ? "true" : "false");
    free(checker->next);
    free(checker);
    return is_good ? 0 : 1;
}

/* ---- arguments ---- */

static void parse(int argc, char **argv, struct options *options)
{
    const struct argument rows[] = {
        {.name = "port", .number = &options->port},
        {.name = "ipv4", .text = &options->ipv4},
        {.name = "ipv6", .text = &options->ipv6},
        {.name = "connections", .number = &options->connections},
        {.name = "lines", .number = &options->lines},
        {.name = "size", .number = &options->size},
        {.name = "pause-us", .number = &options->pause_us},
        {.name = "wait", .flag = &options->waits},
        {.name = NULL},
    };
    *options = (struct options){.connections = 1, .lines = 1, .size = 100};
    arguments_read(argc, argv, rows);
}

int main(int argc, char **argv)
{
    struct options options;
    bool is_send = argc > 1 && strcmp(argv[1], "send") == 0;
    if (!is_send && (argc < 2 || strcmp(argv[1], "check") != 0)) {
        fputs("tcp_flow send|check, see tests/support/tcp_flow.c\n", stderr);
        return 2;
    }
    parse(argc - 1, argv + 1, &options);
    if (options.size < SIZE_MIN || options.size > SIZE_MAX_ || options.connections == 0 ||
        options.connections > CONNECTIONS_MAX || options.port > UINT16_MAX ||
        options.pause_us > PAUSE_US_MAX ||
        (is_send && options.ipv4 == NULL && options.ipv6 == NULL)) {
        fputs("tcp_flow: arguments\n", stderr);
        return 2;
    }
    arguments_raise_file_limit();
    make_pattern();
    return is_send ? run_send(&options) : run_check(&options);
}
