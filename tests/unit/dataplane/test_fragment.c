/* SPDX-License-Identifier: MPL-2.0
 *
 * test_fragment.c - reassembly at its limits: sizes, pieces, mbufs, time; any order, with
 *                   duplicates.
 *
 * The small cases are pcaps (tests/golden/packet/frag*).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/fragment.h"
#include "tests/support/chance.h"
#include "tests/unit/dataplane/packet_frames.h"
#include "tests/unit/dataplane/packet_rig.h"

enum { MORE = 0x2000, DATA_MAX = 65507, ETHERNET_PIECE = 1480 };

static struct packet_rig rig;
static uint8_t segment[65535], frame[FRAME_SIZE_MAX];
static uint64_t random_state = 42;

static uint32_t random_below(uint32_t limit)
{
    return chance_below(&random_state, limit);
}

/* A UDP segment of which datagram `number` can be told. */
static size_t fill_segment(unsigned number, size_t data_size)
{
    static uint8_t data[DATA_MAX];
    for (size_t i = 0; i < data_size; i++)
        data[i] = (uint8_t)(number * 31 + i * 7 + i / 256);
    return frame_udp_segment(segment, data, data_size);
}

static bool is_datagram(const struct datagram *datagram, unsigned number, size_t data_size)
{
    fill_segment(number, data_size);
    return datagram->size == data_size && memcmp(datagram->payload, segment + 8, data_size) == 0;
}

/* Bytes [at, at + size) of the segment, of which there are `total`. */
static struct rte_mbuf *make_piece(uint8_t protocol, uint16_t id, size_t at, size_t size,
                                   size_t total)
{
    uint16_t place = (uint16_t)(at / 8 | (at + size < total ? MORE : 0));
    return rig_mbuf(frame, frame_ip4(frame, protocol, id, place, segment + at, size));
}

static void run_one(struct rte_mbuf *mbuf, uint64_t now_ns)
{
    assert_non_null(mbuf);
    rig_burst(&rig, &mbuf, 1, now_ns);
}

/* All pieces of the segment in order, one a burst. */
static void run_pieces(uint16_t id, size_t piece_size, size_t total)
{
    for (size_t at = 0; at < total; at += piece_size)
        run_one(make_piece(17, id, at, RTE_MIN(piece_size, total - at), total), 0);
}

static void test_largest_datagrams(void **state)
{
    static const size_t piece_sizes[] = {ETHERNET_PIECE, 552, 8960, 1232, 65520 - 8};
    (void)state;
    rig_open(&rig, rig_config());
    for (unsigned i = 0; i < sizeof(piece_sizes) / sizeof(piece_sizes[0]); i++) {
        size_t total = fill_segment(i, DATA_MAX);
        run_pieces((uint16_t)i, piece_sizes[i], total);
        assert_int_equal(rig.datagram_count, 1);
        assert_true(is_datagram(&rig.datagrams[0], i, DATA_MAX));
    }
    rig_close(&rig);
}

/* The last pieces of as many datagrams as a burst can hold, all of the largest size. */
static void test_burst_of_largest_datagrams(void **state)
{
    struct rte_mbuf *lasts[PACKET_BURST_MAX];
    struct packet_config config = rig_config();
    (void)state;
    config.fragment_mbufs_max = RIG_POOL_SIZE;
    rig_open(&rig, config);
    for (unsigned i = 0; i < PACKET_BURST_MAX; i++) {
        size_t total = fill_segment(i, DATA_MAX), cut = total / ETHERNET_PIECE * ETHERNET_PIECE;
        for (size_t at = 0; at < cut; at += ETHERNET_PIECE)
            run_one(make_piece(17, (uint16_t)i, at, ETHERNET_PIECE, total), 0);
        lasts[i] = make_piece(17, (uint16_t)i, cut, total - cut, total);
    }
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), PACKET_BURST_MAX * 44);
    rig_burst(&rig, lasts, PACKET_BURST_MAX, 0);
    assert_int_equal(rig.datagram_count, PACKET_BURST_MAX);
    for (unsigned i = 0; i < PACKET_BURST_MAX; i++)
        assert_true(is_datagram(&rig.datagrams[i], i, DATA_MAX));
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), 0);
    rig_close(&rig);
}

