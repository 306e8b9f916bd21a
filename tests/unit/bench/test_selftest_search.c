/* SPDX-License-Identifier: MPL-2.0
 *
 * test_selftest_search.c - the search for a rate, against models of boxes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/selftest/search.h"
#include "core/check.h"

enum { TRIALS_MAX = 200 };
static const double rate_max = 8e6;

struct box {
    double capacity;        /* passes at this rate and below */
    unsigned noise_percent; /* fails so often although it could */
    uint32_t random;
};

static bool box_passes(struct box *box, double rate)
{
    box->random = box->random * 1664525 + 1013904223;
    bool is_hit = (box->random >> 16) % 100 < box->noise_percent;
    return rate <= box->capacity && !is_hit;
}

static struct search run(struct box *box, double precision, unsigned trials_max)
{
    struct search search;
    search_init(&search, rate_max, precision, trials_max);
    while (search_goes_on(&search)) {
        assert_true(search.rate > 0 && search.rate <= rate_max);
        search_take(&search, box_passes(box, search.rate));
    }
    assert_true(search.trials <= trials_max);
    return search;
}

static void test_finds_the_capacity(void **state)
{
    static const double capacities[] = {7.99e6, 5e6, 3333333, 1e6, 4e5, 20000};
    static const double precisions[] = {0.001, 0.01, 0.1};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(capacities); i++)
        for (unsigned j = 0; j < ARRAY_COUNT(precisions); j++) {
            struct box box = {.capacity = capacities[i]};
            struct search search = run(&box, precisions[j], TRIALS_MAX);
            assert_int_equal(search.phase, SEARCH_FOUND);
            assert_true(search.rate <= box.capacity);
            assert_true(search.rate >= box.capacity * (1 - precisions[j]) * 0.999);
        }
}

/* A generator that is slower than the box: what it can send passes at once. */
static void test_generator_limited(void **state)
{
    struct box box = {.capacity = 2 * rate_max};
    (void)state;
    struct search search = run(&box, 0.01, TRIALS_MAX);
    assert_int_equal(search.phase, SEARCH_FOUND);
    assert_true(search.rate == rate_max);
    assert_int_equal(search.trials, 1 + SEARCH_CONFIRMATIONS);
}

static void test_noise_costs_little(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct box box = {.capacity = 5e6, .noise_percent = 10, .random = seed};
        struct search search = run(&box, 0.01, TRIALS_MAX);
        assert_int_equal(search.phase, SEARCH_FOUND);
        assert_true(search.rate <= box.capacity);
        assert_true(search.rate > 0);
    }
}

/* One pause in a trial is not the limit. */
static void test_one_failure_is_tried_again(void **state)
{
    struct search search;
    (void)state;
    search_init(&search, rate_max, 0.01, TRIALS_MAX);
    search_take(&search, false);
    assert_true(search.rate == rate_max);
    search_take(&search, true);
    assert_int_equal(search.phase, SEARCH_CONFIRM);
    assert_true(search.rate == rate_max);
}

static void test_what_is_not_confirmed_is_lowered(void **state)
{
    struct search search;
    (void)state;
    search_init(&search, rate_max, 0.01, TRIALS_MAX);
    search_take(&search, true);
    search_take(&search, true);
    search_take(&search, true);
    search_take(&search, false);
    assert_int_equal(search.phase, SEARCH_CONFIRM);
    assert_true(search.rate == rate_max * 0.99);
    search_take(&search, false);
    assert_true(search.rate < rate_max * 0.98 && search.rate > rate_max * 0.96);
    for (unsigned i = 0; i < SEARCH_CONFIRMATIONS; i++) {
        assert_true(search_goes_on(&search));
        search_take(&search, true);
    }
    assert_int_equal(search.phase, SEARCH_FOUND);
}

static void test_gives_up(void **state)
{
    struct box dead = {.capacity = 0}, slow = {.capacity = 5e6};
    struct search search;
    (void)state;
    assert_int_equal(run(&dead, 0.01, TRIALS_MAX).phase, SEARCH_GIVEN_UP);
    search = run(&slow, 0.01, 5);
    assert_int_equal(search.phase, SEARCH_GIVEN_UP);
    assert_int_equal(search.trials, 5);
    search_init(&search, 0, 0.01, TRIALS_MAX);
    assert_false(search_goes_on(&search));
    search_take(&search, true);
    assert_int_equal(search.trials, 0);
}

/* A box that answers as it likes. */
static void test_ends_in_any_case(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 500; seed++) {
        struct box box = {.capacity = rate_max, .noise_percent = 50, .random = seed};
        struct search search = run(&box, 0.001, TRIALS_MAX);
        assert_true(search.phase == SEARCH_FOUND || search.phase == SEARCH_GIVEN_UP);
    }
}

static void test_how_many_trials(void **state)
{
    (void)state;
    for (double capacity = rate_max / 2; capacity < rate_max; capacity *= 1.01) {
        struct box box = {.capacity = capacity};
        assert_true(run(&box, 0.01, TRIALS_MAX).trials <= search_trials(0.01));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_capacity),
        cmocka_unit_test(test_generator_limited),
        cmocka_unit_test(test_noise_costs_little),
        cmocka_unit_test(test_one_failure_is_tried_again),
        cmocka_unit_test(test_what_is_not_confirmed_is_lowered),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_ends_in_any_case),
        cmocka_unit_test(test_how_many_trials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
