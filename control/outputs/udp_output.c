/* SPDX-License-Identifier: MPL-2.0
 *
 * udp_output.c - UdpOutput: a datagram for each encoded message, over UDP or to a UNIX socket.
 *
 * Place:   builtin_outputs.
 * Failure: what is larger than max_message_size, or than the network takes, is dropped as
 *          too_large. A UNIX socket that is full or not there holds the messages back. UDP tells
 *          nothing of what becomes of a datagram; that nobody listens there (ICMP) is counted as
 *          refused, for one of those sent before.
 * Source:  Heka 0.11 UdpOutput.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/inputs/listen_address.h"
#include "control/net/resolve.h"
#include "control/outputs/outputs.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    SIZE_MIN = 512,
    SLICE_MS = 50, /* how long a wait does not look whether it has to stop */
    LOG_AGAIN_S = 30
};

enum { SOCKETS, BYTES, REFUSED };
static const struct output_counter counters[] = {
    [SOCKETS] = {"sockets", "sockets opened"},
    [BYTES] = {"bytes", "bytes sent"},
    [REFUSED] = {"refused", "answers that nobody listens there (ICMP), each for a datagram that "
                            "was sent before"},
    {NULL, NULL},
};

struct udp_options {
    const char *net, *address, *local_address;
    int64_t max_message_size;
};

#define UDP(member) .key = #member, .offset = offsetof(struct udp_options, member)
static const struct schema_key keys[] = {
    {UDP(net), .type = SCHEMA_STRING, .def = "udp", .help = "udp, udp4, udp6 or unixgram."},
    {UDP(address), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "HOST:PORT; with unixgram a path or @NAME."},
    {UDP(local_address), .type = SCHEMA_STRING,
     .help = "To send from: HOST:PORT; with unixgram a path, which is made and removed, or @NAME."},
    {UDP(max_message_size), .type = SCHEMA_INT, .min = 0, .max = INT32_MAX, .def = "65507",
     .unit = "bytes", .help = "Larger ones are dropped, and counted; at least 512."},
    {0},
};
static const struct schema schema = {"UdpOutput", keys};

struct udp_state {
    const struct udp_options *options;
    struct output_host *host;
    struct listen_address to, from;
    bool has_from, is_open, has_made_path;
    int fd; /* while is_open */
    uint64_t next_log_ns;
};

/* ---- options ---- */

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int parse(const struct udp_options *options, const char *key, const char *text,
                 struct listen_address *address, struct err *err)
{
    struct err found = {0};
    if (listen_address_parse(options->net, text, address, &found) != 0) {
        const char *why = strchr(found.texts[0], ':');
        bool is_net = strncmp(found.texts[0], "net:", 4) == 0;
        return err_add(err, "%s%s", is_net ? "net" : key, why != NULL ? why : ": is bad");
    }
    if (address->socket_type != SOCK_DGRAM)
        return err_add(err, "net: found '%s', allowed udp, udp4, udp6, unixgram", options->net);
    if (address->kind == LISTEN_FD)
        return err_add(err, "%s: found '%s', allowed is where to send to", key, text);
    return 0;
}

static int parse_both(const struct udp_options *options, struct listen_address *to,
                      struct listen_address *from, struct err *err)
{
    int rc = 0;
    if (options->address == NULL) /* said so already */
        return -1;
    rc |= parse(options, "address", options->address, to, err);
    if (has_text(options->local_address))
        rc |= parse(options, "local_address", options->local_address, from, err);
    return rc;
}

static int check(const void *config, struct err *err)
{
    const struct udp_options *options = config;
    struct listen_address to, from;
    int rc = parse_both(options, &to, &from, err);
    if (options->max_message_size < SIZE_MIN)
        rc = err_add(err, "max_message_size: Maximum message size can't be smaller than %d bytes.",
                     SIZE_MIN);
    return rc;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct udp_state *udp = state;
    udp->options = config;
    udp->host = host;
    udp->has_from = has_text(udp->options->local_address);
    return parse_both(config, &udp->to, &udp->from, err);
}

/* ---- the socket ---- */

static int fail(const struct udp_state *udp, int code, const char *text)
{
    return output_host_fail(udp->host, code, "%s: %s", text, strerror(-code));
}

static void close_socket(struct udp_state *udp)
{
    if (udp->is_open)
        close(udp->fd);
    if (udp->has_made_path)
        unlink(udp->from.path);
    udp->is_open = udp->has_made_path = false;
}

static socklen_t unix_address(const struct listen_address *address, struct sockaddr_un *out)
{
    size_t len = strlen(address->path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, address->path, len);
    if (address->kind == LISTEN_ABSTRACT)
        out->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
                       (address->kind == LISTEN_PATH));
}

/* A path that an earlier run left behind, and nothing else, is replaced. */
static int bind_unix(struct udp_state *udp)
{
    struct sockaddr_un address;
    struct stat about;
    socklen_t size = unix_address(&udp->from, &address);
    if (udp->from.kind == LISTEN_PATH && lstat(udp->from.path, &about) == 0 &&
        S_ISSOCK(about.st_mode))
        unlink(udp->from.path);
    if (bind(udp->fd, (const struct sockaddr *)(const void *)&address, size) != 0)
        return fail(udp, -errno, udp->options->local_address);
    udp->has_made_path = udp->from.kind == LISTEN_PATH;
    return 0;
}

