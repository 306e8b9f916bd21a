/* SPDX-License-Identifier: MPL-2.0
 *
 * test_accum_etsy.c - naming "etsy": statsd's names, values, options and idle series. (That they
 *                     are those of the real one: tests/real/test_statsd.py.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/emit_etsy.h"
#include "tests/unit/stats/accum_rig.h"
#include "tests/unit/stats/stats_model.h"

#define T " 1380047333\n"

static struct conf_doc *doc;

/* The options from TOML, as a configuration has them. */
static struct accum_config options(const char *toml)
{
    static struct err err;
    struct accum_config config;
    memset(&err, 0, sizeof(err));
    assert_int_equal(toml_parse(toml, strlen(toml), "test", NULL, &doc, &err), 0);
    if (schema_apply(&accum_schema, conf_root(doc), "StatAccumInput", NULL, doc, &config, &err) !=
        0)
        fail_msg("%s", err.texts[0]);
    return config;
}

static void open_with(struct fixture *fixture, const char *toml)
{
    struct accum_config config = options(toml);
    open_fixture(fixture, &config);
}

static void close_all(struct fixture *fixture)
{
    close_fixture(fixture);
    conf_doc_free(doc);
    doc = NULL;
}

static void add_some(struct fixture *fixture)
{
    add(fixture, 0, model_counter("hits", 25));
    add(fixture, 0, model_gauge("level", 0.1));
    for (int i = 1; i <= 10; i++)
        add(fixture, (unsigned)i % 3, model_timer("t", i * i));
    for (unsigned i = 0; i < 3; i++)
        merge(fixture, i);
}

static void test_defaults(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'");
    add_some(&fixture);
    const struct shard_traffic traffic = {.packets = 30, .lines = 40, .bad_lines = 20};
    accum_traffic(fixture.accum, &traffic);
    const char *payload = flush(&fixture);
    const char *times = strstr(payload, "stats.statsd.graphiteStats.calculationtime");
    assert_non_null(times);
    char *series = strndup(payload, (size_t)(times - payload));
    assert_non_null(series);
    assert_string_equal(
        series, "stats.hits 2.5" T "stats_counts.hits 25" T "stats.gauges.level 0.1" T
                "stats.timers.t.count_90 9" T "stats.timers.t.mean_90 31.666666666666668" T
                "stats.timers.t.upper_90 81" T "stats.timers.t.sum_90 285" T
                "stats.timers.t.sum_squares_90 15333" T "stats.timers.t.std 32.41990129534635" T
                "stats.timers.t.upper 100" T "stats.timers.t.lower 1" T "stats.timers.t.count 10" T
                "stats.timers.t.count_ps 1" T "stats.timers.t.sum 385" T
                "stats.timers.t.sum_squares 25333" T "stats.timers.t.mean 38.5" T
                "stats.timers.t.median 30.5" T "stats.statsd.bad_lines_seen 2" T
                "stats_counts.statsd.bad_lines_seen 20" T "stats.statsd.packets_received 3" T
                "stats_counts.statsd.packets_received 30" T "stats.statsd.metrics_received 4" T
                "stats_counts.statsd.metrics_received 40" T "statsd.numStats 6" T);
    free(series);
    rig_value(payload, "stats.statsd.processing_time");
    assert_true(rig_value(payload, "stats.statsd.graphiteStats.last_exception") == 0);
    /* Idle: counters 0, gauges kept, timers a count only; and the lag is known now. */
    payload = flush(&fixture);
    assert_true(rig_value(payload, "stats_counts.hits") == 0);
    assert_true(rig_value(payload, "stats.gauges.level") == 0.1);
    assert_true(rig_value(payload, "stats.timers.t.count") == 0);
    assert_true(rig_value(payload, "stats.timers.t.count_ps") == 0);
    assert_false(rig_has(payload, "stats.timers.t.upper"));
    assert_true(rig_value(payload, "stats_counts.statsd.packets_received") == 0);
    assert_true(rig_value(payload, "stats.gauges.statsd.timestamp_lag") == -10);
    assert_true(rig_value(payload, "statsd.numStats") == 7);
    close_all(&fixture);
}

static void test_names(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'\n[etsy]\nlegacy_namespace = false\nglobal_prefix = 'top'\n"
                        "prefix_counter = ''\nprefix_timer = 'tt'\nprefix_gauge = 'g.'\n"
                        "global_suffix = 'h7'\nprefix_stats = 'own'\nflush_counts = false\n");
    add_some(&fixture);
    add(&fixture, 0, model_counter("a.b;k=v;l=w", 10));
    merge(&fixture, 0);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "top.hits.rate.h7") == 2.5);
    assert_false(rig_has(payload, "top.hits.count.h7"));
    assert_true(rig_value(payload, "top.a.b.rate.h7;k=v;l=w") == 1);
    assert_true(rig_value(payload, "top.g..level.h7") == 0.1);
    assert_true(rig_value(payload, "top.tt.t.upper_90.h7") == 81);
    assert_true(rig_value(payload, "top.own.bad_lines_seen.rate.h7") == 0);
    assert_true(rig_value(payload, "top.own.numStats.h7") == 7);
    rig_value(payload, "top.own.graphiteStats.flush_length.h7");
    close_all(&fixture);
}

