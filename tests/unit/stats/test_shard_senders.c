/* SPDX-License-Identifier: MPL-2.0
 *
 * test_shard_senders.c - numbers of senders, their quotas, and the top of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/clock.h"
#include "stats/shard_senders.h"

static const uint64_t start_ns = UINT64_C(1700000000) * CLOCK_NS_PER_S;

static struct senders *make(void)
{
    struct senders *senders = NULL;
    assert_int_equal(senders_new(&senders), 0);
    return senders;
}

static uint16_t find(struct senders *senders, uint32_t address, uint64_t now_ns)
{
    uint8_t ip[4];
    memcpy(ip, &address, sizeof(ip));
    return senders_find(senders, ip, false, now_ns);
}

static void test_numbers(void **state)
{
    (void)state;
    struct senders *senders = make();
    uint8_t four[16] = {10, 0, 0, 1}, six[16] = {10, 0, 0, 1};
    uint16_t number = senders_find(senders, four, false, start_ns);
    assert_int_equal(number, 1);
    four[5] = 99; /* is no part of an IPv4 address */
    assert_int_equal(senders_find(senders, four, false, start_ns), number);
    assert_int_equal(senders_find(senders, six, true, start_ns), 2);
    six[15] = 1;
    assert_int_equal(senders_find(senders, six, true, start_ns), 3);
    six[15] = 0;
    assert_int_equal(senders_find(senders, six, true, start_ns), 2);
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(find(senders, 0x02000000 + i, start_ns), 4 + i);
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(find(senders, 0x02000000 + i, start_ns), 4 + i);
    senders_free(senders);
}

static void test_full_table(void **state)
{
    (void)state;
    struct senders *senders = make();
    for (uint32_t i = 0; i < SENDERS_MAX; i++)
        assert_int_equal(find(senders, i, start_ns), i + 1);
    assert_int_equal(find(senders, 0xff000000, start_ns), 0);
    assert_int_equal(senders_admit(senders, 0, 10, 1, start_ns), 10); /* no quota for nobody */
    /* Number 7 goes on, the others fall silent: their numbers are given to others in time. */
    uint64_t later_ns = start_ns + SENDERS_IDLE_NS;
    assert_int_equal(find(senders, 6, later_ns), 7);
    bool taken[SENDERS_MAX + 1] = {false};
    unsigned given = 0;
    for (uint32_t i = 0; i < SENDERS_MAX - 1; i++) {
        uint16_t number = find(senders, 0x10000000 + i, later_ns);
        assert_true(number != 7 && number != 0 && !taken[number]);
        taken[number] = true;
        given++;
    }
    assert_int_equal(given, SENDERS_MAX - 1);
    assert_int_equal(find(senders, 6, later_ns), 7);
    assert_int_equal(find(senders, 0x20000000, later_ns), 0);
    assert_int_equal(find(senders, 3, later_ns), 0); /* its number is gone */
    senders_free(senders);
}

static void test_quota(void **state)
{
    (void)state;
    struct senders *senders = make();
    struct sender_total top[2];
    uint16_t one = find(senders, 1, start_ns), two = find(senders, 2, start_ns);
    assert_int_equal(senders_admit(senders, one, 60, 100, start_ns), 60);
    assert_int_equal(senders_admit(senders, one, 60, 100, start_ns + 5), 40);
    assert_int_equal(senders_admit(senders, one, 60, 100, start_ns + 6), 0);
    assert_int_equal(senders_admit(senders, two, 60, 100, start_ns + 6), 60);
    assert_int_equal(senders_admit(senders, one, 60, 100, start_ns + CLOCK_NS_PER_S), 60);
    assert_int_equal(senders_admit(senders, one, 60, 50, start_ns + CLOCK_NS_PER_S), 0);
    assert_int_equal(senders_admit(senders, one, 60, 0, start_ns + CLOCK_NS_PER_S), 60);
    assert_int_equal(senders_top(senders, top, 2), 2);
    assert_int_equal(top[0].ip[0], 1);
    assert_int_equal(top[0].samples, 360);
    assert_int_equal(top[0].over_quota, 140);
    assert_int_equal(top[1].samples, 60);
    assert_int_equal(top[1].over_quota, 0);
    senders_free(senders);
}

static void test_top(void **state)
{
    (void)state;
    struct senders *senders = make();
    struct sender_total top[SENDERS_TOP_MAX];
    assert_int_equal(senders_top(senders, top, SENDERS_TOP_MAX), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t address = i * 7 % 1000;
        senders_admit(senders, find(senders, address, start_ns), address + 1, 0, start_ns);
    }
    assert_int_equal(senders_top(senders, top, SENDERS_TOP_MAX), SENDERS_TOP_MAX);
    for (uint32_t i = 0; i < SENDERS_TOP_MAX; i++) {
        uint32_t address;
        memcpy(&address, top[i].ip, sizeof(address));
        assert_int_equal(address, 999 - i);
        assert_int_equal(top[i].samples, 1000 - i);
        assert_false(top[i].is_ipv6);
    }
    assert_int_equal(senders_top(senders, top, 3), 3);
    assert_int_equal(top[2].samples, 998);
    senders_free(senders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
