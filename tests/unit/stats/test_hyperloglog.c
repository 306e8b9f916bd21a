/* SPDX-License-Identifier: MPL-2.0
 *
 * test_hyperloglog.c - against exact counts, in every order of merging, as bytes, without memory.
 */
#include "stats/hyperloglog.h"

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

#include "core/check.h"
#include "tests/unit/stats/stats_model.h"

static long fail_at = -1, allocations;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
    return allocations++ == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocations++ == fail_at ? NULL : __real_calloc(count, size);
}

/* Member number i; i = 0 is the hash 0. Different numbers have different hashes. */
static uint64_t member(uint64_t i)
{
    uint64_t seed = i * UINT64_C(0xd1342543de82ef95);
    return i == 0 ? 0 : model_random(&seed);
}

static struct hyperloglog make(unsigned precision, uint32_t exact_max)
{
    const struct hyperloglog_config config = {precision, exact_max};
    struct hyperloglog set;
    assert_int_equal(hyperloglog_init(&set, &config), 0);
    return set;
}

static void add_range(struct hyperloglog *set, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        assert_int_equal(hyperloglog_add(set, member(i)), 0);
}

static void test_exact_up_to_the_limit(void **state)
{
    (void)state;
    struct hyperloglog set = make(14, 1000);
    assert_int_equal(hyperloglog_count(&set), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        add_range(&set, i, i + 1);
        add_range(&set, i / 2, i / 2 + 1);
        assert_int_equal(hyperloglog_count(&set), i + 1);
        assert_true(hyperloglog_is_exact(&set));
    }
    add_range(&set, 1000, 1001);
    assert_false(hyperloglog_is_exact(&set));
    assert_int_equal(hyperloglog_bytes(&set), sizeof(set) + (1 << 14));
    hyperloglog_fini(&set);
    set = make(4, 0);
    add_range(&set, 5, 6);
    assert_false(hyperloglog_is_exact(&set));
    hyperloglog_fini(&set);
}

/* Members are fixed, so the estimates are: within 4 standard errors of the truth, and their root
 * mean square within 1.5 of one. */
static void test_standard_error(void **state)
{
    (void)state;
    const unsigned precisions[] = {8, 12, 14};
    for (unsigned p = 0; p < ARRAY_COUNT(precisions); p++) {
        double standard = 1.04 / sqrt((double)(1U << precisions[p])), squares = 0;
        unsigned runs = 0;
        for (unsigned count = 20; count <= 200000; count = count * 7 / 3) {
            for (unsigned run = 0; run < 4; run++) {
                struct hyperloglog set = make(precisions[p], 0);
                uint64_t from = (uint64_t)(run + 1) << 32;
                add_range(&set, from, from + count);
                double error = ((double)hyperloglog_count(&set) - count) / count;
                assert_true(fabs(error) < 4 * standard);
                squares += error * error;
                runs++;
                hyperloglog_fini(&set);
            }
        }
        assert_true(sqrt(squares / runs) < 1.5 * standard);
    }
}

/* Registers that no real set fills. */
static void test_ends_of_the_estimate(void **state)
{
    (void)state;
    struct hyperloglog set = make(4, 0);
    for (uint64_t i = 0; i < 16; i++)
        assert_int_equal(hyperloglog_add(&set, i << 60), 0); /* 60 zeros each */
    assert_int_equal(hyperloglog_count(&set), UINT64_C(1) << 63);
    hyperloglog_fini(&set);
}

static void test_any_order_of_merging(void **state)
{
    (void)state;
    enum { PARTS = 5 };
    const uint32_t limits[] = {0, 300, 700, 5000};
    for (unsigned l = 0; l < ARRAY_COUNT(limits); l++) {
        struct hyperloglog whole = make(10, limits[l]);
        struct buffer expected = {0};
        uint64_t seed = 5;
        for (unsigned i = 0; i < PARTS; i++)
            add_range(&whole, i * 100, i * 100 + 250);
        assert_int_equal(hyperloglog_is_exact(&whole), limits[l] >= 650);
        if (limits[l] >= 650)
            assert_int_equal(hyperloglog_count(&whole), 650);
        assert_int_equal(hyperloglog_write(&whole, &expected), 0);
        for (unsigned run = 0; run < 40; run++) {
            struct hyperloglog parts[PARTS];
            struct buffer bytes = {0};
            unsigned first = (unsigned)(model_random(&seed) % PARTS);
            unsigned step = 1 + (unsigned)(model_random(&seed) % (PARTS - 1));
            for (unsigned i = 0; i < PARTS; i++) {
                parts[i] = make(10, limits[l]);
                add_range(&parts[i], i * 100, i * 100 + 250);
            }
            for (unsigned i = 1; i < PARTS; i++)
                assert_int_equal(
                    hyperloglog_merge(&parts[first], &parts[(first + i * step) % PARTS]), 0);
            assert_int_equal(hyperloglog_write(&parts[first], &bytes), 0);
            assert_int_equal(bytes.size, expected.size);
            assert_memory_equal(bytes.data, expected.data, bytes.size);
            buffer_fini(&bytes);
            for (unsigned i = 0; i < PARTS; i++)
                hyperloglog_fini(&parts[i]);
        }
        buffer_fini(&expected);
        hyperloglog_fini(&whole);
    }
}

