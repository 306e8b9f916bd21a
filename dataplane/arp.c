/* SPDX-License-Identifier: MPL-2.0
 *
 * arp.c - answers ARP requests, and probes, for our IPv4 addresses (arp_take of packet_stage.h).
 * Source: RFC 826; RFC 5227 section 2.1.1 (a probe has the sender address 0.0.0.0 and is answered
 *         too).
 */
#include "dataplane/answer.h"

enum {
    ARP_SIZE = 28,
    ARP_OPERATION = 6,
    ARP_SENDER_MAC = 8,
    ARP_SENDER_IP = 14,
    ARP_TARGET_MAC = 18,
    ARP_TARGET_IP = 24,
    OPERATION_REQUEST = 1,
    OPERATION_REPLY = 2
};

static void reply(struct packet_stage *stage, struct frame *frame)
{
    struct rte_mbuf *mbuf = answer_begin(stage, frame, frame->ip_at + ARP_SIZE);
    if (mbuf == NULL)
        return;
    uint8_t target_ip[4], *arp = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, frame->ip_at);
    memcpy(target_ip, arp + ARP_TARGET_IP, sizeof(target_ip));
    octets_store_be16(arp + ARP_OPERATION, OPERATION_REPLY);
    memcpy(arp + ARP_TARGET_MAC, arp + ARP_SENDER_MAC, RTE_ETHER_ADDR_LEN + sizeof(target_ip));
    memcpy(arp + ARP_SENDER_MAC, stage->config.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
    memcpy(arp + ARP_SENDER_IP, target_ip, sizeof(target_ip));
    answer_send(stage, mbuf, NULL);
}

enum counter_id arp_take(struct packet_stage *stage, struct frame *frame)
{
    /* Ethernet, IPv4, 6 and 4 bytes long. */
    static const uint8_t kind[ARP_OPERATION] = {0, 1, 8, 0, 6, 4};
    const uint8_t *arp = frame->data + frame->ip_at;
    if (frame->size - frame->ip_at < ARP_SIZE || memcmp(arp, kind, sizeof(kind)) != 0)
        return COUNTER_ARP_MALFORMED;
    if (octets_load_be16(arp + ARP_OPERATION) != OPERATION_REQUEST ||
        packet_address_index(stage, false, arp + ARP_TARGET_IP) < 0)
        return COUNTER_ARP_IGNORED;
    reply(stage, frame);
    return COUNTER_ARP_ANSWERED;
}
