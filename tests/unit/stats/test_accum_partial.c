/* SPDX-License-Identifier: MPL-2.0
 *
 * test_accum_partial.c - timers beyond what is kept exactly, sets, and accumulators that feed
 *                        others by partial aggregates.
 *
 * [option StatAccumInput.timer_exact_max] [option StatAccumInput.set_exact_max]
 * [option StatAccumInput.sketch_error] [option StatAccumInput.sketch_mbytes]
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/partial.h"
#include "tests/unit/stats/accum_rig.h"
#include "tests/unit/stats/stats_model.h"

#define T " 1380047333\n"

static void expect_near(double got, double expected, double relative)
{
    if (fabs(got - expected) > relative * fabs(expected) + 1e-6)
        fail_msg("found %.12g, expected %.12g", got, expected);
}

/* ---- timers: exact, then sketches ---- */

static void test_sketch_behind_the_limit(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    config.timer_exact_max = 100;
    struct fixture fixture;
    open_fixture(&fixture, &config);
    for (unsigned count = 99; count <= 102; count++) {
        for (unsigned i = 1; i <= count; i++)
            add(&fixture, i % 3, model_timer("t", i));
        uint64_t merged = merge(&fixture, 0) + merge(&fixture, 1) + merge(&fixture, 2);
        assert_int_equal(merged, count);
        const char *payload = flush(&fixture);
        bool is_exact = count <= 100;
        unsigned inside = count - (unsigned)floor(count / 10.0 + 0.5);
        assert_true(rig_value(payload, "stats.timers.t.count") == count);
        assert_true(rig_value(payload, "stats.timers.t.lower") == 1 &&
                    rig_value(payload, "stats.timers.t.upper") == count);
        expect_near(rig_value(payload, "stats.timers.t.sum"), count * (count + 1) / 2.0, 1e-9);
        expect_near(rig_value(payload, "stats.timers.t.upper_90"), inside, is_exact ? 0 : 0.01);
        expect_near(rig_value(payload, "stats.timers.t.mean_90"), (inside + 1) / 2.0,
                    is_exact ? 0 : 0.01);
        assert_int_equal(strstr(payload, "stats.statsd.sketches 1" T) != NULL, !is_exact);
    }
    assert_int_equal(accum_counts(fixture.accum)->sketches, 2);
    assert_non_null(strstr(flush(&fixture), "stats.statsd.sketches 0" T));
    close_fixture(&fixture);
}

/* The bound is for the sketches that there are; after a flush they are gone. */
static void test_memory_for_sketches_is_bounded(void **state)
{
    (void)state;
    enum { FIT = (1 << 20) / (2 * 8 * DDSKETCH_BINS_DEFAULT + 1024) };
    struct accum_config config = config_default();
    config.timer_exact_max = 100;
    config.sketch_mbytes = 1;
    struct fixture fixture;
    open_fixture(&fixture, &config);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned t = 0; t < FIT + 9; t++) {
            char name[30];
            snprintf(name, sizeof(name), "timer%u", t);
            for (unsigned i = 0; i < 101; i++)
                add(&fixture, 0, model_timer(name, i + 1));
        }
        uint64_t refused = accum_counts(fixture.accum)->refused_samples;
        uint64_t merged = merge(&fixture, 0);
        refused = accum_counts(fixture.accum)->refused_samples - refused;
        assert_int_equal(merged + refused, 101 * (FIT + 9));
        assert_in_range(refused, 101 * 7, 101 * 9);
        size_t bytes = accum_bytes(fixture.accum);
        flush(&fixture);
        assert_true(bytes - accum_bytes(fixture.accum) <= 1 << 20);
    }
    close_fixture(&fixture);
}

/* How far the 90th percentile of 1 to 9000 is from 8100, as a part of it. */
static double error_of(double sketch_error)
{
    struct accum_config config = config_default();
    struct fixture fixture;
    config.timer_exact_max = 100;
    config.sketch_error = sketch_error;
    open_fixture(&fixture, &config);
    for (unsigned i = 1; i <= 9000; i++)
        add(&fixture, 0, model_timer("t", i));
    merge(&fixture, 0);
    double found = rig_value(flush(&fixture), "stats.timers.t.upper_90");
    close_fixture(&fixture);
    return fabs(found - 8100) / 8100;
}

static void test_error_is_an_option(void **state)
{
    (void)state;
    static struct err err;
    assert_true(error_of(0.0005) <= 0.0006);
    double coarse = error_of(0.3);
    assert_true(coarse > 0.01 && coarse <= 0.3);
    struct accum_config config = config_default();
    struct accum *accum = NULL;
    config.sketch_error = 0.9;
    assert_int_equal(accum_new(&config, &accum, &err), -1);
    assert_string_equal(err.texts[0], "sketch_error: found 0.9, allowed is 0.0001 to 0.5");
}

