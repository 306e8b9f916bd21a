/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tcp.c - dataplane/tcp against peers of tests/support/tcp_rig.h, rule by rule; the kernel as
 *              peer is tests/system/test_tcp.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/siphash.h"
#include "tests/support/tcp_rig.h"

#define MS CLOCK_NS_PER_MS

_Noreturn void rig_fail(const char *what)
{
    fail_msg("%s", what);
    __builtin_unreachable();
}

static struct rig rig;

static void begin(const struct tcp_config *config)
{
    rig_init(&rig, config);
    for (unsigned i = 0; i < RIG_PEERS; i++) {
        rig.peers[i].offers_timestamps = true;
        rig.peers[i].offers_sack = true;
        rig.peers[i].offers_scale = true;
    }
}

static int end(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

static struct rig_peer *peer0(void)
{
    return &rig.peers[0];
}

/* A connection that is past the ACKs at the beginning. */
static void connect_and_warm_up(void)
{
    rig_connect(&rig, 0);
    assert_int_equal(peer0()->opened, 1);
    for (unsigned i = 0; i < 40; i++) {
        rig_data(&rig, 0, peer0()->ack_max, 100);
        rig_flush(&rig);
        rig_advance(&rig, 50 * MS);
    }
    assert_int_equal(peer0()->delivered, 4000);
}

static void send_flags(uint8_t flags, int64_t place)
{
    struct rig_segment segment = {.flags = flags,
                                  .place = place,
                                  .window = 1000,
                                  .has_timestamp = peer0()->offers_timestamps,
                                  .tsval = peer0()->tsval};
    rig_send(&rig, 0, &segment);
}

static void expect_ack_at(uint32_t place)
{
    assert_int_equal(peer0()->last.ack, peer0()->iss + 1 + place);
}

/* ---- opening ---- */

static void test_options_are_answered_when_offered(void **state)
{
    (void)state;
    begin(NULL);
    struct rig_segment syn = {.flags = RIG_SYN | 0x40 | 0x80, /* and ECN's bits */
                              .place = -1,
                              .ack_place = INT64_MIN,
                              .has_syn_options = true,
                              .has_timestamp = true,
                              .tsval = 77};
    rig_send(&rig, 0, &syn);
    assert_true(peer0()->is_synced);
    assert_int_equal(peer0()->last.flags, RIG_SYN | RIG_ACK);
    assert_true(peer0()->last.has_timestamp);
    assert_int_equal(peer0()->last.tsecr, 77);
    rig.peers[1].offers_timestamps = rig.peers[1].offers_sack = rig.peers[1].offers_scale = false;
    rig_connect(&rig, 1);
    assert_false(rig.peers[1].last.has_timestamp);
    assert_int_equal(rig.peers[1].opened, 1);
}

static void test_syn_ack_is_sent_again_and_given_up(void **state)
{
    (void)state;
    begin(NULL);
    struct rig_segment syn = {.flags = RIG_SYN, .place = -1, .ack_place = INT64_MIN};
    peer0()->offers_timestamps = false;
    rig_send(&rig, 0, &syn);
    rig_send(&rig, 0, &syn);
    assert_int_equal(peer0()->answers, 2); /* a SYN that comes again is answered again */
    for (unsigned i = 0; i < 62; i++)
        rig_advance(&rig, 1000 * MS);
    assert_int_equal(rig_counter(&rig, TCP_SENT_AGAIN), 5);
    assert_int_equal(rig_counter(&rig, TCP_HALF_OPEN_EXPIRED), 0);
    for (unsigned i = 0; i < 3; i++)
        rig_advance(&rig, 1000 * MS);
    assert_int_equal(rig_counter(&rig, TCP_SENT_AGAIN), 5);
    assert_int_equal(rig_counter(&rig, TCP_HALF_OPEN_EXPIRED), 1);
    assert_int_equal(tcp_half_open_count(rig.tcp), 0);
}

/* Its ACK and what it sent for half a minute were lost: it believes that it is connected. */
static void test_a_late_ack_completes_the_handshake(void **state)
{
    (void)state;
    begin(NULL);
    struct rig_segment syn = {.flags = RIG_SYN, .place = -1, .ack_place = INT64_MIN};
    struct rig_segment late = {.flags = RIG_ACK, .place = 1448, .size = 100};
    peer0()->offers_timestamps = false;
    rig_send(&rig, 0, &syn);
    for (unsigned i = 0; i < 30; i++)
        rig_advance(&rig, 1000 * MS);
    rig_send(&rig, 0, &late); /* not its first segment */
    assert_int_equal(peer0()->opened, 1);
    assert_int_equal(rig_counter(&rig, TCP_SENT_RESETS), 0);
}

static void test_wrong_ack_of_handshake_is_reset(void **state)
{
    (void)state;
    begin(NULL);
    peer0()->offers_timestamps = false;
    struct rig_segment syn = {.flags = RIG_SYN, .place = -1, .ack_place = INT64_MIN};
    struct rig_segment ack = {.flags = RIG_ACK, .ack_place = 5};
    rig_send(&rig, 0, &syn);
    rig_send(&rig, 0, &ack);
    assert_int_equal(peer0()->opened, 0);
    assert_int_equal(peer0()->last.flags, RIG_RST);
    assert_int_equal(peer0()->last.seq, peer0()->iss_endpoint + 6); /* RFC 9293 3.10.7.4 */
}

static void test_cookies_when_half_open_table_is_full(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.half_open_max = 1});
    struct rig_segment syn = {.flags = RIG_SYN, .place = -1, .ack_place = INT64_MIN};
    rig_send(&rig, 3, &syn); /* takes the only place, and stays silent */
    rig_connect(&rig, 0);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_SYN_COOKIE), 1);
    assert_int_equal(rig_counter(&rig, TCP_OPENED_BY_COOKIE), 1);
    rig_data(&rig, 0, 0, 1000);
    rig_data(&rig, 0, 2000, 1000);
    rig_flush(&rig);
    assert_int_equal(peer0()->delivered, 1000);
    assert_int_equal(peer0()->last.sack_count, 1); /* SACK, scale and timestamps were kept */
    assert_true(peer0()->last.has_timestamp);
    assert_true(peer0()->last.window > 65535 / 2);
}