static void test_percentiles(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'\n[etsy]\n"
                        "percent_threshold = ['50', '-20', '99.9', '1', '-100']\n");
    add_some(&fixture);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.timers.t.upper_50") == 25);
    assert_true(rig_value(payload, "stats.timers.t.sum_50") == 55);
    assert_true(rig_value(payload, "stats.timers.t.mean_50") == 11);
    assert_true(rig_value(payload, "stats.timers.t.count_top20") == 2);
    assert_true(rig_value(payload, "stats.timers.t.lower_top20") == 81);
    assert_true(rig_value(payload, "stats.timers.t.sum_top20") == 181);
    assert_true(rig_value(payload, "stats.timers.t.mean_top20") == 90.5);
    assert_true(rig_value(payload, "stats.timers.t.sum_squares_top20") == 81 * 81 + 10000);
    assert_true(rig_value(payload, "stats.timers.t.upper_99_9") == 100);
    assert_false(rig_has(payload, "stats.timers.t.upper_1")); /* 0.1 values: none */
    assert_true(rig_value(payload, "stats.timers.t.sum_top100") == 385);
    close_all(&fixture);
}

static void test_histograms(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'\n[etsy.histogram.a]\nmetric = 'none'\nbins = []\n"
                        "[etsy.histogram.b]\nmetric = 'ren'\nbins = ['1', '4.5', '50', 'inf']\n"
                        "[etsy.histogram.c]\nmetric = ''\nbins = [10]\n");
    for (int i = 1; i <= 10; i++) {
        add(&fixture, 0, model_timer("a.render", i * i));
        add(&fixture, 0, model_timer("render.none", i));
        add(&fixture, 0, model_timer("other", i));
    }
    merge(&fixture, 0);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "stats.timers.a.render.histogram.bin_1") == 0);
    assert_true(rig_value(payload, "stats.timers.a.render.histogram.bin_4_5") == 2);
    assert_true(rig_value(payload, "stats.timers.a.render.histogram.bin_50") == 5);
    assert_true(rig_value(payload, "stats.timers.a.render.histogram.bin_inf") == 3);
    assert_true(rig_value(payload, "stats.timers.other.histogram.bin_10") == 9);
    assert_null(strstr(payload, "render.none.histogram")); /* the first match has no bins */
    close_all(&fixture);
}

static void test_calculated_timer_metrics(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'\n[etsy]\npercent_threshold = [90, -90]\n"
                        "calculated_timer_metrics = ['median', 'upper_percent', 'sum_percent']\n");
    add_some(&fixture);
    const char *payload = flush(&fixture);
    assert_true(rig_has(payload, "stats.timers.t.median") &&
                rig_has(payload, "stats.timers.t.upper_90"));
    assert_true(rig_has(payload, "stats.timers.t.sum_90") &&
                rig_has(payload, "stats.timers.t.sum_top90"));
    assert_false(rig_has(payload, "stats.timers.t.count") ||
                 rig_has(payload, "stats.timers.t.mean"));
    assert_false(rig_has(payload, "stats.timers.t.lower_top90"));
    assert_false(rig_has(flush(&fixture), "stats.timers.t.count")); /* idle: nothing is left */
    close_all(&fixture);
}

static void test_idle_series_are_deleted(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'\n[etsy]\ndelete_idle_stats = true\ngauges_max_ttl = 2\n"
                        "delete_timers = false\n");
    add_some(&fixture);
    add(&fixture, 0, model_counter("my.packets_received", 1));
    merge(&fixture, 0);
    assert_true(rig_has(flush(&fixture), "stats.hits"));
    const char *payload = flush(&fixture);
    assert_false(rig_has(payload, "stats.hits"));
    assert_true(rig_value(payload, "stats.my.packets_received") == 0); /* looks like its own */
    assert_true(rig_value(payload, "stats.gauges.level") == 0.1);
    assert_true(rig_value(payload, "stats.timers.t.count") == 0);
    assert_false(rig_has(flush(&fixture), "stats.gauges.level"));
    add_some(&fixture);
    assert_true(rig_value(flush(&fixture), "stats_counts.hits") == 25);
    close_all(&fixture);
}

