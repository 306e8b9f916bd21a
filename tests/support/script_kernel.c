/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "dataplane/checksum.h"
#include "dataplane/octets.h"
#include "tests/support/tcp_script.h"
#include "tests/support/tun.h"

enum { IP_SIZE = 20, BUFFER_MAX = 65536, LAZY_BUFFER = 65536 /* SO_RCVBUF */ };

static struct {
    int tun, listener, connection;
    uint16_t port_be; /* the peer's */
    bool reads;
    uint64_t delivered;
    enum script_end end;
} kernel = {-1, -1, -1, 0, false, 0, SCRIPT_OPEN};

static void open_kernel(bool reads)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(SCRIPT_PORT)};
    int one = 1, buffer_bytes = reads ? LAZY_BUFFER * 4 : LAZY_BUFFER;
    if (kernel.tun < 0)
        kernel.tun = tun_open();
    kernel.reads = reads;
    kernel.delivered = 0;
    kernel.end = SCRIPT_OPEN;
    kernel.connection = -1;
    kernel.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (kernel.listener < 0 ||
        setsockopt(kernel.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(kernel.listener, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) != 0 ||
        setsockopt(kernel.listener, SOL_SOCKET, SO_RCVBUF, &buffer_bytes,
                   sizeof(buffer_bytes)) != 0 ||
        bind(kernel.listener, (const void *)&address, sizeof(address)) != 0 ||
        listen(kernel.listener, 8) != 0)
        script_die("listen");
}

static void close_kernel(void)
{
    struct linger reset = {1, 0};
    uint8_t bytes[2048];
    if (kernel.connection >= 0) {
        setsockopt(kernel.connection, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(kernel.connection);
    }
    close(kernel.listener);
    while (read(kernel.tun, bytes, sizeof(bytes)) > 0) /* what is left of this script */
        ;
}

static void take(size_t size)
{
    static uint8_t bytes[BUFFER_MAX];
    while (size > 0 && kernel.connection >= 0 && kernel.end == SCRIPT_OPEN) {
        size_t wanted = size < BUFFER_MAX ? size : BUFFER_MAX;
        ssize_t got = recv(kernel.connection, bytes, wanted, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            kernel.end = got == 0 ? SCRIPT_EOF : SCRIPT_RESET;
            close(kernel.connection);
            kernel.connection = -1;
            return;
        }
        for (ssize_t i = 0; i < got; i++)
            if (bytes[i] != script_byte(kernel.delivered + (uint64_t)i))
                script_die("a wrong byte");
        kernel.delivered += (uint64_t)got;
        size -= (size_t)got;
    }
}

/* What the application does by itself. */
static void turn(void)
{
    if (kernel.connection < 0 && kernel.end == SCRIPT_OPEN)
        kernel.connection = accept4(kernel.listener, NULL, NULL, SOCK_NONBLOCK);
    if (kernel.reads)
        take(SIZE_MAX);
}

static void send_kernel(uint8_t *segment, size_t size)
{
    uint8_t packet[IP_SIZE + SCRIPT_SEGMENT_MAX] = {0x45};
    octets_store_be16(packet + 2, (uint16_t)(IP_SIZE + size));
    packet[8] = 64;
    packet[9] = IPPROTO_TCP;
    inet_pton(AF_INET, TUN_PEER4, packet + 12);
    inet_pton(AF_INET, TUN_KERNEL4, packet + 16);
    octets_store16(packet + 10, (uint16_t)~checksum_fold(checksum_ip4_20(packet)));
    octets_store16(segment + 16, 0);
    uint64_t sum = checksum_pseudo4(packet + 12, IPPROTO_TCP, (uint32_t)size);
    octets_store16(segment + 16, (uint16_t)~checksum_fold(checksum_add(sum, segment, size)));
    memcpy(packet + IP_SIZE, segment, size);
    kernel.port_be = octets_load16(segment);
    if (write(kernel.tun, packet, IP_SIZE + size) < 0)
        script_die("write to the tun device");
    turn();
}

static size_t receive_kernel(uint8_t *segment, size_t capacity, unsigned wait_ms)
{
    uint64_t until_ns = clock_mono_ns() + wait_ms * CLOCK_NS_PER_MS;
    for (;;) {
        uint8_t packet[2048];
        turn();
        ssize_t size = read(kernel.tun, packet, sizeof(packet));
        /* Connections of former scripts go on for a while, on other ports. */
        if (size >= IP_SIZE + 20 && packet[0] == 0x45 && packet[9] == IPPROTO_TCP &&
            octets_load16(packet + IP_SIZE + 2) == kernel.port_be) {
            if ((size_t)size - IP_SIZE > capacity)
                script_die("answer too long");
            memcpy(segment, packet + IP_SIZE, (size_t)size - IP_SIZE);
            return (size_t)size - IP_SIZE;
        }
        if (size > 0)
            continue;
        if (clock_mono_ns() >= until_ns)
            return 0;
        poll(&(struct pollfd){.fd = kernel.tun, .events = POLLIN}, 1, 2);
    }
}

static void wait_kernel(unsigned ms)
{
    uint64_t until_ns = clock_mono_ns() + ms * CLOCK_NS_PER_MS;
    while (clock_mono_ns() < until_ns) {
        turn();
        poll(NULL, 0, 1);
    }
}

static void read_kernel(size_t size)
{
    uint64_t wanted = kernel.delivered + size;
    for (unsigned i = 0; i < 200 && kernel.delivered < wanted; i++) {
        turn();
        take((size_t)(wanted - kernel.delivered));
        poll(NULL, 0, 1);
    }
}

static uint64_t delivered_kernel(void)
{
    turn();
    return kernel.delivered;
}

/* An application that reads nothing learns nothing. */
static enum script_end end_kernel(void)
{
    for (unsigned i = 0; i < 100 && kernel.end == SCRIPT_OPEN; i++) {
        turn();
        poll(NULL, 0, 1);
    }
    return kernel.end;
}

const struct script_stack script_kernel = {
    "kernel",    open_kernel, close_kernel,     send_kernel, receive_kernel,
    wait_kernel, read_kernel, delivered_kernel, end_kernel,  60,
};