static void test_forged_and_old_cookies_are_refused(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.half_open_max = 1});
    struct rig_segment syn = {.flags = RIG_SYN, .place = -1, .ack_place = INT64_MIN};
    rig_send(&rig, 3, &syn);
    rig_send(&rig, 0, &syn);
    assert_true(peer0()->is_synced);
    peer0()->iss_endpoint ^= 1u << 20;
    send_flags(RIG_ACK, 0);
    assert_int_equal(peer0()->opened, 0);
    peer0()->iss_endpoint ^= 1u << 20;
    rig_advance(&rig, 200 * 1000 * MS);
    send_flags(RIG_ACK, 0);
    assert_int_equal(peer0()->opened, 0);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_UNKNOWN), 2);
}

static void test_no_listener_and_unknown_are_reset_with_limit(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.resets_per_s = 3});
    for (unsigned i = 0; i < 10; i++)
        send_flags(RIG_ACK, 0);
    assert_int_equal(peer0()->resets, 3);
    assert_int_equal(rig_counter(&rig, TCP_RESETS_LIMITED), 7);
    rig_advance(&rig, 1000 * MS);
    send_flags(RIG_ACK, 0);
    assert_int_equal(peer0()->resets, 4);
    send_flags(RIG_RST, 0); /* never answered */
    assert_int_equal(peer0()->resets, 4);
}

static void test_all_connections_in_use(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.connections_max = 1});
    rig_connect(&rig, 0);
    rig_connect(&rig, 1);
    assert_int_equal(rig.peers[1].opened, 0);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_SYN_NO_ROOM), 1);
}

