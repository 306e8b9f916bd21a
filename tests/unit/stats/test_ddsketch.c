/* SPDX-License-Identifier: MPL-2.0
 *
 * test_ddsketch.c - against golden data (tests/golden/ddsketch/make.py), against sorted values, in
 *                   every order of merging, as bytes, and without memory.
 */
#include "stats/ddsketch.h"

#include <dirent.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/check.h"
#include "tests/unit/stats/golden_text.h"
#include "tests/unit/stats/stats_model.h"

/* ---- memory that may fail ---- */

static long fail_at = -1, allocations;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return allocations++ == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocations++ == fail_at ? NULL : __real_realloc(old, size);
}

/* ---- golden ---- */

struct golden {
    struct ddsketch_config config;
    struct ddsketch sketch;
    uint64_t bins_seen[2];
};

static uint64_t bin_weight(const struct ddsketch_store *store, long index)
{
    long at = index - store->first;
    return at >= 0 && at < (long)store->count ? store->bins[at] : 0;
}

static void check_near(double got, double expected, double relative)
{
    if (fabs(got - expected) > relative * fabs(expected))
        fail_msg("found %.17g, expected %.17g", got, expected);
}

static void check_quantile(const struct golden *golden, const char *line)
{
    char *end;
    double q = strtod(line, &end), exact = strtod(end, &end), estimate = strtod(end, &end);
    double got = ddsketch_quantile(&golden->sketch, q);
    check_near(got, estimate, 1e-11);
    if (ddsketch_collapsed(&golden->sketch) == 0 && fabs(exact) >= DBL_MIN)
        check_near(got, exact, golden->config.alpha * (1 + 1e-9));
}

static void check_bin(struct golden *golden, const char *line)
{
    char sign;
    long index;
    unsigned long long weight;
    assert_int_equal(sscanf(line, "%c %ld %llu", &sign, &index, &weight), 3);
    assert_int_equal(bin_weight(&golden->sketch.stores[sign == '-'], index), weight);
    golden->bins_seen[sign == '-'] += weight;
}

static void add_line(struct golden *golden, const char *line)
{
    char *end;
    double value = strtod(line, &end);
    assert_int_equal(ddsketch_add(&golden->sketch, value, strtoull(end, NULL, 10)), 0);
}

static bool is_key(const char *line, const char *key, const char **rest)
{
    size_t len = strlen(key);
    if (strncmp(line, key, len) != 0 || line[len] != ' ')
        return false;
    *rest = line + len + 1;
    return true;
}

static void check_number(const struct ddsketch *sketch, const char *line)
{
    const char *rest;
    if (is_key(line, "zero", &rest))
        assert_int_equal(sketch->zero, strtoull(rest, NULL, 10));
    else if (is_key(line, "collapsed", &rest))
        assert_int_equal(ddsketch_collapsed(sketch), strtoull(rest, NULL, 10));
    else if (is_key(line, "weight", &rest))
        assert_int_equal(sketch->weight, strtoull(rest, NULL, 10));
    else if (is_key(line, "sum", &rest))
        assert_true(exact_sum_value(&sketch->sum) == strtod(rest, NULL));
    else if (is_key(line, "squares", &rest))
        assert_true(exact_sum_value(&sketch->squares) == strtod(rest, NULL));
    else if (is_key(line, "min", &rest))
        assert_true(sketch->min == strtod(rest, NULL));
    else if (is_key(line, "max", &rest))
        assert_true(sketch->max == strtod(rest, NULL));
    else
        fail_msg("unknown line: %s", line);
}

static void run_line(struct golden *golden, const char *line)
{
    static double alpha;
    const char *rest;
    if (line[0] == '#')
        return;
    if (is_key(line, "alpha", &rest)) {
        alpha = strtod(rest, NULL);
    } else if (is_key(line, "bins", &rest)) {
        uint32_t bins = (uint32_t)strtoul(rest, NULL, 10);
        assert_int_equal(ddsketch_config_init(&golden->config, alpha, bins), 0);
        ddsketch_init(&golden->sketch, &golden->config);
    } else if (is_key(line, "add", &rest)) {
        add_line(golden, rest);
    } else if (is_key(line, "bin", &rest)) {
        check_bin(golden, rest);
    } else if (is_key(line, "quantile", &rest)) {
        check_quantile(golden, rest);
    } else {
        check_number(&golden->sketch, line);
    }
}

