/* SPDX-License-Identifier: MPL-2.0
 *
 * test_packet.c - what no pcap can say: configuration, flags and tags from the port, segments,
 *                 bursts, other owners of a mbuf, a port that takes no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "core/check.h"
#include "dataplane/octets.h"
#include "tests/unit/dataplane/failing_calloc.h"
#include "tests/unit/dataplane/packet_frames.h"
#include "tests/unit/dataplane/packet_rig.h"

static struct packet_rig rig;
static uint8_t frame[FRAME_SIZE_MAX];
static const uint8_t arp_request[42] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0, 0, 0, 0, 0x99, 0x08, 0x06, /* broadcast */
    0,    1,    8,    0,    6,    4,    0,    1,                            /* request */
    0x02, 0,    0,    0,    0,    0x99, 192,  0, 2, 9,                      /* sender */
    0,    0,    0,    0,    0,    0,    192,  0, 2, 1};                     /* target */

static void open_default(void)
{
    rig_open(&rig, rig_config());
}

static void assert_one_datagram(const char *payload)
{
    assert_int_equal(rig.datagram_count, 1);
    assert_int_equal(rig.datagrams[0].size, strlen(payload));
    assert_memory_equal(rig.datagrams[0].payload, payload, strlen(payload));
    assert_int_equal(rig.datagrams[0].listener, 0);
    assert_int_equal(rig.datagrams[0].source_port_be, htons(40000));
    assert_false(rig.datagrams[0].is_ipv6);
    assert_memory_equal(rig.datagrams[0].source_ip, ((uint8_t[16]){192, 0, 2, 9}), 16);
}

static void test_refused_configurations(void **state)
{
    struct packet_config config = rig_config();
    struct packet_stage *stage = NULL;
    struct err err = {0};
    (void)state;
    config.address_count = CORE_MAP_ADDRESSES_MAX + 1;
    config.vlan = 4095;
    config.fragments_max = 16385;
    assert_int_equal(packet_stage_new(&config, &stage, &err), -1);
    assert_int_equal(packet_stage_new(&config, &stage, NULL), -1);
    assert_null(stage);
    assert_int_equal(err.count, 4);
    assert_string_equal(err.texts[0], "packet stage: counters and a pool are needed");
    assert_string_equal(err.texts[1], "packet stage: 17 addresses; at most 16 are possible");
    assert_string_equal(err.texts[2],
                        "packet stage: VLAN 4095; 1 to 4094 are possible, and 0 for none");
    assert_string_equal(err.texts[3],
                        "packet stage: 16385 packets in fragments; at most 16384 are possible");
}

static void test_without_memory(void **state)
{
    struct packet_config config = rig_config();
    struct packet_stage *stage = NULL;
    struct counters counters = {0};
    unsigned failures = 0;
    (void)state;
    config.counters = &counters;
    while (stage == NULL) {
        struct err err = {0};
        failing_calloc_after(failures);
        int result = packet_stage_new(&config, &stage, &err);
        failing_calloc_never();
        assert_int_equal(result, stage != NULL ? 0 : -1);
        if (stage == NULL) {
            assert_string_equal(err.texts[0], "packet stage: no memory");
            failures++;
        }
    }
    assert_int_equal(failures, 6);
    packet_stage_free(stage);
    packet_stage_free(NULL);
}

static void test_no_addresses(void **state)
{
    struct packet_config config = rig_config();
    (void)state;
    config.addresses = NULL;
    config.address_count = 0;
    config.listeners = NULL;
    rig_open(&rig, config);
    rig_burst_one(&rig, frame, frame_udp4(frame, "a:1|c", 5));
    assert_int_equal(rig_count(&rig, COUNTER_IP4_NOT_FOR_US), 1);
    rig_close(&rig);
}

