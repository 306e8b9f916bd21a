/* SPDX-License-Identifier: MPL-2.0
 *
 * test_packet_random.c - frames of the golden cases, damaged at random, in bursts of random size.
 *                        After each burst the books balance and no mbuf is lost (packet_rig.c).
 *
 * Every burst goes through two stages: in one each frame is one segment and may take the short path
 * of packet.c; in the other it is a chain, which takes the long one. What comes out has to be the
 * same. The seed is printed, and may be given as argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "core/check.h"
#include "tests/support/chance.h"
#include "tests/unit/dataplane/packet_rig.h"

#define FOLDER TEST_SOURCE_DIR "/golden/packet"
enum { SEEDS_MAX = 1024, SEED_SIZE_MAX = 1600, ROUNDS = 60, BURSTS = 150 };

struct frame_bytes {
    size_t size;
    uint8_t bytes[SEED_SIZE_MAX];
};

static struct frame_bytes seeds[SEEDS_MAX];
static unsigned seed_count;
static uint64_t random_state = 20240607;
static struct packet_rig whole, chained;

static uint32_t random_below(uint32_t limit)
{
    return chance_below(&random_state, limit);
}

static void load_pcap(const char *path)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(path, error);
    struct pcap_pkthdr *header;
    const uint8_t *bytes;
    CHECK(pcap != NULL);
    while (pcap_next_ex(pcap, &header, &bytes) == 1) {
        CHECK(seed_count < SEEDS_MAX && header->caplen <= SEED_SIZE_MAX);
        seeds[seed_count].size = header->caplen;
        memcpy(seeds[seed_count++].bytes, bytes, header->caplen);
    }
    pcap_close(pcap);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In the order of their names, so that a seed means the same everywhere. */
static void load_seeds(void)
{
    char *names[SEEDS_MAX], path[4096];
    unsigned count = 0;
    DIR *folder = opendir(FOLDER);
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strstr(entry->d_name, ".pcap") != NULL && count < SEEDS_MAX)
            names[count++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof(names[0]), compare_names);
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), FOLDER "/%s", names[i]);
        load_pcap(path);
        free(names[i]);
    }
    CHECK(seed_count > 100);
}

static void fix_ip4_checksum(struct frame_bytes *frame)
{
    uint32_t sum = 0;
    if (frame->size < 34 || frame->bytes[12] != 8 || frame->bytes[13] != 0)
        return;
    frame->bytes[24] = frame->bytes[25] = 0;
    for (unsigned i = 14; i < 34; i += 2)
        sum += (uint32_t)frame->bytes[i] << 8 | frame->bytes[i + 1];
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    frame->bytes[24] = (uint8_t)(sum >> 8);
    frame->bytes[25] = (uint8_t)sum;
}

static void damage(struct frame_bytes *frame)
{
    for (uint32_t i = random_below(4); i > 0 && frame->size > 0; i--) {
        /* Mostly in the headers. */
        uint32_t limit = (uint32_t)RTE_MIN(frame->size, random_below(4) ? 64u : SEED_SIZE_MAX);
        frame->bytes[random_below(limit)] =
            random_below(2) ? (uint8_t)random_below(256) : (uint8_t)(random_below(2) * 0xFF);
    }
    if (random_below(8) == 0)
        frame->size = random_below((uint32_t)frame->size + 1);
    if (random_below(8) == 0 && frame->size < SEED_SIZE_MAX - 8)
        frame->size += random_below(8);
    if (random_below(3) != 0)
        fix_ip4_checksum(frame);
}

static void make_frames(struct rte_mbuf **singles, struct rte_mbuf **chains, unsigned count)
{
    static const uint64_t flags[] = {
        0, 0, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD,
        RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED};
    for (unsigned i = 0; i < count; i++) {
        struct frame_bytes frame = seeds[random_below(seed_count)];
        if (random_below(3) != 0)
            damage(&frame);
        singles[i] = random_below(2) ? rig_mbuf(frame.bytes, frame.size)
                                     : rig_mbuf_exact(frame.bytes, frame.size);
        chains[i] = rig_mbuf_chain(frame.bytes, frame.size,
                                   RTE_MAX(frame.size / (2 + random_below(5)), 1u));
        uint64_t from_port = flags[random_below(ARRAY_COUNT(flags))];
        singles[i]->ol_flags |= from_port;
        chains[i]->ol_flags |= from_port;
        singles[i]->vlan_tci = chains[i]->vlan_tci = (uint16_t)(random_below(3) * 10);
    }
}

