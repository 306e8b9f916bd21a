/* SPDX-License-Identifier: MPL-2.0
 *
 * test_stream_socket.c - the kernel's sockets and the data plane's own TCP behind the same four
 *                        calls: random peers do the same to both, and both say the same. Then what
 *                        only TLS has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/inputs/stream_socket.h"
#include "core/clock.h"
#include "tests/support/certificate.h"
#include "tests/support/chance.h"
#include "tests/support/tcp_rig.h"

enum {
    ROUNDS = 40,
    STEPS = 120,
    SENT_MAX = 60000,    /* of one peer: within the first window, whatever waits */
    SEGMENT = 1400,
    TURNS_MAX = 20000,
    TURN_US = 500
};
enum { COUNTER_BYTES = STREAM_COUNTERS, COUNTER_TLS, COUNTERS = COUNTER_TLS + STREAM_TLS_COUNTERS };

_Noreturn void rig_fail(const char *what)
{
    fail_msg("%s", what);
    __builtin_unreachable();
}

/* ---- what the socket wants of its host ---- */

struct input_host {
    uint64_t counters[COUNTERS];
};
static struct input_host host;

const char *input_host_name(const struct input_host *of)
{
    (void)of;
    return "test";
}

void input_host_count(struct input_host *of, unsigned index, uint64_t n)
{
    of->counters[index] += n;
}

void input_host_set(struct input_host *of, unsigned index, uint64_t value)
{
    of->counters[index] = value;
}

int input_host_wait(struct input_host *of, struct pollfd *fds, unsigned count, int timeout_ms)
{
    (void)of;
    (void)fds;
    (void)count;
    (void)timeout_ms;
    return -ECANCELED;
}

/* ---- the kernel's side ---- */

struct peer {
    int fd; /* -1: not connected, or closed by us */
    struct tls_session *tls;
    bool wants_end;
    uint64_t sent, written, delivered;
    size_t room;
    struct stream_connection *connection;
    unsigned opened, closed;
    enum stream_end end;
};

static struct {
    struct stream_socket socket;
    struct sockaddr_in address;
    struct tls_context *server, *client; /* NULL: no TLS */
    struct peer peers[RIG_PEERS];
    unsigned waits; /* times that bytes had to */
} kernel;
static char pem[64];

static char byte_of(unsigned peer, uint64_t place)
{
    return (char)((place * 2654435761u >> 11) + peer);
}

static in_port_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
    return address.sin_port;
}

static void *opened(void *arg, struct stream_connection *connection, const struct sockaddr *source,
                    socklen_t size)
{
    struct sockaddr_in from;
    (void)arg;
    assert_int_equal(size, sizeof(from));
    memcpy(&from, source, sizeof(from));
    for (unsigned i = 0; i < RIG_PEERS; i++) {
        struct peer *peer = &kernel.peers[i];
        if (peer->fd < 0 || port_of(peer->fd) != from.sin_port)
            continue;
        peer->connection = connection;
        peer->opened++;
        return peer;
    }
    return NULL;
}

static size_t data(void *user, const char *bytes, size_t size)
{
    struct peer *peer = user;
    unsigned index = (unsigned)(peer - kernel.peers);
    size_t taken = size < peer->room ? size : peer->room;
    assert_int_equal(peer->closed, 0);
    assert_true(size > 0);
    for (size_t i = 0; i < taken; i++)
        assert_int_equal(bytes[i], byte_of(index, peer->delivered + i));
    peer->delivered += taken;
    if (peer->room != SIZE_MAX)
        peer->room -= taken;
    return taken;
}

static int closed(void *user, enum stream_end end)
{
    struct peer *peer = user;
    assert_int_equal(peer->closed, 0);
    peer->closed++;
    peer->end = end;
    peer->connection = NULL;
    return 0;
}

static const struct stream_handler handler = {.opened = opened, .data = data, .closed = closed};

static void open_kernel(bool has_tls)
{
    static struct err err;
    struct listen_address address;
    static const struct tls_options server = {.cert_file = pem, .key_file = pem};
    static const struct tls_options client = {.root_cafile = pem};
    socklen_t size = sizeof(kernel.address);
    memset(&kernel, 0, sizeof(kernel));
    memset(&host, 0, sizeof(host));
    for (unsigned i = 0; i < RIG_PEERS; i++)
        kernel.peers[i] = (struct peer){.fd = -1, .room = SIZE_MAX};
    if (has_tls) {
        assert_int_equal(tls_context_new(&server, TLS_SERVER, &kernel.server, &err), 0);
        assert_int_equal(tls_context_new(&client, TLS_CLIENT, &kernel.client, &err), 0);
    }
    assert_int_equal(listen_address_parse("tcp4", "127.0.0.1:0", &address, &err), 0);
    const struct stream_socket_config config = {
        .address = &address,
        .host = &host,
        .handler = &handler,
        .bytes_counter = COUNTER_BYTES,
        .tls_counter = COUNTER_TLS,
        .connections_max = RIG_PEERS,
        .tls = kernel.server,
    };
    assert_int_equal(stream_socket_open(&kernel.socket, &config, &err), 0);
    assert_int_equal(getsockname(kernel.socket.listen_fd,
                                 (struct sockaddr *)(void *)&kernel.address, &size),
                     0);
}

