/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue_kill.c - a process that is killed again and again, with a real disk.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/queue/queue.h"
#include "core/check.h"
#include "tests/unit/control/queue/queue_folder_rig.h"
#include "tests/unit/control/queue/sim_disk.h"

enum {
    KILLS = 50,
    STEPS_BEFORE_KILL_MAX = 60, /* messages confirmed or delivered by a life */
    BURST_MAX = 8,
    UPDATE_COUNT = 3,
    MESSAGE_MAX = 200,
    DELIVERIES_MAX = 100000,
    WAIT_MS_MAX = 60000
};
/* Delivered and not behind a checkpoint; confirmed and not yet known to be; all of it again. */
enum { DUPLICATES_A_KILL = UPDATE_COUNT + 2 * BURST_MAX };

struct outside { /* the world, which a kill does not touch */
    _Atomic uint32_t confirmed;
    _Atomic uint32_t delivered;
    uint32_t deliveries[DELIVERIES_MAX];
};

static const struct queue_options options = {
    .message_size_max = MESSAGE_MAX,
    .max_file_size = 2000,
    .cursor_update_count = UPDATE_COUNT,
};

static void append_burst(struct queue *queue, struct outside *outside, uint64_t *random)
{
    uint8_t bytes[BURST_MAX][MESSAGE_MAX];
    struct queue_message messages[BURST_MAX];
    uint32_t first = atomic_load_explicit(&outside->confirmed, memory_order_relaxed);
    unsigned count = 1 + (unsigned)sim_below(random, BURST_MAX);
    int why;
    for (unsigned i = 0; i < count; i++) {
        uint32_t number = first + i;
        memset(bytes[i], (int)(number & 0xFF), MESSAGE_MAX);
        memcpy(bytes[i], &number, 4);
        messages[i] = (struct queue_message){bytes[i], 4 + number % (MESSAGE_MAX - 3)};
    }
    unsigned taken = queue_append(queue, messages, count, &why);
    CHECK(why == 0);
    CHECK(queue_sync(queue) == 0);
    atomic_fetch_add_explicit(&outside->confirmed, taken, memory_order_relaxed);
}

static void deliver(struct outside *outside, const struct queue_record *record)
{
    uint32_t number, at = atomic_load_explicit(&outside->delivered, memory_order_relaxed);
    CHECK(record->size >= 4 && at < DELIVERIES_MAX);
    memcpy(&number, record->bytes, 4);
    CHECK(record->size == 4 + number % (MESSAGE_MAX - 3));
    for (uint32_t i = 4; i < record->size; i++)
        CHECK(record->bytes[i] == (number & 0xFF));
    outside->deliveries[at] = number;
    atomic_store_explicit(&outside->delivered, at + 1, memory_order_relaxed);
}

/* How many. */
static int deliver_burst(struct queue *queue, struct outside *outside, unsigned count_max)
{
    struct queue_record records[BURST_MAX];
    int count = queue_read(queue, records, count_max);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++)
        deliver(outside, &records[i]);
    CHECK(queue_acknowledge(queue, (unsigned)count) == 0);
    return count;
}

static void live(const char *dir, struct outside *outside, uint64_t random)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test fails */
    struct queue *queue = queue_open(dir, &options, NULL, NULL);
    CHECK(queue != NULL);
    for (;;) {
        append_burst(queue, outside, &random);
        deliver_burst(queue, outside, 1 + (unsigned)sim_below(&random, BURST_MAX));
    }
}

static void sleep_ns(long ns)
{
    struct timespec pause = {0, ns};
    nanosleep(&pause, NULL);
}

static void kill_one(const char *dir, struct outside *outside, uint64_t *random)
{
    uint32_t start = atomic_load_explicit(&outside->confirmed, memory_order_relaxed);
    uint32_t enough = start + 1 + (uint32_t)sim_below(random, STEPS_BEFORE_KILL_MAX);
    uint64_t seed = sim_random(random);
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        live(dir, outside, seed);
    for (unsigned ms = 0; atomic_load_explicit(&outside->confirmed, memory_order_relaxed) < enough;
         ms++) {
        assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it does not end by itself */
        assert_true(ms < WAIT_MS_MAX);
        sleep_ns(1000000);
    }
    sleep_ns((long)sim_below(random, 3000000));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void check_deliveries(const struct outside *outside)
{
    uint32_t confirmed = atomic_load_explicit(&outside->confirmed, memory_order_relaxed);
    uint32_t delivered = atomic_load_explicit(&outside->delivered, memory_order_relaxed);
    uint32_t at = 0;
    for (uint32_t number = 0; number < confirmed; number++) {
        while (at < delivered && outside->deliveries[at] != number)
            at++;
        assert_true(at < delivered); /* lost, or out of order */
        at++;
    }
    assert_true(confirmed >= KILLS);
    assert_in_range(delivered - confirmed, 0, KILLS * DUPLICATES_A_KILL);
}

static void test_kill(void **state)
{
    struct folder_rig folder;
    uint64_t random = 42;
    (void)state;
    struct outside *outside =
        mmap(NULL, sizeof(*outside), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(outside != MAP_FAILED);
    folder_rig_init(&folder);
    for (unsigned i = 0; i < KILLS; i++)
        kill_one(folder.dir, outside, &random);
    struct queue *queue = queue_open(folder.dir, &options, NULL, NULL);
    assert_non_null(queue);
    while (!queue_is_drained(queue))
        deliver_burst(queue, outside, BURST_MAX);
    assert_int_equal(queue_close(queue), 0);
    check_deliveries(outside);
    folder_rig_fini(&folder);
    munmap(outside, sizeof(*outside));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
