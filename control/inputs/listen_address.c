/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/listen_address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/check.h"

static const struct net {
    const char *name;
    int socket_type, family;
} nets[] = {
    {"udp", SOCK_DGRAM, AF_UNSPEC},   {"udp4", SOCK_DGRAM, AF_INET},
    {"udp6", SOCK_DGRAM, AF_INET6},   {"unixgram", SOCK_DGRAM, AF_UNIX},
    {"tcp", SOCK_STREAM, AF_UNSPEC},  {"tcp4", SOCK_STREAM, AF_INET},
    {"tcp6", SOCK_STREAM, AF_INET6},  {"unix", SOCK_STREAM, AF_UNIX},
};

static int parse_fd(const char *text, struct listen_address *address, struct err *err)
{
    char *end;
    long fd = strtol(text + 3, &end, 10);
    if (text[3] < '0' || text[3] > '9' || *end != '\0' || fd > 1 << 20)
        return err_add(err, "address: found '%s', allowed fd:N with the number of an open socket",
                       text);
    address->kind = LISTEN_FD;
    address->fd = (int)fd;
    return 0;
}

static int parse_path(const char *text, struct listen_address *address, struct err *err)
{
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(address->path) || strcmp(text, "@") == 0)
        return err_add(err, "address: found '%s', allowed a path or @NAME of 1 to %zu bytes", text,
                       sizeof(address->path) - 1);
    address->kind = text[0] == '@' ? LISTEN_ABSTRACT : LISTEN_PATH;
    memcpy(address->path, text, len + 1);
    return 0;
}

static bool is_port(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= UINT16_MAX;
}

static int family_of(const char *host)
{
    struct in6_addr ip;
    if (strchr(host, ':') != NULL)
        return AF_INET6;
    return inet_pton(AF_INET, host, &ip) == 1 ? AF_INET : AF_UNSPEC;
}

static int parse_ip(const char *net, const char *text, struct listen_address *address,
                    struct err *err)
{
    struct in6_addr ip;
    if (address_split(text, &address->parts) != 0 || !is_port(address->parts.port))
        return err_add(err, "address: found '%s', allowed HOST:PORT", text);
    const char *host = address->parts.host;
    int family = family_of(host);
    if (family == AF_INET6 && inet_pton(AF_INET6, host, &ip) != 1)
        return err_add(err, "address: found '%s', allowed HOST:PORT", text);
    if (family != AF_UNSPEC && address->family != AF_UNSPEC && family != address->family)
        return err_add(err, "address: found '%s', which is no address of net '%s'", text, net);
    if (family != AF_UNSPEC)
        address->family = family;
    address->kind = LISTEN_IP;
    return 0;
}

int listen_address_parse(const char *net, const char *text, struct listen_address *address,
                         struct err *err)
{
    const struct net *found = NULL;
    for (unsigned i = 0; i < ARRAY_COUNT(nets); i++)
        if (strcmp(nets[i].name, net) == 0)
            found = &nets[i];
    *address = (struct listen_address){.fd = -1};
    if (found == NULL)
        return err_add(err, "net: found '%s', allowed udp, udp4, udp6, unixgram, or tcp, tcp4, "
                            "tcp6, unix", net);
    address->socket_type = found->socket_type;
    address->family = found->family;
    if (strncmp(text, "fd:", 3) == 0 && found->socket_type == SOCK_DGRAM)
        return parse_fd(text, address, err);
    if (found->family == AF_UNIX)
        return parse_path(text, address, err);
    return parse_ip(net, text, address, err);
}

/* ---- conflicts ---- */

/* 0.0.0.0, ::, or no host at all. */
static bool is_any(const struct listen_address *address)
{
    struct in6_addr ip = IN6ADDR_ANY_INIT;
    const char *host = address->parts.host;
    if (host[0] == '\0')
        return true;
    if (address->family == AF_INET)
        return inet_pton(AF_INET, host, &ip) == 1 && ip.s6_addr32[0] == 0;
    return address->family == AF_INET6 && inet_pton(AF_INET6, host, &ip) == 1 &&
           IN6_IS_ADDR_UNSPECIFIED(&ip);
}

static bool is_same_host(const struct listen_address *a, const struct listen_address *b)
{
    struct in6_addr ip_a = IN6ADDR_ANY_INIT, ip_b = IN6ADDR_ANY_INIT;
    if (strcmp(a->parts.host, b->parts.host) == 0)
        return true;
    return a->family == b->family && a->family != AF_UNSPEC &&
           inet_pton(a->family, a->parts.host, &ip_a) == 1 &&
           inet_pton(b->family, b->parts.host, &ip_b) == 1 &&
           memcmp(&ip_a, &ip_b, sizeof(ip_a)) == 0;
}

static bool ip_conflicts(const struct listen_address *a, const struct listen_address *b)
{
    bool is_same_family =
        a->family == b->family || a->family == AF_UNSPEC || b->family == AF_UNSPEC;
    long port = strtol(a->parts.port, NULL, 10);
    if (!is_same_family || port == 0 || port != strtol(b->parts.port, NULL, 10))
        return false;
    return is_any(a) || is_any(b) || is_same_host(a, b);
}

bool listen_address_conflicts(const struct listen_address *a, const struct listen_address *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case LISTEN_IP:
        return a->socket_type == b->socket_type && ip_conflicts(a, b);
    case LISTEN_PATH:
        return strcmp(a->path, b->path) == 0;
    case LISTEN_ABSTRACT:
        return a->socket_type == b->socket_type && strcmp(a->path, b->path) == 0;
    case LISTEN_FD:
        return a->fd == b->fd;
    }
    return false;
}
