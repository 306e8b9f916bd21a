/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_packet.c - TCP segments out of IP packets, and back into frames (packet_segments() and
 *                packet_send_segment() of packet.h).
 *
 * Answers go to the MAC address that the segment came from: right for whoever is asked, whatever
 * the route, and it needs no neighbour table.
 */
#include "dataplane/answer.h"
#include "dataplane/checksum.h"
#include "dataplane/packet_stage.h"

enum { CHECKSUM_AT = 16, HOP_LIMIT = 64, IP4_DONT_FRAGMENT = 0x4000 };

/* ---- in ---- */

static uint64_t pseudo_sum(bool is_ipv6, const uint8_t *addresses, uint32_t size)
{
    return is_ipv6 ? checksum_pseudo6(addresses, IPPROTO_TCP, size)
                   : checksum_pseudo4(addresses, IPPROTO_TCP, size);
}

static bool is_checksum_good(const struct packet_stage *stage, const struct ip_packet *packet)
{
    if ((packet->frame->mbuf->ol_flags & stage->udp_trust_flag) != 0) /* of the fourth layer */
        return true;
    uint64_t pseudo = pseudo_sum(packet->is_ipv6, packet->addresses, packet->size);
    if (checksum_fold(checksum_add(pseudo, packet->payload, packet->size)) == CHECKSUM_VALID)
        return true;
    return stage->checksum_unfinished &&
           octets_load16(packet->payload + CHECKSUM_AT) == checksum_fold(pseudo);
}

static void fill_path(const struct packet_stage *stage, const struct frame *frame,
                      struct packet_path *path)
{
    memcpy(path->mac, frame->data + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
    path->queue = stage->config.index;
    if ((frame->mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
        path->is_tagged = 1;
        path->tag_be = __builtin_bswap16(frame->mbuf->vlan_tci);
    } else if (frame->ip_at > ETHER_SIZE) {
        path->is_tagged = 1;
        path->tag_be = octets_load16(frame->data + ETHER_SIZE);
    }
}

enum counter_id tcp_packet_take(struct packet_stage *stage, const struct ip_packet *packet)
{
    size_t ip_size = packet->is_ipv6 ? 16 : 4;
    if (!stage->takes_tcp)
        return COUNTER_TCP_NO_LISTENER;
    /* Fragments of one segment may meet another worker than the connection's. */
    if (packet->frame == NULL || packet->size < TCP_HEADER_SIZE)
        return COUNTER_TCP_MALFORMED_PACKET;
    if (!is_checksum_good(stage, packet))
        return COUNTER_TCP_BAD_CHECKSUM;
    struct tcp_packet *segment = &stage->segments[stage->segment_count++];
    struct packet_path path = {0};
    fill_path(stage, packet->frame, &path);
    *segment = (struct tcp_packet){
        .flow.is_ipv6 = packet->is_ipv6,
        .flow.remote_port_be = octets_load16(packet->payload),
        .flow.local_port_be = octets_load16(packet->payload + 2),
        .bytes = packet->payload,
        .size = packet->size,
    };
    memcpy(segment->flow.remote_ip, packet->addresses, ip_size);
    memcpy(segment->flow.local_ip, packet->addresses + ip_size, ip_size);
    memcpy(segment->path, &path, sizeof(path));
    return COUNTER_SEGMENTS_TCP;
}

void packet_set_tcp(struct packet_stage *stage, bool is_taken)
{
    stage->takes_tcp = is_taken;
}

unsigned packet_segments(const struct packet_stage *stage, const struct tcp_packet **segments)
{
    *segments = stage->segments;
    return stage->segment_count;
}

/* ---- out ---- */

static uint8_t *put_ethernet(const struct packet_stage *stage, const struct packet_path *path,
                             bool is_ipv6, uint8_t *at)
{
    memcpy(at, path->mac, RTE_ETHER_ADDR_LEN);
    memcpy(at + RTE_ETHER_ADDR_LEN, stage->config.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
    at += 2 * RTE_ETHER_ADDR_LEN;
    if (path->is_tagged) {
        octets_store_be16(at, RTE_ETHER_TYPE_VLAN);
        octets_store16(at + 2, path->tag_be);
        at += VLAN_SIZE;
    }
    octets_store_be16(at, is_ipv6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
    return at + 2;
}

/* Writes the header and returns the place of the addresses in it. */
static const uint8_t *put_ip4(const struct tcp_answer *answer, uint8_t *at)
{
    memset(at, 0, IP4_SIZE);
    at[0] = 0x45;
    octets_store_be16(at + 2, (uint16_t)(IP4_SIZE + answer->header_size));
    octets_store_be16(at + 6, IP4_DONT_FRAGMENT);
    at[8] = HOP_LIMIT;
    at[9] = IPPROTO_TCP;
    memcpy(at + 12, answer->flow->local_ip, 4);
    memcpy(at + 16, answer->flow->remote_ip, 4);
    octets_store16(at + 10, (uint16_t)~checksum_fold(checksum_ip4_20(at)));
    return at + 12;
}

static const uint8_t *put_ip6(const struct tcp_answer *answer, uint8_t *at)
{
    memset(at, 0, 8);
    at[0] = 0x60;
    octets_store_be16(at + 4, (uint16_t)answer->header_size);
    at[6] = IPPROTO_TCP;
    at[7] = HOP_LIMIT;
    memcpy(at + 8, answer->flow->local_ip, 16);
    memcpy(at + 24, answer->flow->remote_ip, 16);
    return at + 8;
}

void packet_send_segment(struct packet_stage *stage, const struct tcp_answer *answer)
{
    struct packet_path path;
    bool is_ipv6 = answer->flow->is_ipv6;
    memcpy(&path, answer->path, sizeof(path));
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(stage->config.pool);
    if (mbuf == NULL) {
        packet_count(stage, COUNTER_FRAMES_TX_DROPPED);
        return;
    }
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    uint8_t *ip = put_ethernet(stage, &path, is_ipv6, frame);
    const uint8_t *addresses = is_ipv6 ? put_ip6(answer, ip) : put_ip4(answer, ip);
    uint8_t *tcp = ip + (is_ipv6 ? IP6_SIZE : IP4_SIZE);
    memcpy(tcp, answer->header, answer->header_size);
    uint64_t sum = pseudo_sum(is_ipv6, addresses, answer->header_size);
    octets_store16(tcp + CHECKSUM_AT,
                   (uint16_t)~checksum_fold(checksum_add(sum, tcp, answer->header_size)));
    mbuf->data_len = (uint16_t)((size_t)(tcp - frame) + answer->header_size);
    mbuf->pkt_len = mbuf->data_len;
    answer_queue(stage, mbuf);
}

void packet_send_answers(struct packet_stage *stage)
{
    answer_flush(stage);
}