static void test_most_listeners(void **state)
{
    struct packet_config config = rig_config();
    struct core_map_address addresses[CORE_MAP_ADDRESSES_MAX] = {0};
    struct listener_address any[LISTENERS_MAX] = {0};
    struct listener_table *table;
    (void)state;
    for (unsigned i = 0; i < CORE_MAP_ADDRESSES_MAX; i++)
        addresses[i].ip4.s_addr = htonl(0xC0000201u + i);
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        any[i].port_be = htons((uint16_t)(8125 - 100 + i));
    assert_int_equal(listener_table_build(any, LISTENERS_MAX, &table, NULL), 0);
    config.addresses = addresses;
    config.address_count = CORE_MAP_ADDRESSES_MAX;
    config.listeners = table;
    rig_open(&rig, config);
    listener_table_free(table); /* not kept */
    rig_burst_one(&rig, frame, frame_udp4(frame, "a:1|c", 5));
    assert_int_equal(rig.datagram_count, 1);
    assert_int_equal(rig.datagrams[0].listener, 100);
    rig_close(&rig);
}

static void test_listeners_change(void **state)
{
    struct packet_config config = rig_config();
    (void)state;
    config.listeners = NULL;
    rig_open(&rig, config);
    size_t size = frame_udp4(frame, "a:1|c", 5);
    rig_burst_one(&rig, frame, size);
    assert_int_equal(rig_count(&rig, COUNTER_UDP_NO_LISTENER), 1);
    packet_set_listeners(rig.stage, rig_config().listeners);
    rig_burst_one(&rig, frame, size);
    assert_one_datagram("a:1|c");
    packet_set_listeners(rig.stage, NULL);
    rig_burst_one(&rig, frame, size);
    assert_int_equal(rig_count(&rig, COUNTER_UDP_NO_LISTENER), 2);
    rig_close(&rig);
}

/* Headers that were seen before are compared as a whole: each bit that matters still does, and who
 * is asked follows each frame. */
static void test_headers_seen_before(void **state)
{
    enum { SEEN = 40, ETHERNET_AT = 0, IP_AT = 14, UDP_AT = 34 };
    static const struct {
        unsigned at;
        uint8_t flip;
        enum counter_id end; /* COUNTER_COUNT: a datagram for `listener` */
        uint16_t listener;
    } cases[] = {
        {UDP_AT, 1, COUNTER_COUNT, 0}, /* source port */
        {UDP_AT + 3, 8125 ^ 8126, COUNTER_COUNT, 1},
        {UDP_AT + 3, 64, COUNTER_UDP_NO_LISTENER, 0},
        {UDP_AT + 4, 1, COUNTER_UDP_MALFORMED, 0},
        {ETHERNET_AT + 5, 1, COUNTER_ETH_NOT_FOR_US, 0},
        {ETHERNET_AT + 11, 1, COUNTER_COUNT, 0}, /* source MAC */
        {ETHERNET_AT + 13, 1, COUNTER_ETH_UNKNOWN_TYPE, 0},
        {IP_AT, 0x20, COUNTER_IP4_MALFORMED, 0}, /* version */
        {IP_AT + 16, 1, COUNTER_IP4_NOT_FOR_US, 0},
        {IP_AT + 9, 17 ^ 132, COUNTER_IP_UNKNOWN_PROTOCOL, 0},
        {IP_AT + 8, 3, COUNTER_COUNT, 0}, /* time to live */
    };
    (void)state;
    open_default();
    for (unsigned turn = 0; turn < SEEN * ARRAY_COUNT(cases); turn++) {
        unsigned i = turn / SEEN;
        size_t size = frame_udp4(frame, "m:1|c", 5);
        frame[UDP_AT + 6] = frame[UDP_AT + 7] = 0; /* no checksum */
        uint64_t before = cases[i].end < COUNTER_COUNT ? rig_count(&rig, cases[i].end) : 0;
        bool is_changed = turn % SEEN >= SEEN / 2; /* first the usual ones */
        if (is_changed)
            frame[cases[i].at] ^= cases[i].flip;
        octets_store16(frame + IP_AT + 10, 0);
        octets_store16(frame + IP_AT + 10, htons(frame_checksum(frame + IP_AT, 20)));
        rig_burst_one(&rig, frame, size);
        bool is_taken = !is_changed || cases[i].end == COUNTER_COUNT;
        assert_int_equal(rig.datagram_count, is_taken);
        if (is_taken)
            assert_int_equal(rig.datagrams[0].listener, is_changed ? cases[i].listener : 0);
        else
            assert_int_equal(rig_count(&rig, cases[i].end), before + 1);
    }
    rig_close(&rig);
}

