/* SPDX-License-Identifier: MPL-2.0
 *
 * nd.c - answers neighbour solicitations for our IPv6 addresses, and those of hosts that test
 *        whether an address is free (nd_take of packet_stage.h; the checksum was verified by
 *        icmp.c).
 * Source: RFC 4861 sections 4.3, 4.4, 7.1.1 and 7.2.4; RFC 4862 section 5.4.3; RFC 6980 (no
 *         fragments).
 */
#include "dataplane/answer.h"
#include "dataplane/checksum.h"

enum {
    ND_SIZE = 24, /* type, code, checksum, flags, target address */
    ND_TARGET = 8,
    ND_HOP_LIMIT = 255,
    OPTION_SOURCE_MAC = 1,
    OPTION_TARGET_MAC = 2,
    OPTION_MAC_SIZE = 8,
    TYPE_ADVERTISEMENT = 136,
    FLAG_SOLICITED = 0x40,
    FLAG_OVERRIDE = 0x20
};

static bool is_unspecified(const uint8_t *ip)
{
    return (octets_load64(ip) | octets_load64(ip + 8)) == 0;
}

/* Every option has a length; `*has_source_mac` is set when one is the sender's MAC address. */
static bool are_options_valid(const uint8_t *option, uint32_t size, bool *has_source_mac)
{
    while (size > 0) {
        uint32_t option_size = size >= 2 ? option[1] * 8u : 0;
        if (option_size == 0 || option_size > size)
            return false;
        *has_source_mac |= option[0] == OPTION_SOURCE_MAC;
        option += option_size;
        size -= option_size;
    }
    return true;
}

static bool is_valid(const struct ip_packet *packet)
{
    const uint8_t *source = packet->addresses, *destination = source + 16;
    const uint8_t *solicitation = packet->payload;
    bool has_source_mac = false;
    if (packet->hop_limit != ND_HOP_LIMIT || packet->size < ND_SIZE || solicitation[1] != 0 ||
        solicitation[ND_TARGET] == 0xFF ||
        !are_options_valid(solicitation + ND_SIZE, packet->size - ND_SIZE, &has_source_mac))
        return false;
    /* The test for a free address goes to the group, and has nobody to answer to. */
    return !is_unspecified(source) || (destination[0] == 0xFF && !has_source_mac);
}

/* Turns the solicitation at `ip`, with room behind it, into the advertisement. */
static void write_advertisement(const struct packet_stage *stage, uint8_t *ip, bool is_test)
{
    static const uint8_t all_nodes[16] = {0xFF, 0x02, [15] = 1};
    const uint32_t size = ND_SIZE + OPTION_MAC_SIZE;
    uint8_t *icmp = ip + IP6_SIZE, *option = icmp + ND_SIZE;
    octets_store_be16(ip + 4, (uint16_t)size);
    ip[6] = IPPROTO_ICMPV6;
    ip[7] = ND_HOP_LIMIT;
    memcpy(ip + 24, is_test ? all_nodes : ip + 8, 16);
    memcpy(ip + 8, icmp + ND_TARGET, 16);
    memset(icmp, 0, ND_TARGET);
    icmp[0] = TYPE_ADVERTISEMENT;
    icmp[4] = is_test ? FLAG_OVERRIDE : FLAG_OVERRIDE | FLAG_SOLICITED;
    option[0] = OPTION_TARGET_MAC;
    option[1] = OPTION_MAC_SIZE / 8;
    memcpy(option + 2, stage->config.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
    uint64_t sum = checksum_pseudo6(ip + 8, IPPROTO_ICMPV6, size);
    octets_store16(icmp + 2, (uint16_t)~checksum_fold(checksum_add(sum, icmp, size)));
}

static void advertise(struct packet_stage *stage, struct frame *frame, bool is_test)
{
    static const struct rte_ether_addr all_nodes = {{0x33, 0x33, 0, 0, 0, 1}};
    struct rte_mbuf *mbuf =
        answer_begin(stage, frame, frame->ip_at + IP6_SIZE + ND_SIZE + OPTION_MAC_SIZE);
    if (mbuf == NULL)
        return;
    write_advertisement(stage, rte_pktmbuf_mtod_offset(mbuf, uint8_t *, frame->ip_at), is_test);
    answer_send(stage, mbuf, is_test ? &all_nodes : NULL);
}

enum counter_id nd_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    /* Behind a fragment header it may be forged from further away than it says. */
    if (packet->parts != NULL || packet->header_size != IP6_SIZE)
        return COUNTER_ICMP6_IGNORED;
    if (!is_valid(packet))
        return COUNTER_ICMP6_MALFORMED;
    if (packet_address_index(stage, true, packet->payload + ND_TARGET) < 0)
        return COUNTER_ICMP6_IGNORED;
    advertise(stage, packet->frame, is_unspecified(packet->addresses));
    return COUNTER_ICMP6_ND_ANSWERED;
}
