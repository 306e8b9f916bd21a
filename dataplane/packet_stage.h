/* SPDX-License-Identifier: MPL-2.0
 *
 * packet_stage.h - what the files of the packet stage share: its state, a frame, an IP packet.
 *
 * Place:   private to packet.c, ip.c, arp.c, icmp.c, nd.c, udp.[ch], tcp_packet.c and answer.c.
 * Threads: all of it belongs to one worker.
 * Memory:  views of a frame or packet last for the call; those of delivered datagrams until
 *          packet_release().
 * Failure: the `_take` functions return the counter of the place where the frame or packet ended,
 *          and their caller counts it.
 */
#ifndef DATAPLANE_PACKET_STAGE_H
#define DATAPLANE_PACKET_STAGE_H

#include "dataplane/fragment.h"
#include "dataplane/octets.h"
#include "dataplane/packet.h"
#include "dataplane/udp.h"

enum {
    ETHER_SIZE = 14,
    VLAN_SIZE = 4,
    IP4_SIZE = 20,
    IP6_SIZE = 40,
    UDP_SIZE = 8,
    ICMP_SIZE = 8,
    ANSWER_HOP_LIMIT = 64,
    PACKET_ANSWERS_MAX = 64,
    /* Room for one frame's contiguous copy: the longest IPv6 packet in a tagged frame. Each frame
     * of a burst can need one: as a chain of segments, or as the last fragment of a large
     * datagram. */
    SCRATCH_SIZE = 65600
};
_Static_assert(SCRATCH_SIZE >= ETHER_SIZE + VLAN_SIZE + IP6_SIZE + UINT16_MAX, "scratch");

/* The packet was handed to the caller of packet_burst(), who counts it (DATAGRAMS_*). */
#define PACKET_DELIVERED COUNTER_COUNT

/* The headers of the last datagrams, as far as they say who is asked: bytes 0 to 39 of an untagged
 * frame, Ethernet, IPv4 without options, UDP up to the port. Most are the same again. */
struct frame_shape {
    uint64_t want[5], mask[5];
    uint64_t is_unset; /* 1: none */
    uint16_t listener;
    uint16_t others; /* datagrams since then that were different */
};

struct packet_stage {
    struct frame_shape shape;
    /* What the short path compares with. */
    uint64_t mac, mac_mask; /* in the first 8 bytes of a frame */
    uint32_t vlan;
    bool checksum_unfinished;
    uint64_t ip_trust_flag, udp_trust_flag; /* of rte_mbuf.ol_flags; 0: none */
    struct udp_routes *routes;
    struct counters *counters;

    /* The burst: filled by packet_burst(), emptied by packet_release(). */
    uint64_t now_ns;
    struct datagram *datagrams;
    unsigned datagram_count;
    unsigned done_count;
    struct rte_mbuf *dones[PACKET_BURST_MAX]; /* to be freed */
    uint8_t *scratch;    /* PACKET_BURST_MAX * SCRATCH_SIZE; pages are not there before their use */
    size_t scratch_used; /* by delivered datagrams */
    size_t scratch_next; /* scratch_used if this frame is delivered */

    bool takes_tcp;
    unsigned segment_count;
    struct tcp_packet segments[PACKET_BURST_MAX];
    unsigned answer_count;
    struct rte_mbuf *answers[PACKET_ANSWERS_MAX]; /* to be sent */
    struct fragment_table *fragments;
    struct packet_config config; /* .addresses points to the next member */
    struct core_map_address addresses[CORE_MAP_ADDRESSES_MAX];
};

struct frame {
    struct rte_mbuf *mbuf; /* NULL once it was taken over: sent, or held as a fragment */
    const uint8_t *data;   /* contiguous */
    uint32_t size;
    uint32_t ip_at; /* offset of the IP header or the ARP packet */
};

struct ip_packet {
    struct frame *frame;        /* NULL: reassembled */
    struct fragment_set *parts; /* NULL: arrived whole */
    const uint8_t *addresses;   /* source, then destination */
    const uint8_t *payload;     /* behind all IP headers; contiguous */
    uint32_t size;              /* bytes of it */
    uint32_t header_size;       /* bytes of IP headers before it (of a packet that arrived whole) */
    bool is_ipv6;
    uint8_t protocol;
    uint8_t hop_limit;
};

/* Ethernet type, behind any tag: the frame's end. */
enum counter_id arp_take(struct packet_stage *stage, struct frame *frame);
enum counter_id ip4_take(struct packet_stage *stage, struct frame *frame);
enum counter_id ip6_take(struct packet_stage *stage, struct frame *frame);

/* IP protocol: the packet's end. */
enum counter_id icmp4_take(struct packet_stage *stage, const struct ip_packet *packet);
enum counter_id icmp6_take(struct packet_stage *stage, const struct ip_packet *packet);
enum counter_id nd_take(struct packet_stage *stage, const struct ip_packet *packet);
enum counter_id udp_take(struct packet_stage *stage, const struct ip_packet *packet);
enum counter_id tcp_packet_take(struct packet_stage *stage, const struct ip_packet *packet);

/* Index of our address, or -1. `ip` has 4 or 16 bytes. */
int packet_address_index(const struct packet_stage *stage, bool is_ipv6, const uint8_t *ip);
/* True when the last 3 bytes are those of one of our IPv6 addresses: solicited-node groups, both
 * MAC and IP, hold no more of them (RFC 4291 section 2.7.1). */
bool packet_solicits_us(const struct packet_stage *stage, const uint8_t *low_24_bits);

/* Copies bytes [offset, offset + size) of a chain of segments, which has them. */
void packet_copy_out(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t size, uint8_t *to);

static inline void packet_count(struct packet_stage *stage, enum counter_id counter)
{
    stage->counters->values[counter]++;
}

#endif
