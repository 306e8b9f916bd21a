/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_tun.c - the kernel as TCP client of dataplane/tcp, over a tun device.
 *
 *   tcp_tun [--connections N] [--bytes N] [--ipv6] [--loss PERMILLE] [--ack-loss PERMILLE]
 *           [--reorder PERMILLE] [--duplicate PERMILLE] [--slow] [--refuse N] [--seed N]
 *
 * Runs in a network namespace of its own (unshare --net), where it makes the device. One thread
 * runs the endpoint, with faults put into what it receives and sends; the main thread connects with
 * the kernel's sockets, sends --bytes in all, closes, and waits for our FIN. Every byte is a
 * function of its connection and place, and is compared. Prints one JSON object; exit status 1 when
 * a byte was wrong or missing, the books do not balance, or memory is held at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "dataplane/checksum.h"
#include "dataplane/tcp/tcp.h"
#include "tests/support/arguments.h"
#include "tests/support/tun.h"

enum {
    PORT = 5565,
    MTU = 1500,
    PACKET_MAX = 2048,
    PATTERN = 65521,
    BURST = 64,
    HELD_MAX = 16,
    CONNECTIONS_MAX = 20000,
    STALL_S = 60
};

struct options {
    uint64_t connections, bytes, seed;
    uint64_t loss, ack_loss, reorder, duplicate, refuse; /* the first four in 1,000 */
    bool ipv6, slow;
};

struct stream { /* the endpoint's side of a connection */
    struct tcp_connection *connection;
    uint64_t offset;
    uint16_t port;
    bool waits;
    struct stream *next;
};

struct server {
    const struct options *options;
    int tun;
    struct tcp *tcp;
    uint64_t random;
    uint8_t held[HELD_MAX][PACKET_MAX]; /* packets that are let others pass */
    size_t held_size[HELD_MAX];
    unsigned held_after[HELD_MAX];
    struct stream *waiting;
    uint64_t delivered, wrong, opened, closed[5], refused;
    _Atomic bool stop;
};

static uint8_t pattern[2 * PATTERN];

