/* SPDX-License-Identifier: MPL-2.0
 *
 * test_stats_memory.c - every allocation fails once: an error or a count, never a crash, leak or
 *                       silent loss. Linked with --wrap for the functions that allocate.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/accum.h"
#include "tests/unit/stats/stats_model.h"

static int fail_at = -1; /* the allocation that fails; negative: none */
static int allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

static bool fails(void)
{
    return allocations++ == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}

static void test_new_shard(void **state)
{
    (void)state;
    const struct shard_limits limits = {1000, 0, 1000};
    int rc;
    fail_at = 0;
    do {
        struct shard *shard = NULL;
        allocations = 0;
        rc = shard_new(&limits, &shard);
        assert_true(rc == -ENOMEM || rc == 0);
        assert_int_equal(shard == NULL, rc != 0);
        shard_free(shard);
        fail_at++;
    } while (rc != 0);
    assert_int_equal(fail_at, 21); /* the struct and 19 regions, then success */
    fail_at = -1;
}

static void test_guard(void **state)
{
    (void)state;
    const struct shard_limits limits = {1000, 0, 1000};
    const struct shard_guard guard = {.prefix_names_max = 5, .sender_names_max = 5};
    struct shard *shard = NULL;
    int rc;
    assert_int_equal(shard_new(&limits, &shard), 0);
    fail_at = 0;
    do {
        allocations = 0;
        rc = shard_set_guard(shard, &guard);
        assert_true(rc == -ENOMEM || rc == 0);
        fail_at++;
    } while (rc != 0);
    assert_int_equal(fail_at, 3);
    fail_at = -1;
    shard_free(shard);
}

struct outcome {
    uint64_t counted; /* by the payload's ".count" lines */
    uint64_t overflow;
};

static int add_counts(void *arg, const struct accum_chunk *chunk)
{
    struct outcome *outcome = arg;
    const char *at = chunk->payload, *end = at + chunk->payload_size;
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *count = memmem(at, (size_t)(feed - at), ".count ", 7);
        const char *overflow = memmem(at, (size_t)(feed - at), ".overflow ", 10);
        if (count != NULL)
            outcome->counted += strtoull(count + 7, NULL, 10);
        if (overflow != NULL)
            outcome->overflow += strtoull(overflow + 10, NULL, 10);
        at = feed + 1;
    }
    return 0;
}

static void add_samples(struct shard *shard, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "name.number.%u", i);
        struct statsd_sample sample =
            i % 2 == 0 ? model_counter(name, 1) : model_timer("one.timer", i);
        shard_add(shard, &sample, 1);
    }
    shard_request(shard);
    shard_poll(shard);
}

/* New, three intervals, free. True when all went well. */
static bool run_accum(struct shard *shard)
{
    enum { SAMPLES = 6000 };
    static const int64_t ninety[] = {90};
    const struct accum_config config = {.emit_in_payload = true,
                                        .percent_threshold = {ninety, 1},
                                        .ticker_interval = 10,
                                        .message_type = "t",
                                        .global_prefix = "",
                                        .counter_prefix = "",
                                        .timer_prefix = "",
                                        .gauge_prefix = "",
                                        .statsd_prefix = "own",
                                        .delete_idle_stats = true,
                                        .names_max = 10000};
    struct accum *accum = NULL;
    bool good = true;
    if (accum_new(&config, &accum, NULL) != 0) {
        assert_null(accum);
        return false;
    }
    for (unsigned interval = 0; interval < 3; interval++) {
        struct outcome outcome = {0};
        uint64_t refused = accum_counts(accum)->refused_samples;
        add_samples(shard, SAMPLES);
        uint64_t merged = accum_merge(accum, shard);
        refused = accum_counts(accum)->refused_samples - refused;
        assert_int_equal(merged + refused, SAMPLES);
        int rc = accum_flush(accum, 0, 10, 5000, add_counts, &outcome);
        good = good && rc == 0 && refused == 0;
        if (rc == -ENOMEM) /* nothing has happened: the next one has all */
            rc = accum_flush(accum, 0, 10, 5000, add_counts, &outcome);
        assert_int_equal(rc, 0);
        assert_int_equal(outcome.counted, merged);
        assert_int_equal(outcome.overflow, refused);
    }
    accum_free(accum);
    return good;
}

static void test_accum(void **state)
{
    (void)state;
    const struct shard_limits limits = {10000, 0, 10000};
    struct shard *shard = NULL;
    bool good;
    assert_int_equal(shard_new(&limits, &shard), 0);
    fail_at = 0;
    do {
        allocations = 0;
        good = run_accum(shard);
        assert_false(shard_ready(shard));
        fail_at++;
    } while (!good);
    assert_true(fail_at > 15);
    fail_at = -1;
    shard_free(shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_shard),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_accum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
