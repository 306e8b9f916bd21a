/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tcp_flood.c - SYN of addresses that never answer, beside streams that go on.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "dataplane/octets.h"
#include "tests/support/tcp_rig.h"

enum { SYNS = 100000, STREAMS = 3, SYNS_A_ROUND = 100, BYTES_A_ROUND = 700, HALF_OPEN_MAX = 256 };

static struct rig rig;

_Noreturn void rig_fail(const char *what)
{
    fail_msg("%s", what);
    __builtin_unreachable();
}

/* Addresses that are no peer of the rig's, each with an own sequence number. */
static void send_syn(uint32_t number)
{
    uint8_t bytes[TCP_HEADER_SIZE] = {0};
    struct tcp_packet packet = {.bytes = bytes, .size = sizeof(bytes)};
    uint32_t ip_be = htonl(0xC6330000u | (number & 0xffff)); /* 198.51.0.0/16 */
    memcpy(packet.flow.remote_ip, &ip_be, sizeof(ip_be));
    packet.flow.local_ip[0] = 192;
    packet.flow.remote_port_be = htons((uint16_t)(1024 + number / 65536));
    packet.flow.local_port_be = htons(RIG_PORT);
    memcpy(bytes, &packet.flow.remote_port_be, 2);
    memcpy(bytes + 2, &packet.flow.local_port_be, 2);
    octets_store_be16(bytes + 4, (uint16_t)number);
    bytes[12] = TCP_HEADER_SIZE / 4 << 4;
    bytes[13] = RIG_SYN;
    tcp_take(rig.tcp, &packet, rig.now_ns);
}

static void test_streams_go_on_through_a_flood(void **state)
{
    const struct tcp_config config = {.connections_max = STREAMS + 2,
                                      .half_open_max = HALF_OPEN_MAX};
    (void)state;
    rig_init(&rig, &config);
    for (unsigned i = 0; i < STREAMS; i++)
        rig_connect(&rig, i);
    for (uint32_t sent = 0, place = 0; sent < SYNS; place += BYTES_A_ROUND) {
        for (unsigned i = 0; i < SYNS_A_ROUND; i++)
            send_syn(sent++);
        for (unsigned i = 0; i < STREAMS; i++)
            rig_data(&rig, i, place, BYTES_A_ROUND);
        rig_flush(&rig);
        rig_advance(&rig, SYNS_A_ROUND * 1000); /* 1 million a second */
        for (unsigned i = 0; i < STREAMS; i++)
            assert_int_equal(rig.peers[i].delivered, place + BYTES_A_ROUND);
    }
    rig_advance(&rig, 100 * CLOCK_NS_PER_MS); /* delayed ACKs */
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(rig.peers[i].closed, 0);
        assert_int_equal(rig.peers[i].ack_max, rig.peers[i].delivered);
    }
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_SYN) + rig_counter(&rig, TCP_SEGMENT_SYN_COOKIE),
                     SYNS + STREAMS);
    assert_int_equal(rig_counter(&rig, TCP_SEGMENT_SYN), HALF_OPEN_MAX + STREAMS);
    assert_int_equal(tcp_half_open_count(rig.tcp), HALF_OPEN_MAX);
    rig_connect(&rig, STREAMS); /* and who answers gets in, by a cookie */
    assert_int_equal(rig.peers[STREAMS].opened, 1);
    assert_int_equal(rig_counter(&rig, TCP_OPENED_BY_COOKIE), 1);
    rig_check_books(&rig);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams_go_on_through_a_flood)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