static void die(const char *what)
{
    fprintf(stderr, "tcp_tun: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t next_random(struct server *server)
{
    uint64_t z = server->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static bool happens(struct server *server, uint64_t permille)
{
    return permille > 0 && next_random(server) % 1000 < permille;
}

static const uint8_t *pattern_at(uint16_t port, uint64_t offset)
{
    return pattern + (offset + port * 7u) % PATTERN;
}

/* ---- the handler ---- */

static int find_listener(void *context, const struct tcp_flow *flow)
{
    (void)context;
    return ntohs(flow->local_port_be) == PORT ? 0 : -1;
}

static void *opened(void *context, struct tcp_connection *connection, int listener,
                    const struct tcp_flow *flow)
{
    struct server *server = context;
    (void)listener;
    if (server->refused < server->options->refuse) {
        server->refused++;
        return NULL;
    }
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->connection = connection;
    stream->port = ntohs(flow->remote_port_be);
    server->opened++;
    return stream;
}

static size_t data(void *context, void *user, const uint8_t *bytes, size_t size)
{
    struct server *server = context;
    struct stream *stream = user;
    size_t taken = 0, wanted = size;
    if (server->options->slow && (stream->waits || next_random(server) % 3 == 0)) {
        wanted = next_random(server) % (size + 1);
        if (!stream->waits) {
            stream->waits = true;
            stream->next = server->waiting;
            server->waiting = stream;
        }
    }
    while (taken < wanted) {
        size_t part = wanted - taken < PATTERN ? wanted - taken : PATTERN;
        if (memcmp(bytes + taken, pattern_at(stream->port, stream->offset), part) != 0)
            server->wrong++;
        taken += part;
        stream->offset += part;
    }
    server->delivered += taken;
    return taken;
}

static void closed(void *context, void *user, enum tcp_end end)
{
    struct server *server = context;
    struct stream **at = &server->waiting;
    while (*at != NULL && *at != user)
        at = &(*at)->next;
    if (*at != NULL)
        *at = (*at)->next;
    server->closed[end]++;
    free(user);
}

static void give_credit(struct server *server, uint64_t now_ns)
{
    struct stream *stream = server->waiting;
    server->waiting = NULL;
    while (stream != NULL) {
        struct stream *next = stream->next;
        stream->waits = false;
        stream->next = NULL;
        tcp_credit(server->tcp, stream->connection, now_ns);
        stream = next;
    }
}

/* ---- IP ---- */

static size_t put_ip_header(uint8_t *packet, const struct tcp_answer *answer)
{
    const struct tcp_flow *flow = answer->flow;
    size_t size = answer->header_size;
    memset(packet, 0, 40);
    if (flow->is_ipv6) {
        packet[0] = 0x60;
        octets_store_be16(packet + 4, (uint16_t)size);
        packet[6] = IPPROTO_TCP;
        packet[7] = 64;
        memcpy(packet + 8, flow->local_ip, 16);
        memcpy(packet + 24, flow->remote_ip, 16);
        return 40;
    }
    packet[0] = 0x45;
    octets_store_be16(packet + 2, (uint16_t)(20 + size));
    packet[8] = 64;
    packet[9] = IPPROTO_TCP;
    memcpy(packet + 12, flow->local_ip, 4);
    memcpy(packet + 16, flow->remote_ip, 4);
    octets_store16(packet + 10, (uint16_t)~checksum_fold(checksum_ip4_20(packet)));
    return 20;
}

static uint64_t pseudo_sum(const uint8_t *packet, bool is_ipv6, size_t size)
{
    return is_ipv6 ? checksum_pseudo6(packet + 8, IPPROTO_TCP, (uint32_t)size)
                   : checksum_pseudo4(packet + 12, IPPROTO_TCP, (uint32_t)size);
}

static void send_answer(void *context, const struct tcp_answer *answer)
{
    struct server *server = context;
    uint8_t packet[40 + TCP_HEADER_SIZE_MAX];
    size_t at = put_ip_header(packet, answer), size = answer->header_size;
    memcpy(packet + at, answer->header, size);
    uint64_t sum = pseudo_sum(packet, answer->flow->is_ipv6, size);
    octets_store16(packet + at + 16,
                   (uint16_t)~checksum_fold(checksum_add(sum, packet + at, size)));
    if (happens(server, server->options->ack_loss))
        return;
    if (write(server->tun, packet, at + size) < 0 && errno != EAGAIN && errno != ENOBUFS)
        die("write");
}

static void take_packet(struct server *server, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    struct tcp_packet packet = {0};
    bool is_ipv6 = size >= 40 && bytes[0] >> 4 == 6;
    size_t header = is_ipv6 ? 40 : 20;
    if (size < header + TCP_HEADER_SIZE || bytes[is_ipv6 ? 6 : 9] != IPPROTO_TCP)
        return;
    const uint8_t *addresses = bytes + (is_ipv6 ? 8 : 12);
    size_t address_size = is_ipv6 ? 16 : 4;
    packet.flow.is_ipv6 = is_ipv6;
    memcpy(packet.flow.remote_ip, addresses, address_size);
    memcpy(packet.flow.local_ip, addresses + address_size, address_size);
    packet.bytes = bytes + header;
    packet.size = (uint32_t)(size - header);
    packet.flow.remote_port_be = octets_load16(packet.bytes);
    packet.flow.local_port_be = octets_load16(packet.bytes + 2);
    uint64_t sum = pseudo_sum(bytes, is_ipv6, packet.size);
    if (checksum_fold(checksum_add(sum, packet.bytes, packet.size)) != CHECKSUM_VALID)
        return;
    tcp_take(server->tcp, &packet, now_ns);
}

/* ---- faults ---- */

static bool hold(struct server *server, const uint8_t *bytes, size_t size)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (server->held_size[i] != 0)
            continue;
        memcpy(server->held[i], bytes, size);
        server->held_size[i] = size;
        server->held_after[i] = 1 + (unsigned)(next_random(server) % 8);
        return true;
    }
    return false;
}

static void let_held_pass(struct server *server, bool all, uint64_t now_ns)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (server->held_size[i] == 0 || (!all && --server->held_after[i] > 0))
            continue;
        size_t size = server->held_size[i];
        server->held_size[i] = 0;
        take_packet(server, server->held[i], size, now_ns);
    }
}

static void take_with_faults(struct server *server, const uint8_t *bytes, size_t size,
                             uint64_t now_ns)
{
    const struct options *options = server->options;
    if (happens(server, options->loss))
        return;
    if (happens(server, options->reorder) && hold(server, bytes, size))
        return;
    take_packet(server, bytes, size, now_ns);
    if (happens(server, options->duplicate))
        take_packet(server, bytes, size, now_ns);
    let_held_pass(server, false, now_ns);
}

