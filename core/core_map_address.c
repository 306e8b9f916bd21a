/* SPDX-License-Identifier: MPL-2.0 */
#include "core/core_map_address.h"

#include <arpa/inet.h>
#include <string.h>

enum { IP4_BITS = 32, IP6_BITS = 128 };

/* 1 to `max` in at most three digits; 0 when it is none. */
static unsigned parse_prefix_len(const char *text, unsigned max)
{
    unsigned len = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != '\0' || text[0] == '0')
        return 0;
    for (size_t i = 0; i < digits; i++)
        len = len * 10 + (unsigned)(text[i] - '0');
    return len <= max ? len : 0;
}

static const char *check_ip4(const struct core_map_address *address)
{
    uint32_t ip = ntohl(address->ip4.s_addr);
    uint32_t host_mask = address->prefix_len < IP4_BITS ? UINT32_MAX >> address->prefix_len : 0;
    if (ip >> 24 == 0)
        return "which is unspecified: allowed is a unicast address";
    if (ip >> 28 == 0xe)
        return "which is multicast: allowed is a unicast address";
    if (ip >> 28 == 0xf)
        return "which is reserved or broadcast: allowed is a unicast address";
    if (address->prefix_len > 30) /* RFC 3021: no network and broadcast address there */
        return NULL;
    if ((ip & host_mask) == 0)
        return "which is the network itself: allowed is an address in it";
    if ((ip & host_mask) == host_mask)
        return "which is the network's broadcast address: allowed is a unicast address";
    return NULL;
}

static const char *check_ip6(const struct core_map_address *address)
{
    const struct in6_addr *ip = &address->ip6;
    if (IN6_IS_ADDR_UNSPECIFIED(ip))
        return "which is unspecified: allowed is a unicast address";
    if (IN6_IS_ADDR_MULTICAST(ip))
        return "which is multicast: allowed is a unicast address";
    if (IN6_IS_ADDR_V4MAPPED(ip))
        return "which is an IPv4 address in IPv6's form: allowed is 192.0.2.1/24";
    return NULL;
}

const char *core_map_address_parse(const char *text, struct core_map_address *address)
{
    char ip[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    *address = (struct core_map_address){0};
    if (slash == NULL)
        return "allowed is an address with prefix length, as 192.0.2.1/24 or 2001:db8::1/64";
    size_t len = (size_t)(slash - text);
    if (len >= sizeof(ip))
        return "allowed is an IP address, as 192.0.2.1/24 or 2001:db8::1/64";
    memcpy(ip, text, len);
    ip[len] = '\0';
    address->is_ipv6 = strchr(ip, ':') != NULL;
    if (inet_pton(address->is_ipv6 ? AF_INET6 : AF_INET, ip,
                  address->is_ipv6 ? (void *)&address->ip6 : (void *)&address->ip4) != 1)
        return "allowed is an IP address, as 192.0.2.1/24 or 2001:db8::1/64";
    unsigned prefix_len = parse_prefix_len(slash + 1, address->is_ipv6 ? IP6_BITS : IP4_BITS);
    if (prefix_len == 0)
        return address->is_ipv6 ? "allowed are prefix lengths from 1 to 128"
                                : "allowed are prefix lengths from 1 to 32";
    address->prefix_len = (uint8_t)prefix_len;
    return address->is_ipv6 ? check_ip6(address) : check_ip4(address);
}

void core_map_address_print(const struct core_map_address *address, char *text, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "";
    inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET,
              address->is_ipv6 ? (const void *)&address->ip6 : (const void *)&address->ip4, ip,
              sizeof(ip));
    snprintf(text, size, "%s/%u", ip, address->prefix_len);
}

bool core_map_address_equal(const struct core_map_address *a, const struct core_map_address *b)
{
    if (a->is_ipv6 != b->is_ipv6)
        return false;
    if (a->is_ipv6)
        return memcmp(&a->ip6, &b->ip6, sizeof(a->ip6)) == 0;
    return a->ip4.s_addr == b->ip4.s_addr;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int core_map_mac_parse(const char *text, struct ether_addr *mac)
{
    struct ether_addr parsed = {{0}};
    unsigned sum = 0;
    for (unsigned i = 0; i < ETH_ALEN; i++, text += 3) {
        int high = hex_digit(text[0]);
        int low = high >= 0 ? hex_digit(text[1]) : -1;
        if (low < 0 || text[2] != (i + 1 < ETH_ALEN ? ':' : '\0'))
            return -1;
        parsed.ether_addr_octet[i] = (uint8_t)(high << 4 | low);
        sum |= parsed.ether_addr_octet[i];
    }
    if (sum == 0 || (parsed.ether_addr_octet[0] & 1) != 0)
        return -1;
    *mac = parsed;
    return 0;
}
