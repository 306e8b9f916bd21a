/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/datagram_socket.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

#include "control/inputs/listen_socket.h"
#include "core/log.h"

enum { LAST_BURSTS_MAX = 4096 };

struct datagram_memory {
    struct mmsghdr headers[DATAGRAM_BURST];
    struct iovec vectors[DATAGRAM_BURST];
    struct sockaddr_storage sources[DATAGRAM_BURST];
    uint8_t bytes[DATAGRAM_BURST][DATAGRAM_SIZE_MAX];
};

static struct datagram_memory *make_memory(void)
{
    struct datagram_memory *memory = malloc(sizeof(*memory));
    if (memory == NULL)
        return NULL;
    memset(memory->headers, 0, sizeof(memory->headers));
    for (unsigned i = 0; i < DATAGRAM_BURST; i++) {
        memory->vectors[i] = (struct iovec){memory->bytes[i], DATAGRAM_SIZE_MAX};
        memory->headers[i].msg_hdr.msg_iov = &memory->vectors[i];
        memory->headers[i].msg_hdr.msg_iovlen = 1;
        memory->headers[i].msg_hdr.msg_name = &memory->sources[i];
    }
    return memory;
}

/* What the kernel dropped since the socket was made. Unlike SO_RXQ_OVFL it can be asked when no
 * datagram comes through any more. */
static uint32_t kernel_drops(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) != 0)
        return 0;
    return info[SK_MEMINFO_DROPS];
}

int datagram_socket_open(struct datagram_socket *socket, const struct listen_address *address,
                         struct input_host *host, struct err *err)
{
    char text[LISTEN_TEXT_SIZE];
    socket->host = host;
    socket->memory = make_memory();
    if (socket->memory == NULL)
        return err_add(err, "out of memory");
    socket->fd = listen_socket_open(address, err);
    if (socket->fd < 0)
        return -1;
    socket->is_open = true;
    socket->drops_seen = kernel_drops(socket->fd); /* who had it before has counted these */
    size_t buffer_bytes = listen_socket_grow(socket->fd);
    input_host_set(host, DATAGRAM_BUFFER, buffer_bytes);
    listen_socket_text(socket->fd, text);
    log_info("Input '%s' listens on %s, the kernel's receive buffer is %zu bytes",
             input_host_name(host), text, buffer_bytes);
    return 0;
}

void datagram_socket_close(struct datagram_socket *socket)
{
    if (socket->is_open)
        listen_socket_close(socket->fd);
    free(socket->memory);
    *socket = (struct datagram_socket){0};
}

/* Lengths are written by each call. */
static void prepare(struct datagram_memory *memory)
{
    for (unsigned i = 0; i < DATAGRAM_BURST; i++) {
        memory->headers[i].msg_hdr.msg_namelen = sizeof(memory->sources[i]);
        memory->headers[i].msg_hdr.msg_flags = 0;
    }
}

static struct datagram make_datagram(const struct datagram_memory *memory, unsigned index)
{
    const struct mmsghdr *header = &memory->headers[index];
    bool has_source = header->msg_hdr.msg_namelen >= sizeof(sa_family_t);
    return (struct datagram){
        .bytes = memory->bytes[index],
        .size = header->msg_len,
        .is_truncated = (header->msg_hdr.msg_flags & MSG_TRUNC) != 0,
        .source = has_source ? (const struct sockaddr *)(const void *)&memory->sources[index]
                             : NULL,
    };
}

unsigned datagram_socket_receive(struct datagram_socket *socket,
                                 struct datagram datagrams[DATAGRAM_BURST])
{
    struct datagram_memory *memory = socket->memory;
    uint64_t bytes = 0, truncated = 0;
    prepare(memory);
    int count = recvmmsg(socket->fd, memory->headers, DATAGRAM_BURST, MSG_DONTWAIT, NULL);
    if (count <= 0) {
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            input_host_count(socket->host, DATAGRAM_ERRORS, 1);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        datagrams[i] = make_datagram(memory, (unsigned)i);
        bytes += datagrams[i].size;
        truncated += datagrams[i].is_truncated;
    }
    input_host_count(socket->host, DATAGRAM_COUNT, (uint64_t)count);
    input_host_count(socket->host, DATAGRAM_BYTES, bytes);
    input_host_count(socket->host, DATAGRAM_TRUNCATED, truncated);
    return (unsigned)count;
}

/* True when there may be more. */
static bool take_bursts(struct datagram_socket *socket, unsigned most, datagram_take_fn take,
                        void *arg)
{
    struct datagram datagrams[DATAGRAM_BURST];
    for (unsigned i = 0; i < most; i++) {
        unsigned count = datagram_socket_receive(socket, datagrams);
        if (count == 0 || take(arg, datagrams, count) != 0)
            return false;
    }
    return true;
}

void datagram_socket_run(struct datagram_socket *socket, datagram_take_fn take, void *arg)
{
    struct pollfd fd = {.fd = socket->fd, .events = POLLIN};
    int ready;
    while ((ready = input_host_wait(socket->host, &fd, 1, -1)) >= 0)
        if (ready > 0)
            take_bursts(socket, DATAGRAM_BURSTS_MAX, take, arg);
    take_bursts(socket, LAST_BURSTS_MAX, take, arg);
}

void datagram_socket_observe(struct datagram_socket *socket)
{
    uint32_t drops = kernel_drops(socket->fd);
    socket->drops += drops - socket->drops_seen; /* the kernel's number wraps */
    socket->drops_seen = drops;
    input_host_set(socket->host, DATAGRAM_DROPS, socket->drops);
}
