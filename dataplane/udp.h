/* SPDX-License-Identifier: MPL-2.0
 *
 * udp.h - which listener a datagram is for, and whether its checksum is right; both are inlined
 *         into the short path of packet.c.
 *
 * Place:   packet.c asks routes for whole IPv4 packets, udp.c for all others. A route is one of our
 *          addresses with a port that has a listener, so that one probe answers both "is it ours"
 *          and "who listens".
 * Threads: the stage's worker; rebuilt between bursts.
 * Memory:  fixed, for the largest set; the part in use is at most a quarter full and small.
 */
#ifndef DATAPLANE_UDP_H
#define DATAPLANE_UDP_H

#include "core/core_map.h"
#include "dataplane/checksum.h"
#include "dataplane/listener.h"

enum {
    UDP_ROUTES_MAX = CORE_MAP_ADDRESSES_MAX * LISTENERS_MAX,
    UDP_ROUTE_SLOTS_MIN = 16,
    UDP_ROUTE_SLOTS_MAX = 4 * UDP_ROUTES_MAX
};

struct udp_route {
    uint64_t key; /* 0: free */
    uint64_t listener;
};

struct udp_routes {
    unsigned hash_shift;
    uint64_t slot_mask;
    struct udp_route slots[UDP_ROUTE_SLOTS_MAX];
};

/* Joins addresses and listeners (NULL: none). Never fails: there is room for all. */
void udp_routes_build(struct udp_routes *routes, const struct core_map_address *addresses,
                      unsigned address_count, const struct listener_table *listeners);

/* `ip`: the address as it lies in memory; IPv6 goes by the index of our address. */
static inline uint64_t udp_route_key4(uint32_t ip, uint16_t port_be)
{
    return UINT64_C(1) << 48 | (uint64_t)ip << 16 | port_be;
}

static inline uint64_t udp_route_key6(unsigned address_index, uint16_t port_be)
{
    return UINT64_C(1) << 49 | (uint64_t)address_index << 16 | port_be;
}

static inline uint64_t udp_route_slot(const struct udp_routes *routes, uint64_t key)
{
    return (key * UINT64_C(0x9E3779B97F4A7C15)) >> routes->hash_shift;
}

/* The listener, or LISTENER_NONE. Ends at a free slot, of which there is always one. */
static inline uint16_t udp_route_find(const struct udp_routes *routes, uint64_t key)
{
    uint64_t slot = udp_route_slot(routes, key);
    for (;; slot = (slot + 1) & routes->slot_mask) {
        if (routes->slots[slot].key == key)
            return (uint16_t)routes->slots[slot].listener;
        if (routes->slots[slot].key == 0)
            return LISTENER_NONE;
    }
}

/* `udp`: header and data of `size` bytes, with a checksum that is not 0. `pseudo`: the sum of the
 * pseudo-header. A sender that leaves the checksum to its network card has only `pseudo` in place,
 * which is what is seen of local senders through a software port. */
static inline bool udp_checksum_fits(const uint8_t *udp, uint32_t size, uint64_t pseudo,
                                     bool unfinished)
{
    if (unfinished && octets_load16(udp + 6) == checksum_fold(pseudo))
        return true;
    return checksum_is_valid(size <= CHECKSUM_SHORT_MAX ? checksum_add_short(pseudo, udp, size)
                                                        : checksum_add(pseudo, udp, size));
}

#endif
