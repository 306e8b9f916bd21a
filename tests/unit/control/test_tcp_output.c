/* SPDX-License-Identifier: MPL-2.0
 *
 * test_tcp_output.c - TcpOutput against servers on the loopback, polite and rude.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/outputs/outputs.h"
#include "control/net/peer.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/fake_server.h"
#include "tests/unit/control/output_rig.h"

static struct fake_server server;
static struct output_rig rig;

static void start(const char *more)
{
    char options[256];
    memset(&server, 0, sizeof(server));
    fake_server_start(&server, false, 0);
    snprintf(options, sizeof(options), "address = \"%s\"\n%s", server.address, more);
    output_rig_open(&rig, &tcp_output, options);
    assert_int_equal(output_rig_init(&rig), 0);
}

static void stop(void)
{
    output_rig_close(&rig);
    fake_server_stop(&server);
    fake_server_fini(&server);
}

static void test_bytes_in_order(void **state)
{
    (void)state;
    start("keep_alive = true\nkeep_alive_period = 30\nlocal_address = \"127.0.0.1:0\"");
    output_rig_add(&rig, "one\n");
    output_rig_add(&rig, "two\n");
    assert_int_equal(output_rig_deliver(&rig), 2);
    assert_int_equal(output_rig_deliver(&rig), 2);
    WAIT_UNTIL(fake_server_size(&server) == 16);
    assert_memory_equal(server.stream.data, "one\ntwo\none\ntwo\n", 16);
    assert_int_equal(server.connections, 1);
    assert_int_equal(output_rig_counter(&rig, "connections"), 1);
    assert_int_equal(output_rig_counter(&rig, "bytes"), 16);
    stop();
}

static void test_bad_local_address(void **state)
{
    (void)state;
    start("local_address = \"192.0.2.77:0\"");
    output_rig_add(&rig, "one\n");
    assert_true(output_rig_deliver(&rig) < 0);
    assert_non_null(strstr(rig.host.failure, "192.0.2.77"));
    stop();
}

static void test_reconnect_after(void **state)
{
    (void)state;
    start("reconnect_after = 3");
    for (int i = 0; i < 8; i++)
        output_rig_add(&rig, "message\n");
    output_rig_deliver_all(&rig);
    WAIT_UNTIL(fake_server_size(&server) == 64);
    WAIT_UNTIL(server.connections == 3); /* 3, 3, 2 */
    assert_int_equal(output_rig_counter(&rig, "resent"), 0);
    stop();
}

static void test_server_away(void **state)
{
    (void)state;
    start("");
    uint16_t port = server.port;
    fake_server_stop(&server);
    output_rig_add(&rig, "waits\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(output_rig_deliver(&rig), -ECONNREFUSED);
    fake_server_start(&server, false, port);
    output_rig_deliver_all(&rig);
    WAIT_UNTIL(fake_server_size(&server) == 6);
    stop();
}

/* A server that takes the bytes and never reads them: after its death they come again. */
static void test_unread_comes_again(void **state)
{
    (void)state;
    start("");
    server.paused = true;
    for (int i = 0; i < 20; i++) {
        output_rig_clear(&rig);
        output_rig_add(&rig, i % 2 == 0 ? "even\n" : "odd\n");
        assert_int_equal(output_rig_deliver(&rig), 1);
    }
    WAIT_UNTIL(server.connections == 1);
    uint16_t port = server.port;
    fake_server_stop(&server);
    assert_int_equal(fake_server_size(&server), 0);
    server.paused = false;
    fake_server_start(&server, false, port);
    for (unsigned i = 0; i < 60000 && fake_server_size(&server) < 90; i++) {
        tcp_output.timer(rig.state, 0);
        usleep(1000);
    }
    assert_int_equal(output_rig_counter(&rig, "resent"), 20);
    output_rig_close(&rig);
    fake_server_stop(&server);
    assert_int_equal(fake_server_count(&server, "even\n"), 10);
    assert_int_equal(fake_server_count(&server, "odd\n"), 10);
    fake_server_fini(&server);
}

/* What is kept is bounded, and does not grow over a long connection. */
static void test_kept_is_bounded(void **state)
{
    static char large[1 << 20];
    (void)state;
    start("");
    memset(large, 'x', sizeof(large) - 1);
    for (int i = 0; i < 12; i++) {
        output_rig_clear(&rig);
        output_rig_add(&rig, large);
        output_rig_deliver_all(&rig);
    }
    WAIT_UNTIL(fake_server_size(&server) == 12 * (sizeof(large) - 1));
    for (unsigned i = 0; i < 20 && server.connections == 1; i++) {
        tcp_output.timer(rig.state, 0);
        usleep(1000);
    }
    server.reset_after = 1;
    uint16_t port = server.port;
    fake_server_pause(&server);
    output_rig_clear(&rig);
    output_rig_add(&rig, "last\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    size_t before = fake_server_size(&server);
    fake_server_stop(&server);
    server.paused = false;
    server.reset_after = 0;
    fake_server_start(&server, false, port);
    for (unsigned i = 0; i < 60000 && output_rig_counter(&rig, "connections") < 2; i++) {
        tcp_output.timer(rig.state, 0);
        usleep(1000);
    }
    output_rig_close(&rig);
    fake_server_stop(&server);
    size_t again = fake_server_size(&server) - before;
    assert_true(again >= 5 && again <= PEER_KEPT_BYTES + sizeof(large) + 5);
    fake_server_fini(&server);
}

static void random_kills(uint64_t seed)
{
    enum { BATCHES = 200, ITEMS = 4 };
    static char texts[ITEMS][64];
    print_message("seed %llu\n", (unsigned long long)seed);
    start(seed % 2 == 0 ? "reconnect_after = 50" : "");
    server.seed = seed;
    for (int b = 0; b < BATCHES; b++) {
        output_rig_clear(&rig);
        for (int i = 0; i < ITEMS; i++) {
            snprintf(texts[i], sizeof(texts[i]), "message %d of batch %d\n", i, b);
            output_rig_add(&rig, texts[i]);
        }
        output_rig_deliver_all(&rig);
        usleep(500);
        tcp_output.timer(rig.state, 0);
    }
    server.seed = 0;
    output_rig_close(&rig);
    fake_server_stop(&server);
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < ITEMS; i++) {
            snprintf(texts[0], sizeof(texts[0]), "message %d of batch %d\n", i, b);
            if (fake_server_count(&server, texts[0]) == 0)
                fail_msg("lost: %s", texts[0]);
        }
    }
    assert_true(server.connections > 3);
    fake_server_fini(&server);
}

static void test_random_kills(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        random_kills(seed * UINT64_C(0x9E3779B97F4A7C15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_in_order),     cmocka_unit_test(test_bad_local_address),
        cmocka_unit_test(test_reconnect_after),    cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_unread_comes_again), cmocka_unit_test(test_kept_is_bounded),
        cmocka_unit_test(test_random_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
