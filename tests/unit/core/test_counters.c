/* SPDX-License-Identifier: MPL-2.0
 *
 * test_counters.c - counters are copied whole, and every stage of the ledger notices each of its
 *                   terms.
 */
#include "core/counters.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/ledger.h"

enum { PUBLICATIONS = 200000 };

static struct counters_shared shared;
static _Atomic bool done;

static void *publish(void *arg)
{
    (void)arg;
    struct counters counters = {0};
    for (uint64_t i = 1; i <= PUBLICATIONS; i++) {
        for (unsigned c = 0; c < COUNTER_COUNT; c++)
            counters.values[c] = i;
        counters_publish(&shared, &counters);
    }
    atomic_store(&done, true);
    return NULL;
}

/* Every copy holds one publication, never parts of two. */
static void test_copies_are_whole(void **state)
{
    (void)state;
    pthread_t thread;
    uint64_t last = 0, copies = 0;
    assert_int_equal(pthread_create(&thread, NULL, publish, NULL), 0);
    while (!atomic_load(&done) || copies == 0) {
        struct counters copy = {0};
        if (!counters_read(&shared, &copy))
            continue;
        copies++;
        for (unsigned c = 1; c < COUNTER_COUNT; c++)
            assert_int_equal(copy.values[c], copy.values[0]);
        assert_true(copy.values[0] >= last);
        last = copy.values[0];
    }
    pthread_join(thread, NULL);
    struct counters copy = {0};
    assert_true(counters_read(&shared, &copy));
    assert_int_equal(copy.values[0], PUBLICATIONS);
}

/* Breaking any one counter that is a term makes its stage's residual non-zero, by exactly that
 * much. */
static void test_every_term_counts(void **state)
{
    (void)state;
    assert_true(ledger_term_count > LEDGER_STAGE_COUNT * 2);
    for (unsigned i = 0; i < ledger_term_count; i++) {
        const struct ledger_term *term = &ledger_terms[i];
        struct counters counters = {0};
        assert_int_equal(ledger_balance(&counters, term->stage).residual, 0);
        counters.values[term->counter] = 5;
        int64_t residual = ledger_balance(&counters, term->stage).residual;
        bool adds = term->role == LEDGER_IN || term->role == LEDGER_LESS;
        assert_int_equal(residual, adds ? 5 : -5);
    }
}

static void test_every_stage_has_both_sides(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++) {
        unsigned roles[4] = {0};
        for (unsigned i = 0; i < ledger_term_count; i++)
            roles[ledger_terms[i].role] += ledger_terms[i].stage == stage;
        assert_true(roles[LEDGER_IN] > 0 && roles[LEDGER_END] > 0);
        assert_non_null(ledger_stage_name(stage));
        assert_non_null(ledger_stage_unit(stage));
    }
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        enum counter_id id = (enum counter_id)i;
        assert_int_equal(counter_find(counter_name(id)), i); /* also: no name twice */
        assert_true(strlen(counter_help(id)) > 0);
    }
    assert_int_equal(counter_find("no_such_counter"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_whole),
        cmocka_unit_test(test_every_term_counts),
        cmocka_unit_test(test_every_stage_has_both_sides),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