static void forget(struct peer *peer)
{
    tls_session_free(peer->tls);
    peer->tls = NULL;
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static void close_kernel(void)
{
    stream_socket_close(&kernel.socket);
    for (unsigned i = 0; i < RIG_PEERS; i++)
        forget(&kernel.peers[i]);
    tls_context_free(kernel.server);
    tls_context_free(kernel.client);
    assert_int_equal(host.counters[STREAM_OPEN], 0);
}

static ssize_t write_some(struct peer *peer, const char *bytes, size_t size)
{
    if (peer->tls != NULL)
        return tls_session_write(peer->tls, bytes, size);
    ssize_t put = send(peer->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return put >= 0 ? put : -errno;
}

/* Whatever the peer can do without waiting. */
static void pump(unsigned index)
{
    struct peer *peer = &kernel.peers[index];
    char bytes[SEGMENT];
    if (peer->fd < 0)
        return;
    if (peer->tls != NULL && tls_session_handshake(peer->tls) != 0)
        return;
    while (peer->written < peer->sent) {
        size_t size = 0;
        for (; size < sizeof(bytes) && peer->written + size < peer->sent; size++)
            bytes[size] = byte_of(index, peer->written + size);
        ssize_t put = write_some(peer, bytes, size);
        if (put < 0) {
            assert_int_equal(put, -EAGAIN);
            return;
        }
        peer->written += (size_t)put;
    }
    if (!peer->wants_end)
        return;
    if (peer->tls != NULL)
        assert_int_equal(tls_session_finish(peer->tls), 0);
    assert_int_equal(shutdown(peer->fd, SHUT_WR), 0);
    peer->wants_end = false;
}

/* Until the peer is as the other one, which has come to rest. */
static void catch_up(unsigned index, const struct rig_peer *other)
{
    const struct peer *peer = &kernel.peers[index];
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        pump(index);
        stream_socket_turn(&kernel.socket);
        if (peer->opened == other->opened && peer->delivered == other->delivered &&
            peer->closed == other->closed)
            break;
        if (i > 20)
            usleep(TURN_US);
    }
    assert_int_equal(peer->opened, other->opened);
    assert_int_equal(peer->delivered, other->delivered);
    assert_int_equal(peer->closed, other->closed);
    kernel.waits += peer->opened > peer->closed && peer->delivered < peer->sent;
    if (peer->closed > 0)
        assert_int_equal(peer->end,
                         other->end == TCP_END_FIN ? STREAM_END_FIN : STREAM_END_RESET);
}

/* ---- the same to both ---- */

static struct rig rig;

static void dial(unsigned index)
{
    struct peer *peer = &kernel.peers[index];
    rig_connect(&rig, index);
    rig_flush(&rig);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer->fd, (const struct sockaddr *)(const void *)&kernel.address,
                             sizeof(kernel.address)),
                     0);
    if (kernel.client == NULL)
        return;
    struct timeval no_wait = {.tv_usec = 1000};
    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &no_wait, sizeof(no_wait)), 0);
    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &no_wait, sizeof(no_wait)), 0);
    peer->tls = tls_session_new(kernel.client, peer->fd, "127.0.0.1");
    assert_non_null(peer->tls);
}

static void send_both(unsigned index, uint32_t size)
{
    uint32_t place = rig.peers[index].sent_max;
    for (uint32_t done = 0, part; done < size; done += part) {
        part = size - done < SEGMENT ? size - done : SEGMENT;
        rig_data(&rig, index, place + done, part);
    }
    rig_flush(&rig);
    kernel.peers[index].sent += size;
}

static void credit_both(unsigned index, size_t bytes)
{
    struct peer *peer = &kernel.peers[index];
    rig_credit(&rig, index, bytes);
    rig_flush(&rig);
    peer->room = bytes == SIZE_MAX || peer->room == SIZE_MAX ? SIZE_MAX : peer->room + bytes;
    if (peer->connection != NULL)
        stream_socket_credit(&kernel.socket, peer->connection);
}

static void fin_both(unsigned index)
{
    const struct rig_segment fin = {.flags = RIG_FIN | RIG_ACK,
                                    .place = rig.peers[index].sent_max,
                                    .window = 65535};
    rig_send(&rig, index, &fin);
    rig_flush(&rig);
    kernel.peers[index].wants_end = true;
}

/* What has not been read is lost by a reset, in different amounts: so all has been. */
static void reset_both(unsigned index)
{
    struct linger linger = {.l_onoff = 1};
    credit_both(index, SIZE_MAX);
    catch_up(index, &rig.peers[index]);
    const struct rig_segment reset = {.flags = RIG_RST, .place = rig.peers[index].sent_max,
                                      .ack_place = INT64_MIN};
    rig_send(&rig, index, &reset);
    rig_flush(&rig);
    struct peer *peer = &kernel.peers[index];
    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    forget(peer);
}

