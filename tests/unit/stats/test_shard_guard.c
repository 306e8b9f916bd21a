/* SPDX-License-Identifier: MPL-2.0
 *
 * test_shard_guard.c - limits on prefixes and senders, ageing, offenders; and sets, tags and
 *                      changes of gauges one by one.
 *
 * [option StatAccumInput.prefix_parts] [option StatAccumInput.idle_flushes]
 */
#include <errno.h>
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/accum.h"
#include "stats/shard.h"
#include "tests/unit/stats/stats_model.h"

static struct shard *new_shard(uint32_t names, uint32_t values, const struct shard_guard *guard)
{
    const struct shard_limits limits = {names, 0, values};
    struct shard *shard = NULL;
    assert_int_equal(shard_new(&limits, &shard), 0);
    if (guard != NULL)
        assert_int_equal(shard_set_guard(shard, guard), 0);
    return shard;
}

static uint64_t take(struct shard *shard, shard_series_fn fn, void *arg)
{
    shard_request(shard);
    shard_poll(shard);
    assert_true(shard_ready(shard));
    return shard_take(shard, fn, arg);
}

static void ignore(void *arg, const struct shard_series *series)
{
    (void)arg;
    (void)series;
}

static void keep(void *arg, const struct shard_series *series)
{
    *(struct shard_series *)arg = *series;
}

static void add_name(struct shard *shard, const char *name, uint16_t sender)
{
    struct statsd_sample sample = model_counter(name, 1);
    sample.sender = sender;
    shard_add(shard, &sample, 1);
}

static void add_names(struct shard *shard, const char *prefix, unsigned from, unsigned to,
                      uint16_t sender)
{
    for (unsigned i = from; i < to; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s.%u", prefix, i);
        add_name(shard, name, sender);
    }
}

/* ---- the guard ---- */

static void test_prefixes(void **state)
{
    (void)state;
    const struct shard_guard guard = {.prefix_names_max = 10};
    struct shard *shard = new_shard(1000, 0, &guard);
    const struct shard_counts *counts = shard_counts(shard);
    add_names(shard, "app.a", 0, 8, 0);
    add_names(shard, "app.b", 0, 8, 0); /* "app" is the prefix of both */
    assert_int_equal(counts->overflow_prefixes, 6);
    add_names(shard, "other", 0, 10, 0);
    add_name(shard, "app", 0);
    add_name(shard, "other", 0);
    assert_int_equal(counts->overflow_prefixes, 8);
    add_names(shard, "app.a", 0, 8, 0); /* known names go on */
    assert_int_equal(counts->overflow_prefixes, 8);
    assert_int_equal(shard_series_count(shard), 20);
    /* Idle names of the prefix make room. */
    for (unsigned i = 0; i <= SHARD_IDLE_FLUSHES; i++)
        take(shard, ignore, NULL);
    add_names(shard, "app.c", 0, 12, 0);
    assert_int_equal(counts->overflow_prefixes, 10);
    assert_int_equal(counts->names_reclaimed, 20);
    shard_free(shard);
}

static void test_prefix_parts(void **state)
{
    (void)state;
    const struct shard_guard guard = {.prefix_parts = 2, .prefix_names_max = 3};
    struct shard *shard = new_shard(1000, 0, &guard);
    add_names(shard, "app.a", 0, 5, 0);
    add_names(shard, "app.b", 0, 5, 0);
    add_names(shard, "app", 0, 5, 0); /* each its own prefix */
    assert_int_equal(shard_counts(shard)->overflow_prefixes, 4);
    assert_int_equal(shard_series_count(shard), 11);
    shard_free(shard);
}

static void test_many_prefixes(void **state)
{
    (void)state;
    const struct shard_guard guard = {.prefix_names_max = 1};
    struct shard *shard = new_shard(5000, 0, &guard);
    uint64_t refused = 0;
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 2500; i++) {
            char name[64];
            snprintf(name, sizeof(name), "p%u.x", (round / 6) * 2500 + i);
            add_name(shard, name, 0);
            snprintf(name, sizeof(name), "p%u.y", (round / 6) * 2500 + i);
            add_name(shard, name, 0);
            refused++;
        }
        assert_int_equal(take(shard, ignore, NULL), 2500);
    }
    assert_int_equal(shard_counts(shard)->overflow_prefixes, refused);
    assert_int_equal(shard_counts(shard)->overflow_names, 0);
    shard_free(shard);
}

