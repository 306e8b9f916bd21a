/* SPDX-License-Identifier: MPL-2.0
 *
 * test_shard.c - shards against a slow model: exact totals, bounds, reclaiming, handover.
 */
#include "stats/shard.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/stats_model.h"

enum { EXIT_SKIP = 77, MILLION = 1000000 };

static struct model model;

static struct shard *new_shard(uint32_t names, uint32_t name_bytes, uint32_t timers)
{
    const struct shard_limits limits = {names, name_bytes, timers};
    struct shard *shard = NULL;
    assert_int_equal(shard_new(&limits, &shard), 0);
    assert_non_null(shard);
    return shard;
}

static void check_series(void *arg, const struct shard_series *series)
{
    model_check(arg, series);
}

static void count_series(void *arg, const struct shard_series *series)
{
    (void)series;
    ++*(uint64_t *)arg;
}

/* The handover as both threads do it. Returns the samples taken. */
static uint64_t take(struct shard *shard, shard_series_fn fn, void *arg)
{
    assert_false(shard_ready(shard));
    shard_request(shard);
    assert_false(shard_ready(shard));
    assert_int_equal(shard_take(shard, fn, arg), 0);
    shard_poll(shard);
    assert_true(shard_ready(shard));
    uint64_t samples = shard_take(shard, fn, arg);
    assert_false(shard_ready(shard));
    return samples;
}

static uint64_t accepted(const struct shard *shard)
{
    const struct shard_counts *counts = shard_counts(shard);
    uint64_t sum = 0;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        sum += counts->accepted[type];
    return sum;
}

static void add_one(struct shard *shard, struct statsd_sample sample)
{
    shard_add(shard, &sample, 1);
}

/* ---- values ---- */

struct expected {
    unsigned at;
    const char *lines[8];
};

static void check_text(void *arg, const struct shard_series *series)
{
    struct expected *expected = arg;
    char text[256];
    size_t size = (size_t)snprintf(text, sizeof(text), "%.*s %" PRIu64, series->name_len,
                                   series->name, series->samples);
    if (series->type == STATSD_COUNTER)
        snprintf(text + size, sizeof(text) - size, " counter %" PRId64, series->count);
    else if (series->type == STATSD_GAUGE)
        snprintf(text + size, sizeof(text) - size, " gauge %g", series->gauge);
    else
        snprintf(text + size, sizeof(text) - size, " timer %g..%g", series->timers[0],
                 series->timers[series->samples - 1]);
    assert_non_null(expected->lines[expected->at]);
    assert_string_equal(text, expected->lines[expected->at++]);
}

/* One name is three series; they come in the order in which they were first seen. */
static void test_types_are_apart(void **state)
{
    (void)state;
    struct shard *shard = new_shard(100, 0, 100);
    struct expected first = {
        0,
        {"a.name 2 timer 1..2.5", "a.name 2 counter 12", "other 1 gauge 1", "a.name 2 gauge -4"}};
    const struct statsd_sample samples[] = {model_timer("a.name", 1),   model_counter("a.name", 5),
                                            model_gauge("other", 1),    model_gauge("a.name", 9),
                                            model_counter("a.name", 7), model_timer("a.name", 2.5),
                                            model_gauge("a.name", -4)};
    shard_add(shard, samples, 7);
    assert_int_equal(take(shard, check_text, &first), 7);
    assert_int_equal(first.at, 4);
    assert_int_equal(shard_series_count(shard), 4);
    struct expected second = {0, {"a.name 1 counter 3"}};
    add_one(shard, model_counter("a.name", 3));
    assert_int_equal(take(shard, check_text, &second), 1);
    assert_int_equal(second.at, 1);
    assert_int_equal(take(shard, check_text, &second), 0);
    assert_int_equal(shard_series_count(shard), 4);
    shard_free(shard);
}