static void test_other_parameters_are_refused(void **state)
{
    (void)state;
    struct hyperloglog a = make(10, 10), b = make(11, 10), c = make(10, 11);
    const struct hyperloglog_config low = {3, 0}, high = {19, 0}, many = {14, (1 << 20) + 1};
    assert_int_equal(hyperloglog_merge(&a, &b), -EINVAL);
    assert_int_equal(hyperloglog_merge(&a, &c), -EINVAL);
    assert_int_equal(hyperloglog_init(&a, &low), -EINVAL);
    assert_int_equal(hyperloglog_init(&a, &high), -EINVAL);
    assert_int_equal(hyperloglog_init(&a, &many), -EINVAL);
}

static void check_bytes(const struct hyperloglog *set)
{
    struct buffer bytes = {0}, again = {0};
    struct hyperloglog copy;
    size_t offset = 1;
    assert_int_equal(buffer_append(&bytes, "x", 1), 0);
    assert_int_equal(hyperloglog_write(set, &bytes), 0);
    uint8_t *data = (uint8_t *)bytes.data;
    assert_int_equal(hyperloglog_read(data, bytes.size, &offset, &copy), 0);
    assert_int_equal(offset, bytes.size);
    assert_int_equal(hyperloglog_count(&copy), hyperloglog_count(set));
    assert_int_equal(hyperloglog_write(&copy, &again), 0);
    assert_int_equal(again.size, bytes.size - 1);
    assert_memory_equal(again.data, data + 1, again.size);
    hyperloglog_fini(&copy);
    for (size_t size = 1; size < bytes.size; size++) {
        offset = 1;
        assert_int_equal(hyperloglog_read(data, size, &offset, &copy), -EBADMSG);
    }
    buffer_fini(&bytes);
    buffer_fini(&again);
}

static void test_bytes(void **state)
{
    (void)state;
    struct hyperloglog set = make(6, 100), copy;
    struct buffer bytes = {0};
    size_t offset = 0;
    check_bytes(&set);
    add_range(&set, 0, 60);
    check_bytes(&set);
    add_range(&set, 60, 500);
    check_bytes(&set);
    assert_int_equal(hyperloglog_write(&set, &bytes), 0);
    bytes.data[20] = 60; /* a register of 58 bits has at most 59 */
    assert_int_equal(hyperloglog_read((uint8_t *)bytes.data, bytes.size, &offset, &copy), -EBADMSG);
    memset(bytes.data + 10, 0, 64); /* empty registers */
    assert_int_equal(hyperloglog_read((uint8_t *)bytes.data, bytes.size, &offset, &copy), -EBADMSG);
    bytes.data[9] = 2; /* a third kind */
    assert_int_equal(hyperloglog_read((uint8_t *)bytes.data, bytes.size, &offset, &copy), -EBADMSG);
    buffer_fini(&bytes);
    hyperloglog_fini(&set);
    /* Hashes that are not in order, or one twice. */
    static const uint8_t twice[] = {'H', 'L', 'L', '1', 6, 9, 0, 0, 0, 0, 2, 1, 0, 0,
                                    0,   0,   0,   0,   0, 1, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(hyperloglog_read(twice, sizeof(twice), &offset, &copy), -EBADMSG);
    assert_int_equal(offset, 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    bool good = false;
    for (long at = 0; !good; at++) {
        struct hyperloglog set = make(8, 40), other = make(8, 40);
        add_range(&other, 20, 50);
        add_range(&set, 0, 14);
        uint64_t before = hyperloglog_count(&set);
        allocations = 0;
        fail_at = at;
        int rc = hyperloglog_merge(&set, &other);
        assert_true(rc == 0 || rc == -ENOMEM);
        if (rc != 0)
            assert_int_equal(hyperloglog_count(&set), before);
        for (uint64_t i = 100; rc == 0 && i < 130; i++)
            rc = hyperloglog_add(&set, member(i));
        good = rc == 0;
        fail_at = -1;
        if (!good) { /* goes on as if nothing had been */
            add_range(&set, 0, 50);
            assert_true(hyperloglog_count(&set) >= 45);
        }
        hyperloglog_fini(&set);
        hyperloglog_fini(&other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_up_to_the_limit),
        cmocka_unit_test(test_standard_error),
        cmocka_unit_test(test_ends_of_the_estimate),
        cmocka_unit_test(test_any_order_of_merging),
        cmocka_unit_test(test_other_parameters_are_refused),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
