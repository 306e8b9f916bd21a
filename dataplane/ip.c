/* SPDX-License-Identifier: MPL-2.0
 *
 * ip.c - IPv4 and IPv6 headers, and the way of fragments to a whole packet (ip4_take and ip6_take
 *        of packet_stage.h).
 */
#include <rte_ip.h>

#include "dataplane/checksum.h"
#include "dataplane/packet_stage.h"

enum { IP6_FRAGMENT_SIZE = 8, IPPROTO_HOST_IDENTITY = 139, IPPROTO_SHIM6 = 140 };

static void packet_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    enum counter_id end;
    switch (packet->protocol) {
    case IPPROTO_UDP: end = udp_take(stage, packet); break;
    case IPPROTO_TCP: end = tcp_packet_take(stage, packet); break;
    case IPPROTO_ICMP:
        end = packet->is_ipv6 ? COUNTER_IP_UNKNOWN_PROTOCOL : icmp4_take(stage, packet);
        break;
    case IPPROTO_ICMPV6:
        end = packet->is_ipv6 ? icmp6_take(stage, packet) : COUNTER_IP_UNKNOWN_PROTOCOL;
        break;
    default: end = COUNTER_IP_UNKNOWN_PROTOCOL; break;
    }
    if (end != PACKET_DELIVERED)
        packet_count(stage, end);
}

/* The payload of all pieces, behind each other, in the place of the last one's contiguous copy, if
 * it has one: that is no longer needed. */
static const uint8_t *gather(struct packet_stage *stage, const struct fragment_set *set)
{
    uint8_t *scratch = stage->scratch + stage->scratch_used;
    for (unsigned i = 0; i < set->piece_count; i++) {
        const struct fragment_piece *piece = &set->pieces[i];
        packet_copy_out(piece->mbuf, piece->payload_at, piece->size, scratch + piece->offset);
    }
    stage->scratch_next = stage->scratch_used + RTE_ALIGN_CEIL(set->size, RTE_CACHE_LINE_SIZE);
    return scratch;
}

static void reassembled_take(struct packet_stage *stage, struct fragment_set *set, uint8_t protocol)
{
    struct ip_packet packet = {.parts = set,
                               .addresses = set->key.addresses,
                               .payload = gather(stage, set),
                               .size = set->size,
                               .is_ipv6 = set->key.is_ipv6,
                               .protocol = protocol};
    packet_count(stage, COUNTER_PACKETS_REASSEMBLED);
    packet_take(stage, &packet);
    fragment_done(stage->fragments, set);
}

/* Only protocols that are taken here are worth the room. */
static enum counter_id fragment_take(struct packet_stage *stage, struct frame *frame,
                                     const struct fragment *fragment, uint8_t protocol)
{
    struct fragment_set *whole;
    uint8_t icmp = fragment->key.is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    if (protocol != IPPROTO_UDP && protocol != icmp)
        return COUNTER_FRAG_INVALID;
    enum counter_id end = fragment_add(stage->fragments, fragment, stage->now_ns, &whole);
    if (end == COUNTER_FRAG_HELD || end == COUNTER_FRAG_MERGED)
        frame->mbuf = NULL;
    if (end == COUNTER_FRAG_MERGED)
        reassembled_take(stage, whole, protocol);
    return end;
}

static enum counter_id whole_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    packet_take(stage, packet);
    return COUNTER_PACKETS_WHOLE;
}

static bool is_ip4_checksum_good(const struct packet_stage *stage, const struct frame *frame,
                                 uint32_t header_size)
{
    return (frame->mbuf->ol_flags & stage->ip_trust_flag) != 0 ||
           checksum_fold(checksum_add(0, frame->data + frame->ip_at, header_size)) ==
               CHECKSUM_VALID;
}