static void test_sums_are_held_at_64_bits(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 0, 0);
    struct expected expected = {0,
                                {"high 3 counter 9223372036854775807",
                                 "low 2 counter -9223372036854775808",
                                 "back 2 counter 9223372036854775806"}};
    add_one(shard, model_counter("high", INT64_MAX - 1));
    add_one(shard, model_counter("low", INT64_MIN));
    add_one(shard, model_counter("back", INT64_MAX));
    add_one(shard, model_counter("high", 1));
    add_one(shard, model_counter("high", 1));
    add_one(shard, model_counter("low", -1));
    add_one(shard, model_counter("back", -1));
    assert_int_equal(take(shard, check_text, &expected), 7);
    assert_int_equal(expected.at, 3);
    shard_free(shard);
}

static void remember_order(void *arg, const struct shard_series *series)
{
    *(uint64_t *)arg = series->gauge_order;
}

static void test_gauge_order_rises(void **state)
{
    (void)state;
    struct shard *shards[2] = {new_shard(10, 0, 0), new_shard(10, 0, 0)};
    uint64_t last = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t order = 0;
        add_one(shards[i % 2], model_gauge("g", i));
        take(shards[i % 2], remember_order, &order);
        assert_true(order > last);
        last = order;
    }
    shard_free(shards[0]);
    shard_free(shards[1]);
}

/* Random bursts of all sizes, names of all lengths, many intervals. */
static void test_random_traffic(void **state)
{
    (void)state;
    struct shard *shard = new_shard(STATSD_TYPE_COUNT * MODEL_NAMES, 2 << 20, 100000);
    uint64_t seed = 7, total = 0, expected = 0;
    model_clear(&model);
    for (unsigned interval = 0; interval < 30; interval++) {
        for (unsigned burst = 0; burst < 200; burst++) {
            struct statsd_sample samples[200];
            unsigned count = (unsigned)(model_random(&seed) % (burst % 8 == 0 ? 200 : 40));
            for (unsigned i = 0; i < count; i++)
                samples[i] = model_sample_any(&model, &seed);
            shard_add(shard, samples, count);
            shard_poll(shard);
            expected += count;
        }
        total += take(shard, check_series, &model);
        model_check_empty(&model);
        assert_int_equal(total, expected);
        assert_int_equal(accepted(shard), expected);
    }
    assert_int_equal(shard_series_count(shard), STATSD_TYPE_COUNT * MODEL_NAMES);
    assert_int_equal(shard_counts(shard)->overflow_names, 0);
    assert_int_equal(shard_counts(shard)->overflow_timers, 0);
    assert_int_equal(shard_counts(shard)->overflow_members, 0);
    shard_free(shard);
}

/* ---- bounds ---- */

static void add_numbered(struct shard *shard, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char name[32];
        snprintf(name, sizeof(name), "name.number.%u", i);
        add_one(shard, model_counter(name, 1));
    }
}

static uint64_t take_count(struct shard *shard)
{
    uint64_t series = 0;
    uint64_t samples = take(shard, count_series, &series);
    assert_true(series <= samples);
    return samples;
}

static void test_names_beyond_the_bound(void **state)
{
    (void)state;
    struct shard *shard = new_shard(100, 0, 0);
    const struct shard_counts *counts = shard_counts(shard);
    add_numbered(shard, 0, 150);
    add_numbered(shard, 50, 150);
    assert_int_equal(accepted(shard), 150);
    assert_int_equal(counts->overflow_names, 100);
    assert_int_equal(take_count(shard), 150);
    /* 0 to 49 go on; 50 to 99 have been idle for SHARD_IDLE_FLUSHES at the end: they give way. */
    for (unsigned i = 0; i < SHARD_IDLE_FLUSHES; i++) {
        add_numbered(shard, 0, 50);
        add_numbered(shard, 200, 201);
        assert_int_equal(counts->names_reclaimed, 0);
        assert_int_equal(take_count(shard), 50);
    }
    assert_int_equal(counts->overflow_names, 100 + SHARD_IDLE_FLUSHES);
    add_numbered(shard, 0, 50);
    add_numbered(shard, 200, 251);
    assert_int_equal(counts->names_reclaimed, 50);
    assert_int_equal(counts->overflow_names, 100 + SHARD_IDLE_FLUSHES + 1);
    assert_int_equal(take_count(shard), 100);
    assert_int_equal(shard_series_count(shard), 100);
    shard_free(shard);
}