/* ---- the endpoint's thread ---- */

static unsigned take_burst(struct server *server, uint64_t now_ns)
{
    uint8_t bytes[PACKET_MAX];
    unsigned count = 0;
    for (; count < BURST; count++) {
        ssize_t size = read(server->tun, bytes, sizeof(bytes));
        if (size <= 0)
            break;
        take_with_faults(server, bytes, (size_t)size, now_ns);
    }
    return count;
}

static void *serve(void *arg)
{
    struct server *server = arg;
    uint64_t next_expire_ns = 0;
    while (!atomic_load_explicit(&server->stop, memory_order_relaxed)) {
        uint64_t now_ns = clock_mono_ns();
        unsigned count = take_burst(server, now_ns);
        give_credit(server, now_ns);
        tcp_flush(server->tcp, now_ns);
        if (now_ns >= next_expire_ns) {
            let_held_pass(server, true, now_ns);
            tcp_flush(server->tcp, now_ns);
            tcp_expire(server->tcp, now_ns);
            next_expire_ns = now_ns + 5 * CLOCK_NS_PER_MS;
        }
        struct pollfd fd = {.fd = server->tun, .events = POLLIN};
        if (count == 0 && server->waiting == NULL)
            poll(&fd, 1, 5);
    }
    return NULL;
}

/* ---- the kernel's side ---- */

struct client {
    int fd;
    uint16_t port;
    uint64_t sent, size;
    bool is_done, has_shut;
};

static void connect_client(struct client *client, const struct options *options)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    inet_pton(AF_INET, TUN_PEER4, &to4.sin_addr);
    inet_pton(AF_INET6, TUN_PEER6, &to6.sin6_addr);
    const struct sockaddr *to = options->ipv6 ? (const void *)&to6 : (const void *)&to4;
    socklen_t size = options->ipv6 ? sizeof(to6) : sizeof(to4);
    client->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0 || (connect(client->fd, to, size) != 0 && errno != EINPROGRESS))
        die("connect");
    struct sockaddr_in6 own;
    socklen_t own_size = sizeof(own);
    getsockname(client->fd, (void *)&own, &own_size);
    client->port = ntohs(options->ipv6 ? own.sin6_port : ((struct sockaddr_in *)&own)->sin_port);
}

/* True when it has made progress. */
static bool step_client(struct client *client)
{
    bool moved = false;
    while (client->sent < client->size) {
        uint64_t left = client->size - client->sent;
        ssize_t put = send(client->fd, pattern_at(client->port, client->sent),
                           left < PATTERN ? (size_t)left : PATTERN, MSG_NOSIGNAL);
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
        client->has_shut = true;
    }
    char byte;
    ssize_t got = recv(client->fd, &byte, 1, 0);
    client->is_done = got == 0 || (got < 0 && errno != EAGAIN);
    return moved || client->is_done;
}

/* Returns the number of connections that were not finished. */
static unsigned run_clients(struct client *clients, const struct options *options)
{
    int epoll = epoll_create1(0);
    unsigned left = (unsigned)options->connections;
    uint64_t last_ns = clock_mono_ns();
    for (unsigned i = 0; i < options->connections; i++) {
        clients[i].size = options->bytes / options->connections;
        connect_client(&clients[i], options);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP,
                                    .data.u32 = i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
            die("epoll_ctl");
    }
    while (left > 0 && clock_mono_ns() - last_ns < STALL_S * CLOCK_NS_PER_S) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < count; i++) {
            struct client *client = &clients[events[i].data.u32];
            if (client->is_done || !step_client(client))
                continue;
            last_ns = clock_mono_ns();
            left -= client->is_done;
        }
    }
    for (unsigned i = 0; i < options->connections; i++)
        close(clients[i].fd);
    close(epoll);
    return left;
}

/* ---- all of it ---- */