struct chance {
    uint64_t state;
};

static uint32_t draw(struct chance *chance, uint32_t below)
{
    return chance_below(&chance->state, below);
}

static void step(struct chance *chance)
{
    unsigned index = draw(chance, RIG_PEERS), what = draw(chance, 100);
    struct peer *peer = &kernel.peers[index];
    bool is_open = peer->fd >= 0 && !rig.peers[index].fin_sent;
    if (peer->fd < 0 && peer->opened == 0) {
        if (what < 50) /* with little room, so that much waits */
            peer->room = rig.peers[index].room = draw(chance, 3000);
        dial(index);
    } else if (is_open && what < 60) {
        uint32_t size = 1 + draw(chance, what < 40 ? 200 : 6000);
        if (peer->sent + size <= SENT_MAX)
            send_both(index, size);
    } else if (peer->fd >= 0 && what < 92) {
        credit_both(index, 1 + draw(chance, 5000));
    } else if (is_open && what < 96) {
        fin_both(index);
    } else if (is_open && what == 99) {
        reset_both(index);
    }
    catch_up(index, &rig.peers[index]);
}

static void compare(bool has_tls, unsigned rounds)
{
    uint64_t delivered = 0;
    unsigned waits = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct chance chance = {round * 977 + has_tls};
        open_kernel(has_tls);
        rig_init(&rig, &(struct tcp_config){.window_initial = 128 << 10});
        for (unsigned i = 0; i < RIG_PEERS; i++)
            rig.peers[i].offers_scale = true;
        for (unsigned i = 0; i < STEPS; i++)
            step(&chance);
        for (unsigned i = 0; i < RIG_PEERS; i++) {
            if (kernel.peers[i].fd < 0)
                continue;
            credit_both(i, SIZE_MAX);
            if (!rig.peers[i].fin_sent)
                fin_both(i);
            catch_up(i, &rig.peers[i]);
            assert_int_equal(kernel.peers[i].delivered, kernel.peers[i].sent);
            delivered += kernel.peers[i].delivered;
        }
        rig_fini(&rig);
        close_kernel();
        waits += kernel.waits;
    }
    assert_true(delivered > 0);
    assert_true(waits > rounds);
}

static void test_as_own_tcp(void **state)
{
    (void)state;
    compare(false, ROUNDS);
}

static void test_as_own_tcp_with_tls(void **state)
{
    (void)state;
    compare(true, ROUNDS / 10);
}

/* ---- TLS ---- */

static void turn_until(const uint64_t *counter, uint64_t value)
{
    for (unsigned i = 0; i < TURNS_MAX && *counter < value; i++) {
        pump(0);
        stream_socket_turn(&kernel.socket);
        usleep(TURN_US);
    }
    assert_int_equal(*counter, value);
}

/* The connection ends without close_notify: the bytes are there, and it is not in order. */
static void test_tls_cut(void **state)
{
    (void)state;
    open_kernel(true);
    rig_init(&rig, NULL);
    dial(0);
    send_both(0, 5000);
    catch_up(0, &rig.peers[0]);
    assert_int_equal(shutdown(kernel.peers[0].fd, SHUT_WR), 0);
    turn_until(&host.counters[COUNTER_TLS + STREAM_TLS_CUT], 1);
    assert_int_equal(kernel.peers[0].delivered, 5000);
    assert_int_equal(kernel.peers[0].closed, 1);
    assert_int_equal(kernel.peers[0].end, STREAM_END_RESET);
    rig_fini(&rig);
    close_kernel();
}

/* Nobody is told of a connection whose handshake fails. */
static void test_tls_failed(void **state)
{
    (void)state;
    open_kernel(true);
    rig_init(&rig, NULL);
    dial(0);
    assert_true(send(kernel.peers[0].fd, "no TLS\r\n\r\n", 10, MSG_NOSIGNAL) == 10);
    tls_session_free(kernel.peers[0].tls);
    kernel.peers[0].tls = NULL;
    turn_until(&host.counters[COUNTER_TLS + STREAM_TLS_FAILED], 1);
    assert_int_equal(kernel.peers[0].opened, 0);
    assert_int_equal(host.counters[STREAM_CONNECTIONS], 1);
    rig_fini(&rig);
    close_kernel();
}

/* ---- the rest ---- */

static int make_certificate(void **state)
{
    (void)state;
    snprintf(pem, sizeof(pem), "/tmp/heka-stream-%d.pem", getpid());
    return certificate_make(pem, "IP:127.0.0.1");
}

static int remove_certificate(void **state)
{
    (void)state;
    return unlink(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_own_tcp),
        cmocka_unit_test(test_as_own_tcp_with_tls),
        cmocka_unit_test(test_tls_cut),
        cmocka_unit_test(test_tls_failed),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
