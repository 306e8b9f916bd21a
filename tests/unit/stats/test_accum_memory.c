/* SPDX-License-Identifier: MPL-2.0
 *
 * test_accum_memory.c - each allocation of an accumulator's life fails once: all samples are merged
 *                       or refused, and nothing is lost or freed twice (the sanitizers look on).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/accum.h"
#include "stats/partial.h"
#include "tests/unit/stats/stats_model.h"

static long fail_at = -1, allocations;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return allocations++ == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocations++ == fail_at ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocations++ == fail_at ? NULL : __real_realloc(old, size);
}

enum { SERIES = 5, SAMPLES_EACH = 240 };

static struct statsd_sample make_sample(unsigned type, unsigned series, unsigned i)
{
    static char names[SERIES][8], members[SAMPLES_EACH][12];
    snprintf(names[series], sizeof(names[series]), "n%u", series);
    struct statsd_sample sample = model_gauge(names[series], i + 1);
    sample.type = (uint8_t)type;
    if (type == STATSD_COUNTER || type == STATSD_METER) {
        sample.count = 1;
    } else if (type == STATSD_SET) {
        snprintf(members[i], sizeof(members[i]), "m%u", i);
        sample.member = members[i];
        sample.member_len = strlen(members[i]);
    } else if (type == STATSD_DISTRIBUTION) {
        sample.flags = STATSD_WEIGHTED;
        sample.weight = 2;
    }
    return sample;
}

/* Timers become sketches, sets are estimated. */
static uint64_t fill(struct shard *shard)
{
    for (unsigned i = 0; i < SAMPLES_EACH; i++) {
        for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++) {
            struct statsd_sample sample = make_sample(type, i % SERIES, i);
            shard_add(shard, &sample, 1);
        }
    }
    shard_request(shard);
    shard_poll(shard);
    return SAMPLES_EACH * STATSD_TYPE_COUNT;
}

static int count_lines(void *arg, const struct accum_chunk *chunk)
{
    *(uint64_t *)arg += chunk->payload_size;
    return 0;
}

static int merge_into(void *arg, const struct partial *partial)
{
    return accum_merge_partial(arg, partial);
}

/* True when all went well. */
static bool use(struct accum *accum, struct accum *other, struct shard *shard)
{
    bool good = true;
    uint64_t refused = 0, bytes = 0;
    for (unsigned round = 0; round < 3; round++) {
        uint64_t samples = fill(shard), merged = accum_merge(accum, shard);
        uint64_t before = refused;
        refused = accum_counts(accum)->refused_samples;
        assert_int_equal(merged + refused - before, samples);
        good = good && merged == samples;
        if (round == 0)
            good = accum_partials(accum, 1, merge_into, other) == 0 && good;
        if (round == 1) {
            uint64_t lost = accum_counts(other)->overflow;
            assert_int_equal(accum_absorb(other, accum), 0);
            good = good && accum_counts(other)->overflow == lost;
        }
        while (accum_flush(accum, round, 1, 3000, count_lines, &bytes) != 0)
            good = false;
    }
    while (accum_flush(other, 9, 1, 3000, count_lines, &bytes) != 0)
        good = false;
    assert_true(bytes > 0);
    return good;
}

static bool live(struct shard *shard, const struct accum_config *config)
{
    struct accum *accum = NULL, *other = NULL;
    bool good = accum_new(config, &accum, NULL) == 0 && accum_new(config, &other, NULL) == 0;
    if (good)
        good = use(accum, other, shard);
    accum_free(accum);
    accum_free(other);
    return good;
}

static void run(const char *toml)
{
    static struct err err;
    const struct shard_limits limits = {1000, 0, 10000};
    struct shard *shard = NULL;
    struct conf_doc *doc = NULL;
    struct accum_config config;
    bool good = false;
    assert_int_equal(toml_parse(toml, strlen(toml), "test", NULL, &doc, &err), 0);
    assert_int_equal(schema_apply(&accum_schema, conf_root(doc), "x", NULL, doc, &config, &err), 0);
    config.set_exact_max = 20;
    config.timer_exact_max = 30;
    assert_int_equal(shard_new(&limits, &shard), 0);
    for (long at = 0; !good; at++) {
        fail_at = at;
        allocations = 0;
        good = live(shard, &config);
        fail_at = -1;
        if (shard_ready(shard)) /* accum_new() failed */
            fail_msg("a side was left");
        assert_true(good || at < 2000);
        assert_true(!good || at > 60);
    }
    shard_free(shard);
    conf_doc_free(doc);
}

static void test_heka(void **state)
{
    (void)state;
    run("emit_in_fields = true");
}

static void test_etsy(void **state)
{
    (void)state;
    run("naming = 'etsy'\n[etsy]\ndelete_idle_stats = true\ngauges_max_ttl = 2\n"
        "[etsy.histogram.a]\nmetric = ''\nbins = [5, 50]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heka),
        cmocka_unit_test(test_etsy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