static void shuffle(struct rte_mbuf **mbufs, unsigned count)
{
    for (unsigned i = count; i > 1; i--) {
        unsigned other = random_below(i);
        struct rte_mbuf *swapped = mbufs[i - 1];
        mbufs[i - 1] = mbufs[other];
        mbufs[other] = swapped;
    }
}

/* Random cuts, random order, some pieces twice: the datagram comes out once, and whole. */
static void run_shuffled(uint16_t id)
{
    struct rte_mbuf *mbufs[PACKET_BURST_MAX];
    size_t data_size = 1 + random_below(20000), total = fill_segment(id, data_size);
    unsigned count = 0, pieces = 0, delivered = 0;
    for (size_t at = 0, size; at < total; at += size, pieces++) {
        size = RTE_MIN(8 + 8 * (size_t)random_below(250), total - at);
        if (pieces == 19)
            size = total - at;
        if (at == 0 && size == total)
            size = 8;
        mbufs[count++] = make_piece(17, id, at, size, total);
        if (random_below(4) == 0)
            mbufs[count++] = make_piece(17, id, at, size, total);
    }
    shuffle(mbufs, count);
    for (unsigned at = 0; at < count;) {
        unsigned burst = 1 + random_below(count - at);
        rig_burst(&rig, mbufs + at, burst, 0);
        for (unsigned i = 0; i < rig.datagram_count; i++, delivered++)
            assert_true(is_datagram(&rig.datagrams[i], id, data_size));
        at += burst;
    }
    assert_int_equal(delivered, 1);
}

static void test_any_order(void **state)
{
    (void)state;
    for (uint16_t id = 0; id < 300; id++) {
        rig_open(&rig, rig_config());
        run_shuffled(id);
        rig_close(&rig);
    }
}

static void test_too_many_pieces(void **state)
{
    const size_t most = 8 * (FRAGMENT_PIECES_MAX - 1) + 1, data_size = most - 8;
    (void)state;
    rig_open(&rig, rig_config());
    run_pieces(1, 8, fill_segment(1, data_size));
    assert_int_equal(rig.datagram_count, 1);
    run_pieces(2, 8, fill_segment(2, data_size + 8));
    assert_int_equal(rig.datagram_count, 0);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_INVALID), FRAGMENT_PIECES_MAX + 1);
    rig_close(&rig);
}

static void test_mbufs_held(void **state)
{
    struct packet_config config = rig_config();
    (void)state;
    config.fragment_mbufs_max = 3;
    rig_open(&rig, config);
    size_t total = fill_segment(1, 792);
    for (uint16_t id = 0; id < 5; id++)
        run_one(make_piece(17, id, 0, 400, total), 0);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), 3);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_NO_ROOM), 2);
    rig_expire(&rig, UINT64_MAX);
    uint16_t place = MORE;
    size_t size = frame_ip4(frame, 17, 9, place, segment, 400);
    run_one(rig_mbuf_chain(frame, size, 100), 0); /* five segments */
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_NO_ROOM), 3);
    run_one(rig_mbuf_chain(frame, size, 200), 0); /* three */
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), 1);
    rig_expire(&rig, UINT64_MAX);
    run_one(make_piece(17, 9, 0, 400, total), 0); /* all given back */
    run_one(make_piece(17, 9, 400, 400, total), 0);
    assert_int_equal(rig.datagram_count, 1);
    rig_close(&rig);
}