static void test_timers_beyond_the_bound(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 0, 100);
    struct statsd_sample samples[150];
    for (unsigned interval = 1; interval <= 4; interval++) {
        for (unsigned i = 0; i < 150; i++)
            samples[i] = model_timer(i % 2 ? "odd" : "even", i);
        shard_add(shard, samples, 150);
        add_one(shard, model_counter("counter", 1));
        assert_int_equal(shard_counts(shard)->accepted[STATSD_TIMER], interval * 100);
        assert_int_equal(shard_counts(shard)->overflow_timers, interval * 50);
        assert_int_equal(take_count(shard), 101);
    }
    shard_free(shard);
    shard = new_shard(10, 0, 0); /* none at all */
    add_one(shard, model_timer("t", 1));
    assert_int_equal(shard_counts(shard)->overflow_timers, 1);
    assert_int_equal(take_count(shard), 0);
    shard_free(shard);
}

/* Long names share 1024 bytes here: eight of 65 to 128 bytes, or one of 1024. */
static void test_name_bytes_beyond_the_bound(void **state)
{
    (void)state;
    struct shard *shard = new_shard(1000, 1024, 0);
    char name[STATSD_NAME_MAX + 1] = {0};
    for (unsigned i = 0; i < 20; i++) {
        memset(name, 'x', 100);
        snprintf(name, sizeof(name), "%03u%0*u", i, 97, 0);
        add_one(shard, model_counter(name, 1));
        add_numbered(shard, i, i + 1); /* short ones need none of it */
    }
    assert_int_equal(shard_counts(shard)->overflow_names, 12);
    assert_int_equal(take_count(shard), 28);
    memset(name, 'y', STATSD_NAME_MAX);
    add_one(shard, model_counter(name, 1));
    assert_int_equal(shard_counts(shard)->overflow_names, 13);
    for (unsigned i = 0; i <= SHARD_IDLE_FLUSHES; i++)
        take_count(shard);
    /* The idle ones give way, and their bytes serve names of the same size again. */
    snprintf(name, sizeof(name), "%0*u", 128, 7);
    add_one(shard, model_counter(name, 1));
    assert_int_equal(shard_counts(shard)->overflow_names, 13);
    assert_true(shard_counts(shard)->names_reclaimed > 0);
    assert_int_equal(take_count(shard), 1);
    shard_free(shard);
}

/* Random names come and go in a table that is too small for all of them: what was accepted comes
 * out. */
static void test_reclaiming_under_churn(void **state)
{
    (void)state;
    struct shard *shard = new_shard(2000, 20000, 1000);
    const struct shard_counts *counts = shard_counts(shard);
    uint64_t seed = 3, added = 0, taken = 0;
    for (unsigned interval = 0; interval < 60; interval++) {
        for (unsigned i = 0; i < 900; i++) {
            char name[128];
            unsigned id = interval * 300 + (unsigned)(model_random(&seed) % 1000);
            snprintf(name, sizeof(name), "%s.%0*u", id % 3 ? "short" : "long", id % 3 ? 8 : 90, id);
            add_one(shard, id % 5 ? model_counter(name, 1) : model_timer(name, 1));
            added++;
        }
        taken += take_count(shard);
        assert_int_equal(accepted(shard), taken);
        assert_int_equal(added, taken + counts->overflow_names + counts->overflow_timers);
        assert_true(shard_series_count(shard) <= 2000);
    }
    assert_true(counts->names_reclaimed > 10000);
    shard_free(shard);
}

/* Names with one and the same hash: told apart as far as the index lets them in, then counted;
 * others do not notice. */