static void test_handler_refuses(void **state)
{
    (void)state;
    begin(NULL);
    peer0()->refuses = true;
    rig_connect(&rig, 0);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_REFUSED), 1);
    assert_true((peer0()->last.flags & RIG_RST) != 0);
    assert_int_equal(tcp_connection_count(rig.tcp), 0);
}

/* ---- data ---- */

static void test_acks_are_delayed_and_every_second_full_segment(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    uint64_t answers = peer0()->answers;
    rig_data(&rig, 0, 4000, 100);
    rig_flush(&rig);
    assert_int_equal(peer0()->answers, answers); /* waits for more */
    rig_advance(&rig, 39 * MS);
    assert_int_equal(peer0()->answers, answers);
    rig_advance(&rig, 2 * MS);
    assert_int_equal(peer0()->answers, answers + 1);
    expect_ack_at(4100);
    rig_data(&rig, 0, 4100, 1000);
    rig_data(&rig, 0, 5100, 1000);
    rig_data(&rig, 0, 6100, 1000);
    rig_flush(&rig);
    assert_int_equal(peer0()->answers, answers + 2); /* one for the burst */
    expect_ack_at(7100);
}

static void test_out_of_order_is_sacked_latest_first(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    uint32_t base = peer0()->iss + 1;
    rig_data(&rig, 0, 6000, 100);
    rig_data(&rig, 0, 8000, 100);
    rig_data(&rig, 0, 7000, 100);
    rig_data(&rig, 0, 9000, 100);
    rig_data(&rig, 0, 6100, 50);
    rig_flush(&rig);
    expect_ack_at(4000);
    assert_int_equal(peer0()->last.sack_count, 3); /* room for three beside timestamps */
    assert_int_equal(peer0()->last.sacks[0][0], base + 6000);
    assert_int_equal(peer0()->last.sacks[0][1], base + 6150);
    assert_int_equal(peer0()->last.sacks[1][0], base + 9000);
    assert_int_equal(peer0()->last.sacks[2][0], base + 7000);
    rig_data(&rig, 0, 4000, 2000);
    rig_flush(&rig);
    expect_ack_at(6150);
    assert_int_equal(peer0()->delivered, 6150);
    assert_int_equal(peer0()->last.sack_count, 3);
}

static void test_duplicates_are_reported(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    uint32_t base = peer0()->iss + 1;
    rig_data(&rig, 0, 1000, 500);
    rig_flush(&rig);
    assert_int_equal(peer0()->last.sack_count, 1);
    assert_int_equal(peer0()->last.sacks[0][0], base + 1000);
    assert_int_equal(peer0()->last.sacks[0][1], base + 1500);
    rig_data(&rig, 0, 6000, 500);
    rig_flush(&rig);
    assert_int_equal(peer0()->last.sack_count, 1); /* once only */
    rig_data(&rig, 0, 6100, 100); /* a duplicate of what waits: RFC 2883 4.1.2 */
    rig_flush(&rig);
    assert_int_equal(peer0()->last.sack_count, 2);
    assert_int_equal(peer0()->last.sacks[0][0], base + 6100);
    assert_int_equal(peer0()->last.sacks[1][0], base + 6000);
}

static void test_peer_without_sack_gets_each_duplicate_ack(void **state)
{
    (void)state;
    begin(NULL);
    peer0()->offers_sack = false;
    connect_and_warm_up();
    uint64_t answers = peer0()->answers;
    for (uint32_t i = 0; i < 4; i++)
        rig_data(&rig, 0, 5000 + 100 * i, 100);
    assert_int_equal(peer0()->answers, answers + 4);
    expect_ack_at(4000);
    assert_int_equal(peer0()->last.sack_count, 0);
}

static void test_overlaps_are_delivered_once(void **state)
{
    (void)state;
    begin(NULL);
    rig_connect(&rig, 0);
    rig_data(&rig, 0, 100, 5000);
    rig_data(&rig, 0, 3000, 6000);
    rig_data(&rig, 0, 50, 100);
    rig_data(&rig, 0, 0, 4000);
    rig_flush(&rig);
    assert_int_equal(peer0()->delivered, 9000);
    assert_int_equal(rig_counter(&rig, TCP_BYTES_ACCEPTED), 9000);
    assert_int_equal(tcp_blocks_used(rig.tcp), 0);
}