static void test_full_burst(void **state)
{
    struct rte_mbuf *mbufs[PACKET_BURST_MAX];
    size_t sizes = 0;
    (void)state;
    open_default();
    for (unsigned i = 0; i < PACKET_BURST_MAX; i++) {
        char text[16];
        int length = snprintf(text, sizeof(text), "m:%u|c", i);
        size_t size = frame_udp4(frame, text, (size_t)length);
        sizes += size;
        mbufs[i] = rig_mbuf(frame, size);
    }
    rig_burst(&rig, mbufs, PACKET_BURST_MAX, 0);
    assert_int_equal(rig.datagram_count, PACKET_BURST_MAX);
    for (unsigned i = 0; i < PACKET_BURST_MAX; i++) { /* in the order of the frames */
        char text[16];
        int length = snprintf(text, sizeof(text), "m:%u|c", i);
        assert_int_equal(rig.datagrams[i].size, length);
        assert_memory_equal(rig.datagrams[i].payload, text, (size_t)length);
    }
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_RX), PACKET_BURST_MAX);
    assert_int_equal(rig_count(&rig, COUNTER_BYTES_RX), sizes);
    rig_burst(&rig, mbufs, 0, 0);
    assert_int_equal(rig.datagram_count, 0);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_RX), PACKET_BURST_MAX);
    rig_close(&rig);
}

/* One frame with flags that the port set; true when its datagram was delivered. */
static bool is_taken_with(bool trust, uint64_t flags, size_t spoilt_at)
{
    struct packet_config config = rig_config();
    config.trust_rx_checksum = trust;
    rig_open(&rig, config);
    size_t size = frame_udp4(frame, "gauge:12|g", 10);
    if (spoilt_at != 0)
        frame[spoilt_at] ^= 1;
    struct rte_mbuf *mbuf = rig_mbuf(frame, size);
    mbuf->ol_flags |= flags;
    rig_burst(&rig, &mbuf, 1, 0);
    unsigned count = rig.datagram_count;
    uint64_t bad =
        rig_count(&rig, COUNTER_UDP_BAD_CHECKSUM) + rig_count(&rig, COUNTER_IP4_BAD_CHECKSUM);
    assert_int_equal(count + bad, 1);
    rig_close(&rig);
    return count == 1;
}

static void test_checksum_flags(void **state)
{
    const size_t in_ip = 14 + 11, in_udp = FRAME_IP_HEADERS + 7;
    const uint64_t ip_good = RTE_MBUF_F_RX_IP_CKSUM_GOOD, udp_good = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    (void)state;
    assert_true(is_taken_with(true, ip_good, in_ip));
    assert_true(is_taken_with(true, RTE_MBUF_F_RX_IP_CKSUM_NONE, in_ip));
    assert_false(is_taken_with(true, 0, in_ip));
    assert_false(is_taken_with(true, udp_good, in_ip));
    assert_false(is_taken_with(false, ip_good, in_ip));
    assert_true(is_taken_with(true, udp_good, in_udp));
    assert_true(is_taken_with(true, RTE_MBUF_F_RX_L4_CKSUM_NONE, in_udp));
    assert_false(is_taken_with(true, 0, in_udp));
    assert_false(is_taken_with(true, ip_good, in_udp));
    assert_false(is_taken_with(false, udp_good, in_udp));
    /* "Bad" is looked at again. */
    assert_true(is_taken_with(true, RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD, 0));
    assert_false(is_taken_with(true, RTE_MBUF_F_RX_L4_CKSUM_BAD, in_udp));
}

static void test_tag_that_the_port_took_off(void **state)
{
    struct packet_config config = rig_config();
    (void)state;
    config.vlan = 10;
    rig_open(&rig, config);
    static const struct {
        uint64_t flags;
        uint16_t tci;
        bool taken;
    } cases[] = {
        {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, 10, true},
        {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, 10 | 5 << 13, true},
        {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, 11, false},
        {RTE_MBUF_F_RX_VLAN, 10, false}, /* seen, but still in the frame; and it is not */
        {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ |
             RTE_MBUF_F_RX_QINQ_STRIPPED,
         10, false},
    };
    size_t size = frame_udp4(frame, "a:1|c", 5);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rte_mbuf *mbuf = rig_mbuf(frame, size);
        mbuf->ol_flags |= cases[i].flags;
        mbuf->vlan_tci = cases[i].tci;
        rig_burst(&rig, &mbuf, 1, 0);
        assert_int_equal(rig.datagram_count, cases[i].taken);
    }
    assert_int_equal(rig_count(&rig, COUNTER_VLAN_OTHER), 3);
    rig_close(&rig);
}