static void test_senders(void **state)
{
    (void)state;
    const struct shard_guard guard = {.sender_names_max = 5};
    struct shard *shard = new_shard(1000, 0, &guard);
    const struct shard_counts *counts = shard_counts(shard);
    add_names(shard, "one", 0, 8, 1);
    assert_int_equal(counts->overflow_senders, 3);
    add_names(shard, "one", 0, 5, 2); /* who made them does not matter */
    add_names(shard, "two", 0, 5, 2);
    assert_int_equal(counts->overflow_senders, 3);
    add_names(shard, "nobody", 0, 50, 0);
    assert_int_equal(counts->overflow_senders, 3);
    add_names(shard, "last", 0, 6, SHARD_SENDERS - 1);
    assert_int_equal(counts->overflow_senders, 4);
    for (unsigned i = 0; i <= SHARD_IDLE_FLUSHES; i++)
        take(shard, ignore, NULL);
    add_names(shard, "new", 0, 5, 1);
    assert_int_equal(counts->overflow_senders, 4);
    shard_free(shard);
}

/* What the overall bound refuses is no one's. */
static void test_refused_names_are_not_counted(void **state)
{
    (void)state;
    const struct shard_guard guard = {.prefix_names_max = 8, .sender_names_max = 8};
    struct shard *shard = new_shard(5, 0, &guard);
    add_names(shard, "app", 0, 50, 1);
    assert_int_equal(shard_counts(shard)->overflow_names, 45);
    assert_int_equal(shard_counts(shard)->overflow_prefixes, 0);
    assert_int_equal(shard_counts(shard)->overflow_senders, 0);
    shard_free(shard);
}

static void test_ageing(void **state)
{
    (void)state;
    const struct shard_guard guard = {.idle_flushes = 5};
    struct shard *shard = new_shard(10000, 0, &guard);
    add_names(shard, "idle", 0, 3000, 0);
    for (unsigned flush = 0; flush < 20; flush++) {
        add_names(shard, "busy", 0, 200, 0);
        take(shard, ignore, NULL);
        if (flush == 4)
            assert_int_equal(shard_counts(shard)->names_aged, 0);
    }
    assert_int_equal(shard_counts(shard)->names_aged, 3000);
    assert_int_equal(shard_series_count(shard), 200);
    assert_int_equal(shard_counts(shard)->names_reclaimed, 0);
    add_names(shard, "idle", 0, 10, 0);
    assert_int_equal(take(shard, ignore, NULL), 10);
    shard_free(shard);
}

/* Epochs are kept in 16 bits: nothing that is busy is dropped when they come round. */
static void test_epochs_come_round(void **state)
{
    (void)state;
    const struct shard_guard guard = {.idle_flushes = SHARD_IDLE_FLUSHES_MAX};
    struct shard *shard = new_shard(10, 0, &guard);
    add_name(shard, "idle", 0);
    for (unsigned flush = 0; flush < 70000; flush++) {
        add_name(shard, "busy", 0);
        assert_int_equal(take(shard, ignore, NULL), flush == 0 ? 2 : 1);
    }
    assert_int_equal(shard_counts(shard)->names_aged, 1);
    shard_free(shard);
}

static void test_offenders(void **state)
{
    (void)state;
    const struct shard_guard guard = {.prefix_names_max = 1};
    struct shard *shard = new_shard(1000, 0, &guard);
    struct shard_offender found[SHARD_OFFENDERS];
    uint64_t seed = 5, sent[100] = {0};
    take(shard, ignore, NULL);
    shard_request(shard);
    shard_poll(shard);
    assert_int_equal(shard_offenders(shard, found, SHARD_OFFENDERS), 0);
    shard_take(shard, ignore, NULL);
    /* 100 prefixes; number 7 most, then 3; each number's first name is admitted. */
    for (unsigned i = 0; i < 40000; i++) {
        unsigned number = i % 4 == 0 ? 7 : i % 8 == 1 ? 3 : (unsigned)(model_random(&seed) % 100);
        char name[64];
        snprintf(name, sizeof(name), "prefix%u.%u", number, i);
        add_name(shard, name, 0);
        sent[number]++;
    }
    shard_request(shard);
    shard_poll(shard);
    assert_int_equal(shard_offenders(shard, found, SHARD_OFFENDERS), SHARD_OFFENDERS);
    assert_string_equal(found[0].prefix, "prefix7");
    assert_string_equal(found[1].prefix, "prefix3");
    for (unsigned i = 0; i < 2; i++) {
        uint64_t refused = sent[i == 0 ? 7 : 3] - 1;
        assert_true(found[i].refused >= refused);
        assert_true(found[i].refused - found[i].error <= refused);
    }
    for (unsigned i = 1; i < SHARD_OFFENDERS; i++)
        assert_true(found[i].refused <= found[i - 1].refused);
    assert_int_equal(shard_offenders(shard, found, 1), 1);
    shard_take(shard, ignore, NULL);
    shard_free(shard);
}

