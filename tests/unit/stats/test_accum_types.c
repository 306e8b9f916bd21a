/* SPDX-License-Identifier: MPL-2.0
 *
 * test_accum_types.c - what parsers of other dialects than Heka's give: gauges that are changed,
 *                      real counters, sets, weights, tags.
 *
 * [option StatAccumInput.set_prefix] [option StatAccumInput.histogram_prefix]
 * [option StatAccumInput.distribution_prefix] [option StatAccumInput.meter_prefix]
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/accum_rig.h"
#include "tests/unit/stats/stats_model.h"

#define T " 1380047333\n"

static struct accum_config config_types(void)
{
    struct accum_config config = config_default();
    config.set_prefix = "sets";
    config.histogram_prefix = "histograms";
    config.distribution_prefix = "distributions";
    config.meter_prefix = "meters";
    config.set_exact_max = 50;
    config.percent_threshold.count = 0;
    return config;
}

static struct accum_config config_etsy(void)
{
    struct accum_config config = config_types();
    config.naming = ACCUM_ETSY;
    config.etsy.legacy_namespace = true;
    config.etsy.flush_counts = true;
    config.etsy.key_name_sanitize = true;
    config.etsy.prefix_stats = "statsd";
    return config;
}

static struct statsd_sample sample_of(const char *name, uint8_t type, double value)
{
    struct statsd_sample sample = model_gauge(name, value);
    sample.type = type;
    return sample;
}

static struct statsd_sample delta(const char *name, double value)
{
    struct statsd_sample sample = model_gauge(name, value);
    sample.flags = STATSD_DELTA;
    return sample;
}

static struct statsd_sample weighted(const char *name, uint8_t type, double value, double weight)
{
    struct statsd_sample sample = sample_of(name, type, value);
    sample.flags = STATSD_WEIGHTED;
    sample.weight = weight;
    return sample;
}

static struct statsd_sample member(const char *name, const char *bytes)
{
    struct statsd_sample sample = model_counter(name, 0);
    sample.type = STATSD_SET;
    sample.member = bytes;
    sample.member_len = strlen(bytes);
    return sample;
}

static uint64_t merge_all(struct fixture *fixture)
{
    return merge(fixture, 1) + merge(fixture, 0) + merge(fixture, 2);
}

static void test_gauges_change(void **state)
{
    (void)state;
    struct accum_config config = config_types();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    add(&fixture, 0, delta("g", 5)); /* of nothing */
    add(&fixture, 1, model_gauge("h", 10));
    add(&fixture, 1, delta("h", -3));
    assert_int_equal(merge_all(&fixture), 3);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.gauges.g") == 5 &&
                rig_value(payload, "stats.gauges.h") == 7);
    add(&fixture, 0, delta("g", 1)); /* of what was there, on several cores */
    add(&fixture, 1, delta("g", 2));
    add(&fixture, 2, delta("g", 0.5));
    assert_int_equal(merge_all(&fixture), 3);
    assert_true(rig_value(flush(&fixture), "stats.gauges.g") == 8.5);
    assert_true(rig_value(flush(&fixture), "stats.gauges.g") == 8.5); /* once */
    add(&fixture, 0, model_gauge("g", 100)); /* set on one, changed on another */
    add(&fixture, 2, delta("g", -1));
    merge_all(&fixture);
    assert_true(rig_value(flush(&fixture), "stats.gauges.g") == 99);
    close_fixture(&fixture);
}

static void test_counters_add_up(void **state)
{
    (void)state;
    struct accum_config config = config_types();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    add(&fixture, 0, sample_of("c", STATSD_REAL_COUNTER, 2.75));
    add(&fixture, 1, sample_of("c", STATSD_REAL_COUNTER, -0.5));
    add(&fixture, 2, model_counter("c", 10)); /* the same series */
    struct statsd_sample meter = model_counter("c", 4);
    meter.type = STATSD_METER;
    add(&fixture, 2, meter);
    assert_int_equal(merge_all(&fixture), 4);
    assert_string_equal(flush(&fixture),
                        "stats.counters.c.rate 1.225000" T "stats.counters.c.count 12" T
                        "stats.meters.c.rate 0.400000" T "stats.meters.c.count 4" T
                        "stats.statsd.numStats 2" T);
    close_fixture(&fixture);
    config = config_etsy();
    open_fixture(&fixture, &config);
    add(&fixture, 0, sample_of("c", STATSD_REAL_COUNTER, 2.75));
    merge_all(&fixture);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats_counts.c") == 2.75);
    assert_true(rig_value(payload, "stats.c") == 0.275);
    close_fixture(&fixture);
}

static void test_sets(void **state)
{
    (void)state;
    struct accum_config config = config_types();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    for (unsigned i = 0; i < 150; i++) {
        char bytes[20];
        snprintf(bytes, sizeof(bytes), "user%u", i % 50);
        add(&fixture, i / 50, member("s", bytes)); /* the same on all cores */
    }
    assert_int_equal(merge_all(&fixture), 150);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.sets.s.count") == 50);
    assert_null(strstr(payload, "sketches"));
    assert_true(rig_value(flush(&fixture), "stats.sets.s.count") == 0);
    for (unsigned i = 0; i < 2000; i++) {
        char bytes[20];
        snprintf(bytes, sizeof(bytes), "user%u", i);
        add(&fixture, i % 3, member("s", bytes));
    }
    assert_int_equal(merge_all(&fixture), 2000);
    payload = flush(&fixture);
    assert_true(fabs(rig_value(payload, "stats.sets.s.count") - 2000) < 4 * 0.0081 * 2000);
    assert_true(rig_value(payload, "stats.statsd.sketches") == 1);
    close_fixture(&fixture);
}

