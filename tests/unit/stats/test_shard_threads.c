/* SPDX-License-Identifier: MPL-2.0
 *
 * test_shard_threads.c - a worker adds while housekeeping takes: nothing is lost, nothing counted
 *                        twice. Worth most under ThreadSanitizer.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/accum.h"
#include "tests/unit/stats/stats_model.h"

enum { BURSTS = 20000, BURST = 24, NAMES = 3000, NAMES_MAX = 1500, TIMERS_MAX = 20000 };

struct worker {
    struct shard *shard;
    uint64_t samples, count_sum, timer_sum; /* added; the values are integers */
    _Atomic bool done;                      /* has added all */
    _Atomic bool stop;                      /* may end */
};

/* Names move on over time, so that idle ones are reclaimed while the other side is read. */
static struct statsd_sample make_sample(char *name, size_t size, unsigned burst, uint64_t *seed)
{
    unsigned id = burst / 10 + (unsigned)(model_random(seed) % 500);
    int wide = id % 4 == 0 ? 80 : 8;
    snprintf(name, size, "name.%0*u", wide, id % NAMES);
    int64_t value = (int64_t)(model_random(seed) % 100);
    unsigned kind = (unsigned)(model_random(seed) % 8);
    if (kind == 0)
        return model_timer(name, (double)value);
    return kind == 1 ? model_gauge(name, (double)value) : model_counter(name, value);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    uint64_t seed = 11;
    for (unsigned burst = 0; burst < BURSTS; burst++) {
        char names[BURST][100];
        struct statsd_sample samples[BURST];
        for (unsigned i = 0; i < BURST; i++)
            samples[i] = make_sample(names[i], sizeof(names[i]), burst, &seed);
        shard_add(worker->shard, samples, BURST);
        shard_poll(worker->shard);
        worker->samples += BURST;
    }
    atomic_store(&worker->done, true);
    while (!atomic_load(&worker->stop)) {
        shard_poll(worker->shard);
        sched_yield();
    }
    return NULL;
}

struct sums {
    uint64_t samples, by_type[STATSD_TYPE_COUNT];
};

static void add_series(void *arg, const struct shard_series *series)
{
    struct sums *sums = arg;
    sums->samples += series->samples;
    sums->by_type[series->type] += series->samples;
    assert_true(series->name_len >= 13 && series->name[0] == 'n');
    assert_int_equal(series->hash, statsd_name_hash(series->name, series->name_len));
    for (uint64_t i = 0; series->type == STATSD_TIMER && i < series->samples; i++)
        assert_true(series->timers[i] >= 0 && series->timers[i] < 100);
}

static uint64_t take_once(struct shard *shard, struct sums *sums)
{
    shard_request(shard);
    while (!shard_ready(shard))
        sched_yield();
    return shard_take(shard, add_series, sums);
}

static void test_nothing_is_lost(void **state)
{
    (void)state;
    const struct shard_limits limits = {NAMES_MAX, 0, TIMERS_MAX};
    struct worker worker = {0};
    struct sums sums = {0};
    pthread_t thread;
    uint64_t taken = 0, takes = 0;
    assert_int_equal(shard_new(&limits, &worker.shard), 0);
    assert_int_equal(pthread_create(&thread, NULL, work, &worker), 0);
    const struct shard_counts *counts = shard_counts(worker.shard);
    while (!atomic_load(&worker.done)) {
        taken += take_once(worker.shard, &sums);
        takes++;
        assert_true(counts->accepted[STATSD_COUNTER] >= sums.by_type[STATSD_COUNTER]);
    }
    taken += take_once(worker.shard, &sums);
    taken += take_once(worker.shard, &sums);
    atomic_store(&worker.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(taken, sums.samples);
    assert_int_equal(worker.samples, taken + counts->overflow_names + counts->overflow_timers);
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        assert_int_equal(counts->accepted[type], sums.by_type[type]);
    printf("%u bursts, %u takes, %u names reclaimed\n", BURSTS, (unsigned)takes,
           (unsigned)counts->names_reclaimed);
    assert_true(takes >= 2);
    shard_free(worker.shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