static void test_bad_guards(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 0, NULL);
    const struct shard_guard bad[] = {
        {.prefix_parts = SHARD_PREFIX_PARTS_MAX + 1},
        {.idle_flushes = SHARD_IDLE_FLUSHES - 1},
        {.idle_flushes = SHARD_IDLE_FLUSHES_MAX + 1},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(shard_set_guard(shard, &bad[i]), -EINVAL);
    add_name(shard, "a", 1);
    assert_int_equal(take(shard, ignore, NULL), 1);
    shard_free(shard);
}

/* The options of an accumulator, each in its place. */
static void test_options_become_a_guard(void **state)
{
    (void)state;
    const struct accum_config config = {
        .prefix_parts = 2, .prefix_names_max = 3, .sender_names_max = 4, .idle_flushes = 5};
    struct shard_guard guard = accum_guard(&config);
    assert_int_equal(guard.prefix_parts, 2);
    assert_int_equal(guard.prefix_names_max, 3);
    assert_int_equal(guard.sender_names_max, 4);
    assert_int_equal(guard.idle_flushes, 5);
}

/* ---- sets, tags, gauges ---- */

static void add_member(struct shard *shard, const char *name, const char *member)
{
    struct statsd_sample sample = model_counter(name, 0);
    sample.type = STATSD_SET;
    sample.member = member;
    sample.member_len = strlen(member);
    shard_add(shard, &sample, 1);
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

struct distinct {
    uint64_t logged, distinct;
};

static void count_distinct(void *arg, const struct shard_series *series)
{
    struct distinct *count = arg;
    uint64_t *copy = malloc(series->member_count * sizeof(*copy));
    assert_non_null(copy);
    memcpy(copy, series->members, series->member_count * sizeof(*copy));
    qsort(copy, series->member_count, sizeof(*copy), compare_hashes);
    count->logged += series->member_count;
    for (uint64_t i = 0; i < series->member_count; i++)
        count->distinct += i == 0 || copy[i] != copy[i - 1];
    free(copy);
}

/* Every member comes out, and repetitions hardly: also while the filter grows. */
static void test_sets(void **state)
{
    (void)state;
    enum { MEMBERS = 20000 };
    struct shard *shard = new_shard(10, 60000, NULL);
    for (unsigned interval = 0; interval < 3; interval++) {
        struct distinct count = {0};
        for (unsigned i = 0; i < 3 * MEMBERS; i++) {
            char member[32];
            snprintf(member, sizeof(member), "user-%u", i % MEMBERS);
            add_member(shard, "a.set", member);
            if (i % 2 == 0)
                add_member(shard, "b.set", member);
        }
        assert_int_equal(take(shard, count_distinct, &count), 3 * MEMBERS + 3 * MEMBERS / 2);
        assert_int_equal(count.distinct, 2 * MEMBERS - MEMBERS / 2);
        assert_true(count.logged <= 3 * MEMBERS);
    }
    assert_int_equal(shard_counts(shard)->overflow_members, 0);
    shard_free(shard);
}

static void test_members_beyond_the_bound(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 100, NULL);
    for (unsigned interval = 1; interval < 4; interval++) {
        struct distinct count = {0};
        for (unsigned i = 0; i < 150; i++) {
            char member[32];
            snprintf(member, sizeof(member), "%u", i);
            add_member(shard, "a.set", member);
        }
        add_member(shard, "a.set", "5"); /* known */
        assert_int_equal(shard_counts(shard)->overflow_members, interval * 50);
        assert_int_equal(take(shard, count_distinct, &count), 101);
        assert_int_equal(count.distinct, 100);
    }
    shard_free(shard);
}

