/* SPDX-License-Identifier: MPL-2.0
 *
 * test_bell.c - nobody misses a ring: between threads, and over a file that one side maps
 *               read-only.
 *
 * A ring that is missed shows as a wait of WAIT_LONG_NS: the test does not end in time.
 */
#include "core/bell.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/clock.h"

#define WAIT_LONG_NS (1000 * CLOCK_NS_PER_S)

enum { ROUNDS = 3000, WAITERS = 3 };

static void test_alone(void **state)
{
    (void)state;
    struct bell bell = {0};
    uint32_t seen = bell_rings(&bell);
    bell_wait(&bell, seen, 1000); /* nothing: after a microsecond */
    bell_ring(&bell);
    assert_int_not_equal(bell_rings(&bell), seen);
    bell_wait(&bell, seen, WAIT_LONG_NS); /* at once */
    assert_int_equal(bell.waiters, 0);
}

struct game {
    struct bell bell;
    _Atomic uint32_t balls;          /* thrown */
    _Atomic uint32_t caught[WAITERS]; /* by each, the last one seen */
};

struct catcher {
    struct game *game;
    unsigned index;
};

static void *run_catcher(void *arg)
{
    struct catcher *catcher = arg;
    struct game *game = catcher->game;
    for (uint32_t last = 0; last < ROUNDS;) {
        uint32_t seen = bell_rings(&game->bell);
        uint32_t balls = atomic_load_explicit(&game->balls, memory_order_relaxed);
        if (balls == last)
            bell_wait(&game->bell, seen, WAIT_LONG_NS);
        last = balls;
        atomic_store(&game->caught[catcher->index], last);
    }
    return NULL;
}

/* Each ball is thrown when all have caught the one before: all of them sleep, now and then. */
static void test_threads(void **state)
{
    (void)state;
    static struct game game;
    struct catcher catchers[WAITERS];
    pthread_t threads[WAITERS];
    for (unsigned i = 0; i < WAITERS; i++) {
        catchers[i] = (struct catcher){&game, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_catcher, &catchers[i]), 0);
    }
    for (uint32_t ball = 1; ball <= ROUNDS; ball++) {
        atomic_store_explicit(&game.balls, ball, memory_order_relaxed);
        bell_ring(&game.bell);
        for (unsigned i = 0; i < WAITERS; i++)
            while (atomic_load(&game.caught[i]) != ball)
                sched_yield();
    }
    for (unsigned i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(game.bell.waiters, 0);
}

/* ---- between processes ---- */

static void *map_file(int fd, int protection)
{
    void *base = mmap(NULL, 4096, protection, MAP_SHARED, fd, 0);
    assert_true(base != MAP_FAILED);
    return base;
}

static int make_file(void)
{
    char path[] = "/tmp/heka-test-bell-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, 4096), 0);
    return fd;
}

/* The child sees `rings` read-only, as hekad does, and says in `waiters`' file what it has seen. */
static void listen_to(int rings_fd, int waiters_fd)
{
    const _Atomic uint32_t *rings = map_file(rings_fd, PROT_READ);
    _Atomic uint32_t *waiters = map_file(waiters_fd, PROT_READ | PROT_WRITE);
    for (uint32_t seen = 0; seen < ROUNDS;) {
        bell_wait_shared(rings, waiters, seen, WAIT_LONG_NS);
        seen = atomic_load(rings);
        atomic_store(&waiters[1], seen);
    }
    _exit(0);
}

static void test_processes(void **state)
{
    (void)state;
    int rings_fd = make_file(), waiters_fd = make_file(), status;
    _Atomic uint32_t *rings = map_file(rings_fd, PROT_READ | PROT_WRITE);
    _Atomic uint32_t *waiters = map_file(waiters_fd, PROT_READ | PROT_WRITE);
    const _Atomic uint32_t *waiters_read_only = map_file(waiters_fd, PROT_READ);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        listen_to(rings_fd, waiters_fd);
    while (atomic_load(waiters) == 0) /* asleep, or about to */
        sched_yield();
    bell_wake_shared(rings); /* for nothing: it goes to sleep again */
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        bell_ring_shared(rings, waiters_read_only);
        while (atomic_load(&waiters[1]) != i)
            sched_yield();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    atomic_store(waiters, UINT32_MAX); /* nonsense costs a system call */
    bell_ring_shared(rings, waiters_read_only);
    assert_int_equal(atomic_load(rings), ROUNDS + 1);
    close(rings_fd);
    close(waiters_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_processes), /* before threads: it forks */
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
