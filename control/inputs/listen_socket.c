/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>


enum { BACKLOG = 1024, UNIX_MODE = 0666 };

struct bound { /* where to: an IP or UNIX address */
    struct sockaddr_storage address;
    socklen_t size;
};

struct listen_socket {
    struct listen_address address;
    int fd;
    unsigned references; /* 0: this row is free */
};

static struct listen_socket sockets[LISTEN_SOCKETS_MAX];

/* ---- where to ---- */

static int resolve_ip(const struct listen_address *address, struct bound *bound, struct err *err)
{
    const char *host = address->parts.host;
    struct addrinfo hints = {.ai_family = address->family,
                             .ai_socktype = address->socket_type,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    /* Both families at once, by one socket, as Go does it. */
    if (host[0] == '\0' && address->family == AF_UNSPEC)
        hints.ai_family = AF_INET6;
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, address->parts.port, &hints, &found);
    if (rc != 0)
        return err_add(err, "address: '%s:%s': %s", host, address->parts.port, gai_strerror(rc));
    memcpy(&bound->address, found->ai_addr, found->ai_addrlen);
    bound->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static void resolve_path(const struct listen_address *address, struct bound *bound)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&bound->address;
    size_t len = strlen(address->path);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, address->path, len);
    bound->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (address->kind == LISTEN_ABSTRACT)
        un->sun_path[0] = '\0';
    else
        bound->size++;
}

static int resolve(const struct listen_address *address, struct bound *bound, struct err *err)
{
    memset(bound, 0, sizeof(*bound));
    if (address->kind == LISTEN_IP)
        return resolve_ip(address, bound, err);
    resolve_path(address, bound);
    return 0;
}

static const struct sockaddr *sockaddr_of(const struct bound *bound)
{
    return (const struct sockaddr *)(const void *)&bound->address;
}

/* ---- opening ---- */

/* A file that a program left behind when it was killed: nobody answers there. */
static void remove_left_over(const struct listen_address *address, const struct bound *bound)
{
    struct stat stat;
    if (lstat(address->path, &stat) != 0 || !S_ISSOCK(stat.st_mode))
        return;
    int fd = socket(AF_UNIX, address->socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, sockaddr_of(bound), bound->size) != 0 && errno == ECONNREFUSED)
        unlink(address->path);
    if (fd >= 0)
        close(fd);
}

