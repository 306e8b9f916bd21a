/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/packet.h"

#include <stdlib.h>

#include <rte_prefetch.h>
#include <rte_random.h>

#include "core/check.h"
#include "dataplane/answer.h"
#include "dataplane/checksum.h"
#include "dataplane/packet_stage.h"

enum {
    PREFETCH_AHEAD = 4, /* frames of the burst */
    VLAN_ID_MASK = 0xFFF,
    VLAN_ID_MAX = 4094,
    /* A tagged frame of a bare UDP header: with less, it goes the long way. */
    SHORT_PATH_SIZE_MIN = ETHER_SIZE + VLAN_SIZE + IP4_SIZE + UDP_SIZE
};

#define MAC_MASK            (UINT64_MAX >> 16)
#define FRAGMENT_TIMEOUT_NS UINT64_C(30000000000)

static int check_config(const struct packet_config *config, struct err *err)
{
    int result = 0;
    if (config->counters == NULL || config->pool == NULL)
        result = err_add(err, "packet stage: counters and a pool are needed");
    if (config->address_count > CORE_MAP_ADDRESSES_MAX)
        result = err_add(err, "packet stage: %u addresses; at most %d are possible",
                         config->address_count, CORE_MAP_ADDRESSES_MAX);
    if (config->vlan > VLAN_ID_MAX)
        result = err_add(err, "packet stage: VLAN %u; 1 to %d are possible, and 0 for none",
                         (unsigned)config->vlan, VLAN_ID_MAX);
    if (config->fragments_max > FRAGMENT_SETS_MAX)
        result = err_add(err, "packet stage: %u packets in fragments; at most %d are possible",
                         config->fragments_max, FRAGMENT_SETS_MAX);
    return result;
}

static struct fragment_table *make_fragment_table(const struct packet_config *config)
{
    struct fragment_limits limits = {.sets_max = config->fragments_max,
                                     .mbufs_max = config->fragment_mbufs_max,
                                     .timeout_ns = config->fragment_timeout_ns,
                                     .seed = (uint32_t)rte_rand()};
    if (limits.mbufs_max == 0)
        limits.mbufs_max = config->pool->size / 4;
    if (limits.timeout_ns == 0)
        limits.timeout_ns = FRAGMENT_TIMEOUT_NS;
    return fragment_table_new(&limits, config->counters);
}

static void set_config(struct packet_stage *stage, const struct packet_config *config)
{
    if (config->address_count > 0)
        memcpy(stage->addresses, config->addresses,
               config->address_count * sizeof(stage->addresses[0]));
    stage->config = *config;
    stage->config.addresses = stage->addresses;
    stage->counters = config->counters;
    stage->vlan = config->vlan;
    stage->checksum_unfinished = config->checksum_unfinished;
    if (!config->accept_any_mac) {
        stage->mac_mask = MAC_MASK;
        memcpy(&stage->mac, config->mac.addr_bytes, RTE_ETHER_ADDR_LEN);
    }
    /* The bit is set when the port verified the checksum, one way or another. What the port calls
     * bad is looked at here. */
    if (config->trust_rx_checksum) {
        stage->ip_trust_flag = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
        stage->udp_trust_flag = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    }
}

int packet_stage_new(const struct packet_config *config, struct packet_stage **out, struct err *err)
{
    int result = -1;
    if (check_config(config, err) != 0)
        return -1;
    struct packet_stage *stage = calloc(1, sizeof(*stage));
    if (stage == NULL)
        goto out;
    set_config(stage, config);
    stage->routes = calloc(1, sizeof(*stage->routes));
    stage->scratch = calloc(PACKET_BURST_MAX, SCRATCH_SIZE);
    stage->fragments = make_fragment_table(config);
    if (stage->routes == NULL || stage->scratch == NULL || stage->fragments == NULL)
        goto out;
    packet_set_listeners(stage, config->listeners);
    *out = stage;
    stage = NULL;
    result = 0;
out:
    if (result != 0)
        err_add(err, "packet stage: no memory");
    packet_stage_free(stage);
    return result;
}