static void test_a_quarter_of_the_pool(void **state)
{
    struct packet_config config = rig_config();
    (void)state;
    config.fragments_max = FRAGMENT_SETS_MAX;
    rig_open(&rig, config);
    size_t total = fill_segment(1, 100);
    for (unsigned id = 0; id < RIG_POOL_SIZE / 2; id++)
        run_one(make_piece(17, (uint16_t)id, 0, 8, total), 0);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), RIG_POOL_SIZE / 4);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_NO_ROOM), RIG_POOL_SIZE / 2 - RIG_POOL_SIZE / 4);
    rig_close(&rig);
}

static void test_time(void **state)
{
    struct packet_config config = rig_config();
    const uint64_t start = 1000;
    (void)state;
    config.fragment_timeout_ns = 500;
    rig_open(&rig, config);
    size_t total = fill_segment(1, 100);
    run_one(make_piece(17, 1, 0, 8, total), start);
    run_one(make_piece(17, 1, 8, 8, total), start + 400); /* does not prolong it */
    run_one(make_piece(17, 2, 0, 8, total), start + 300);
    rig_expire(&rig, start + 499);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), 3);
    rig_expire(&rig, start - 1); /* back in time */
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), 3);
    rig_expire(&rig, start + 500);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_EXPIRED), 2);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_HELD), 1);
    rig_expire(&rig, UINT64_MAX);
    assert_int_equal(rig_count(&rig, COUNTER_FRAG_EXPIRED), 3);
    rig_close(&rig);
}

/* A stage that goes away gives back what it holds. */
static void test_free_with_fragments(void **state)
{
    (void)state;
    rig_open(&rig, rig_config());
    size_t total = fill_segment(1, 100);
    run_one(make_piece(17, 1, 0, 8, total), 0);
    unsigned before = rte_mempool_avail_count(rig_config().pool);
    packet_stage_free(rig.stage);
    assert_int_equal(rte_mempool_avail_count(rig_config().pool), before + 1);
}

/* ping -s 65000, whose answers are more than one transmit burst for two of them. */
static void test_large_echo(void **state)
{
    static uint8_t reply[65535];
    const size_t total = 65000;
    unsigned answers = 0;
    (void)state;
    rig_open(&rig, rig_config());
    frame_echo_segment(segment, total);
    struct rte_mbuf *lasts[2];
    for (uint16_t id = 0; id < 2; id++) {
        size_t cut = total / ETHERNET_PIECE * ETHERNET_PIECE;
        for (size_t at = 0; at < cut; at += ETHERNET_PIECE)
            run_one(make_piece(1, id, at, ETHERNET_PIECE, total), 0);
        lasts[id] = make_piece(1, id, cut, total - cut, total);
    }
    rig_burst(&rig, lasts, 2, 0);
    assert_int_equal(rig_count(&rig, COUNTER_ICMP4_ECHO), 2);
    assert_int_equal(rig_count(&rig, COUNTER_FRAMES_TX), 88);
    for (struct rte_mbuf *answer; (answer = rig_answer()) != NULL; answers++) {
        const uint8_t *bytes = rte_pktmbuf_mtod(answer, const uint8_t *);
        size_t at = ((size_t)(bytes[20] & 0x1F) << 8 | bytes[21]) * 8;
        memcpy(reply + at, bytes + FRAME_IP_HEADERS, answer->pkt_len - FRAME_IP_HEADERS);
        assert_int_equal(frame_checksum(bytes + 14, 20), 0);
        rte_pktmbuf_free(answer);
    }
    assert_int_equal(answers, 88);
    assert_int_equal(reply[0], 0);
    assert_int_equal(frame_checksum(reply, total), 0);
    assert_memory_equal(reply + 8, segment + 8, total - 8);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_datagrams),
        cmocka_unit_test(test_burst_of_largest_datagrams),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_too_many_pieces),
        cmocka_unit_test(test_mbufs_held),
        cmocka_unit_test(test_a_quarter_of_the_pool),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_free_with_fragments),
        cmocka_unit_test(test_large_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