/* ---- partials ---- */

static const char *const names[] = {"one", "two", "three;az=b"};

static struct partial make_partial(uint8_t type, unsigned name)
{
    struct partial partial;
    size_t len = strlen(names[name]);
    partial_init(&partial, type, names[name], (uint16_t)len, name == 2 ? 5 : 0);
    return partial;
}

static int merge_into(void *arg, const struct partial *partial)
{
    struct fixture *fixture = arg;
    return accum_merge_partial(fixture->accum, partial);
}

/* Through bytes, as it would be sent. */
static int send_to(void *arg, const struct partial *partial)
{
    struct buffer bytes = {0}, again = {0};
    struct partial copy;
    size_t offset = 0;
    assert_int_equal(partial_write(partial, &bytes), 0);
    const uint8_t *data = (const uint8_t *)bytes.data;
    assert_int_equal(partial_read(data, bytes.size, &offset, &copy), 0);
    assert_int_equal(offset, bytes.size);
    assert_int_equal(partial_write(&copy, &again), 0);
    assert_int_equal(again.size, bytes.size);
    assert_memory_equal(again.data, bytes.data, bytes.size);
    int rc = merge_into(arg, &copy);
    partial_fini(&copy);
    for (size_t size = 0; size < bytes.size; size++) { /* cut anywhere: refused */
        offset = 0;
        assert_int_equal(partial_read(data, size, &offset, &copy), -EBADMSG);
    }
    buffer_fini(&bytes);
    buffer_fini(&again);
    return rc;
}

