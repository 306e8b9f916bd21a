/* SPDX-License-Identifier: MPL-2.0
 *
 * icmp.c - answers echo requests, IPv4 and IPv6 (icmp4_take and icmp6_take of packet_stage.h).
 *
 * A reply is the request turned round: same payload, and same fragments if it came in fragments,
 * so that it fits wherever the request did. IPv4 options and the header of a single IPv6 fragment
 * are left out.
 * Source: RFC 792, 1122 section 3.2.2.6, 4443 sections 2.3 and 4.
 */
#include "dataplane/answer.h"
#include "dataplane/checksum.h"

enum {
    ICMP4_ECHO_REQUEST = 8,
    ICMP4_ECHO_REPLY = 0,
    ICMP6_ECHO_REQUEST = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_NEIGHBOUR_SOLICITATION = 135
};

/* The IP header at `ip`, turned round; `size` bytes follow it. */
static void turn_ip4(uint8_t *ip, uint32_t size)
{
    uint32_t source = octets_load32(ip + 12);
    ip[0] = 0x45;
    octets_store_be16(ip + 2, (uint16_t)(IP4_SIZE + size));
    ip[8] = ANSWER_HOP_LIMIT;
    memcpy(ip + 12, ip + 16, 4);
    memcpy(ip + 16, &source, 4);
    octets_store16(ip + 10, 0);
    octets_store16(ip + 10, (uint16_t)~checksum_fold(checksum_ip4_20(ip)));
}

static void turn_ip6(uint8_t *ip, uint32_t size)
{
    uint8_t source[16];
    memcpy(source, ip + 8, 16);
    octets_store_be16(ip + 4, (uint16_t)size);
    ip[7] = ANSWER_HOP_LIMIT;
    memcpy(ip + 8, ip + 24, 16);
    memcpy(ip + 24, source, 16);
}

/* The type is the first byte, and the code is 0 in both. */
static uint32_t reply_type(bool is_ipv6)
{
    return is_ipv6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY;
}

/* From the sum over the request: the first four bytes, which are type, code and checksum, are one
 * addend in it and can be exchanged exactly. (RFC 1624's update gets a message of zeros wrong.) */
static uint16_t reply_checksum(uint64_t sum, const struct ip_packet *packet)
{
    return (uint16_t)~checksum_fold(sum - octets_load32(packet->payload) +
                                    reply_type(packet->is_ipv6));
}

struct echo {
    uint32_t header_size;  /* of IP, as received */
    uint32_t kept_size;    /* of it, in the reply */
    uint32_t payload_size; /* of this frame */
    uint16_t checksum;
    bool is_ipv6;
    bool is_first; /* the ICMP header is in this frame */
};

static void reply_frame(struct packet_stage *stage, struct frame *frame, const struct echo *echo)
{
    uint32_t payload_at = frame->ip_at + echo->header_size;
    uint32_t cut = echo->header_size - echo->kept_size;
    struct rte_mbuf *mbuf = answer_begin(stage, frame, payload_at + echo->payload_size);
    if (mbuf == NULL)
        return;
    uint8_t *bytes = rte_pktmbuf_mtod(mbuf, uint8_t *);
    if (cut > 0) {
        memmove(bytes + cut, bytes, payload_at - cut);
        bytes = (uint8_t *)rte_pktmbuf_adj(mbuf, (uint16_t)cut);
    }
    uint8_t *ip = bytes + frame->ip_at;
    if (!echo->is_ipv6) {
        turn_ip4(ip, echo->payload_size);
    } else {
        if (cut > 0)
            ip[6] = IPPROTO_ICMPV6;
        turn_ip6(ip, echo->kept_size - IP6_SIZE + echo->payload_size);
    }
    if (echo->is_first) {
        ip[echo->kept_size] = (uint8_t)reply_type(echo->is_ipv6);
        octets_store16(ip + echo->kept_size + 2, echo->checksum);
    }
    answer_send(stage, mbuf, NULL);
}

static void reply(struct packet_stage *stage, const struct ip_packet *packet, uint64_t sum)
{
    struct echo echo = {.header_size = packet->header_size,
                        .kept_size = packet->is_ipv6 ? IP6_SIZE : IP4_SIZE,
                        .payload_size = packet->size,
                        .checksum = reply_checksum(sum, packet),
                        .is_ipv6 = packet->is_ipv6,
                        .is_first = true};
    if (packet->parts == NULL) {
        reply_frame(stage, packet->frame, &echo);
        return;
    }
    for (unsigned i = 0; i < packet->parts->piece_count; i++) {
        struct fragment_piece *piece = &packet->parts->pieces[i];
        struct frame frame = {.mbuf = piece->mbuf, .ip_at = piece->ip_at};
        echo.header_size = (uint32_t)piece->payload_at - piece->ip_at;
        echo.kept_size = packet->is_ipv6 ? echo.header_size : IP4_SIZE;
        echo.payload_size = piece->size;
        echo.is_first = i == 0;
        reply_frame(stage, &frame, &echo);
        piece->mbuf = frame.mbuf;
    }
}

/* Not "this network", loopback, a group, or broadcast: nobody there may be answered. */
static bool is_unicast4(const uint8_t *ip)
{
    return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

static bool is_unicast6(const uint8_t *ip)
{
    return ip[0] != 0xFF && (octets_load64(ip) | octets_load64(ip + 8)) != 0;
}

enum counter_id icmp4_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    const uint8_t *icmp = packet->payload;
    uint64_t sum = packet->size >= ICMP_SIZE ? checksum_add(0, icmp, packet->size) : 0;
    if (checksum_fold(sum) != CHECKSUM_VALID)
        return COUNTER_ICMP4_MALFORMED;
    if (icmp[0] != ICMP4_ECHO_REQUEST || icmp[1] != 0 || !is_unicast4(packet->addresses))
        return COUNTER_ICMP4_IGNORED;
    reply(stage, packet, sum);
    return COUNTER_ICMP4_ECHO;
}

enum counter_id icmp6_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    const uint8_t *icmp = packet->payload;
    uint64_t sum = checksum_pseudo6(packet->addresses, IPPROTO_ICMPV6, packet->size);
    if (packet->size < ICMP_SIZE)
        return COUNTER_ICMP6_MALFORMED;
    sum = checksum_add(sum, icmp, packet->size);
    if (checksum_fold(sum) != CHECKSUM_VALID)
        return COUNTER_ICMP6_MALFORMED;
    if (icmp[0] == ICMP6_NEIGHBOUR_SOLICITATION)
        return nd_take(stage, packet);
    if (icmp[0] != ICMP6_ECHO_REQUEST || icmp[1] != 0 || !is_unicast6(packet->addresses) ||
        packet_address_index(stage, true, packet->addresses + 16) < 0)
        return COUNTER_ICMP6_IGNORED;
    reply(stage, packet, sum);
    return COUNTER_ICMP6_ECHO;
}