static void count_series(void *arg, const struct shard_series *series)
{
    assert_int_equal(series->samples, 1);
    ++*(unsigned *)arg;
}

static void test_tags_are_identity(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 0, NULL);
    struct shard_series found;
    unsigned count = 0;
    struct statsd_sample sample = model_counter("name;k=v", 1);
    shard_add(shard, &sample, 1);
    sample.tags_len = 4;
    shard_add(shard, &sample, 1);
    assert_int_equal(take(shard, count_series, &count), 2);
    assert_int_equal(count, 2);
    shard_add(shard, &sample, 1);
    assert_int_equal(take(shard, keep, &found), 1);
    assert_int_equal(found.tags_len, 4);
    assert_int_equal(found.name_len, 8);
    shard_free(shard);
}

static void add_gauge(struct shard *shard, double value, uint8_t flags)
{
    struct statsd_sample sample = model_gauge("gauge", value);
    sample.flags = flags;
    shard_add(shard, &sample, 1);
}

static void test_gauge_changes(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 0, NULL);
    struct shard_series found;
    add_gauge(shard, 5, STATSD_DELTA);
    add_gauge(shard, -7, STATSD_DELTA);
    assert_int_equal(take(shard, keep, &found), 2);
    assert_true(found.is_delta && found.gauge == -2);
    add_gauge(shard, 100, STATSD_DELTA);
    add_gauge(shard, 10, 0);
    add_gauge(shard, 2.5, STATSD_DELTA);
    assert_int_equal(take(shard, keep, &found), 3);
    assert_true(!found.is_delta && found.gauge == 12.5);
    add_gauge(shard, 1, STATSD_DELTA);
    add_gauge(shard, 7, 0);
    assert_int_equal(take(shard, keep, &found), 2);
    assert_true(!found.is_delta && found.gauge == 7);
    add_gauge(shard, 1e308, STATSD_DELTA);
    add_gauge(shard, 1e308, STATSD_DELTA);
    take(shard, keep, &found);
    assert_true(found.is_delta && found.gauge == DBL_MAX);
    shard_free(shard);
}

/* The order within one burst counts too. */
static void test_order_in_a_burst(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 0, NULL);
    struct statsd_sample samples[3] = {model_gauge("a", 1), model_gauge("b", 1),
                                       model_gauge("c", 1)};
    struct shard_series first, last;
    shard_add(shard, samples, 2);
    take(shard, keep, &last);
    shard_add(shard, samples, 1);
    take(shard, keep, &first);
    assert_true(first.gauge_order > last.gauge_order);
    shard_free(shard);
}

static void test_weights(void **state)
{
    (void)state;
    struct shard *shard = new_shard(10, 3, NULL);
    struct statsd_sample sample = model_timer("t", 1);
    struct shard_series found;
    shard_add(shard, &sample, 1);
    take(shard, keep, &found);
    assert_null(found.weights);
    shard_add(shard, &sample, 1);
    sample.flags = STATSD_WEIGHTED;
    sample.weight = 10;
    sample.value = 2;
    shard_add(shard, &sample, 1);
    sample.flags = 0;
    sample.value = 3;
    shard_add(shard, &sample, 1);
    sample.flags = STATSD_WEIGHTED;
    shard_add(shard, &sample, 1);
    assert_int_equal(shard_counts(shard)->overflow_timers, 1);
    assert_int_equal(take(shard, keep, &found), 3);
    assert_non_null(found.weights);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(found.timers[i] == i + 1);
        assert_true(found.weights[i] == (i == 1 ? 10 : 1));
    }
    shard_free(shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_prefix_parts),
        cmocka_unit_test(test_many_prefixes),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_refused_names_are_not_counted),
        cmocka_unit_test(test_ageing),
        cmocka_unit_test(test_epochs_come_round),
        cmocka_unit_test(test_offenders),
        cmocka_unit_test(test_bad_guards),
        cmocka_unit_test(test_options_become_a_guard),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_members_beyond_the_bound),
        cmocka_unit_test(test_tags_are_identity),
        cmocka_unit_test(test_gauge_changes),
        cmocka_unit_test(test_order_in_a_burst),
        cmocka_unit_test(test_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