static void test_answer_gets_its_tag_back(void **state)
{
    struct packet_config config = rig_config();
    (void)state;
    config.vlan = 10;
    rig_open(&rig, config);
    for (unsigned owners = 1; owners <= 2; owners++) { /* in place, and as a copy */
        struct rte_mbuf *mbuf = rig_mbuf(arp_request, sizeof(arp_request));
        mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
        mbuf->vlan_tci = 10 | 3 << 13;
        rte_mbuf_refcnt_set(mbuf, (uint16_t)owners);
        rig_burst(&rig, &mbuf, 1, 0);
        rig_release(&rig);
        struct rte_mbuf *answer = rig_answer();
        assert_non_null(answer);
        const uint8_t *bytes = rte_pktmbuf_mtod(answer, const uint8_t *);
        assert_int_equal(answer->pkt_len, sizeof(arp_request) + 4);
        assert_memory_equal(
            bytes, ((uint8_t[]){2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 10, 8, 6}),
            18);
        assert_int_equal(answer->ol_flags, 0);
        rte_pktmbuf_free(answer);
        if (owners == 2) {
            assert_ptr_not_equal(answer, mbuf);
            assert_memory_equal(rte_pktmbuf_mtod(mbuf, uint8_t *), arp_request,
                                sizeof(arp_request)); /* the other owner's */
            rte_pktmbuf_free(mbuf);
        }
    }
    rig_close(&rig);
}

static void test_tag_without_headroom(void **state)
{
    (void)state;
    open_default();
    struct rte_mbuf *mbuf = rig_mbuf(arp_request, sizeof(arp_request));
    rte_pktmbuf_prepend(mbuf, RTE_PKTMBUF_HEADROOM);
    memcpy(rte_pktmbuf_mtod(mbuf, uint8_t *), arp_request, sizeof(arp_request));
    mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    mbuf->vlan_tci = 0;
    rig_burst(&rig, &mbuf, 1, 0);
    assert_int_equal(rig_count(&rig, COUNTER_ARP_ANSWERED), 1);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX_DROPPED), 1);
    rig_close(&rig);
}

static void test_segments(void **state)
{
    static const size_t segment_sizes[] = {1, 2, 13, 14, 20, 33, 42, 47, 1000};
    uint8_t payload[3000];
    (void)state;
    open_default();
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 11);
    size_t size = frame_udp4(frame, payload, sizeof(payload));
    for (size_t i = 0; i < ARRAY_COUNT(segment_sizes); i++) {
        struct rte_mbuf *mbuf = rig_mbuf_chain(frame, size, segment_sizes[i]);
        rig_burst(&rig, &mbuf, 1, 0);
        assert_int_equal(rig.datagram_count, 1);
        assert_int_equal(rig.datagrams[0].size, sizeof(payload));
        assert_memory_equal(rig.datagrams[0].payload, payload, sizeof(payload));
    }
    rig_close(&rig);
}

static void test_burst_of_largest_frames(void **state)
{
    struct rte_mbuf *mbufs[PACKET_BURST_MAX];
    static uint8_t payload[65507];
    (void)state;
    open_default();
    for (unsigned i = 0; i < PACKET_BURST_MAX; i++) {
        memset(payload, (int)i + 1, sizeof(payload));
        size_t size = frame_udp4(frame, payload, sizeof(payload));
        mbufs[i] = rig_mbuf(frame, size); /* 33 segments */
        assert_non_null(mbufs[i]);
    }
    rig_burst(&rig, mbufs, PACKET_BURST_MAX, 0);
    assert_int_equal(rig.datagram_count, PACKET_BURST_MAX);
    for (unsigned i = 0; i < PACKET_BURST_MAX; i++) {
        memset(payload, (int)i + 1, sizeof(payload));
        assert_int_equal(rig.datagrams[i].size, sizeof(payload));
        assert_memory_equal(rig.datagrams[i].payload, payload, sizeof(payload));
    }
    rig_close(&rig);
}