/* Two accumulators feed a third; a fourth has seen all. */
static void test_chain(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    struct fixture edges[2], top, whole;
    uint64_t seed = 4;
    open_fixture(&edges[0], &config);
    open_fixture(&edges[1], &config);
    open_fixture(&top, &config);
    open_fixture(&whole, &config);
    for (unsigned i = 0; i < 3000; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", (unsigned)(model_random(&seed) % 5));
        double value = (double)(model_random(&seed) % 100000) / 16 + 1;
        struct statsd_sample sample = i % 3 == 0   ? model_counter(name, (int64_t)value)
                                      : i % 3 == 1 ? model_gauge(name, value)
                                                   : model_timer(name, value);
        add(&edges[i < 1500 ? 0 : 1], 0, sample); /* the second one's gauges are later */
        add(&whole, 0, sample);
    }
    merge(&whole, 0);
    for (unsigned i = 0; i < 2; i++) {
        merge(&edges[i], 0);
        assert_int_equal(accum_partials(edges[i].accum, 1000 + i, send_to, &top), 0);
    }
    char *expected = strdup(flush(&whole)), *save = NULL;
    const char *got = flush(&top);
    assert_non_null(expected);
    unsigned lines = 0;
    for (char *line = strtok_r(expected, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *space = strchr(line, ' ');
        *space = '\0';
        bool is_rank = strstr(line, "_90") != NULL;
        expect_near(rig_value(got, line), strtod(space + 1, NULL), is_rank ? 0.01 : 1e-9);
        lines++;
    }
    assert_int_equal(lines, 5 * 2 + 5 + 5 * 8 + 1);
    free(expected);
    /* Nothing is sent twice: the interval is over with the flush, and what is idle is not sent. */
    flush(&edges[0]);
    assert_int_equal(accum_partials(edges[0].accum, 5, send_to, &top), 0);
    assert_true(rig_value(flush(&top), "stats.counters.n0.count") == 0);
    close_fixture(&edges[0]);
    close_fixture(&edges[1]);
    close_fixture(&top);
    close_fixture(&whole);
}

static void test_sets_and_the_other_types(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    config.set_exact_max = 100;
    config.set_prefix = "sets";
    config.histogram_prefix = "histograms";
    config.distribution_prefix = "distributions";
    config.meter_prefix = "meters";
    config.percent_threshold.count = 0;
    struct fixture fixture;
    open_fixture(&fixture, &config);
    const struct hyperloglog_config set_config = {HYPERLOGLOG_PRECISION_DEFAULT, 100};
    struct partial set = make_partial(STATSD_SET, 2), meter = make_partial(STATSD_METER, 0);
    struct partial counter = make_partial(STATSD_REAL_COUNTER, 1);
    struct partial spread = make_partial(STATSD_DISTRIBUTION, 2);
    hyperloglog_init(&set.set, &set_config);
    for (uint64_t i = 0; i < 100; i++)
        hyperloglog_add(&set.set, i << 40 | i);
    meter.count = 30;
    exact_sum_add(&counter.sum, 2.75);
    ddsketch_config_init(&spread.sketch_config, 0.01, DDSKETCH_BINS_DEFAULT);
    ddsketch_init(&spread.sketch, &spread.sketch_config);
    ddsketch_add(&spread.sketch, 10, ddsketch_weight(0.1));
    ddsketch_add(&spread.sketch, 40, 2 * DDSKETCH_ONE);
    exact_sum_add(&spread.sum, 12);
    assert_int_equal(send_to(&fixture, &set), 0);
    assert_int_equal(send_to(&fixture, &set), 0);
    assert_int_equal(send_to(&fixture, &meter), 0);
    assert_int_equal(send_to(&fixture, &counter), 0);
    assert_int_equal(send_to(&fixture, &spread), 0);
    assert_string_equal(
        flush(&fixture),
        "stats.counters.two.rate 0.275000" T "stats.counters.two.count 2" T
        "stats.sets.three.count;az=b 100" T "stats.distributions.three.count;az=b 12" T
        "stats.distributions.three.count_ps;az=b 1.200000" T
        "stats.distributions.three.lower;az=b 10.000000" T
        "stats.distributions.three.upper;az=b 40.000000" T
        "stats.distributions.three.sum;az=b 180.000000" T
        "stats.distributions.three.mean;az=b 15.000000" T "stats.meters.one.rate 3.000000" T
        "stats.meters.one.count 30" T "stats.statsd.sketches 1" T "stats.statsd.numStats 4" T);
    for (uint64_t i = 0; i < 5000; i++)
        hyperloglog_add(&set.set, model_random(&(uint64_t){i}));
    assert_int_equal(send_to(&fixture, &set), 0);
    expect_near(rig_value(flush(&fixture), "stats.sets.three.count;az=b"), 5100, 0.03);
    partial_fini(&set);
    partial_fini(&spread);
    close_fixture(&fixture);
}

static void test_partials_that_do_not_fit(void **state)
{
    (void)state;
    struct accum_config config = config_default();
    config.names_max = 1;
    struct fixture fixture;
    open_fixture(&fixture, &config);
    struct partial timer = make_partial(STATSD_TIMER, 0), other = make_partial(STATSD_TIMER, 0);
    struct partial gauge = make_partial(STATSD_GAUGE, 0), set = make_partial(STATSD_SET, 0);
    ddsketch_config_init(&timer.sketch_config, 0.02, DDSKETCH_BINS_DEFAULT);
    ddsketch_init(&timer.sketch, &timer.sketch_config);
    ddsketch_add(&timer.sketch, 5, DDSKETCH_ONE);
    assert_int_equal(accum_merge_partial(fixture.accum, &timer), -EINVAL);
    assert_int_equal(accum_merge_partial(fixture.accum, &gauge), -ENOSPC);
    assert_int_equal(partial_merge(&timer, &gauge), -EINVAL);
    assert_int_equal(partial_merge(&other, &timer), 0); /* takes its parameters */
    assert_int_equal(partial_merge(&other, &timer), 0);
    assert_int_equal(other.sketch.weight, 2 * DDSKETCH_ONE);
    assert_int_equal(partial_merge(&set, &set), 0);
    partial_fini(&timer);
    partial_fini(&other);
    fixture.refuse_every = 1;
    assert_int_equal(accum_flush(fixture.accum, 1, 1, 1000, keep_chunk, &fixture), AGAIN);
    assert_int_equal(accum_merge_partial(fixture.accum, &gauge), -EAGAIN);
    assert_int_equal(accum_partials(fixture.accum, 1, merge_into, &fixture), -EAGAIN);
    close_fixture(&fixture);
}

static void test_gauges_of_partials(void **state)
{
    (void)state;
    struct partial a = make_partial(STATSD_GAUGE, 0), b = a, none = a;
    a.is_set = b.is_set = true;
    a.gauge = 5;
    a.gauge_ns = 10;
    b.gauge = 3;
    b.gauge_ns = 11;
    struct partial ab = a, ba = b;
    assert_int_equal(partial_merge(&ab, &b), 0);
    assert_int_equal(partial_merge(&ba, &a), 0);
    assert_true(ab.gauge == 3 && ba.gauge == 3);
    assert_int_equal(partial_merge(&ab, &none), 0);
    assert_true(ab.gauge == 3);
    assert_int_equal(partial_merge(&none, &a), 0);
    assert_true(none.is_set && none.gauge == 5);
}

/* ---- another configuration takes over ---- */

static void add_mixed(struct fixture *fixture, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i % 7);
        double value = i * 37 % 1000 + 1;
        add(fixture, i % 3,
            i % 5 == 0   ? model_counter(name, i)
            : i % 5 == 1 ? model_gauge(name, value)
                         : model_timer(name, value));
    }
    for (unsigned i = 0; i < 3; i++)
        merge(fixture, i);
}

