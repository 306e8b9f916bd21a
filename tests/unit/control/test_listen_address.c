/* SPDX-License-Identifier: MPL-2.0
 *
 * test_listen_address.c - which addresses inputs of hekad may have, and which exclude each other.
 */
#include "control/inputs/listen_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct {
    const char *net, *text;
    int kind; /* enum listen_kind, or -1 */
} cases[] = {
    {"udp", "127.0.0.1:8125", LISTEN_IP},
    {"udp", "localhost:8125", LISTEN_IP},
    {"udp", ":8125", LISTEN_IP},
    {"udp", "[::1]:0", LISTEN_IP},
    {"udp4", "127.0.0.1:1", LISTEN_IP},
    {"udp6", "[::]:1", LISTEN_IP},
    {"tcp", "0.0.0.0:65535", LISTEN_IP},
    {"unixgram", "/run/x.sock", LISTEN_PATH},
    {"unixgram", "relative", LISTEN_PATH},
    {"unixgram", "@x", LISTEN_ABSTRACT},
    {"unix", "@x", LISTEN_ABSTRACT},
    {"udp", "fd:3", LISTEN_FD},
    {"unixgram", "fd:0", LISTEN_FD},
    {"udp", "127.0.0.1", -1},
    {"udp", "127.0.0.1:", -1},
    {"udp", "127.0.0.1:65536", -1},
    {"udp", "127.0.0.1:-1", -1},
    {"udp", "127.0.0.1:http", -1},
    {"udp", "", -1},
    {"udp", "::1:8125", -1},
    {"udp", "[::g]:8125", -1},
    {"udp4", "[::1]:8125", -1},
    {"udp6", "127.0.0.1:8125", -1},
    {"udp", "fd:", -1},
    {"udp", "fd:3x", -1},
    {"udp", "fd:-1", -1},
    {"udp", "fd:99999999999999", -1},
    {"tcp", "fd:3", LISTEN_IP}, /* a host of that name */
    {"unixgram", "", -1},
    {"unixgram", "@", -1},
    {"sctp", "127.0.0.1:1", -1},
};

static void test_parse(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct listen_address address;
        static struct err err;
        err.count = 0;
        int rc = listen_address_parse(cases[i].net, cases[i].text, &address, &err);
        if ((rc == 0 ? (int)address.kind : -1) != cases[i].kind || (rc != 0) != (err.count == 1))
            fail_msg("%s %s", cases[i].net, cases[i].text);
    }
}

static void test_long_path(void **state)
{
    char text[128];
    struct listen_address address;
    (void)state;
    memset(text, 'x', sizeof(text));
    text[107] = '\0';
    assert_int_equal(listen_address_parse("unix", text, &address, NULL), 0);
    text[107] = 'x';
    text[108] = '\0';
    assert_int_equal(listen_address_parse("unix", text, &address, NULL), -1);
}

static const struct {
    const char *net_a, *a, *net_b, *b;
    bool conflicts;
} pairs[] = {
    {"udp", "127.0.0.1:1", "udp", "127.0.0.1:1", true},
    {"udp", "127.0.0.1:1", "udp4", "127.0.0.1:01", true},
    {"udp", "127.0.0.1:1", "udp", "127.0.0.1:2", false},
    {"udp", "127.0.0.1:1", "udp", "127.0.0.2:1", false},
    {"udp", "127.0.0.1:1", "udp", "0.0.0.0:1", true},
    {"udp", "127.0.0.1:1", "udp", ":1", true},
    {"udp", "[::1]:1", "udp", ":1", true},
    {"udp", "[::1]:1", "udp", "[0::1]:1", true},
    {"udp", "[::1]:1", "udp", "0.0.0.0:1", false},
    {"udp4", ":1", "udp6", ":1", false},
    {"udp", "127.0.0.1:1", "tcp", "127.0.0.1:1", false},
    {"udp", "127.0.0.1:0", "udp", "127.0.0.1:0", false},
    {"udp", "localhost:1", "udp", "localhost:1", true},
    {"unix", "/x", "unixgram", "/x", true},
    {"unix", "/x", "unix", "/y", false},
    {"unix", "@x", "unixgram", "@x", false},
    {"unix", "@x", "unix", "@x", true},
    {"unix", "@x", "unix", "/x", false},
    {"udp", "fd:3", "unixgram", "fd:3", true},
    {"udp", "fd:3", "udp", "fd:4", false},
};

static void test_conflicts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct listen_address a, b;
        assert_int_equal(listen_address_parse(pairs[i].net_a, pairs[i].a, &a, NULL), 0);
        assert_int_equal(listen_address_parse(pairs[i].net_b, pairs[i].b, &b, NULL), 0);
        if (listen_address_conflicts(&a, &b) != pairs[i].conflicts ||
            listen_address_conflicts(&b, &a) != pairs[i].conflicts)
            fail_msg("%s %s and %s %s", pairs[i].net_a, pairs[i].a, pairs[i].net_b, pairs[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_conflicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