enum counter_id ip4_take(struct packet_stage *stage, struct frame *frame)
{
    const uint8_t *ip = frame->data + frame->ip_at;
    uint32_t room = frame->size - frame->ip_at;
    uint32_t header_size = room >= IP4_SIZE ? (ip[0] & 15u) * 4 : 0;
    if (header_size < IP4_SIZE || ip[0] >> 4 != 4)
        return COUNTER_IP4_MALFORMED;
    uint32_t total = octets_load_be16(ip + 2); /* what is behind it in the frame is padding */
    if (total < header_size || total > room)
        return COUNTER_IP4_MALFORMED;
    if (!is_ip4_checksum_good(stage, frame, header_size))
        return COUNTER_IP4_BAD_CHECKSUM;
    if (packet_address_index(stage, false, ip + 16) < 0)
        return COUNTER_IP4_NOT_FOR_US;
    uint32_t place = octets_load_be16(ip + 6);
    if ((place & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)
        return whole_take(stage, &(struct ip_packet){.frame = frame,
                                                     .addresses = ip + 12,
                                                     .payload = ip + header_size,
                                                     .size = total - header_size,
                                                     .header_size = header_size,
                                                     .protocol = ip[9],
                                                     .hop_limit = ip[8]});
    struct fragment fragment = {.key = {.id = octets_load16(ip + 4), .protocol = ip[9]},
                                .mbuf = frame->mbuf,
                                .ip_at = (uint16_t)frame->ip_at,
                                .payload_at = (uint16_t)(frame->ip_at + header_size),
                                .offset = (place & RTE_IPV4_HDR_OFFSET_MASK) * 8,
                                .size = total - header_size,
                                .offset_max = UINT16_MAX - header_size,
                                .more = (place & RTE_IPV4_HDR_MF_FLAG) != 0};
    memcpy(fragment.key.addresses, ip + 12, 8);
    return fragment_take(stage, frame, &fragment, ip[9]);
}

/* Headers between IPv6's own and the transport's that a sender of telemetry has no use for, and
 * that would have to be acted on. */
static bool is_ip6_extension(uint8_t header)
{
    return header == IPPROTO_HOPOPTS || header == IPPROTO_DSTOPTS || header == IPPROTO_ROUTING ||
           header == IPPROTO_MH || header == IPPROTO_HOST_IDENTITY || header == IPPROTO_SHIM6;
}

/* ff02::1:ffXX:XXXX for one of our addresses. */
static bool is_solicited_group(const struct packet_stage *stage, const uint8_t *ip)
{
    static const uint8_t prefix[13] = {0xFF, 0x02, [11] = 0x01, [12] = 0xFF};
    return memcmp(ip, prefix, sizeof(prefix)) == 0 && packet_solicits_us(stage, ip + 13);
}

/* The packet behind its fragment header. */
static enum counter_id ip6_fragment_take(struct packet_stage *stage, struct ip_packet *packet)
{
    const uint8_t *header = packet->payload;
    struct frame *frame = packet->frame;
    if (packet->size < IP6_FRAGMENT_SIZE)
        return COUNTER_IP6_MALFORMED;
    packet->protocol = header[0];
    packet->payload += IP6_FRAGMENT_SIZE;
    packet->size -= IP6_FRAGMENT_SIZE;
    packet->header_size += IP6_FRAGMENT_SIZE;
    if (packet->protocol == IPPROTO_FRAGMENT || is_ip6_extension(packet->protocol))
        return COUNTER_IP6_EXTENSION;
    uint32_t place = octets_load_be16(header + 2); /* offset in units of 8 bytes << 3 | more */
    if ((place & 0xFFF9) == 0)
        return whole_take(stage, packet); /* "atomic": RFC 6946 */
    struct fragment fragment = {.key = {.id = octets_load32(header + 4), .is_ipv6 = 1},
                                .mbuf = frame->mbuf,
                                .ip_at = (uint16_t)frame->ip_at,
                                .payload_at = (uint16_t)(frame->ip_at + packet->header_size),
                                .offset = place & 0xFFF8,
                                .size = packet->size,
                                .offset_max = UINT16_MAX,
                                .more = (place & 1) != 0};
    memcpy(fragment.key.addresses, packet->addresses, 32);
    return fragment_take(stage, frame, &fragment, packet->protocol);
}

enum counter_id ip6_take(struct packet_stage *stage, struct frame *frame)
{
    const uint8_t *ip = frame->data + frame->ip_at;
    uint32_t room = frame->size - frame->ip_at;
    uint32_t size = room >= IP6_SIZE ? octets_load_be16(ip + 4) : 0;
    if (room < IP6_SIZE || ip[0] >> 4 != 6 || size > room - IP6_SIZE)
        return COUNTER_IP6_MALFORMED;
    bool is_ours = packet_address_index(stage, true, ip + 24) >= 0;
    /* A group gets neighbour discovery only. */
    if (!is_ours && (ip[6] != IPPROTO_ICMPV6 || !is_solicited_group(stage, ip + 24)))
        return COUNTER_IP6_NOT_FOR_US;
    struct ip_packet packet = {.frame = frame,
                               .addresses = ip + 8,
                               .payload = ip + IP6_SIZE,
                               .size = size,
                               .header_size = IP6_SIZE,
                               .is_ipv6 = true,
                               .protocol = ip[6],
                               .hop_limit = ip[7]};
    if (packet.protocol == IPPROTO_FRAGMENT)
        return ip6_fragment_take(stage, &packet);
    if (is_ip6_extension(packet.protocol))
        return COUNTER_IP6_EXTENSION;
    return whole_take(stage, &packet);
}