static void test_sequence_numbers_wrap_around(void **state)
{
    (void)state;
    begin(NULL);
    peer0()->iss = UINT32_MAX - 3000;
    rig_connect(&rig, 0);
    rig_data(&rig, 0, 2000, 4000);
    rig_data(&rig, 0, 0, 2000);
    rig_flush(&rig);
    assert_int_equal(peer0()->delivered, 6000);
    expect_ack_at(6000);
}

static void test_paws(void **state)
{
    (void)state;
    begin(NULL);
    peer0()->tsval = 1000;
    connect_and_warm_up();
    peer0()->tsval -= 10;
    rig_data(&rig, 0, 4000, 100);
    rig_flush(&rig);
    assert_int_equal(peer0()->delivered, 4000);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_PAWS), 1);
    expect_ack_at(4000);
    rig.now_ns += 25 * UINT64_C(24) * 3600 * CLOCK_NS_PER_S; /* the clock may have wrapped */
    rig_data(&rig, 0, 4000, 100);
    assert_int_equal(peer0()->delivered, 4100);
}

static void test_missing_timestamp(void **state)
{
    (void)state;
    begin(NULL);
    struct rig_segment syn = {.flags = RIG_SYN,
                              .place = -1,
                              .ack_place = INT64_MIN,
                              .has_syn_options = true,
                              .has_timestamp = true};
    struct rig_segment bare = {.flags = RIG_ACK}, data = {.flags = RIG_ACK, .size = 10};
    rig_send(&rig, 0, &syn);
    rig_send(&rig, 0, &bare);
    assert_int_equal(peer0()->opened, 1);
    assert_int_equal(rig_counter(&rig, TCP_NO_TIMESTAMP_TAKEN), 1);
    rig_send(&rig, 0, &data); /* RFC 7323 3.2: not without */
    assert_int_equal(peer0()->delivered, 0);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_NO_TIMESTAMP), 1);
}

/* ---- window ---- */

static void test_window_closes_and_opens(void **state)
{
    (void)state;
    begin(NULL);
    rig_connect(&rig, 0);
    peer0()->room = 0;
    for (uint32_t place = 0; place < 65535; place += 1000)
        rig_data(&rig, 0, place, 65535 - place < 1000 ? 65535 - place : 1000);
    rig_flush(&rig);
    expect_ack_at(65535);
    assert_int_equal(peer0()->last.window, 0);
    assert_int_equal(rig_counter(&rig, TCP_BYTES_HELD), 65535);
    rig_data(&rig, 0, 65535, 1); /* a window probe */
    rig_flush(&rig);
    expect_ack_at(65535);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_OUTSIDE), 1);
    rig_credit(&rig, 0, 500); /* not worth an update: a silly window */
    assert_int_equal(peer0()->last.window, 0);
    rig_credit(&rig, 0, 40000);
    assert_true(peer0()->last.window >= 40000);
    assert_int_equal(peer0()->delivered, 40500);
    rig_credit(&rig, 0, SIZE_MAX);
    assert_int_equal(peer0()->delivered, 65535);
}

static void test_fin_at_closed_window(void **state)
{
    (void)state;
    begin(NULL);
    rig_connect(&rig, 0);
    peer0()->room = 0;
    for (uint32_t place = 0; place < 65535; place += 4369)
        rig_data(&rig, 0, place, 4369);
    send_flags(RIG_FIN | RIG_ACK, 65535);
    rig_flush(&rig);
    assert_int_equal(peer0()->last.ack, peer0()->iss + 1 + 65536);
    assert_true((peer0()->last.flags & RIG_FIN) != 0);
    assert_int_equal(peer0()->closed, 0); /* its bytes wait for us */
    rig_credit(&rig, 0, SIZE_MAX);
    assert_int_equal(peer0()->delivered, 65535);
    assert_int_equal(peer0()->closed, 1);
    assert_int_equal(peer0()->end, TCP_END_FIN);
}