static int make_socket(const struct listen_address *address, const struct bound *bound)
{
    int family = bound->address.ss_family, on = 1, off = 0;
    bool is_dual = address->parts.host[0] == '\0' && address->family == AF_UNSPEC;
    int fd = socket(family, address->socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_dual ? &off : &on, sizeof(on));
    /* For UDP it would let two programs have the address. */
    if (address->socket_type == SOCK_STREAM && family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return fd;
}

/* Without IPv6 in the kernel, any address is any IPv4 address. */
static int make_socket_or_ip4(const struct listen_address *address, struct bound *bound)
{
    int fd = make_socket(address, bound);
    if (fd >= 0 || errno != EAFNOSUPPORT || address->kind != LISTEN_IP ||
        address->parts.host[0] != '\0' || address->family != AF_UNSPEC)
        return fd;
    struct listen_address ip4 = *address;
    ip4.family = AF_INET;
    return resolve(&ip4, bound, NULL) == 0 ? make_socket(&ip4, bound) : -1;
}

static int start_listening(const struct listen_address *address, int fd)
{
    if (address->socket_type == SOCK_STREAM && listen(fd, BACKLOG) != 0)
        return -1;
    return 0;
}

/* The socket, or -1 with errno; -2 after adding to `err`. */
static int open_bound(const struct listen_address *address, struct err *err)
{
    struct bound bound;
    if (resolve(address, &bound, err) != 0)
        return -2;
    int fd = make_socket_or_ip4(address, &bound);
    if (fd < 0)
        return -1;
    if (address->kind == LISTEN_PATH)
        remove_left_over(address, &bound);
    if (bind(fd, sockaddr_of(&bound), bound.size) == 0 && start_listening(address, fd) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int take_inherited(const struct listen_address *address, struct err *err)
{
    int type = 0;
    socklen_t size = sizeof(type);
    if (getsockopt(address->fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != address->socket_type)
        return err_add(err, "address: fd:%d is no open datagram socket", address->fd);
    int fd = fcntl(address->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return err_add(err, "address: fd:%d: %s", address->fd, strerror(errno));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

static int fail(const struct listen_address *address, struct err *err)
{
    if (address->kind == LISTEN_IP)
        return err_add(err, "address: %s:%s cannot be listened on: %s", address->parts.host,
                       address->parts.port, strerror(errno));
    return err_add(err, "address: %s cannot be listened on: %s", address->path, strerror(errno));
}

static int open_new(const struct listen_address *address, struct err *err)
{
    if (address->kind == LISTEN_FD)
        return take_inherited(address, err);
    int fd = open_bound(address, err);
    if (fd == -1)
        fail(address, err);
    if (fd < 0)
        return -1;
    if (address->kind == LISTEN_PATH)
        chmod(address->path, UNIX_MODE); /* anybody may send, as in Heka */
    return fd;
}

static bool is_equal(const struct listen_address *a, const struct listen_address *b)
{
    return a->kind == b->kind && a->socket_type == b->socket_type && a->family == b->family &&
           a->fd == b->fd && strcmp(a->path, b->path) == 0 &&
           strcmp(a->parts.host, b->parts.host) == 0 && strcmp(a->parts.port, b->parts.port) == 0;
}

static bool has_port_of_its_own(const struct listen_address *address)
{
    return address->kind != LISTEN_IP || strtol(address->parts.port, NULL, 10) != 0;
}

/* The row of that address, or a free one, or NULL. */
static struct listen_socket *find_row(const struct listen_address *address)
{
    struct listen_socket *free_row = NULL;
    for (unsigned i = 0; i < LISTEN_SOCKETS_MAX; i++) {
        if (sockets[i].references == 0 && free_row == NULL)
            free_row = &sockets[i];
        if (sockets[i].references > 0 && has_port_of_its_own(address) &&
            is_equal(&sockets[i].address, address))
            return &sockets[i];
    }
    return free_row;
}

int listen_socket_open(const struct listen_address *address, struct err *err)
{
    struct listen_socket *row = find_row(address);
    if (row == NULL)
        return err_add(err, "address: more than %d listening sockets", LISTEN_SOCKETS_MAX);
    if (row->references == 0) {
        int fd = open_new(address, err);
        if (fd < 0)
            return -1;
        *row = (struct listen_socket){.address = *address, .fd = fd};
    }
    row->references++;
    return row->fd;
}

void listen_socket_close(int fd)
{
    for (unsigned i = 0; i < LISTEN_SOCKETS_MAX; i++) {
        struct listen_socket *row = &sockets[i];
        if (row->references == 0 || row->fd != fd || --row->references > 0)
            continue;
        if (row->address.kind == LISTEN_PATH)
            unlink(row->address.path);
        close(row->fd);
    }
}

int listen_socket_probe(const struct listen_address *address, struct err *err, struct err *notes)
{
    if (address->kind == LISTEN_FD || find_row(address) == NULL ||
        find_row(address)->references > 0)
        return 0;
    int fd = open_bound(address, err);
    if (fd == -1 && errno == EADDRINUSE) {
        fail(address, notes);
        return 0;
    }
    if (fd == -1)
        fail(address, err);
    if (fd < 0)
        return -1;
    close(fd);
    if (address->kind == LISTEN_PATH)
        unlink(address->path);
    return 0;
}

/* ---- what it is ---- */

void listen_socket_text(int fd, char text[LISTEN_TEXT_SIZE])
{
    struct bound bound = {.size = sizeof(bound.address)};
    struct sockaddr *address = (struct sockaddr *)(void *)&bound.address;
    const struct sockaddr_un *un = (const struct sockaddr_un *)(void *)&bound.address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    snprintf(text, LISTEN_TEXT_SIZE, "?");
    if (getsockname(fd, address, &bound.size) != 0)
        return;
    if (address->sa_family == AF_UNIX) {
        size_t len = bound.size - offsetof(struct sockaddr_un, sun_path);
        bool is_abstract = len > 0 && un->sun_path[0] == '\0';
        snprintf(text, LISTEN_TEXT_SIZE, "%s%.*s", is_abstract ? "@" : "",
                 (int)len - is_abstract, un->sun_path + is_abstract);
    } else if (getnameinfo(address, bound.size, host, sizeof(host), port, sizeof(port),
                           NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        snprintf(text, LISTEN_TEXT_SIZE,
                 address->sa_family == AF_INET6 ? "[%.110s]:%s" : "%.110s:%s", host, port);
    }
}

static int buffer_bytes(int fd)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size);
    return bytes;
}

size_t listen_socket_grow(int fd)
{
    int wanted = LISTEN_BUFFER_BYTES_MAX / 2; /* the kernel takes it twice, for its own needs */
    /* Beyond net.core.rmem_max only with rights. */
    if (buffer_bytes(fd) < LISTEN_BUFFER_BYTES_MAX &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
    return (size_t)buffer_bytes(fd);
}
