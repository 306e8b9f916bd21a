/* SPDX-License-Identifier: MPL-2.0
 *
 * test_retry.c - waits before a plugin starts again, and when it has failed too often.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/config/plugin_types.h"
#include "control/plugins/retry.h"
#include "core/clock.h"

enum { START_S = 1000 };

static struct retry_options options(int64_t delay_ms, int64_t max_ms, int64_t jitter_ms,
                                    int64_t retries)
{
    const int64_t ms = (int64_t)CLOCK_NS_PER_MS;
    return (struct retry_options){
        .delay = delay_ms * ms,
        .max_delay = max_ms * ms,
        .max_jitter = jitter_ms * ms,
        .max_retries = retries,
    };
}

/* [option retries.delay] [option retries.max_delay] */
static void test_doubles_up_to_the_limit(void **state)
{
    static const uint64_t expected_ms[] = {250, 500, 1000, 2000, 3000, 3000};
    struct retry_options some = options(250, 3000, 0, -1);
    struct retry retry = {0};
    uint64_t now_ns = START_S * CLOCK_NS_PER_S, wait_ns;
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        retry_begin(&retry, now_ns);
        assert_true(retry_next(&retry, &some, now_ns, &wait_ns));
        assert_int_equal(wait_ns, expected_ms[i] * CLOCK_NS_PER_MS);
    }
    retry_begin(&retry, now_ns);
    now_ns += 3 * CLOCK_NS_PER_S; /* no longer than the limit */
    assert_true(retry_next(&retry, &some, now_ns, &wait_ns));
    assert_int_equal(wait_ns, 3 * CLOCK_NS_PER_S);
    retry_begin(&retry, now_ns);
    now_ns += 4 * CLOCK_NS_PER_S; /* it ran */
    assert_true(retry_next(&retry, &some, now_ns, &wait_ns));
    assert_int_equal(wait_ns, 250 * CLOCK_NS_PER_MS);
}

/* [option retries.max_jitter] */
static void test_jitter(void **state)
{
    struct retry_options some = options(100, 100, 50, -1);
    struct retry retry = {0};
    uint64_t least = UINT64_MAX, most = 0, wait_ns;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(retry_next(&retry, &some, 1, &wait_ns));
        least = wait_ns < least ? wait_ns : least;
        most = wait_ns > most ? wait_ns : most;
    }
    assert_in_range(least, 100 * CLOCK_NS_PER_MS, 110 * CLOCK_NS_PER_MS);
    assert_in_range(most, 140 * CLOCK_NS_PER_MS, 150 * CLOCK_NS_PER_MS);
}

/* [option retries.max_retries] */
static void test_ends(void **state)
{
    struct retry_options some = options(1, 1, 0, 3), never = options(1, 1, 0, 0);
    struct retry retry = {0};
    uint64_t wait_ns;
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_true(retry_next(&retry, &some, 1, &wait_ns));
    assert_false(retry_next(&retry, &some, 1, &wait_ns));
    retry = (struct retry){0};
    assert_false(retry_next(&retry, &never, 1, &wait_ns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_limit),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