static void run_case(const char *path)
{
    struct golden golden = {0};
    size_t size;
    char *text = golden_read(path, &size), *save = NULL;
    assert_non_null(text);
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        run_line(&golden, line);
    uint64_t all = golden.sketch.zero + golden.bins_seen[0] + golden.bins_seen[1];
    assert_int_equal(all, golden.sketch.weight); /* there are no other bins */
    ddsketch_fini(&golden.sketch);
    free(text);
}

static void test_golden(void **state)
{
    (void)state;
    unsigned cases = 0;
    DIR *folder = opendir(TEST_SOURCE_DIR "/golden/ddsketch");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        if (strstr(entry->d_name, ".case") == NULL)
            continue;
        snprintf(path, sizeof(path), TEST_SOURCE_DIR "/golden/ddsketch/%s", entry->d_name);
        run_case(path);
        cases++;
    }
    closedir(folder);
    assert_true(cases >= 9);
}

/* ---- against sorted values ---- */

static double random_unit(uint64_t *seed)
{
    return (double)(model_random(seed) >> 11) * 0x1p-53;
}

static double random_value(unsigned shape, uint64_t *seed)
{
    double u = random_unit(seed);
    switch (shape) {
    case 0:
        return u * 1000;
    case 1:
        return exp(u * 40 - 20);
    case 2:
        return exp(u * 20) * (model_random(seed) % 2 == 0 ? 1 : -1);
    default:
        return (double)(model_random(seed) % 7) - 3;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

static void check_all_ranks(const struct ddsketch *sketch, const double *sorted, unsigned count)
{
    double alpha = sketch->config->alpha * (1 + 1e-9);
    double sum = 0, magnitudes = 0;
    for (unsigned i = 0; i < count; i++) {
        check_near(ddsketch_at(sketch, i * DDSKETCH_ONE), sorted[i], alpha);
        sum += sorted[i];
        magnitudes += fabs(sorted[i]);
        struct ddsketch_sums lowest = ddsketch_lowest(sketch, (i + 1) * DDSKETCH_ONE);
        assert_true(fabs(lowest.sum - sum) <= alpha * magnitudes + 1e-9);
    }
    check_near(exact_sum_value(&sketch->sum), sum, 1e-9);
    assert_true(sketch->min == sorted[0] && sketch->max == sorted[count - 1]);
}

static void test_every_rank_is_within_alpha(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static double values[COUNT];
    const double alphas[] = {0.001, 0.01, 0.2};
    uint64_t seed = 3;
    for (unsigned run = 0; run < 12; run++) {
        struct ddsketch_config config;
        struct ddsketch sketch;
        assert_int_equal(ddsketch_config_init(&config, alphas[run % 3], DDSKETCH_BINS_MAX), 0);
        ddsketch_init(&sketch, &config);
        for (unsigned i = 0; i < COUNT; i++) {
            values[i] = random_value(run / 3, &seed);
            assert_int_equal(ddsketch_add(&sketch, values[i], DDSKETCH_ONE), 0);
        }
        qsort(values, COUNT, sizeof(values[0]), compare_doubles);
        assert_int_equal(ddsketch_collapsed(&sketch), 0);
        check_all_ranks(&sketch, values, COUNT);
        ddsketch_fini(&sketch);
    }
}

/* What collapses is the low end: the upper ranks stay within alpha, and memory within the bound. */
static void test_collapsing_keeps_the_upper_ranks(void **state)
{
    (void)state;
    enum { COUNT = 3000, BINS = 128 };
    static double values[COUNT];
    struct ddsketch_config config;
    struct ddsketch sketch;
    uint64_t seed = 8, collapsed = 0;
    assert_int_equal(ddsketch_config_init(&config, 0.01, BINS), 0);
    ddsketch_init(&sketch, &config);
    for (unsigned i = 0; i < COUNT; i++) {
        values[i] = random_value(1, &seed);
        assert_int_equal(ddsketch_add(&sketch, values[i], DDSKETCH_ONE), 0);
        assert_true(ddsketch_bytes(&sketch) <= sizeof(sketch) + 2 * BINS * sizeof(uint64_t));
    }
    qsort(values, COUNT, sizeof(values[0]), compare_doubles);
    collapsed = ddsketch_collapsed(&sketch) / DDSKETCH_ONE;
    assert_in_range(collapsed, COUNT / 2, COUNT - 10);
    for (uint64_t i = collapsed; i < COUNT; i++)
        check_near(ddsketch_at(&sketch, i * DDSKETCH_ONE), values[i], 0.01 * (1 + 1e-9));
    ddsketch_fini(&sketch);
}

static void test_weights(void **state)
{
    (void)state;
    struct ddsketch_config config;
    struct ddsketch sketch;
    assert_int_equal(ddsketch_weight(1), DDSKETCH_ONE);
    assert_int_equal(ddsketch_weight(0.1), 10 * DDSKETCH_ONE);
    assert_int_equal(ddsketch_weight(1e300), 1);
    assert_int_equal(ddsketch_weight(1e-300), UINT64_C(1) << 63);
    assert_int_equal(ddsketch_config_init(&config, 0.01, 2048), 0);
    ddsketch_init(&sketch, &config);
    assert_true(ddsketch_quantile(&sketch, 0.5) == 0 && ddsketch_quantile(&sketch, 1) == 0);
    assert_true(ddsketch_at(&sketch, 0) == 0);
    ddsketch_add(&sketch, 10, ddsketch_weight(0.1));
    ddsketch_add(&sketch, 1000, DDSKETCH_ONE);
    check_near(ddsketch_quantile(&sketch, 0.9), 10, 0.01);
    check_near(ddsketch_at(&sketch, 9 * DDSKETCH_ONE), 10, 0.01);
    check_near(ddsketch_at(&sketch, 10 * DDSKETCH_ONE), 1000, 0.01);
    assert_true(exact_sum_value(&sketch.sum) == 1100);
    assert_int_equal(ddsketch_below(&sketch, 500), 10 * DDSKETCH_ONE);
    assert_int_equal(ddsketch_below(&sketch, 5000), 11 * DDSKETCH_ONE);
    assert_int_equal(ddsketch_below(&sketch, -1), 0);
    /* A weight beyond 64 bits is held. */
    ddsketch_add(&sketch, 10, UINT64_MAX);
    assert_int_equal(sketch.weight, UINT64_MAX);
    ddsketch_add(&sketch, 20, UINT64_MAX);
    assert_int_equal(sketch.weight, UINT64_MAX);
    assert_true(isfinite(ddsketch_quantile(&sketch, 0.99)));
    ddsketch_clear(&sketch);
    assert_int_equal(sketch.weight, 0);
    assert_true(exact_sum_value(&sketch.sum) == 0);
    ddsketch_fini(&sketch);
}

static void test_configuration(void **state)
{
    (void)state;
    struct ddsketch_config config;
    assert_int_equal(ddsketch_config_init(&config, 0, 100), -EINVAL);
    assert_int_equal(ddsketch_config_init(&config, NAN, 100), -EINVAL);
    assert_int_equal(ddsketch_config_init(&config, 0.6, 100), -EINVAL);
    assert_int_equal(ddsketch_config_init(&config, 0.01, 15), -EINVAL);
    assert_int_equal(ddsketch_config_init(&config, 0.01, 65537), -EINVAL);
    assert_int_equal(ddsketch_config_init(&config, DDSKETCH_ALPHA_MIN, DDSKETCH_BINS_MIN), 0);
}

/* ---- exact sums ---- */

static void test_exact_sums(void **state)
{
    (void)state;
    struct exact_sum sum = {0}, other = {0}, both = {0};
    const double values[] = {1e300, 1, -1e300, 5e-324, 0x1p-1022, -0.1, 1e16, -1e16, 3};
    for (unsigned i = 0; i < ARRAY_COUNT(values); i++)
        exact_sum_add(&sum, values[i]);
    assert_true(exact_sum_value(&sum) == 3.9); /* 1 + 3 - 0.1, and nothing else is left */
    for (unsigned i = 0; i < ARRAY_COUNT(values); i++)
        exact_sum_add(&other, -values[ARRAY_COUNT(values) - 1 - i]);
    both = sum;
    exact_sum_merge(&both, &other);
    const struct exact_sum none = {0};
    assert_memory_equal(&both, &none, sizeof(none));
    /* Ties to even, and a bit far below that breaks one. */
    exact_sum_add(&both, 0x1p53);
    exact_sum_add(&both, 1);
    assert_true(exact_sum_value(&both) == 0x1p53);
    exact_sum_add(&both, 5e-324);
    assert_true(exact_sum_value(&both) == 0x1.0000000000001p53);
    struct exact_sum large = {0}, tiny = {0};
    exact_sum_add(&large, DBL_MAX);
    exact_sum_add(&large, DBL_MAX);
    assert_true(exact_sum_value(&large) == DBL_MAX);
    exact_sum_add(&tiny, -5e-324);
    assert_true(exact_sum_value(&tiny) == -5e-324 && exact_sum_is_negative(&tiny));
    exact_sum_add(&tiny, -DBL_MAX);
    exact_sum_add(&tiny, -DBL_MAX);
    assert_true(exact_sum_value(&tiny) == -DBL_MAX);
}

/* ---- merging ---- */

enum { PARTS = 6 };

static void add_part(struct ddsketch *sketch, unsigned part)
{
    uint64_t seed = part * 1000 + 1;
    for (unsigned i = 0; i < 150; i++) {
        double value = random_value(2, &seed) * pow(10, part);
        uint64_t weight = model_random(&seed) % 4 == 0 ? ddsketch_weight(0.3) : DDSKETCH_ONE;
        assert_int_equal(ddsketch_add(sketch, i % 10 == 0 ? 0 : value, weight), 0);
    }
}

/* Merges parts in the order of `order` (base PARTS digits may repeat nothing), every second time
 * as a tree. */
static void merge_in_order(const struct ddsketch_config *config, const unsigned *order, bool tree,
                           struct buffer *bytes)
{
    struct ddsketch sketches[PARTS];
    for (unsigned i = 0; i < PARTS; i++) {
        ddsketch_init(&sketches[i], config);
        add_part(&sketches[i], order[i]);
    }
    for (unsigned step = 1; tree && step < PARTS; step *= 2)
        for (unsigned i = 0; i + step < PARTS; i += 2 * step)
            assert_int_equal(ddsketch_merge(&sketches[i], &sketches[i + step]), 0);
    for (unsigned i = 1; !tree && i < PARTS; i++)
        assert_int_equal(ddsketch_merge(&sketches[0], &sketches[i]), 0);
    assert_int_equal(ddsketch_write(&sketches[0], bytes), 0);
    for (unsigned i = 0; i < PARTS; i++)
        ddsketch_fini(&sketches[i]);
}

static void test_any_order_gives_the_same_bytes(void **state)
{
    (void)state;
    const uint32_t bins[] = {16, 100, 2048};
    for (unsigned b = 0; b < ARRAY_COUNT(bins); b++) {
        struct ddsketch_config config;
        struct ddsketch whole;
        struct buffer expected = {0};
        uint64_t seed = 12;
        assert_int_equal(ddsketch_config_init(&config, 0.02, bins[b]), 0);
        ddsketch_init(&whole, &config);
        for (unsigned i = 0; i < PARTS; i++)
            add_part(&whole, i);
        assert_int_equal(ddsketch_write(&whole, &expected), 0);
        assert_int_equal(ddsketch_collapsed(&whole) > 0, bins[b] < 2048);
        for (unsigned run = 0; run < 60; run++) {
            unsigned order[PARTS] = {0, 1, 2, 3, 4, 5};
            struct buffer bytes = {0};
            for (unsigned i = PARTS - 1; i > 0; i--) {
                unsigned with = (unsigned)(model_random(&seed) % (i + 1)), keep = order[i];
                order[i] = order[with];
                order[with] = keep;
            }
            merge_in_order(&config, order, run % 2 == 1, &bytes);
            assert_int_equal(bytes.size, expected.size);
            assert_memory_equal(bytes.data, expected.data, bytes.size);
            buffer_fini(&bytes);
        }
        buffer_fini(&expected);
        ddsketch_fini(&whole);
    }
}

static void test_other_parameters_are_refused(void **state)
{
    (void)state;
    struct ddsketch_config a, b;
    struct ddsketch x, y;
    assert_int_equal(ddsketch_config_init(&a, 0.01, 2048), 0);
    assert_int_equal(ddsketch_config_init(&b, 0.02, 2048), 0);
    ddsketch_init(&x, &a);
    ddsketch_init(&y, &b);
    assert_int_equal(ddsketch_merge(&x, &y), -EINVAL);
    assert_int_equal(ddsketch_config_init(&b, 0.01, 1024), 0);
    assert_int_equal(ddsketch_merge(&x, &y), -EINVAL);
    b = a;
    assert_int_equal(ddsketch_merge(&x, &y), 0); /* nothing into nothing */
    assert_int_equal(x.weight, 0);
}

/* ---- bytes ---- */

static void check_round_trip(const struct ddsketch *sketch)
{
    struct buffer bytes = {0}, again = {0};
    struct ddsketch_config config;
    struct ddsketch copy;
    size_t offset = 3;
    assert_int_equal(buffer_append(&bytes, "abc", 3), 0);
    assert_int_equal(ddsketch_write(sketch, &bytes), 0);
    const uint8_t *data = (const uint8_t *)bytes.data;
    assert_int_equal(ddsketch_read(data, bytes.size, &offset, &config, &copy), 0);
    assert_int_equal(offset, bytes.size);
    assert_int_equal(copy.weight, sketch->weight);
    assert_int_equal(ddsketch_write(&copy, &again), 0);
    assert_int_equal(again.size + 3, bytes.size);
    assert_memory_equal(again.data, bytes.data + 3, again.size);
    ddsketch_fini(&copy);
    for (size_t size = 3; size < bytes.size; size++) { /* cut anywhere: refused */
        offset = 3;
        assert_int_equal(ddsketch_read(data, size, &offset, &config, &copy), -EBADMSG);
        assert_int_equal(offset, 3);
    }
    buffer_fini(&bytes);
    buffer_fini(&again);
}

static void test_bytes(void **state)
{
    (void)state;
    struct ddsketch_config config;
    struct ddsketch sketch;
    assert_int_equal(ddsketch_config_init(&config, 0.01, 64), 0);
    ddsketch_init(&sketch, &config);
    check_round_trip(&sketch);
    ddsketch_add(&sketch, 0, DDSKETCH_ONE);
    check_round_trip(&sketch);
    ddsketch_add(&sketch, -0.0, DDSKETCH_ONE);
    ddsketch_add(&sketch, -1e-310, DDSKETCH_ONE);
    check_round_trip(&sketch);
    ddsketch_add(&sketch, -DBL_MAX, DDSKETCH_ONE);
    check_round_trip(&sketch);
    for (unsigned part = 0; part < PARTS; part++)
        add_part(&sketch, part);
    ddsketch_add(&sketch, DBL_MAX, UINT64_MAX);
    check_round_trip(&sketch);
    ddsketch_fini(&sketch);
}

/* One byte changed: either refused, or what was read is written the same. */
static void test_changed_bytes(void **state)
{
    (void)state;
    struct ddsketch_config config, other;
    struct ddsketch sketch, copy;
    struct buffer bytes = {0};
    unsigned refused = 0;
    assert_int_equal(ddsketch_config_init(&config, 0.05, 32), 0);
    ddsketch_init(&sketch, &config);
    add_part(&sketch, 0);
    assert_int_equal(ddsketch_write(&sketch, &bytes), 0);
    uint8_t *data = (uint8_t *)bytes.data;
    for (size_t at = 0; at < bytes.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct buffer again = {0};
            size_t offset = 0;
            data[at] ^= (uint8_t)(1U << bit);
            int rc = ddsketch_read(data, bytes.size, &offset, &other, &copy);
            assert_true(rc == 0 || rc == -EBADMSG);
            refused += rc != 0;
            if (rc == 0) {
                assert_int_equal(ddsketch_write(&copy, &again), 0);
                assert_int_equal(again.size, offset);
                assert_memory_equal(again.data, data, offset);
                ddsketch_fini(&copy);
            }
            buffer_fini(&again);
            data[at] ^= (uint8_t)(1U << bit);
        }
    }
    assert_true(refused > 100);
    buffer_fini(&bytes);
    ddsketch_fini(&sketch);
}

/* ---- without memory ---- */

static void test_no_memory(void **state)
{
    (void)state;
    struct ddsketch_config config;
    bool good = false;
    assert_int_equal(ddsketch_config_init(&config, 0.01, 2048), 0);
    for (fail_at = 0; !good; fail_at++) {
        struct ddsketch sketch, other;
        struct buffer before = {0}, after = {0};
        long at = fail_at;
        fail_at = -1;
        ddsketch_init(&sketch, &config);
        ddsketch_init(&other, &config);
        add_part(&other, 1);
        assert_int_equal(ddsketch_add(&sketch, 1, DDSKETCH_ONE), 0);
        assert_int_equal(ddsketch_write(&sketch, &before), 0);
        fail_at = at;
        allocations = 0;
        int rc = ddsketch_add(&sketch, 1e9, DDSKETCH_ONE);
        rc = rc != 0 ? rc : ddsketch_merge(&sketch, &other);
        good = rc == 0;
        assert_true(good || rc == -ENOMEM);
        fail_at = -1;
        if (at == 0) { /* the first one failed: nothing has changed */
            assert_int_equal(ddsketch_write(&sketch, &after), 0);
            assert_memory_equal(after.data, before.data, before.size);
        }
        fail_at = at;
        ddsketch_fini(&sketch);
        ddsketch_fini(&other);
        buffer_fini(&before);
        buffer_fini(&after);
    }
    assert_true(fail_at > 2);
    fail_at = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_every_rank_is_within_alpha),
        cmocka_unit_test(test_collapsing_keeps_the_upper_ranks),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_exact_sums),
        cmocka_unit_test(test_any_order_gives_the_same_bytes),
        cmocka_unit_test(test_other_parameters_are_refused),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