static void test_absorbing_loses_nothing(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 3; run++) {
        struct accum_config config = config_default(), other = config_default();
        struct fixture former, next, whole;
        if (run == 1) { /* from a sketch to exact values, with another error */
            config.timer_exact_max = 100;
            other.sketch_error = 0.005;
        } else if (run == 2) {
            other.timer_exact_max = 100;
        }
        open_fixture(&former, &config);
        open_fixture(&next, &other);
        open_fixture(&whole, &other);
        add_mixed(&former, 0, 2000);
        add_mixed(&whole, 0, 2000);
        add_mixed(&next, 2000, 2500);
        add_mixed(&whole, 2000, 2500);
        assert_int_equal(accum_absorb(next.accum, former.accum), 0);
        assert_int_equal(accum_counts(next.accum)->overflow, 0);
        char *expected = strdup(flush(&whole)), *save = NULL;
        const char *got = flush(&next);
        assert_non_null(expected);
        for (char *line = strtok_r(expected, "\n", &save); line != NULL;
             line = strtok_r(NULL, "\n", &save)) {
            char *space = strchr(line, ' ');
            *space = '\0';
            bool is_rank = run > 0 && strstr(line, "_90") != NULL;
            if (strstr(line, "sketches") == NULL)
                expect_near(rig_value(got, line), strtod(space + 1, NULL), is_rank ? 0.03 : 1e-9);
        }
        free(expected);
        assert_non_null(strstr(flush(&former), "stats.statsd.numStats 0" T));
        close_fixture(&former);
        close_fixture(&next);
        close_fixture(&whole);
    }
}

static void test_absorbing_keeps_idle_series(void **state)
{
    (void)state;
    struct accum_config config = config_default(), small = config_default();
    struct fixture former, next;
    small.names_max = 2;
    open_fixture(&former, &config);
    open_fixture(&next, &small);
    add(&former, 0, model_gauge("g", 7));
    add(&former, 0, model_counter("c", 3));
    add(&former, 0, model_counter("d", 3));
    merge(&former, 0);
    flush(&former);
    former.refuse_every = 1;
    assert_int_equal(accum_flush(former.accum, 1, 1, 1000, keep_chunk, &former), AGAIN);
    assert_int_equal(accum_absorb(next.accum, former.accum), -EAGAIN);
    former.refuse_every = 0;
    flush(&former);
    assert_int_equal(accum_absorb(next.accum, former.accum), 0);
    assert_string_equal(flush(&next),
                        "stats.counters.c.rate 0.000000" T "stats.counters.c.count 0" T
                        "stats.counters.d.rate 0.000000" T "stats.counters.d.count 0" T
                        "stats.statsd.overflow 1" T "stats.statsd.numStats 2" T);
    close_fixture(&former);
    close_fixture(&next);
    open_fixture(&former, &config);
    open_fixture(&next, &config);
    add(&former, 0, model_gauge("g", 7));
    merge(&former, 0);
    add(&next, 0, model_gauge("g", 8)); /* later */
    add(&former, 0, model_gauge("h", 9));
    merge(&former, 0);
    merge(&next, 0);
    assert_int_equal(accum_absorb(next.accum, former.accum), 0);
    assert_string_equal(flush(&next), "stats.gauges.g 8.000000" T "stats.gauges.h 9.000000" T
                                      "stats.statsd.numStats 2" T);
    close_fixture(&former);
    close_fixture(&next);
}

static void test_absorbing_sets(void **state)
{
    (void)state;
    struct accum_config config = config_default(), other = config_default();
    struct fixture former, next;
    config.set_exact_max = 100;
    other.set_exact_max = 50;
    open_fixture(&former, &config);
    open_fixture(&next, &other);
    const struct hyperloglog_config set_config = {HYPERLOGLOG_PRECISION_DEFAULT, 100};
    struct partial set = make_partial(STATSD_SET, 0);
    hyperloglog_init(&set.set, &set_config);
    for (uint64_t i = 0; i < 60; i++)
        hyperloglog_add(&set.set, model_random(&(uint64_t){i}));
    assert_int_equal(merge_into(&former, &set), 0);
    assert_int_equal(accum_absorb(next.accum, former.accum), 0);
    const char *payload = flush(&next);
    expect_near(rig_value(payload, "stats.one.count"), 60, 0.03); /* more than 50: estimated */
    assert_non_null(strstr(payload, "stats.statsd.sketches 1" T));
    partial_fini(&set);
    close_fixture(&former);
    close_fixture(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sketch_behind_the_limit),
        cmocka_unit_test(test_memory_for_sketches_is_bounded),
        cmocka_unit_test(test_error_is_an_option),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_sets_and_the_other_types),
        cmocka_unit_test(test_partials_that_do_not_fit),
        cmocka_unit_test(test_gauges_of_partials),
        cmocka_unit_test(test_absorbing_loses_nothing),
        cmocka_unit_test(test_absorbing_keeps_idle_series),
        cmocka_unit_test(test_absorbing_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