static void test_window_grows_with_a_fast_peer(void **state)
{
    (void)state;
    begin(NULL);
    rig_connect(&rig, 0);
    for (unsigned i = 0; i < 2000; i++) {
        rig_data(&rig, 0, peer0()->ack_max, 5000);
        rig_flush(&rig);
        rig_advance(&rig, 1 * MS);
    }
    assert_true(peer0()->last.window > 900000);
    assert_true(peer0()->last.window <= TCP_WINDOW_MAX);
}

static void test_what_the_pool_cannot_hold_is_not_acknowledged(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.pool_bytes = 8 * 2048});
    rig_connect(&rig, 0);
    peer0()->room = 0;
    for (uint32_t place = 0; place < 40000; place += 4000)
        rig_data(&rig, 0, place, 4000);
    rig_flush(&rig);
    uint64_t held = rig_counter(&rig, TCP_BYTES_HELD);
    assert_in_range(held, 1, 8 * 2048);
    expect_ack_at((uint32_t)held);
    assert_true(rig_counter(&rig, TCP_SEGMENT_NO_MEMORY) + rig_counter(&rig, TCP_OUT_OF_ORDER) > 0);
    rig_credit(&rig, 0, SIZE_MAX);
    assert_int_equal(peer0()->delivered, held);
    rig_data(&rig, 0, (uint32_t)held, 4000); /* the peer sends it again */
    assert_int_equal(peer0()->delivered, held + 4000);
}

/* ---- attacks and mistakes ---- */

static void test_reset_needs_the_exact_number(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    send_flags(RIG_RST, 4100);
    assert_int_equal(peer0()->closed, 0);
    assert_int_equal(rig_counter(&rig, TCP_CHALLENGES), 1);
    send_flags(RIG_RST, 3000);
    send_flags(RIG_RST, 4000 + 3000000);
    assert_int_equal(rig_counter(&rig, TCP_CHALLENGES), 1);
    assert_int_equal(peer0()->closed, 0);
    send_flags(RIG_RST, 4000);
    assert_int_equal(peer0()->closed, 1);
    assert_int_equal(peer0()->end, TCP_END_RESET);
}

static void test_challenges_are_limited_for_each_connection(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.challenges_per_s = 4});
    connect_and_warm_up();
    for (unsigned i = 0; i < 10; i++)
        send_flags(RIG_SYN, 4000);
    assert_int_equal(rig_counter(&rig, TCP_CHALLENGES), 4);
    assert_int_equal(rig_counter(&rig, TCP_CHALLENGES_LIMITED), 6);
    assert_int_equal(peer0()->closed, 0);
}

static void test_ack_of_what_was_never_sent(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    struct rig_segment segment = {.flags = RIG_ACK,
                                  .place = 4000,
                                  .size = 10,
                                  .ack_place = 100,
                                  .has_timestamp = true,
                                  .tsval = peer0()->tsval};
    rig_send(&rig, 0, &segment);
    assert_int_equal(peer0()->delivered, 4000);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_ACK_BAD), 1);
    segment.flags = 0;
    rig_send(&rig, 0, &segment);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_NO_ACK), 1);
}

static void test_reset_with_waiting_bytes_delivers_them(void **state)
{
    (void)state;
    begin(NULL);
    rig_connect(&rig, 0);
    peer0()->room = 100;
    rig_data(&rig, 0, 0, 5000);
    rig_data(&rig, 0, 6000, 100); /* behind a gap that is never filled */
    send_flags(RIG_RST, 5000);
    assert_int_equal(peer0()->closed, 0);
    rig_connect(&rig, 1); /* others go on */
    rig_credit(&rig, 0, SIZE_MAX);
    assert_int_equal(peer0()->delivered, 5000);
    assert_int_equal(peer0()->end, TCP_END_RESET);
    assert_int_equal(rig_counter(&rig, TCP_BYTES_ABANDONED), 100);
}