static void test_colliding_hashes(void **state)
{
    (void)state;
    enum { NAMES = 400, ROOM = 17, OTHERS = 5000 };
    struct shard *shard = new_shard(100000, 0, 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < NAMES; i++) {
            char name[32];
            snprintf(name, sizeof(name), "collision.%03u", i);
            struct statsd_sample sample = model_counter(name, 1);
            sample.hash = UINT64_C(0x123456789abcdef0);
            add_one(shard, sample);
        }
    }
    uint64_t overflow = shard_counts(shard)->overflow_names, series = 0;
    assert_int_equal(accepted(shard), 2 * ROOM);
    assert_int_equal(overflow, 2 * (NAMES - ROOM));
    assert_int_equal(take(shard, count_series, &series), 2 * ROOM);
    assert_int_equal(series, ROOM);
    add_numbered(shard, 0, OTHERS);
    assert_int_equal(take_count(shard), OTHERS);
    assert_int_equal(shard_counts(shard)->overflow_names, overflow);
    shard_free(shard);
}

static void test_limits(void **state)
{
    (void)state;
    struct shard *shard = NULL;
    const struct shard_limits bad[] = {
        {0, 0, 0}, {SHARD_NAMES_MAX + 1, 0, 0}, {1, 0, (1U << 30) + 1}};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(shard_new(&bad[i], &shard), -EINVAL);
    assert_null(shard);
    shard_free(NULL);
    shard = new_shard(1, 0, 0);
    add_numbered(shard, 0, 2);
    assert_int_equal(take_count(shard), 1);
    shard_free(shard);
}

/* ---- a million names ---- */

static size_t resident_bytes(void)
{
    char text[200] = "", *end;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    (void)strtoul(text, &end, 10); /* the second number */
    return strtoul(end, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void add_million(struct shard *shard, unsigned from, unsigned to)
{
    enum { BURST = 64 };
    char names[BURST][40];
    struct statsd_sample samples[BURST];
    while (from < to) {
        unsigned count = 0;
        for (; count < BURST && from < to; count++, from++) {
            snprintf(names[count], sizeof(names[0]), "app%u.host%u.requests.%u", from % 7,
                     from / 7 % 1000, from);
            samples[count] = model_counter(names[count], from);
        }
        shard_add(shard, samples, count);
        shard_poll(shard);
    }
}

struct million {
    uint64_t series, sum;
};

static void add_up(void *arg, const struct shard_series *series)
{
    struct million *million = arg;
    million->series++;
    million->sum += (uint64_t)series->count;
    assert_int_equal(series->samples, 2);
}

static void test_million_names(void **state)
{
    (void)state;
    size_t before = resident_bytes();
    struct shard *shard = new_shard(MILLION, 0, 4000000);
    struct million million = {0};
    assert_true(resident_bytes() - before < 16 << 20); /* an empty shard costs next to nothing */
    add_million(shard, 0, MILLION);
    add_million(shard, 0, MILLION);
    size_t used = resident_bytes() - before;
    printf("a shard of 1,000,000 names: %zu MB resident, %zu MB reserved with 4,000,000 timers\n",
           used / 1000000, shard_bytes(shard) / 1000000);
    assert_true(used < 180 * (size_t)MILLION);
    assert_true(used < shard_bytes(shard));
    assert_int_equal(shard_series_count(shard), MILLION);
    add_million(shard, MILLION, MILLION + 12345);
    assert_int_equal(shard_counts(shard)->overflow_names, 12345);
    assert_int_equal(take(shard, add_up, &million), 2 * MILLION);
    assert_int_equal(million.series, MILLION);
    assert_int_equal(million.sum, (uint64_t)MILLION * (MILLION - 1));
    assert_int_equal(shard_counts(shard)->accepted[STATSD_COUNTER], 2 * MILLION);
    shard_free(shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_are_apart),
        cmocka_unit_test(test_sums_are_held_at_64_bits),
        cmocka_unit_test(test_gauge_order_rises),
        cmocka_unit_test(test_random_traffic),
        cmocka_unit_test(test_names_beyond_the_bound),
        cmocka_unit_test(test_timers_beyond_the_bound),
        cmocka_unit_test(test_name_bytes_beyond_the_bound),
        cmocka_unit_test(test_reclaiming_under_churn),
        cmocka_unit_test(test_colliding_hashes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_million_names),
    };
#if defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
        return EXIT_SKIP;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
