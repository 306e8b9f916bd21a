/* SPDX-License-Identifier: MPL-2.0
 *
 * core_map_address.h - texts of IP and MAC addresses in a core map.
 *
 * Place:   core_map*.c.
 */
#ifndef CORE_CORE_MAP_ADDRESS_H
#define CORE_CORE_MAP_ADDRESS_H

#include "core/core_map.h"

enum { CORE_MAP_ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN + 4 }; /* with prefix length and NUL */

/* "192.0.2.1/24". NULL, or what is allowed instead. */
const char *core_map_address_parse(const char *text, struct core_map_address *address);
void core_map_address_print(const struct core_map_address *address, char *text, size_t size);
/* Prefix lengths aside. */
bool core_map_address_equal(const struct core_map_address *a, const struct core_map_address *b);

/* "02:00:00:00:00:01", unicast and not zero; 0 or -1. */
int core_map_mac_parse(const char *text, struct ether_addr *mac);

#endif
