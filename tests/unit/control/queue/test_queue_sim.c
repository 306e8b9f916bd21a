/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue_sim.c - nothing confirmed is lost, whatever the disk does and whenever it dies.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/control/queue/queue_world.h"

#ifdef __SANITIZE_THREAD__ /* one thread, ten times slower */
enum { CRASH_WORLDS = 2, RANDOM_WORLDS = 100 };
#else
enum { CRASH_WORLDS = 16, RANDOM_WORLDS = 1500 };
#endif

enum {
    CRASH_STEPS = 150,
    CRASH_MESSAGES = 120,
    RANDOM_STEPS = 400,
    RANDOM_MESSAGES = 400,
    STEPS_A_CRASH = 60
};

/* One life with a power cut at call `crash_at` of the disk; returns the number of calls. */
static uint64_t live(uint64_t seed, uint64_t crash_at, uint64_t disk_seed)
{
    struct world *world = world_new(seed, CRASH_MESSAGES, false);
    world->disk->random += disk_seed;
    world->disk->crash_at = crash_at;
    world_open(world);
    for (unsigned i = 0; i < CRASH_STEPS; i++) {
        world_step(world);
        world_restart_if_crashed(world);
    }
    uint64_t calls = world->disk->calls;
    assert_true(crash_at == 0 || calls < crash_at || world->crashes > 0);
    world_finish(world);
    world_free(world);
    return calls;
}

static void test_crash_at_each_call(void **state)
{
    unsigned points = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= CRASH_WORLDS; seed++) {
        uint64_t calls = live(seed, 0, 0);
        for (uint64_t call = 1; call <= calls; call++) {
            for (uint64_t disk_seed = 0; disk_seed < 2; disk_seed++) {
                live(seed, call, disk_seed);
                points++;
            }
        }
    }
    printf("%u crash points\n", points);
    assert_true(points > CRASH_WORLDS * 200);
}

/* Power cuts, kills, full and broken disks, short writes, at random. */
static void test_random_worlds(void **state)
{
    unsigned crashes = 0, corrupt = 0;
    (void)state;
    for (uint64_t seed = 1000; seed < 1000 + RANDOM_WORLDS; seed++) {
        struct world *world = world_new(seed, RANDOM_MESSAGES, seed % 4 != 0);
        world_open(world);
        for (unsigned i = 0; i < RANDOM_STEPS; i++) {
            if (sim_below(&world->random, STEPS_A_CRASH) == 0)
                world->disk->crash_at = world->disk->calls + 1 + sim_below(&world->random, 30);
            if (sim_below(&world->random, STEPS_A_CRASH) == 0)
                world_kill(world);
            world_step(world);
            world_restart_if_crashed(world);
        }
        world_finish(world);
        crashes += world->crashes;
        corrupt += world->corrupt;
        world_free(world);
    }
    printf("%u crashes, %u half-written records read\n", crashes, corrupt);
    assert_true(crashes > RANDOM_WORLDS * 3);
}

/* One disk call after the other fails, once or for a while; the process lives on. */
static void test_failure_at_each_call(void **state)
{
    static const int codes[] = {-EIO, -ENOSPC};
    (void)state;
    for (uint64_t seed = 51; seed <= 54; seed++) {
        uint64_t calls = live(seed, 0, 0);
        for (uint64_t call = 1; call <= calls; call++) {
            struct world *world = world_new(seed, CRASH_MESSAGES, true);
            world->disk->fail_at = call;
            world->disk->fail_count = 1 + (unsigned)(call % 5);
            world->disk->fail_code = codes[call % 2];
            world_open(world);
            for (unsigned i = 0; i < CRASH_STEPS; i++)
                world_step(world);
            world->disk->fail_at = 0;
            world_finish(world);
            world_free(world);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_at_each_call),
        cmocka_unit_test(test_failure_at_each_call),
        cmocka_unit_test(test_random_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