static void test_abort_counts_what_it_gives_up(void **state)
{
    (void)state;
    begin(NULL);
    rig_connect(&rig, 0);
    peer0()->room = 0;
    rig_data(&rig, 0, 0, 3000);
    tcp_abort(rig.tcp, peer0()->connection, rig.now_ns);
    assert_int_equal(peer0()->end, TCP_END_ABORTED);
    assert_int_equal(rig_counter(&rig, TCP_BYTES_ABANDONED), 3000);
    assert_true((peer0()->last.flags & RIG_RST) != 0);
}

/* ---- closing ---- */

static void test_close_by_peer(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    send_flags(RIG_FIN | RIG_ACK, 4000);
    rig_flush(&rig);
    assert_int_equal(peer0()->closed, 1);
    assert_true((peer0()->last.flags & RIG_FIN) != 0);
    assert_int_equal(tcp_connection_count(rig.tcp), 1);
    struct rig_segment ack = {.flags = RIG_ACK,
                              .place = 4001,
                              .ack_place = 1,
                              .has_timestamp = true,
                              .tsval = peer0()->tsval};
    rig_send(&rig, 0, &ack);
    assert_int_equal(tcp_connection_count(rig.tcp), 0);
}

static void test_our_fin_is_sent_again_and_given_up(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    send_flags(RIG_FIN | RIG_ACK, 4000);
    for (unsigned i = 0; i < 1000 && tcp_connection_count(rig.tcp) > 0; i++)
        rig_advance(&rig, 100 * MS);
    assert_int_equal(rig_counter(&rig, TCP_SENT_AGAIN), 5);
    assert_int_equal(tcp_connection_count(rig.tcp), 0);
    assert_int_equal(peer0()->end, TCP_END_FIN);
}

static void test_fin_before_its_turn_and_data_behind_it(void **state)
{
    (void)state;
    begin(NULL);
    connect_and_warm_up();
    rig_data(&rig, 0, 4100, 100);
    send_flags(RIG_FIN | RIG_ACK, 4200);
    assert_int_equal(peer0()->closed, 0);
    rig_data(&rig, 0, 4000, 100);
    rig_flush(&rig);
    assert_int_equal(peer0()->delivered, 4200);
    assert_int_equal(peer0()->closed, 1);
    rig_data(&rig, 0, 4201, 100);
    assert_int_equal(peer0()->delivered, 4200);
    peer0()->sent_max = 4200; /* for the rig: that was never part of the stream */
}

static void test_keep_alive_and_idle(void **state)
{
    (void)state;
    begin(&(struct tcp_config){.keepalive_ns = 60 * CLOCK_NS_PER_S, .probes = 3});
    connect_and_warm_up();
    for (unsigned i = 0; i < 5; i++)
        rig_advance(&rig, 16000 * MS);
    uint64_t probes = rig_counter(&rig, TCP_SENT_PROBES);
    assert_in_range(probes, 1, 2);
    assert_int_equal(peer0()->last.seq, peer0()->iss_endpoint); /* one before the next */
    send_flags(RIG_ACK, 4000); /* it lives */
    rig_advance(&rig, 16000 * MS);
    assert_int_equal(rig_counter(&rig, TCP_SENT_PROBES), probes);
    for (unsigned i = 0; i < 20; i++)
        rig_advance(&rig, 16000 * MS);
    assert_int_equal(peer0()->end, TCP_END_TIMEOUT);
    assert_int_equal(peer0()->closed, 1);
    rig_fini(&rig);
    begin(&(struct tcp_config){.idle_ns = 60 * CLOCK_NS_PER_S});
    rig_connect(&rig, 0);
    for (unsigned i = 0; i < 5; i++)
        rig_advance(&rig, 16000 * MS);
    assert_int_equal(peer0()->end, TCP_END_IDLE);
}