static int open_unix(struct udp_state *udp)
{
    struct sockaddr_un address;
    udp->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    udp->is_open = udp->fd >= 0;
    if (!udp->is_open)
        return fail(udp, -errno, "socket");
    int rc = udp->has_from ? bind_unix(udp) : 0;
    socklen_t size = unix_address(&udp->to, &address);
    if (rc == 0 && connect(udp->fd, (const struct sockaddr *)(const void *)&address, size) != 0)
        rc = fail(udp, -errno, udp->options->address);
    return rc;
}

static int resolve(const struct udp_state *udp, const struct listen_address *address, int family,
                   struct addrinfo **list)
{
    const char *host = address->parts.host[0] != '\0' ? address->parts.host : NULL;
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
    if (address == &udp->from)
        hints.ai_flags = AI_PASSIVE;
    int rc = getaddrinfo(host, address->parts.port, &hints, list);
    if (rc == 0)
        return 0;
    *list = NULL;
    return output_host_fail(udp->host, -EHOSTUNREACH, "%s: %s",
                            address == &udp->from ? udp->options->local_address
                                                  : udp->options->address,
                            gai_strerror(rc));
}

static int bind_ip(struct udp_state *udp, int family)
{
    struct addrinfo *list;
    if (!udp->has_from)
        return 0;
    int rc = resolve(udp, &udp->from, family, &list);
    if (rc != 0)
        return rc;
    if (bind(udp->fd, list->ai_addr, list->ai_addrlen) != 0)
        rc = fail(udp, -errno, udp->options->local_address);
    freeaddrinfo(list);
    return rc;
}

static int open_ip(struct udp_state *udp)
{
    struct addrinfo *list;
    int family = udp->to.family;
    if (udp->has_from && family == AF_UNSPEC)
        family = udp->from.family;
    int rc = resolve(udp, &udp->to, family, &list);
    if (rc != 0)
        return rc;
    const struct addrinfo *to = resolve_prefer_ip4(list);
    udp->fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    udp->is_open = udp->fd >= 0;
    rc = udp->is_open ? bind_ip(udp, to->ai_family) : fail(udp, -errno, "socket");
    if (rc == 0 && connect(udp->fd, to->ai_addr, to->ai_addrlen) != 0)
        rc = fail(udp, -errno, udp->options->address);
    freeaddrinfo(list);
    return rc;
}

static int open_socket(struct udp_state *udp)
{
    if (udp->is_open)
        return 0;
    int rc = udp->to.kind == LISTEN_IP ? open_ip(udp) : open_unix(udp);
    if (rc != 0)
        close_socket(udp);
    else
        output_host_count(udp->host, SOCKETS, 1);
    return rc;
}

/* ---- sending ---- */

static void drop(struct udp_state *udp, size_t size)
{
    uint64_t now_ns = clock_mono_ns();
    output_host_drop(udp->host, "too_large");
    if (now_ns < udp->next_log_ns)
        return;
    udp->next_log_ns = now_ns + LOG_AGAIN_S * CLOCK_NS_PER_S;
    log_error("Plugin '%s' error: Message has exceeded allowed UDP data size: %zu > %lld",
              output_host_name(udp->host), size, (long long)udp->options->max_message_size);
}

/* 1: sent; 0: dropped; -EAGAIN: it has to stop; negative: not sent, and the socket is closed. */
static int send_one(struct udp_state *udp, const char *bytes, size_t size)
{
    for (;;) {
        struct pollfd wait = {.fd = udp->fd, .events = POLLOUT};
        if (send(udp->fd, bytes, size, MSG_NOSIGNAL) >= 0)
            return 1;
        if (errno == EMSGSIZE)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno == ECONNREFUSED && udp->to.kind == LISTEN_IP) { /* of one before; once each */
            output_host_count(udp->host, REFUSED, 1);
            continue;
        }
        if (errno != EAGAIN && errno != ENOBUFS)
            break;
        if (output_host_stopping(udp->host))
            return -EAGAIN;
        poll(&wait, 1, SLICE_MS);
    }
    int rc = fail(udp, -errno, udp->options->address);
    close_socket(udp);
    return rc;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct udp_state *udp = state;
    int rc = open_socket(udp);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < count; i++) {
        bool is_large = items[i].size > (size_t)udp->options->max_message_size;
        rc = is_large ? 0 : send_one(udp, items[i].bytes, items[i].size);
        if (rc == 1)
            output_host_count(udp->host, BYTES, items[i].size);
        else if (rc == 0)
            drop(udp, items[i].size);
        else
            return i > 0 || rc == -EAGAIN ? (int)i : rc;
    }
    return (int)count;
}

static void fini(void *state)
{
    close_socket(state);
}

const struct output_ops udp_output = {
    .plugin = {PLUGIN_ABI, "UdpOutput", &schema, sizeof(struct udp_options),
               sizeof(struct udp_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .fini = fini,
};