void packet_stage_free(struct packet_stage *stage)
{
    if (stage == NULL)
        return;
    packet_release(stage);
    fragment_table_free(stage->fragments);
    free(stage->scratch);
    free(stage->routes);
    free(stage);
}

void packet_set_listeners(struct packet_stage *stage, const struct listener_table *listeners)
{
    stage->config.listeners = NULL; /* not kept */
    stage->shape = (struct frame_shape){.is_unset = 1};
    udp_routes_build(stage->routes, stage->addresses, stage->config.address_count, listeners);
}

int packet_address_index(const struct packet_stage *stage, bool is_ipv6, const uint8_t *ip)
{
    for (unsigned i = 0; i < stage->config.address_count; i++) {
        const struct core_map_address *ours = &stage->addresses[i];
        if (ours->is_ipv6 == is_ipv6 && memcmp(&ours->ip6, ip, is_ipv6 ? 16 : 4) == 0)
            return (int)i;
    }
    return -1;
}

bool packet_solicits_us(const struct packet_stage *stage, const uint8_t *low_24_bits)
{
    for (unsigned i = 0; i < stage->config.address_count; i++)
        if (stage->addresses[i].is_ipv6 &&
            memcmp(stage->addresses[i].ip6.s6_addr + 13, low_24_bits, 3) == 0)
            return true;
    return false;
}

void packet_copy_out(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t size, uint8_t *to)
{
    for (; mbuf != NULL && size > 0; mbuf = mbuf->next) {
        uint32_t skip = RTE_MIN(offset, mbuf->data_len);
        uint32_t part = RTE_MIN(size, mbuf->data_len - skip);
        memcpy(to, rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, skip), part);
        offset -= skip;
        size -= part;
        to += part;
    }
}

enum mac_kind { MAC_OURS, MAC_BROADCAST, MAC_SOLICITED, MAC_OTHER };

static enum mac_kind mac_kind_of(const struct packet_stage *stage, const uint8_t *mac)
{
    static const uint8_t broadcast[RTE_ETHER_ADDR_LEN] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    static const uint8_t solicited[3] = {0x33, 0x33, 0xFF}; /* group ff02::1:ffXX:XXXX */
    if (((octets_load64(mac) ^ stage->mac) & stage->mac_mask) == 0)
        return MAC_OURS;
    if (memcmp(mac, broadcast, sizeof(broadcast)) == 0)
        return MAC_BROADCAST;
    if (memcmp(mac, solicited, sizeof(solicited)) == 0 && packet_solicits_us(stage, mac + 3))
        return MAC_SOLICITED;
    return MAC_OTHER;
}

/* Finds the type and the place of what the frame carries, and checks the tag. Returns COUNTER_COUNT
 * when it is in order. */