/* More bytes than there is scratch for all of a burst. */
static void test_frame_longer_than_any_packet(void **state)
{
    static uint8_t padding[RIG_ROOM_SIZE];
    (void)state;
    open_default();
    struct rte_mbuf *head = rig_mbuf_chain(frame, frame_udp4(frame, padding, 1000), 500), *tail;
    for (unsigned i = 0; i < 2100; i++) {
        tail = rig_mbuf(padding, sizeof(padding));
        assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
    }
    rig_burst(&rig, &head, 1, 0);
    assert_int_equal(rig.datagram_count, 1);
    assert_int_equal(rig.datagrams[0].size, 1000);
    rig_close(&rig);
}

static void send_echo(size_t size, size_t segment_size)
{
    uint8_t segment[4000];
    frame_echo_segment(segment, size);
    size = frame_ip4(frame, 1, 5, 0, segment, size);
    struct rte_mbuf *mbuf = rig_mbuf_chain(frame, size, segment_size);
    rig_burst(&rig, &mbuf, 1, 0);
}

static void test_echo_in_segments(void **state)
{
    (void)state;
    open_default();
    send_echo(1000, 100); /* a copy fits one mbuf */
    struct rte_mbuf *answer = rig_answer();
    assert_non_null(answer);
    assert_int_equal(answer->nb_segs, 1);
    assert_int_equal(answer->pkt_len, FRAME_IP_HEADERS + 1000);
    assert_int_equal(frame_checksum(rte_pktmbuf_mtod_offset(answer, uint8_t *, 34), 1000), 0);
    rte_pktmbuf_free(answer);
    send_echo(3000, 1000); /* a copy does not */
    assert_null(rig_answer());
    assert_int_equal(rig_count(&rig, COUNTER_ICMP4_ECHO), 2);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX), 1);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX_DROPPED), 1);
    rig_close(&rig);
}

static void test_port_takes_no_more(void **state)
{
    const unsigned bursts = 10, total = bursts * PACKET_BURST_MAX;
    (void)state;
    open_default();
    for (unsigned i = 0; i < bursts; i++) {
        struct rte_mbuf *mbufs[PACKET_BURST_MAX];
        for (unsigned j = 0; j < PACKET_BURST_MAX; j++)
            mbufs[j] = rig_mbuf(arp_request, sizeof(arp_request));
        rig_burst(&rig, mbufs, PACKET_BURST_MAX, 0);
    }
    assert_int_equal(rig_count(&rig, COUNTER_ARP_ANSWERED), total);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX), RIG_ANSWERS_MAX);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX_DROPPED), total - RIG_ANSWERS_MAX);
    rig_close(&rig);
}

static void test_no_mbuf_for_a_copy(void **state)
{
    static struct rte_mbuf *hoard[RIG_POOL_SIZE];
    struct packet_config config = rig_config();
    (void)state;
    rig_open(&rig, config);
    struct rte_mbuf *mbuf = rig_mbuf_chain(arp_request, sizeof(arp_request), 20);
    unsigned left = rte_mempool_avail_count(config.pool);
    assert_int_equal(rte_pktmbuf_alloc_bulk(config.pool, hoard, left), 0);
    rig_burst(&rig, &mbuf, 1, 0);
    rte_pktmbuf_free_bulk(hoard, left);
    assert_int_equal(rig_count(&rig, COUNTER_ARP_ANSWERED), 1);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX_DROPPED), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_configurations),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_no_addresses),
        cmocka_unit_test(test_most_listeners),
        cmocka_unit_test(test_listeners_change),
        cmocka_unit_test(test_headers_seen_before),
        cmocka_unit_test(test_full_burst),
        cmocka_unit_test(test_checksum_flags),
        cmocka_unit_test(test_tag_that_the_port_took_off),
        cmocka_unit_test(test_answer_gets_its_tag_back),
        cmocka_unit_test(test_tag_without_headroom),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_burst_of_largest_frames),
        cmocka_unit_test(test_frame_longer_than_any_packet),
        cmocka_unit_test(test_echo_in_segments),
        cmocka_unit_test(test_port_takes_no_more),
        cmocka_unit_test(test_no_mbuf_for_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
