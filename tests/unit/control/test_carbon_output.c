/* SPDX-License-Identifier: MPL-2.0
 *
 * test_carbon_output.c - CarbonOutput against servers on the loopback, polite and rude; and its
 * lines.
 *
 * [option CarbonOutput.address] [option CarbonOutput.protocol]
 * [option CarbonOutput.tcp_keep_alive]
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

#include "control/outputs/carbon_lines.h"
#include "control/outputs/outputs.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/fake_server.h"
#include "tests/unit/control/output_rig.h"

static struct fake_server server;
static struct output_rig rig;

static void open_rig(const char *address, const char *more)
{
    char options[256];
    snprintf(options, sizeof(options), "address = \"%s\"\n%s", address, more);
    output_rig_open(&rig, &carbon_output, options);
    assert_int_equal(output_rig_init(&rig), 0);
}

static void start(bool is_udp, const char *more)
{
    memset(&server, 0, sizeof(server));
    fake_server_start(&server, is_udp, 0);
    open_rig(server.address, more);
}

static void stop(void)
{
    output_rig_close(&rig);
    fake_server_stop(&server);
    fake_server_fini(&server);
}

static void test_lines(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {"a.b 1 2", true},
        {"a.b 1.500000 1234567890", true},
        {"  a.b\t-1e5   7  ", true},
        {"a.b 1 4294967295", true},
        {"a.b nan 1", true},
        {"a.b 1 4294967296", false},
        {"a.b 1", false},
        {"a.b 1 2 3", false},
        {"a.b x 2", false},
        {"a.b 1x 2", false},
        {"a.b 1 -2", false},
        {"a.b 1 2.5", false},
        {"a.b 1 99999999999", false},
        {"a.b 1 now", false},
        {"a", false},
    };
    struct carbon_line line;
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t offset = 0;
        assert_true(carbon_lines_next(cases[i].text, strlen(cases[i].text), &offset, &line));
        assert_int_equal(line.is_good, cases[i].is_good);
        assert_false(carbon_lines_next(cases[i].text, strlen(cases[i].text), &offset, &line));
    }
    const char *text = "\n\n a 1 2\r\n   \nb 3 4";
    size_t offset = 0;
    assert_true(carbon_lines_next(text, strlen(text), &offset, &line));
    assert_int_equal(line.len, 5);
    assert_memory_equal(line.text, "a 1 2", 5);
    assert_true(carbon_lines_next(text, strlen(text), &offset, &line));
    assert_memory_equal(line.text, "b 3 4", 5);
    assert_false(carbon_lines_next(text, strlen(text), &offset, &line));
    offset = 0;
    assert_true(carbon_lines_next("a\0b 1 2", 7, &offset, &line));
    assert_false(line.is_good);
}

/* A batch is delivered when the server has read and closed: it is all there then. */
static void test_tcp_batch(void **state)
{
    (void)state;
    start(false, "");
    output_rig_add(&rig, "a.b 1 100\nc.d 2.5 100\n");
    output_rig_add(&rig, "bad line\ne.f 3 100\n");
    output_rig_add(&rig, "only bad\n");
    output_rig_add(&rig, " \n");
    assert_int_equal(output_rig_deliver(&rig), 4);
    WAIT_UNTIL(fake_server_count(&server, "e.f 3 100\n") == 1);
    assert_string_equal((buffer_append(&server.whole, "", 1), server.whole.data),
                        "a.b 1 100\nc.d 2.5 100\ne.f 3 100\n");
    assert_int_equal(output_rig_counter(&rig, "lines"), 3);
    assert_int_equal(output_rig_counter(&rig, "bad_lines"), 2);
    assert_int_equal(output_rig_drops(&rig, "bad_line"), 1);
    assert_int_equal(output_rig_drops(&rig, "no_lines"), 1);
    assert_int_equal(output_rig_counter(&rig, "connections"), 1);
    assert_int_equal(output_rig_deliver(&rig), 4);
    assert_int_equal(output_rig_counter(&rig, "connections"), 2);
    assert_int_equal(output_rig_counter(&rig, "unconfirmed"), 0);
    stop();
}

static void test_nothing_to_send(void **state)
{
    (void)state;
    start(false, "");
    output_rig_add(&rig, "bad");
    assert_int_equal(output_rig_deliver(&rig), 1);
    assert_int_equal(server.connections, 0);
    stop();
}