static enum counter_id untag(const struct packet_stage *stage, struct frame *frame, uint16_t *type)
{
    uint64_t flags = frame->mbuf->ol_flags;
    uint32_t vlan = 0;
    frame->ip_at = ETHER_SIZE;
    *type = octets_load_be16(frame->data + 12);
    if ((flags & RTE_MBUF_F_RX_QINQ_STRIPPED) != 0)
        return COUNTER_VLAN_OTHER;
    if ((flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
        vlan = frame->mbuf->vlan_tci & VLAN_ID_MASK;
    } else if (*type == RTE_ETHER_TYPE_VLAN) {
        if (frame->size < ETHER_SIZE + VLAN_SIZE)
            return COUNTER_ETH_TRUNCATED;
        vlan = octets_load_be16(frame->data + 14) & VLAN_ID_MASK;
        *type = octets_load_be16(frame->data + 16);
        frame->ip_at = ETHER_SIZE + VLAN_SIZE;
    }
    return vlan == stage->vlan ? COUNTER_COUNT : COUNTER_VLAN_OTHER;
}

static enum counter_id ethernet_take(struct packet_stage *stage, struct frame *frame)
{
    uint16_t type;
    if (frame->size < ETHER_SIZE)
        return COUNTER_ETH_TRUNCATED;
    enum mac_kind mac = mac_kind_of(stage, frame->data);
    if (mac == MAC_OTHER)
        return COUNTER_ETH_NOT_FOR_US;
    enum counter_id end = untag(stage, frame, &type);
    if (end != COUNTER_COUNT)
        return end;
    /* Broadcast is for ARP, the group for neighbour discovery (RFC 1122 section 3.3.6). */
    switch (type) {
    case RTE_ETHER_TYPE_IPV4:
        return mac == MAC_OURS ? ip4_take(stage, frame) : COUNTER_ETH_NOT_FOR_US;
    case RTE_ETHER_TYPE_IPV6:
        return mac != MAC_BROADCAST ? ip6_take(stage, frame) : COUNTER_ETH_NOT_FOR_US;
    case RTE_ETHER_TYPE_ARP:
        return mac != MAC_SOLICITED ? arp_take(stage, frame) : COUNTER_ETH_NOT_FOR_US;
    default:
        return COUNTER_ETH_UNKNOWN_TYPE;
    }
}

/* Any frame. */
static void frame_take(struct packet_stage *stage, struct rte_mbuf *mbuf)
{
    unsigned delivered_before = stage->datagram_count + stage->segment_count;
    struct frame frame = {
        .mbuf = mbuf, .data = rte_pktmbuf_mtod(mbuf, const uint8_t *), .size = mbuf->data_len};
    stage->scratch_next = stage->scratch_used;
    if (mbuf->nb_segs > 1) {
        uint8_t *scratch = stage->scratch + stage->scratch_used;
        frame.size = RTE_MIN(mbuf->pkt_len, (uint32_t)SCRATCH_SIZE);
        frame.data = scratch;
        packet_copy_out(mbuf, 0, frame.size, scratch);
        stage->scratch_next += RTE_ALIGN_CEIL(frame.size, RTE_CACHE_LINE_SIZE);
    }
    enum counter_id end = ethernet_take(stage, &frame);
    packet_count(stage, end);
    if (stage->datagram_count + stage->segment_count > delivered_before)
        stage->scratch_used = stage->scratch_next;
    if (frame.mbuf != NULL)
        stage->dones[stage->done_count++] = frame.mbuf;
}

/* ---- the short path ---- */

/* What is behind the shape of a frame: lengths and checksums. `size` bytes from `ip` are there. */
static inline bool datagram_fill(const struct packet_stage *stage, const struct rte_mbuf *mbuf,
                                 const uint8_t *ip, uint32_t size, uint16_t listener,
                                 struct datagram *datagram)
{
    const uint64_t flags = mbuf->ol_flags;
    const uint8_t *udp = ip + IP4_SIZE;
    uint32_t total = octets_load_be16(ip + 2), udp_size = octets_load_be16(udp + 4);
    /* IP4_SIZE + UDP_SIZE <= total <= size, and UDP_SIZE <= udp_size <= total - IP4_SIZE */
    if (UNLIKELY((total - (IP4_SIZE + UDP_SIZE) > size - (IP4_SIZE + UDP_SIZE)) |
                 (udp_size - UDP_SIZE > total - (IP4_SIZE + UDP_SIZE))))
        return false;
    if ((flags & stage->ip_trust_flag) == 0 && UNLIKELY(!checksum_is_valid(checksum_ip4_20(ip))))
        return false;
    if ((flags & stage->udp_trust_flag) == 0 && octets_load16(udp + 6) != 0 &&
        UNLIKELY(!udp_checksum_fits(udp, udp_size, checksum_pseudo4(ip + 12, IPPROTO_UDP, udp_size),
                                    stage->checksum_unfinished)))
        return false;
    *datagram = (struct datagram){.payload = udp + UDP_SIZE,
                                  .size = udp_size - UDP_SIZE,
                                  .listener = listener,
                                  .is_framed = true,
                                  .source_port_be = octets_load16(udp)};
    memcpy(datagram->source_ip, ip + 12, 4);
    return true;
}

static void put_octets(struct frame_shape *shape, const uint8_t *frame, unsigned at, unsigned size)
{
    memcpy((uint8_t *)shape->want + at, frame + at, size);
    memset((uint8_t *)shape->mask + at, 0xFF, size);
}

/* Now and then: where datagrams for several listeners come in turn, it would be for nothing. */
static void shape_follow(struct packet_stage *stage, const uint8_t *frame, uint16_t listener)
{
    enum { OTHERS_MAX = 16, IP_AT = ETHER_SIZE, UDP_AT = ETHER_SIZE + IP4_SIZE };
    struct frame_shape *shape = &stage->shape;
    if (!shape->is_unset && ++shape->others < OTHERS_MAX)
        return;
    *shape = (struct frame_shape){.listener = listener};
    if (stage->mac_mask != 0)
        put_octets(shape, frame, 0, RTE_ETHER_ADDR_LEN);
    put_octets(shape, frame, 12, 3);         /* IPv4, header of 20 bytes */
    put_octets(shape, frame, IP_AT + 6, 2);  /* flags and offset: 0, or "don't fragment" */
    put_octets(shape, frame, IP_AT + 9, 1);  /* UDP */
    put_octets(shape, frame, IP_AT + 16, 4); /* address and port */
    put_octets(shape, frame, UDP_AT + 2, 2);
}

static inline bool shape_fits(const struct frame_shape *shape, const uint8_t *frame)
{
    uint64_t differ = shape->is_unset;
    for (unsigned i = 0; i < ARRAY_COUNT(shape->want); i++)
        differ |= (octets_load64(frame + 8 * i) ^ shape->want[i]) & shape->mask[i];
    return differ == 0;
}

/* What the shape does not fit. What has one likely answer is gathered into one branch. */
static __attribute__((noinline)) bool other_take(struct packet_stage *stage,
                                                 const struct rte_mbuf *mbuf,
                                                 struct datagram *datagram)
{
    const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *), *ip = frame + ETHER_SIZE;
    const uint64_t flags = mbuf->ol_flags;
    uint32_t size = mbuf->data_len - (uint32_t)ETHER_SIZE;
    uint32_t vlan = (flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ? mbuf->vlan_tci & VLAN_ID_MASK : 0;
    uint16_t type = octets_load16(frame + 12);
    if (type == OCTETS_BE16(RTE_ETHER_TYPE_VLAN) && (flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0) {
        vlan = octets_load_be16(frame + 14) & VLAN_ID_MASK;
        type = octets_load16(frame + 16);
        ip += VLAN_SIZE;
        size -= VLAN_SIZE;
    }
    uint64_t unusual = (octets_load64(frame) ^ stage->mac) & stage->mac_mask;
    unusual |= flags & RTE_MBUF_F_RX_QINQ_STRIPPED;
    unusual |= (uint32_t)type ^ OCTETS_BE16(RTE_ETHER_TYPE_IPV4);
    unusual |= vlan ^ stage->vlan;
    unusual |= (ip[0] ^ 0x45u) | (ip[9] ^ (uint32_t)IPPROTO_UDP);
    unusual |= octets_load16(ip + 6) & OCTETS_BE16(0x3FFF); /* more fragments, offset */
    if (UNLIKELY(unusual != 0))
        return false;
    uint64_t key = udp_route_key4(octets_load32(ip + 16), octets_load16(ip + IP4_SIZE + 2));
    uint16_t listener = udp_route_find(stage->routes, key);
    if (UNLIKELY(listener == LISTENER_NONE))
        return false;
    if (vlan == 0 && ip == frame + ETHER_SIZE)
        shape_follow(stage, frame, listener);
    return datagram_fill(stage, mbuf, ip, size, listener, datagram);
}

/* The frame that nearly all are: to our MAC, in the port's VLAN, with a whole UDP datagram over
 * IPv4 without options for a listener, all in the first segment. False, and nothing done, for any
 * other, right or wrong. */
static inline bool datagram_take(struct packet_stage *stage, const struct rte_mbuf *mbuf,
                                 struct datagram *datagram)
{
    const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
    if (UNLIKELY(mbuf->data_len < SHORT_PATH_SIZE_MIN))
        return false;
    if (UNLIKELY((mbuf->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)) |
                 !shape_fits(&stage->shape, frame)))
        return other_take(stage, mbuf, datagram);
    return datagram_fill(stage, mbuf, frame + ETHER_SIZE, mbuf->data_len - (uint32_t)ETHER_SIZE,
                         stage->shape.listener, datagram);
}

static inline void prefetch_frame(const struct rte_mbuf *mbuf)
{
    rte_prefetch0(rte_pktmbuf_mtod(mbuf, const void *));
}

unsigned packet_burst(struct packet_stage *stage, struct rte_mbuf **mbufs, unsigned count,
                      uint64_t now_ns, struct datagram *datagrams)
{
    uint64_t bytes = 0, short_count = 0;
    CHECK(count <= PACKET_BURST_MAX && stage->done_count == 0);
    stage->now_ns = now_ns;
    stage->datagrams = datagrams;
    stage->datagram_count = 0;
    stage->segment_count = 0;
    for (unsigned i = 0; i < count && i < PREFETCH_AHEAD; i++)
        prefetch_frame(mbufs[i]);
    for (unsigned i = 0; i < count; i++) {
        if (i + PREFETCH_AHEAD < count)
            prefetch_frame(mbufs[i + PREFETCH_AHEAD]);
        bytes += mbufs[i]->pkt_len;
        if (LIKELY(datagram_take(stage, mbufs[i], &datagrams[stage->datagram_count]))) {
            stage->dones[stage->done_count++] = mbufs[i];
            stage->datagram_count++;
            short_count++;
        } else {
            frame_take(stage, mbufs[i]);
        }
    }
    stage->counters->values[COUNTER_FRAMES_RX] += count;
    stage->counters->values[COUNTER_BYTES_RX] += bytes;
    stage->counters->values[COUNTER_PACKETS_WHOLE] += short_count;
    answer_flush(stage);
    return stage->datagram_count;
}

/* Whether the mbufs are as a port delivers small frames: of one pool, one segment each, with its
 * own buffer, and nobody else's. `next` is NULL then (mbuf.h). */
static bool are_plain(struct rte_mbuf *const *mbufs, unsigned count)
{
    const struct rte_mempool *pool = mbufs[0]->pool;
    bool plain = true;
    for (unsigned i = 0; i < count; i++)
        plain &= mbufs[i]->pool == pool && mbufs[i]->nb_segs == 1 && RTE_MBUF_DIRECT(mbufs[i]) &&
                 rte_mbuf_refcnt_read(mbufs[i]) == 1;
    return plain;
}

void packet_release(struct packet_stage *stage)
{
    if (stage->done_count > 0 && LIKELY(are_plain(stage->dones, stage->done_count)))
        rte_mempool_put_bulk(stage->dones[0]->pool, (void **)stage->dones, stage->done_count);
    else
        rte_pktmbuf_free_bulk(stage->dones, stage->done_count);
    stage->done_count = 0;
    stage->scratch_used = 0;
}

void packet_expire(struct packet_stage *stage, uint64_t now_ns)
{
    fragment_expire(stage->fragments, now_ns);
}
