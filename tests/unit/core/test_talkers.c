/* SPDX-License-Identifier: MPL-2.0
 *
 * test_talkers.c - lists of senders and prefixes: sums, order, the limit, and the shared copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/talkers.h"

static void add_sender(struct talkers *talkers, unsigned host, const char *input, uint64_t samples,
                       uint64_t over_quota)
{
    struct talker row = {.ip = {10, 0, (uint8_t)(host >> 8), (uint8_t)host},
                         .samples = samples,
                         .over_quota = over_quota};
    snprintf(row.input, sizeof(row.input), "%s", input);
    talkers_add_sender(talkers, &row);
}

static void add_prefix(struct talkers *talkers, const char *prefix, uint64_t refused)
{
    struct talker_prefix row = {.accumulator = "a", .refused = refused, .error = 1};
    snprintf(row.prefix, sizeof(row.prefix), "%s", prefix);
    talkers_add_prefix(talkers, &row);
}

static void test_sums(void **state)
{
    struct talkers talkers = {0};
    (void)state;
    add_sender(&talkers, 1, "", 10, 0);
    add_sender(&talkers, 2, "", 12, 5);
    add_sender(&talkers, 1, "udp", 11, 0); /* another input: another row */
    add_sender(&talkers, 1, "", 5, 2);     /* another worker: the same row, which rises */
    assert_int_equal(talkers.sender_count, 3);
    assert_int_equal(talkers.senders[0].ip[3], 1);
    assert_int_equal(talkers.senders[0].samples, 15);
    assert_int_equal(talkers.senders[0].over_quota, 2);
    assert_int_equal(talkers.senders[1].ip[3], 2);
    assert_string_equal(talkers.senders[2].input, "udp");
    add_prefix(&talkers, "web", 3);
    add_prefix(&talkers, "db", 4);
    add_prefix(&talkers, "web", 2);
    assert_int_equal(talkers.prefix_count, 2);
    assert_string_equal(talkers.prefixes[0].prefix, "web");
    assert_int_equal(talkers.prefixes[0].refused, 5);
    assert_int_equal(talkers.prefixes[0].error, 2);
}

/* The most stay, whichever came first. */
static void test_limit(void **state)
{
    enum { COUNT = 500 };
    struct talkers talkers = {0};
    char prefix[16];
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned host = i * 7 % COUNT; /* each once */
        add_sender(&talkers, host, "", 1 + host, 0);
        snprintf(prefix, sizeof(prefix), "p%u", host);
        add_prefix(&talkers, prefix, 1 + host);
    }
    assert_int_equal(talkers.sender_count, TALKERS_MAX);
    assert_int_equal(talkers.prefix_count, TALKERS_MAX);
    for (unsigned i = 0; i < TALKERS_MAX; i++) {
        assert_int_equal(talkers.senders[i].samples, COUNT - i);
        assert_int_equal(talkers.prefixes[i].refused, COUNT - i);
    }
}

static void test_shared(void **state)
{
    struct talkers_shared *shared = aligned_alloc(64, sizeof(*shared));
    struct talkers talkers = {0}, copy;
    (void)state;
    assert_non_null(shared);
    memset(shared, 0, sizeof(*shared));
    assert_true(talkers_read(shared, &copy));
    assert_memory_equal(&copy, &talkers, sizeof(copy));
    add_sender(&talkers, 1, "", 10, 3);
    add_prefix(&talkers, "web", 3);
    talkers_publish(shared, &talkers);
    assert_true(talkers_read(shared, &copy));
    assert_memory_equal(&copy, &talkers, sizeof(copy));
    /* Its writer died in the middle. */
    atomic_fetch_add(&shared->sequence, 1);
    assert_false(talkers_read(shared, &copy));
    assert_int_equal(copy.sender_count, 0);
    atomic_fetch_add(&shared->sequence, 1);
    atomic_store(&shared->words[0], TALKERS_MAX + 1);
    assert_false(talkers_read(shared, &copy));
    assert_int_equal(copy.sender_count, 0);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
