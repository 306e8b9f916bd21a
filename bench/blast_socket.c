/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/blast_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "core/clock.h"

enum { SEND_BUFFER_BYTES = 4 << 20 };

struct socket_sender {
    const struct traffic *traffic;
    int fds[BLAST_SOCKETS_MAX];
    unsigned fd_count;
    uint64_t start_ns, progress_ns;
};

static int open_socket(const struct traffic_route *route, struct err *err)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), buffer = SEND_BUFFER_BYTES;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(route->dst_port),
                             .sin_addr.s_addr = htonl(route->dst_ip)};
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    err_add(err, "UDP to %s:%u: %s", inet_ntoa(to.sin_addr), route->dst_port, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_sockets(struct socket_sender *sender, const struct traffic_route *route,
                        struct err *err)
{
    unsigned wanted = route->flows < BLAST_SOCKETS_MAX ? route->flows : BLAST_SOCKETS_MAX;
    while (sender->fd_count < wanted) {
        int fd = open_socket(route, err);
        if (fd < 0)
            return -1;
        sender->fds[sender->fd_count++] = fd;
    }
    return 0;
}

/* The next `count` datagrams by one socket. Returns how many the kernel took. */
static unsigned offer(const struct socket_sender *sender, uint64_t first, unsigned count)
{
    struct mmsghdr messages[BLAST_BURST_MAX];
    struct iovec vectors[BLAST_BURST_MAX];
    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < count; i++) {
        uint32_t size;
        const char *payload = traffic_payload(sender->traffic, first + i, &size);
        vectors[i] = (struct iovec){.iov_base = (void *)(uintptr_t)payload, .iov_len = size};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    unsigned flow = (unsigned)(first / BLAST_BURST_MAX % sender->fd_count);
    int taken = sendmmsg(sender->fds[flow], messages, count, 0);
    return taken > 0 ? (unsigned)taken : 0;
}

static bool has_stalled(const struct socket_sender *sender, const struct blast_plan *plan)
{
    return clock_mono_ns() - sender->progress_ns > (uint64_t)(plan->stall_s * 1e9);
}

static void send_all(struct socket_sender *sender, const struct blast_plan *plan,
                     const volatile sig_atomic_t *stop, struct blast_sent *sent)
{
    sender->start_ns = sender->progress_ns = clock_mono_ns();
    while (!*stop && !sent->stalled) {
        sent->elapsed_s = (double)(clock_mono_ns() - sender->start_ns) / 1e9;
        if (blast_plan_is_over(plan, sent))
            break;
        unsigned count = blast_plan_allows(plan, sent);
        unsigned taken = count > 0 ? offer(sender, sent->frames, count) : 0;
        sent->frames += taken;
        sent->refusals += taken < count;
        if (taken > 0 || count == 0) /* the rate holds us back, not the kernel */
            sender->progress_ns = clock_mono_ns();
        sent->stalled = has_stalled(sender, plan);
    }
    sent->elapsed_s = (double)(clock_mono_ns() - sender->start_ns) / 1e9;
}

int blast_socket_send(const struct traffic *traffic, const struct traffic_route *route, int cpu,
                      const struct blast_plan *plan, const volatile sig_atomic_t *stop,
                      struct blast_sent *sent, struct err *err)
{
    struct socket_sender sender = {.traffic = traffic};
    memset(sent, 0, sizeof(*sent));
    if (cpu >= 0)
        bench_pin(cpu);
    int rc = open_sockets(&sender, route, err);
    if (rc == 0)
        send_all(&sender, plan, stop, sent);
    for (unsigned i = 0; i < sender.fd_count; i++)
        close(sender.fds[i]);
    return rc;
}
