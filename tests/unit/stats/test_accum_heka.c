/* SPDX-License-Identifier: MPL-2.0
 *
 * test_accum_heka.c - the values that Heka's own tests give its accumulator, and what must come
 * out (docs/compatibility.md).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/accum_rig.h"
#include "tests/unit/stats/stats_model.h"

#define TIMER "stats.timers.sample.timer."

/* Eleven values, the largest one apart: a tenth of them is the one that upper_90 leaves out. */
static void test_timer(void **state)
{
    static const double values[] = {220, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
    static const struct {
        const char *name;
        double value;
    } expected[] = {
        {TIMER "count", 11},   {TIMER "lower", 10},     {TIMER "upper", 220}, {TIMER "mean", 70},
        {TIMER "mean_90", 55}, {TIMER "upper_90", 100}, {TIMER "sum", 770},
    };
    struct accum_config config = config_default();
    struct fixture fixture;
    (void)state;
    open_fixture(&fixture, &config);
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        add(&fixture, i % 3, model_timer("sample.timer", values[i]));
    for (unsigned i = 0; i < 3; i++)
        merge(&fixture, i);
    const char *payload = flush(&fixture);
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_true(rig_value(payload, expected[i].name) == expected[i].value);
    close_fixture(&fixture);
}

/* Two series of each type: sums and rates over ten seconds, last gauges, and how many there are. */
static void test_two_of_each(void **state)
{
    static const int64_t counts[] = {1, 2, 3, 4, 5};
    struct accum_config config = config_default();
    struct fixture fixture;
    (void)state;
    open_fixture(&fixture, &config);
    for (unsigned i = 0; i < 5; i++) {
        add(&fixture, i % 3, model_counter("sample.cnt", counts[i]));
        add(&fixture, 0, model_gauge("sample2.gauge", (double)(i + 1)));
    }
    add(&fixture, 0, model_counter("sample2.cnt", 159));
    add(&fixture, 1, model_counter("sample2.cnt", 951));
    add(&fixture, 2, model_gauge("sample.gauge", 1));
    add(&fixture, 2, model_gauge("sample.gauge", 2));
    add(&fixture, 0, model_timer("sample.timer", 10));
    add(&fixture, 0, model_timer("sample2.timer", 10));
    for (unsigned i = 0; i < 3; i++)
        merge(&fixture, i);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.counters.sample.cnt.count") == 15);
    assert_true(rig_value(payload, "stats.counters.sample.cnt.rate") == 1.5);
    assert_true(rig_value(payload, "stats.counters.sample2.cnt.count") == 1110);
    assert_true(rig_value(payload, "stats.counters.sample2.cnt.rate") == 111);
    assert_true(rig_value(payload, "stats.gauges.sample.gauge") == 2);
    assert_true(rig_value(payload, "stats.gauges.sample2.gauge") == 5);
    assert_true(rig_value(payload, "stats.timers.sample2.timer.count_ps") == 0.1);
    assert_true(rig_value(payload, "stats.timers.sample2.timer.upper_90") == 10);
    assert_true(rig_value(payload, "stats.statsd.numStats") == 6);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer),
        cmocka_unit_test(test_two_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