static unsigned take_answers(struct rte_mbuf **answers)
{
    unsigned count = 0;
    while (count < RIG_ANSWERS_MAX && (answers[count] = rig_answer()) != NULL)
        count++;
    return count;
}

static void compare_answers(struct rte_mbuf **expected, unsigned count)
{
    struct rte_mbuf *found[RIG_ANSWERS_MAX];
    assert_int_equal(take_answers(found), count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(found[i]->pkt_len, expected[i]->pkt_len);
        assert_memory_equal(rte_pktmbuf_mtod(found[i], uint8_t *),
                            rte_pktmbuf_mtod(expected[i], uint8_t *), found[i]->pkt_len);
        rte_pktmbuf_free(expected[i]);
        rte_pktmbuf_free(found[i]);
    }
}

static void compare_datagrams(void)
{
    assert_int_equal(whole.datagram_count, chained.datagram_count);
    for (unsigned i = 0; i < whole.datagram_count; i++) {
        const struct datagram *a = &whole.datagrams[i], *b = &chained.datagrams[i];
        assert_int_equal(a->size, b->size);
        assert_memory_equal(a->payload, b->payload, a->size);
        assert_int_equal(a->listener, b->listener);
        assert_int_equal(a->is_ipv6, b->is_ipv6);
        assert_int_equal(a->source_port_be, b->source_port_be);
        assert_memory_equal(a->source_ip, b->source_ip, sizeof(a->source_ip));
    }
}

static void compare_segments(void)
{
    const struct tcp_packet *a, *b;
    unsigned count = packet_segments(whole.stage, &a);
    assert_int_equal(packet_segments(chained.stage, &b), count);
    for (unsigned i = 0; i < count; i++) {
        assert_memory_equal(&a[i].flow, &b[i].flow, sizeof(a[i].flow));
        assert_memory_equal(a[i].path, b[i].path, sizeof(a[i].path));
        assert_int_equal(a[i].size, b[i].size);
        assert_memory_equal(a[i].bytes, b[i].bytes, a[i].size);
    }
}

static void run_burst(uint64_t now_ns)
{
    struct rte_mbuf *singles[PACKET_BURST_MAX], *chains[PACKET_BURST_MAX],
        *answers[RIG_ANSWERS_MAX];
    unsigned count = random_below(PACKET_BURST_MAX + 1);
    make_frames(singles, chains, count);
    rig_burst(&whole, singles, count, now_ns);
    unsigned answer_count = take_answers(answers);
    rig_burst(&chained, chains, count, now_ns);
    compare_answers(answers, answer_count);
    compare_datagrams();
    compare_segments();
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        assert_int_equal(whole.counters.values[i], chained.counters.values[i]);
}

static void add_counters(uint64_t *totals)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        totals[i] += whole.counters.values[i];
}

static void test_random_bursts(void **state)
{
    static uint64_t totals[COUNTER_COUNT];
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct packet_config config = rig_config();
        uint64_t now_ns = 0;
        config.vlan = (uint16_t)(random_below(2) * 10);
        config.accept_any_mac = random_below(4) == 0;
        config.trust_rx_checksum = random_below(2) == 0;
        config.checksum_unfinished = random_below(2) == 0;
        config.fragments_max = 1 + random_below(16);
        config.fragment_mbufs_max = RIG_POOL_SIZE;
        rig_open(&whole, config);
        rig_open(&chained, config);
        bool takes_tcp = random_below(4) != 0;
        packet_set_tcp(whole.stage, takes_tcp);
        packet_set_tcp(chained.stage, takes_tcp);
        for (unsigned burst = 0; burst < BURSTS; burst++) {
            now_ns += random_below(10) == 0 ? UINT64_C(40000000000) : random_below(1000000);
            run_burst(now_ns);
        }
        add_counters(totals);
        rig_release(&chained);
        rig_expire(&chained, UINT64_MAX);
        packet_stage_free(chained.stage);
        rig_close(&whole);
    }
    /* It has been everywhere. */
    for (unsigned i = COUNTER_FRAMES_RX; i <= COUNTER_UDP_NO_LISTENER; i++)
        if (totals[i] == 0 && i != COUNTER_FRAG_HELD && i != COUNTER_FRAMES_TX_DROPPED)
            fail_msg("%s stayed 0", counter_name((enum counter_id)i));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_bursts)};
    if (argc > 1)
        random_state = strtoull(argv[1], NULL, 10);
    printf("seed %llu\n", (unsigned long long)random_state);
    load_seeds();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
