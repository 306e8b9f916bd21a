/* SPDX-License-Identifier: MPL-2.0
 *
 * test_statmetric.c - when an accumulator flushes.
 */
#include "stats/statmetric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/clock.h"

#define S CLOCK_NS_PER_S

static void test_multiples_of_the_interval(void **state)
{
    (void)state;
    struct flush_times times;
    flush_times_init(&times, 10, 1003 * S + 5);
    assert_int_equal(times.next_ns, 1010 * S);
    assert_false(flush_times_begin(&times, 1010 * S - 1));
    assert_true(flush_times_begin(&times, 1010 * S));
    assert_int_equal(times.flush_ns, 1010 * S);
    assert_true(flush_times_elapsed_s(&times) == 10);
    flush_times_end(&times);
    assert_false(flush_times_begin(&times, 1019 * S));
    /* Late by two intervals: one flush for all of them. */
    assert_true(flush_times_begin(&times, 1043 * S));
    assert_int_equal(times.flush_ns, 1020 * S);
    assert_int_equal(times.next_ns, 1050 * S);
    flush_times_end(&times);
    assert_true(flush_times_begin(&times, 1050 * S));
    assert_true(flush_times_elapsed_s(&times) == 30);
}

/* A store keeps one value of a series for each second. */
static void test_flushes_never_share_a_second(void **state)
{
    (void)state;
    struct flush_times times;
    flush_times_init(&times, 10, 1003 * S);
    flush_times_begin_now(&times, 1003 * S + 1);
    assert_int_equal(times.flush_ns, 1003 * S + 1);
    assert_true(flush_times_begin(&times, 1010 * S));
    flush_times_end(&times);
    flush_times_begin_now(&times, 1010 * S + 5);
    assert_int_equal(times.flush_ns, 1011 * S);
    flush_times_end(&times);
    flush_times_begin_now(&times, 1012 * S + 7);
    assert_int_equal(times.flush_ns, 1012 * S + 7);
    flush_times_end(&times);
    times.next_ns = 1012 * S + 9; /* as at a stop */
    assert_true(flush_times_begin(&times, 1012 * S + 9));
    assert_int_equal(times.flush_ns, 1013 * S);
}

/* After a reload: what the former one has flushed is not flushed again, and rates are over the time
 * since then. */
static void test_following_another(void **state)
{
    (void)state;
    struct flush_times former, times;
    flush_times_init(&former, 10, 1003 * S);
    flush_times_init(&times, 10, 1009 * S);
    assert_true(flush_times_begin(&former, 1012 * S));
    flush_times_end(&former);
    flush_times_follow(&times, &former);
    assert_false(flush_times_begin(&times, 1019 * S));
    assert_true(flush_times_begin(&times, 1020 * S));
    assert_int_equal(times.flush_ns, 1020 * S);
    assert_true(flush_times_elapsed_s(&times) == 10);
    flush_times_init(&times, 60, 1013 * S); /* another interval */
    flush_times_follow(&times, &former);
    assert_int_equal(times.next_ns, 1020 * S);
    flush_times_init(&times, 3, 1013 * S);
    former.last_ns = 1100 * S;
    flush_times_follow(&times, &former);
    assert_int_equal(times.next_ns, 1101 * S);
    flush_times_init(&times, 10, 1013 * S);
    former.last_ns = 0; /* it has flushed nothing */
    flush_times_follow(&times, &former);
    assert_int_equal(times.next_ns, 1020 * S);
    assert_int_equal(times.last_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multiples_of_the_interval),
        cmocka_unit_test(test_flushes_never_share_a_second),
        cmocka_unit_test(test_following_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