/* Counts are of what the values stand for; distributions weigh everything. */
static void test_weights(void **state)
{
    (void)state;
    static const int64_t fifty[] = {50};
    const uint8_t types[] = {STATSD_TIMER, STATSD_HISTOGRAM, STATSD_DISTRIBUTION};
    struct accum_config config = config_types();
    struct fixture fixture;
    config.percent_threshold = (struct schema_list){fifty, 1};
    open_fixture(&fixture, &config);
    for (unsigned i = 0; i < 3; i++) {
        add(&fixture, 0, weighted("w", types[i], 10, 8));
        add(&fixture, 1, sample_of("w", types[i], 100));
        add(&fixture, 2, sample_of("w", types[i], 200));
    }
    assert_int_equal(merge_all(&fixture), 9);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.timers.w.count") == 10);
    assert_true(rig_value(payload, "stats.timers.w.count_ps") == 1);
    assert_true(rig_value(payload, "stats.histograms.w.count") == 10);
    assert_true(rig_value(payload, "stats.histograms.w.mean_50") == 10);
    assert_true(rig_value(payload, "stats.timers.w.sum") == 310);
    assert_true(rig_value(payload, "stats.histograms.w.upper_50") == 10);
    assert_true(rig_value(payload, "stats.distributions.w.count") == 10);
    assert_true(rig_value(payload, "stats.distributions.w.count_ps") == 1);
    assert_true(rig_value(payload, "stats.distributions.w.sum") == 380);
    assert_true(rig_value(payload, "stats.distributions.w.mean") == 38);
    assert_true(fabs(rig_value(payload, "stats.distributions.w.upper_50") - 10) <= 0.1);
    assert_true(fabs(rig_value(payload, "stats.distributions.w.mean_50") - 10) <= 0.1);
    assert_null(strstr(payload, "sketches"));
    close_fixture(&fixture);
    config = config_etsy();
    open_fixture(&fixture, &config);
    add(&fixture, 0, weighted("w", STATSD_TIMER, 10, 8));
    add(&fixture, 1, sample_of("w", STATSD_TIMER, 100));
    merge_all(&fixture);
    payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.timers.w.count") == 9);
    assert_true(rig_value(payload, "stats.timers.w.count_ps") == 0.9);
    assert_true(rig_value(payload, "stats.timers.w.count_90") == 2);
    assert_true(rig_value(payload, "stats.timers.w.mean") == 55);
    close_fixture(&fixture);
}

/* Beyond what is kept exactly: the same answers, within the error. */
static void test_weights_in_sketches(void **state)
{
    (void)state;
    static const int64_t ninety[] = {90};
    struct accum_config config = config_types();
    struct fixture fixture;
    config.percent_threshold = (struct schema_list){ninety, 1};
    config.timer_exact_max = 100;
    open_fixture(&fixture, &config);
    for (unsigned i = 1; i <= 300; i++) { /* as 100 values of weight 1 and 200 of weight 2 */
        double weight = i <= 100 ? 1 : 2;
        add(&fixture, i % 3, weighted("w", STATSD_DISTRIBUTION, i, weight));
        add(&fixture, i % 3, weighted("w", STATSD_TIMER, i, weight));
    }
    assert_int_equal(merge_all(&fixture), 600);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.distributions.w.count") == 500);
    assert_true(rig_value(payload, "stats.distributions.w.sum") == 5050 + 2 * 40100);
    assert_true(fabs(rig_value(payload, "stats.distributions.w.upper_90") - 275) <= 2.75);
    assert_true(rig_value(payload, "stats.timers.w.count") == 500);
    assert_true(fabs(rig_value(payload, "stats.timers.w.upper_90") - 270) <= 2.7);
    assert_true(rig_value(payload, "stats.statsd.sketches") == 2);
    close_fixture(&fixture);
    config = config_etsy();
    config.timer_exact_max = 100;
    open_fixture(&fixture, &config);
    double squares = 0;
    for (unsigned i = 1; i <= 300; i++) {
        add(&fixture, i % 3, weighted("w", STATSD_TIMER, i, 2));
        squares += (i - 150.5) * (i - 150.5);
    }
    merge_all(&fixture);
    payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.timers.w.count") == 600);
    assert_true(rig_value(payload, "stats.timers.w.mean") == 150.5);
    assert_true(fabs(rig_value(payload, "stats.timers.w.std") - sqrt(squares / 300)) < 1e-6);
    assert_true(fabs(rig_value(payload, "stats.timers.w.median") - 150.5) <= 1.6);
    assert_true(rig_value(payload, "stats.statsd.sketches") == 1);
    close_fixture(&fixture);
}

static void test_tags_stand_behind_everything(void **state)
{
    (void)state;
    struct accum_config config = config_types();
    struct fixture fixture;
    open_fixture(&fixture, &config);
    struct statsd_sample tagged = model_counter("hits.;az=b;env=x", 10), plain = tagged;
    tagged.tags_len = 11;
    add(&fixture, 0, tagged);
    add(&fixture, 0, plain); /* the same bytes, no tags: another series */
    assert_int_equal(merge_all(&fixture), 2);
    assert_string_equal(flush(&fixture),
                        "stats.counters.hits.rate;az=b;env=x 1.000000" T
                        "stats.counters.hits.count;az=b;env=x 10" T
                        "stats.counters.hits.;az=b;env=x.rate 1.000000" T
                        "stats.counters.hits.;az=b;env=x.count 10" T "stats.statsd.numStats 2" T);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gauges_change),
        cmocka_unit_test(test_counters_add_up),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_weights_in_sketches),
        cmocka_unit_test(test_tags_stand_behind_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
