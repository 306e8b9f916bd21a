/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/udp.h"

#include <string.h>

#include "dataplane/packet_stage.h"

static void add_route(struct udp_routes *routes, uint64_t key, uint16_t listener)
{
    uint64_t slot = udp_route_slot(routes, key);
    while (routes->slots[slot].key != 0 && routes->slots[slot].key != key)
        slot = (slot + 1) & routes->slot_mask;
    routes->slots[slot] = (struct udp_route){.key = key, .listener = listener};
}

static void add_routes_of(struct udp_routes *routes, const struct core_map_address *addresses,
                          unsigned index, const struct listener_table *listeners)
{
    const struct core_map_address *ours = &addresses[index];
    const uint8_t *ip = ours->is_ipv6 ? ours->ip6.s6_addr : (const uint8_t *)&ours->ip4.s_addr;
    for (size_t i = 0; i < listener_count(listeners); i++) {
        uint16_t port_be = listener_at(listeners, i)->port_be;
        uint16_t listener = listener_find(listeners, ours->is_ipv6, ip, port_be);
        if (listener != LISTENER_NONE)
            add_route(routes,
                      ours->is_ipv6 ? udp_route_key6(index, port_be)
                                    : udp_route_key4(octets_load32(ip), port_be),
                      listener);
    }
}

void udp_routes_build(struct udp_routes *routes, const struct core_map_address *addresses,
                      unsigned address_count, const struct listener_table *listeners)
{
    size_t wanted = listeners != NULL ? 4 * address_count * listener_count(listeners) : 0;
    uint64_t slots = UDP_ROUTE_SLOTS_MIN;
    while (slots < wanted)
        slots *= 2;
    routes->slot_mask = slots - 1;
    routes->hash_shift = 64 - (unsigned)__builtin_ctzll(slots);
    memset(routes->slots, 0, slots * sizeof(routes->slots[0]));
    for (unsigned i = 0; i < address_count && listeners != NULL; i++)
        add_routes_of(routes, addresses, i, listeners);
}

static uint16_t listener_of(const struct packet_stage *stage, const struct ip_packet *packet)
{
    uint16_t port_be = octets_load16(packet->payload + 2);
    if (!packet->is_ipv6)
        return udp_route_find(stage->routes,
                              udp_route_key4(octets_load32(packet->addresses + 4), port_be));
    int index = packet_address_index(stage, true, packet->addresses + 16);
    return index < 0 ? LISTENER_NONE
                     : udp_route_find(stage->routes, udp_route_key6((unsigned)index, port_be));
}

static bool is_checksum_good(const struct packet_stage *stage, const struct ip_packet *packet,
                             uint32_t size)
{
    if (octets_load16(packet->payload + 6) == 0)
        return !packet->is_ipv6; /* not computed: RFC 768 allows it, RFC 8200 does not */
    /* What the port says of a fragment is not about the datagram. */
    if (packet->frame != NULL && (packet->frame->mbuf->ol_flags & stage->udp_trust_flag) != 0)
        return true;
    uint64_t pseudo = packet->is_ipv6 ? checksum_pseudo6(packet->addresses, IPPROTO_UDP, size)
                                      : checksum_pseudo4(packet->addresses, IPPROTO_UDP, size);
    return udp_checksum_fits(packet->payload, size, pseudo, stage->checksum_unfinished);
}

enum counter_id udp_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    const uint8_t *udp = packet->payload;
    uint32_t size = packet->size >= UDP_SIZE ? octets_load_be16(udp + 4) : 0;
    /* Bytes behind the datagram's own end are not part of it. */
    if (size < UDP_SIZE || size > packet->size)
        return COUNTER_UDP_MALFORMED;
    uint16_t listener = listener_of(stage, packet);
    if (listener == LISTENER_NONE)
        return COUNTER_UDP_NO_LISTENER;
    if (!is_checksum_good(stage, packet, size))
        return COUNTER_UDP_BAD_CHECKSUM;
    struct datagram *datagram = &stage->datagrams[stage->datagram_count++];
    *datagram = (struct datagram){
        .payload = udp + UDP_SIZE,
        .size = size - UDP_SIZE,
        .listener = listener,
        .is_ipv6 = packet->is_ipv6,
        .source_port_be = octets_load16(udp),
    };
    memcpy(datagram->source_ip, packet->addresses, packet->is_ipv6 ? 16 : 4);
    return PACKET_DELIVERED;
}
