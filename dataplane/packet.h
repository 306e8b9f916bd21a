/* SPDX-License-Identifier: MPL-2.0
 *
 * packet.h - frames to datagrams: Ethernet, VLAN, ARP, IPv4, IPv6, fragments, ICMP, neighbour
 *            discovery, UDP, and TCP up to its segments.
 *
 * Place:   worker.c calls it once per received burst; ARP, ICMP and ND are answered here. packet.c
 *          has the short path and Ethernet; ip.c, udp.c, fragment.c, arp.c, icmp.c, nd.c and
 *          answer.c do their part. What is taken, answered and refused: docs/formats/packet.md.
 * Threads: one packet_stage belongs to one worker and one receive queue.
 * Memory:  allocated by packet_stage_new(); mbufs of delivered datagrams are held until
 *          packet_release(), those of fragments until they are whole or too old.
 * Failure: a bad frame is counted by its reason (stages frame and packet of core/counters.def).
 * Source:  RFC 826, 791, 792, 768, 1122, 8200, 4443, 4861, 5722 (no overlapping IPv6 fragments).
 */
#ifndef DATAPLANE_PACKET_H
#define DATAPLANE_PACKET_H

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "core/core_map.h"
#include "core/counters.h"
#include "dataplane/listener.h"
#include "dataplane/tcp/tcp.h"

enum { PACKET_BURST_MAX = 64 };

struct packet_config {
    uint16_t port_id;  /* DPDK port, for answers */
    uint16_t queue_id; /* transmit queue for answers */
    uint8_t index;     /* of this queue among the worker's: packet_path.queue */
    struct rte_ether_addr mac;
    uint16_t vlan;             /* 0: untagged only */
    bool accept_any_mac;       /* replay: the trace's MAC addresses are not ours */
    bool trust_rx_checksum;    /* believe RTE_MBUF_F_RX_*_CKSUM_* flags */
    bool checksum_unfinished;  /* accept UDP checksums that hold only the pseudo-header sum */
    const struct core_map_address *addresses;
    unsigned address_count;
    struct rte_mempool *pool;  /* for answers that do not fit the frame they answer */
    const struct listener_table *listeners; /* NULL: none; see packet_set_listeners() */
    unsigned fragments_max;       /* packets under reassembly at a time; 0: fragments are refused */
    unsigned fragment_mbufs_max;  /* mbufs held for that; 0: a quarter of the pool's */
    uint64_t fragment_timeout_ns; /* RFC 1122: 60 to 120 s for hosts; 0: 30 s, as Linux */
    struct counters *counters;    /* the worker's */
};

struct datagram {
    const uint8_t *payload; /* contiguous */
    uint32_t size;
    uint16_t listener;
    bool is_ipv6;
    bool is_framed; /* the headers are in front of the payload */
    uint16_t source_port_be;
    uint8_t source_ip[16]; /* network order; IPv4 in the first 4 */
};

struct packet_stage;
/* A struct tcp_packet's path: what answering takes. */
struct packet_path {
    uint8_t mac[6]; /* of the neighbour that sent it */
    uint16_t tag_be;
    uint8_t is_tagged;
    uint8_t queue; /* the worker's index of it, as in packet_config */
    uint8_t zero[6];
};
_Static_assert(sizeof(struct packet_path) == TCP_PATH_SIZE, "tcp.h keeps it");

/* Copies the configuration and the addresses; pool and counters stay the caller's and are needed
 * until packet_stage_free(). 0, or -1 with all errors. */
int packet_stage_new(const struct packet_config *config, struct packet_stage **out,
                     struct err *err);
/* Frees what is held, uncounted: packet_expire(stage, UINT64_MAX) before it keeps the books. */
void packet_stage_free(struct packet_stage *stage);

/* Between bursts: from the next one on, these listeners (NULL: none) are asked. The table is read
 * here and not kept. Does not allocate. [the worker] */
void packet_set_listeners(struct packet_stage *stage, const struct listener_table *listeners);

/* Takes all of mbufs[0..count), count <= PACKET_BURST_MAX, and writes the datagrams for listeners
 * to `datagrams` (room for `count`). Everything else is answered or counted and freed, by
 * packet_release() at the latest. Returns the number of datagrams; their payloads live until
 * packet_release(), which must be called before the next burst. Counts FRAMES_RX, BYTES_RX and all
 * ends but DATAGRAMS_*, which the caller counts when it has handled them. `now_ns` should not go
 * back. */
unsigned packet_burst(struct packet_stage *stage, struct rte_mbuf **mbufs, unsigned count,
                      uint64_t now_ns, struct datagram *datagrams);
void packet_release(struct packet_stage *stage);

/* TCP segments to our addresses are kept (checksum right, not fragmented), or, with false, counted
 * as TCP_NO_LISTENER. False at first. [the worker] */
void packet_set_tcp(struct packet_stage *stage, bool is_taken);
/* The segments of the last burst, with the life of its datagrams; counted as SEGMENTS_TCP. */
unsigned packet_segments(const struct packet_stage *stage, const struct tcp_packet **segments);
/* Sends a segment of ours the way that its path says, with the answers of the burst or
 * packet_send_answers(). */
void packet_send_segment(struct packet_stage *stage, const struct tcp_answer *answer);
void packet_send_answers(struct packet_stage *stage);

/* Ends reassemblies that are too old; call every 100 ms or so. With now_ns = UINT64_MAX: all. */
void packet_expire(struct packet_stage *stage, uint64_t now_ns);

#endif