/* Many series come and go: those that stay are found, and memory does not grow. */
static void test_deleting_leaves_no_memory_behind(void **state)
{
    (void)state;
    struct fixture fixture;
    size_t before = 0;
    open_with(&fixture, "naming = 'etsy'\n[etsy]\ndelete_counters = true\ndelete_gauges = true\n"
                        "gauges_max_ttl = 3\n");
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 500; i++) {
            char name[64];
            snprintf(name, sizeof(name), "gauge.of.round.%u.number.%u", i % 50 ? round : 0, i);
            add(&fixture, 0, model_gauge(name, i));
        }
        merge(&fixture, 0);
        const char *payload = flush(&fixture);
        assert_true(rig_value(payload, "stats.gauges.gauge.of.round.0.number.450") == 450);
        if (round == 5)
            before = accum_bytes(fixture.accum);
    }
    assert_int_equal(accum_bytes(fixture.accum), before);
    uint64_t counts[STATSD_TYPE_COUNT];
    accum_series(fixture.accum, counts);
    assert_int_equal(counts[STATSD_GAUGE], 10 + 2 * 490); /* those that had 3 flushes are gone */
    close_all(&fixture);
}

static void test_sanitizing(void **state)
{
    (void)state;
    char to[100];
    static const struct {
        const char *name, *clean;
    } names[] = {
        {"a.b-c_D;k=v", "a.b-c_D;k=v"},
        {"two  words\t!", "two_words_"},
        {"a/b//c", "a-b--c"},
        {"\xc3\xa4rger", "rger"},                          /* no ASCII */
        {"x\xc2\xa0\xe2\x80\x83 y\xef\xbb\xbfz", "x_y_z"}, /* wide white space */
        {"\xe2\x80\xab\xe3\x80", ""},                      /* none */
    };
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = etsy_sanitize(names[i].name, strlen(names[i].name), to);
        assert_int_equal(len, strlen(names[i].clean));
        assert_memory_equal(to, names[i].clean, len);
    }
    struct fixture fixture;
    open_with(&fixture, "naming = 'etsy'");
    add(&fixture, 0, model_counter("a b", 1));
    add(&fixture, 0, model_counter("a_b", 10));
    add(&fixture, 0, model_counter("%%", 10)); /* nothing is left of it */
    assert_int_equal(merge(&fixture, 0), 2);
    assert_true(rig_value(flush(&fixture), "stats_counts.a_b") == 11);
    assert_int_equal(accum_counts(fixture.accum)->refused_samples, 1);
    close_all(&fixture);
    open_with(&fixture, "naming = 'etsy'\n[etsy]\nkey_name_sanitize = false");
    add(&fixture, 0, model_counter("a b", 1));
    add(&fixture, 0, model_counter("a_b", 10));
    merge(&fixture, 0);
    const char *payload = flush(&fixture);
    assert_true(rig_value(payload, "statsd.numStats") == 5); /* two series with one name */
    assert_true(rig_value(payload, "stats_counts.a_b") == 1);
    close_all(&fixture);
}

static void expect_error(const char *toml, const char *text)
{
    static struct err err;
    struct accum_config config = options(toml);
    struct accum *accum = NULL;
    memset(&err, 0, sizeof(err));
    assert_int_equal(accum_new(&config, &accum, &err), -1);
    assert_null(accum);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.texts[0], text);
    conf_doc_free(doc);
    doc = NULL;
}

static void test_errors(void **state)
{
    (void)state;
    expect_error("naming = 'etsy'\n[etsy]\npercent_threshold = 101",
                 "etsy.percent_threshold: found 101, allowed is numbers from -100 to 100");
    expect_error("naming = 'etsy'\n[etsy]\npercent_threshold = ['x']",
                 "etsy.percent_threshold: found \"x\", allowed is numbers from -100 to 100");
    expect_error("naming = 'etsy'\n[etsy]\npercent_threshold = "
                 "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]",
                 "etsy.percent_threshold: more than 16 numbers");
    expect_error("naming = 'etsy'\n[etsy]\nhistogram = 3",
                 "etsy.histogram: found 3, allowed is tables");
    expect_error("naming = 'etsy'\n[etsy.histogram.a]\nbins = [1]",
                 "etsy.histogram: found a table, allowed is a table of metric (text) and bins (an "
                 "array)");
    expect_error("naming = 'etsy'\n[etsy.histogram.a]\nmetric = ''\nbins = ['many']",
                 "etsy.histogram bins: found \"many\", allowed is numbers and \"inf\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_calculated_timer_metrics),
        cmocka_unit_test(test_idle_series_are_deleted),
        cmocka_unit_test(test_deleting_leaves_no_memory_behind),
        cmocka_unit_test(test_sanitizing),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
