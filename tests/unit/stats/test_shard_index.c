/* SPDX-License-Identifier: MPL-2.0
 *
 * test_shard_index.c - the index of a shard against a plain table: nothing is lost while it grows,
 *                      fills and empties.
 */
#include "stats/shard_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/stats_model.h"

struct pairs { /* refs[i] is i + 1; a free one has used[i] false */
    struct shard_index index;
    void *region;
    uint32_t max, used_count;
    uint32_t *tags;
    bool *used;
};

static void open_pairs(struct pairs *pairs, uint32_t max)
{
    size_t size = shard_index_size(max);
    *pairs = (struct pairs){.max = max};
    pairs->region = aligned_alloc(64, size);
    pairs->tags = calloc(max, sizeof(*pairs->tags));
    pairs->used = calloc(max, sizeof(*pairs->used));
    assert_true(pairs->region != NULL && pairs->tags != NULL && pairs->used != NULL);
    memset(pairs->region, 0, size);
    shard_index_init(&pairs->index, pairs->region, max);
}

static void close_pairs(struct pairs *pairs)
{
    free(pairs->region);
    free(pairs->tags);
    free(pairs->used);
}

static bool finds(const struct pairs *pairs, uint32_t tag, uint32_t ref)
{
    struct shard_walk walk;
    uint32_t found, times = 0;
    shard_walk_init(&walk, &pairs->index, tag);
    while ((found = shard_walk_next(&walk)) != 0)
        times += found == ref;
    assert_true(times <= 1);
    return times == 1;
}

static void check_all(const struct pairs *pairs)
{
    for (uint32_t i = 0; i < pairs->max; i++)
        assert_int_equal(finds(pairs, pairs->tags[i], i + 1), pairs->used[i]);
    assert_int_equal(pairs->index.used, pairs->used_count);
}

static void put(struct pairs *pairs, uint32_t i, uint32_t tag)
{
    assert_true(shard_index_put(&pairs->index, tag, i + 1));
    pairs->tags[i] = tag;
    pairs->used[i] = true;
    pairs->used_count++;
}

static void drop(struct pairs *pairs, uint32_t i)
{
    shard_index_remove(&pairs->index, pairs->tags[i], i + 1);
    pairs->used[i] = false;
    pairs->used_count--;
}

/* Fills and half empties again and again, as names come and go. */
static void churn(uint32_t max, uint64_t *seed, bool crowded)
{
    struct pairs pairs;
    open_pairs(&pairs, max);
    for (unsigned round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < max; i++) {
            uint32_t tag = (uint32_t)model_random(seed);
            if (crowded) /* few homes: full buckets that run over into the next ones */
                tag &= 0x18ffffff;
            if (!pairs.used[i])
                put(&pairs, i, tag);
        }
        check_all(&pairs);
        for (uint32_t i = 0; i < max; i++) {
            if (model_random(seed) % 4 < round % 4)
                drop(&pairs, i);
        }
        check_all(&pairs);
    }
    close_pairs(&pairs);
}

static void test_any_size(void **state)
{
    (void)state;
    uint64_t seed = 21;
    const uint32_t sizes[] = {1, 2, 8, 9, 100, 153, 154, 155, 2457, 2458, 5000, 20000};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        churn(sizes[i], &seed, false);
}

static void test_full_buckets(void **state)
{
    (void)state;
    uint64_t seed = 22;
    for (unsigned i = 0; i < 20; i++)
        churn(20 + i * 5, &seed, true);
}

/* One and the same tag goes in so often and no more; the rest of the table does not mind. */
static void test_same_tags(void **state)
{
    (void)state;
    struct pairs pairs;
    uint64_t seed = 23;
    unsigned in = 0;
    open_pairs(&pairs, 3000);
    for (uint32_t i = 0; i < 100; i++)
        in += shard_index_put(&pairs.index, 7, 10000 + i);
    assert_in_range(in, 16, 32);
    pairs.used_count = in;
    for (uint32_t i = 0; i < 2000; i++)
        put(&pairs, i, (uint32_t)model_random(&seed));
    check_all(&pairs);
    close_pairs(&pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_full_buckets),
        cmocka_unit_test(test_same_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