static void test_server_away(void **state)
{
    (void)state;
    start(false, "");
    uint16_t port = server.port;
    fake_server_stop(&server);
    output_rig_add(&rig, "a 1 1\n");
    assert_int_equal(output_rig_deliver(&rig), -ECONNREFUSED);
    assert_non_null(strstr(rig.host.failure, "Connection refused"));
    assert_int_equal(output_rig_counter(&rig, "lines"), 0);
    fake_server_start(&server, false, port);
    output_rig_deliver_all(&rig);
    WAIT_UNTIL(fake_server_count(&server, "a 1 1\n") == 1);
    stop();
}

/* A server that resets in the middle did not take the batch. */
static void test_reset_comes_again(void **state)
{
    static char many[60000];
    size_t len = 0;
    (void)state;
    start(false, "");
    for (int i = 0; i < 3000; i++)
        len += (size_t)snprintf(many + len, sizeof(many) - len, "name.%d %d 100\n", i, i);
    server.reset_after = 1000;
    output_rig_add(&rig, many);
    assert_true(output_rig_deliver(&rig) < 0);
    assert_true(server.resets >= 1);
    server.reset_after = 0;
    assert_int_equal(output_rig_deliver(&rig), 1);
    WAIT_UNTIL(fake_server_count(&server, "name.2999 2999 100\n") == 1);
    stop();
}

/* One that closes in order, but too early, neither. */
static void test_early_close_comes_again(void **state)
{
    (void)state;
    start(false, "");
    server.close_after = 3;
    output_rig_add(&rig, "name 1 100\nname 2 101\n");
    for (unsigned tries = 0; tries < 3; tries++) {
        int rc = output_rig_deliver(&rig);
        if (fake_server_count(&server, "name 2 101\n") == 0)
            assert_true(rc < 0);
    }
    server.close_after = 0;
    output_rig_deliver_all(&rig);
    WAIT_UNTIL(fake_server_count(&server, "name 2 101\n") >= 1);
    stop();
}

