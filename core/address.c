/* SPDX-License-Identifier: MPL-2.0 */
#include "core/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static int copy_part(char *to, size_t size, const char *from, size_t len)
{
    if (len >= size)
        return -1;
    memcpy(to, from, len);
    to[len] = '\0';
    return 0;
}

int address_split(const char *text, struct address_parts *parts)
{
    const char *colon = strrchr(text, ':'), *host = text;
    if (colon == NULL || colon[1] == '\0')
        return -1;
    size_t host_len = (size_t)(colon - text);
    if (text[0] == '[') {
        if (host_len < 3 || colon[-1] != ']')
            return -1;
        host++;
        host_len -= 2;
    } else if (memchr(text, ':', host_len) != NULL) {
        return -1; /* IPv6 without brackets */
    }
    if (copy_part(parts->host, sizeof(parts->host), host, host_len) != 0)
        return -1;
    return copy_part(parts->port, sizeof(parts->port), colon + 1, strlen(colon + 1));
}

int address_check(const char *key, const char *text, struct err *err)
{
    struct address_parts parts;
    if (address_split(text, &parts) == 0)
        return 0;
    return err_add(err, "%s: found '%s', allowed HOST:PORT", key, text);
}

static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return -1;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > UINT16_MAX)
        return -1;
    *port = (uint16_t)value;
    return 0;
}

int address_parse(const char *text, struct core_map_address *address, uint16_t *port)
{
    struct address_parts parts;
    *address = (struct core_map_address){0};
    if (address_split(text, &parts) != 0 || parse_port(parts.port, port) != 0)
        return -1;
    if (parts.host[0] == '\0')
        return 0;
    address->is_ipv6 = strchr(parts.host, ':') != NULL;
    int rc = address->is_ipv6 ? inet_pton(AF_INET6, parts.host, &address->ip6)
                              : inet_pton(AF_INET, parts.host, &address->ip4);
    return rc == 1 ? 0 : -1;
}

bool address_is_any(const struct core_map_address *address)
{
    if (address->is_ipv6)
        return IN6_IS_ADDR_UNSPECIFIED(&address->ip6);
    return address->ip4.s_addr == INADDR_ANY;
}