static void parse(int argc, char **argv, struct options *options)
{
    const struct argument rows[] = {
        {.name = "connections", .number = &options->connections},
        {.name = "bytes", .number = &options->bytes},
        {.name = "ipv6", .flag = &options->ipv6},
        {.name = "loss", .number = &options->loss},
        {.name = "ack-loss", .number = &options->ack_loss},
        {.name = "reorder", .number = &options->reorder},
        {.name = "duplicate", .number = &options->duplicate},
        {.name = "slow", .flag = &options->slow},
        {.name = "refuse", .number = &options->refuse},
        {.name = "seed", .number = &options->seed},
        {.name = NULL},
    };
    *options = (struct options){.connections = 1, .bytes = 10 << 20, .seed = 1};
    arguments_read(argc, argv, rows);
    if (options->connections == 0 || options->connections > CONNECTIONS_MAX)
        die("--connections");
}

static bool is_balanced(const uint64_t *counters)
{
    uint64_t ends = 0;
    for (unsigned i = TCP_SEGMENTS + 1; i <= TCP_SEGMENT_ACK; i++)
        ends += counters[i];
    return counters[TCP_SEGMENTS] == ends &&
           counters[TCP_BYTES_ACCEPTED] == counters[TCP_BYTES_DELIVERED] +
                                               counters[TCP_BYTES_ABANDONED] +
                                               counters[TCP_BYTES_HELD];
}

static bool report(const struct server *server, const struct client *clients, unsigned unfinished,
                   uint64_t took_ns)
{
    const struct options *options = server->options;
    const uint64_t *counters = tcp_counters(server->tcp);
    uint64_t sent = 0, wanted = options->bytes / options->connections * options->connections;
    for (unsigned i = 0; i < options->connections; i++)
        sent += clients[i].sent;
    bool good = server->wrong == 0 && unfinished == 0 && is_balanced(counters) &&
                counters[TCP_BYTES_HELD] == 0 && tcp_blocks_used(server->tcp) == 0 &&
                (options->refuse > 0 || (server->delivered == wanted && sent == wanted));
    printf("{\"good\": %s, \"sent\": %llu, \"delivered\": %llu, \"wrong\": %llu, "
           "\"unfinished\": %u, \"opened\": %llu, \"closed\": %llu, \"refused\": %llu, "
           "\"blocks\": %u, \"gbit_per_s\": %.2f",
           good ? "true" : "false", (unsigned long long)sent,
           (unsigned long long)server->delivered, (unsigned long long)server->wrong, unfinished,
           (unsigned long long)server->opened, (unsigned long long)server->closed[TCP_END_FIN],
           (unsigned long long)server->refused, tcp_blocks_used(server->tcp),
           (double)server->delivered * 8 / (double)took_ns);
    for (unsigned i = 0; i < TCP_COUNTER_COUNT; i++)
        if (counters[i] > 0)
            printf(", \"%s\": %llu", tcp_counter_name(i), (unsigned long long)counters[i]);
    puts("}");
    return good;
}

/* The last FINs of the clients are still on their way, and may have to come again. */
static void wait_for_end(struct server *server)
{
    for (unsigned i = 0; i < 20000 && tcp_connection_count(server->tcp) > 0; i++)
        poll(NULL, 0, 1);
}

int main(int argc, char **argv)
{
    static const struct tcp_handler handler = {find_listener, opened, data, closed, send_answer};
    static struct server server;
    struct options options;
    struct err err = {0};
    pthread_t thread;
    parse(argc, argv, &options);
    arguments_raise_file_limit();
    server = (struct server){.options = &options, .random = options.seed, .tun = tun_open()};
    for (unsigned i = 0; i < PATTERN; i++)
        pattern[i] = pattern[i + PATTERN] = (uint8_t)(next_random(&server) >> 32);
    struct tcp_config config = {
        .connections_max = CONNECTIONS_MAX, .handler = &handler, .context = &server};
    memcpy(config.secret, "not secret: test", sizeof(config.secret));
    if (tcp_new(&config, &server.tcp, &err) != 0)
        die(err.texts[0]);
    struct client *clients = calloc(options.connections, sizeof(*clients));
    uint64_t start_ns = clock_mono_ns();
    if (clients == NULL)
        die("no memory");
    if (pthread_create(&thread, NULL, serve, &server) != 0)
        die("no thread");
    unsigned unfinished = run_clients(clients, &options);
    uint64_t took_ns = clock_mono_ns() - start_ns;
    wait_for_end(&server);
    atomic_store_explicit(&server.stop, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    bool good = report(&server, clients, unfinished, took_ns);
    tcp_abort_all(server.tcp, clock_mono_ns());
    tcp_free(server.tcp);
    free(clients);
    return good ? 0 : 1;
}