/* Carbon is restarted between two batches: nothing is eaten by the dead connection. */
static void test_keep_alive_restart(void **state)
{
    (void)state;
    start(false, "tcp_keep_alive = true");
    output_rig_add(&rig, "a 1 100\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    WAIT_UNTIL(fake_server_size(&server) == 8);
    assert_int_equal(output_rig_counter(&rig, "connections"), 1);
    uint16_t port = server.port;
    fake_server_stop(&server);
    fake_server_start(&server, false, port);
    output_rig_clear(&rig);
    output_rig_add(&rig, "b 2 100\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    WAIT_UNTIL(fake_server_size(&server) ==
               16); /* it ended in order: the first is not sent again */
    assert_int_equal(output_rig_counter(&rig, "connections"), 2);
    assert_int_equal(output_rig_counter(&rig, "resent"), 0);
    stop();
}

/* Carbon is killed with bytes that it has not read. */
static void test_keep_alive_kill(void **state)
{
    (void)state;
    start(false, "tcp_keep_alive = true");
    output_rig_add(&rig, "a 1 100\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    WAIT_UNTIL(fake_server_size(&server) == 8);
    fake_server_pause(&server);
    output_rig_clear(&rig);
    output_rig_add(&rig, "eaten 2 100\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    uint16_t port = server.port;
    fake_server_stop(&server); /* closes with unread bytes: the kernel resets */
    server.paused = false;
    fake_server_start(&server, false, port);
    /* The timer alone finds out. */
    for (unsigned i = 0; i < 60000 && fake_server_size(&server) < 28; i++) {
        carbon_output.timer(rig.state, 0);
        usleep(1000);
    }
    output_rig_close(&rig);
    fake_server_stop(&server);
    assert_int_equal(fake_server_count(&server, "eaten 2 100\n"), 1);
    fake_server_fini(&server);
}

static void test_never_closes(void **state)
{
    (void)state;
    start(false, "tcp_keep_alive = true");
    server.stays_open = true;
    output_rig_add(&rig, "a 1 100\n");
    assert_int_equal(output_rig_deliver(&rig), 1);
    output_rig_close(&rig); /* comes back, though nobody closes */
    WAIT_UNTIL(fake_server_size(&server) == 8);
    fake_server_stop(&server);
    fake_server_fini(&server);
}

/* An output that has to stop comes back from a server that does not read. */
static void *stop_soon(void *arg)
{
    (void)arg;
    usleep(100000);
    rig.host.stopping = true;
    return NULL;
}

static void test_stop_while_blocked(void **state)
{
    static char line[200000];
    pthread_t thread;
    int taken = 1;
    (void)state;
    start(false, "tcp_keep_alive = true");
    server.paused = true;
    memset(line, 'x', sizeof(line));
    memcpy(line + sizeof(line) - 8, " 1 100\n", 8);
    output_rig_add(&rig, line);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    while (taken == 1)
        taken = output_rig_deliver(&rig);
    assert_int_equal(taken, 0);
    pthread_join(thread, NULL);
    server.paused = false;
    stop();
}

static void test_udp_chunks(void **state)
{
    enum { LINES = 9000 };
    static char many[LINES * 24], long_line[70000];
    size_t len = 0;
    (void)state;
    start(true, "protocol = \"udp\"");
    for (int i = 0; i < LINES; i++)
        len += (size_t)snprintf(many + len, sizeof(many) - len, "name.%06d %d 100\n", i, i);
    memset(long_line, 'n', sizeof(long_line));
    memcpy(long_line + sizeof(long_line) - 8, " 1 100\n", 8);
    output_rig_add(&rig, many);
    output_rig_add(&rig, long_line);
    assert_int_equal(output_rig_deliver(&rig), 2);
    WAIT_UNTIL(fake_server_size(&server) == len);
    WAIT_UNTIL(fake_server_count(&server, "name.008999 8999 100\n") == 1);
    assert_true(server.longest <= 63488 && server.longest > 63400);
    assert_int_equal(server.connections, (len + 63487) / 63488);
    assert_int_equal(fake_server_count(&server, "name.000000 0 100\n"), 1);
    assert_int_equal(output_rig_drops(&rig, "bad_line"), 1); /* too long for a datagram */
    stop();
}

static void test_udp_refused(void **state)
{
    (void)state;
    start(true, "protocol = \"udp\"");
    uint16_t port = server.port;
    fake_server_stop(&server);
    output_rig_add(&rig, "a 1 100\n");
    assert_int_equal(output_rig_deliver(&rig), -ECONNREFUSED);
    fake_server_start(&server, true, port);
    output_rig_deliver_all(&rig);
    WAIT_UNTIL(fake_server_count(&server, "a 1 100\n") == 1);
    stop();
}

/* Connections are reset and closed at random places; every line arrives. */
static void random_kills(uint64_t seed, const char *options)
{
    enum { BATCHES = 150, ITEMS = 5 };
    static char texts[ITEMS][64];
    char line[64];
    print_message("seed %llu, %s\n", (unsigned long long)seed, options);
    start(false, options);
    server.seed = seed;
    for (int b = 0; b < BATCHES; b++) {
        output_rig_clear(&rig);
        for (int i = 0; i < ITEMS; i++) {
            snprintf(texts[i], sizeof(texts[i]), "batch.%d.%d %d 100\n", b, i, b);
            output_rig_add(&rig, texts[i]);
        }
        output_rig_deliver_all(&rig);
        usleep(1000); /* so that the server sees more than one part of it */
        carbon_output.timer(rig.state, 0);
    }
    server.seed = 0;
    output_rig_close(&rig);
    fake_server_stop(&server);
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < ITEMS; i++) {
            snprintf(line, sizeof(line), "batch.%d.%d %d 100\n", b, i, b);
            if (fake_server_count(&server, line) == 0)
                fail_msg("lost: %s", line);
        }
    }
    assert_true(server.connections > 3);
    fake_server_fini(&server);
}

static void test_random_kills(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        random_kills(seed * UINT64_C(0x9E3779B97F4A7C15), "");
        random_kills(seed * UINT64_C(0x9E3779B97F4A7C15), "tcp_keep_alive = true");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_tcp_batch),
        cmocka_unit_test(test_nothing_to_send),
        cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_reset_comes_again),
        cmocka_unit_test(test_early_close_comes_again),
        cmocka_unit_test(test_keep_alive_restart),
        cmocka_unit_test(test_keep_alive_kill),
        cmocka_unit_test(test_never_closes),
        cmocka_unit_test(test_stop_while_blocked),
        cmocka_unit_test(test_udp_chunks),
        cmocka_unit_test(test_udp_refused),
        cmocka_unit_test(test_random_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