static void test_malformed_headers(void **state)
{
    (void)state;
    begin(NULL);
    uint8_t bytes[64] = {0};
    struct tcp_packet packet = {.bytes = bytes};
    static const struct {
        uint32_t size;
        uint8_t offset, flags;
    } cases[] = {{0, 0x50, RIG_ACK},  {19, 0x50, RIG_ACK}, {20, 0x40, RIG_ACK},
                 {20, 0x60, RIG_ACK}, {40, 0xf0, RIG_ACK}, {20, 0x50, RIG_SYN | RIG_FIN},
                 {20, 0x50, RIG_SYN | RIG_RST}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bytes[12] = cases[i].offset;
        bytes[13] = cases[i].flags;
        packet.size = cases[i].size;
        tcp_take(rig.tcp, &packet, rig.now_ns);
        assert_int_equal(rig_counter(&rig, TCP_SEGMENT_MALFORMED), i + 1);
    }
}

static void test_configuration_errors(void **state)
{
    (void)state;
    struct tcp *tcp = NULL;
    struct err err = {0};
    begin(NULL);
    assert_int_equal(tcp_new(&(struct tcp_config){.window_max = 2 << 20}, &tcp, &err), -1);
    assert_string_equal(err.texts[0],
                        "TCP windows: found 65536 and 2097152 bytes, at most 1046528 are possible");
    assert_int_equal(tcp_new(&(struct tcp_config){.pool_bytes = 4096}, &tcp, &err), -1);
    assert_string_equal(err.texts[1],
                        "TCP pool: found 4096 bytes, from 8,192 to 8 TB are possible");
}

/* Vectors of the paper's appendix A: key 00..0f, inputs 00, 00 01, ... */
static void test_siphash(void **state)
{
    uint8_t key[16], input[16];
    (void)state;
    begin(NULL);
    for (uint8_t i = 0; i < 16; i++)
        key[i] = input[i] = i;
    struct siphash_key halves = siphash_key_from(key);
    assert_true(siphash(&halves, input, 15) == UINT64_C(0xa129ca6149be45e5));
    assert_true(siphash(&halves, input, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_teardown(function, end)
    const struct CMUnitTest tests[] = {
        TEST(test_options_are_answered_when_offered),
        TEST(test_syn_ack_is_sent_again_and_given_up),
        TEST(test_wrong_ack_of_handshake_is_reset),
        TEST(test_a_late_ack_completes_the_handshake),
        TEST(test_cookies_when_half_open_table_is_full),
        TEST(test_forged_and_old_cookies_are_refused),
        TEST(test_no_listener_and_unknown_are_reset_with_limit),
        TEST(test_all_connections_in_use),
        TEST(test_handler_refuses),
        TEST(test_acks_are_delayed_and_every_second_full_segment),
        TEST(test_out_of_order_is_sacked_latest_first),
        TEST(test_duplicates_are_reported),
        TEST(test_peer_without_sack_gets_each_duplicate_ack),
        TEST(test_overlaps_are_delivered_once),
        TEST(test_sequence_numbers_wrap_around),
        TEST(test_paws),
        TEST(test_missing_timestamp),
        TEST(test_window_closes_and_opens),
        TEST(test_fin_at_closed_window),
        TEST(test_window_grows_with_a_fast_peer),
        TEST(test_what_the_pool_cannot_hold_is_not_acknowledged),
        TEST(test_reset_needs_the_exact_number),
        TEST(test_challenges_are_limited_for_each_connection),
        TEST(test_ack_of_what_was_never_sent),
        TEST(test_reset_with_waiting_bytes_delivers_them),
        TEST(test_abort_counts_what_it_gives_up),
        TEST(test_close_by_peer),
        TEST(test_our_fin_is_sent_again_and_given_up),
        TEST(test_fin_before_its_turn_and_data_behind_it),
        TEST(test_keep_alive_and_idle),
        TEST(test_malformed_headers),
        TEST(test_configuration_errors),
        TEST(test_siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
