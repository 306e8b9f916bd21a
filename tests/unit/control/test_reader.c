/* SPDX-License-Identifier: MPL-2.0
 *
 * test_reader.c - one consumer over all lanes: turns, copies for those that are overrun, books that
 *                 stay exact when it is killed, and the bell of the data plane.
 */
#include "control/lanes/reader.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/lanes/lane_watch.h"
#include "core/clock.h"
#include "core/message.h"
#include "tests/unit/control/lane_rig.h"

enum { LANES = 2, CONSUMERS = 2, ITEMS_MAX = 64, BYTES_MAX = 1 << 20, GENERATION = 2 };

struct bench {
    struct lane_rig rig;
    struct lane_place places[LANES][LANE_PLACES];
    struct attachment *attachment;
};
static struct bench bench;

static void admit(unsigned consumer, enum lane_policy policy)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        struct segment_consumer *counts = segment_consumer(&bench.rig.segment, lane, consumer);
        lane_set_places(&bench.rig.writers[lane], bench.places[lane]);
        lane_admit(&bench.rig.writers[lane], consumer, policy, &counts->bounds);
        atomic_store(&counts->matched, 0);
        atomic_store(&counts->policy, policy);
        atomic_store(&counts->admitted, GENERATION);
    }
}

static void set_up(enum lane_policy first, enum lane_policy second)
{
    memset(&bench, 0, sizeof(bench));
    lane_rig_init(&bench.rig, LANES, CONSUMERS);
    admit(0, first);
    admit(1, second);
    bench.attachment = lane_rig_attach(&bench.rig);
}

static void tear_down(void)
{
    attachment_put(bench.attachment);
    lane_rig_fini(&bench.rig);
}

static struct reader *open_reader(unsigned consumer, enum lane_policy policy)
{
    struct err err = {0};
    struct reader *reader = reader_open(bench.attachment, consumer, 0, policy, &err);
    assert_non_null(reader);
    return reader;
}

static int number_of(const struct reader_item *item)
{
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, item->record->message, item->record->message_size), 0);
    return view.pid;
}

static struct reader_balance balance_of(const struct reader *reader)
{
    struct reader_balance balance;
    reader_balance(reader, &balance);
    assert_int_equal(balance.matched,
                     balance.read + balance.in_flight + balance.lost + balance.dropped);
    return balance;
}

/* A lane with a lot, of which next to nothing is ours, does not keep us from the other one. */
static void test_lanes_take_turns(void **state)
{
    (void)state;
    struct reader_item items[ITEMS_MAX];
    unsigned from[LANES] = {0};
    set_up(LANE_BLOCK, LANE_BLOCK);
    struct reader *reader = open_reader(0, LANE_BLOCK);
    for (int i = 0; i < 40; i++) {
        assert_true(lane_rig_put(&bench.rig, 0, i, "zero", 1));
        assert_true(lane_rig_put(&bench.rig, 1, 1000 + i, "one", i % 2 == 0 ? 1 : 2));
    }
    for (unsigned batch = 0; batch < 6; batch++) {
        unsigned count = reader_next(reader, items, 5, BYTES_MAX);
        assert_int_equal(count, 5);
        unsigned lane = number_of(&items[0]) >= 1000;
        assert_int_equal(lane, batch % LANES);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(number_of(&items[i]), lane * 1000 + (lane + 1) * from[lane]++);
        reader_release_all(reader);
    }
    assert_int_equal(balance_of(reader).in_flight, 60 - 30);
    reader_close(reader);
    tear_down();
}

static uint64_t tail_of(unsigned lane, unsigned consumer)
{
    return atomic_load(&segment_cursor(&bench.rig.segment, lane, consumer)->tail);
}

/* While records are out there are more of their lane only, and they are given back in order. */
static void test_more_while_out(void **state)
{
    struct reader_item first[ITEMS_MAX], more[ITEMS_MAX];
    (void)state;
    set_up(LANE_BLOCK, LANE_BLOCK);
    struct reader *reader = open_reader(0, LANE_BLOCK);
    for (int number = 0; number < 6; number++)
        assert_true(lane_rig_put(&bench.rig, 0, number, "", 1));
    assert_true(lane_rig_put(&bench.rig, 1, 100, "", 1));
    assert_int_equal(reader_next(reader, first, 3, BYTES_MAX), 3);
    assert_int_equal(reader_next(reader, more, 2, BYTES_MAX), 2);
    assert_int_equal(number_of(&more[0]), 3);
    assert_int_equal(number_of(&first[2]), 2);
    uint64_t before = tail_of(0, 0);
    reader_release(reader, first[1].end);
    assert_true(tail_of(0, 0) > before && tail_of(0, 0) < first[2].end);
    assert_int_equal(reader_next(reader, first, ITEMS_MAX, BYTES_MAX), 1);
    assert_int_equal(number_of(&first[0]), 5);
    assert_int_equal(reader_next(reader, first, ITEMS_MAX, BYTES_MAX), 0);
    assert_int_equal(balance_of(reader).in_flight, 1);
    assert_true(tail_of(0, 0) < more[1].end); /* what was found empty gave nothing back */
    reader_release(reader, more[1].end);
    assert_int_equal(tail_of(0, 0), more[1].end);
    reader_release_all(reader);
    assert_int_equal(reader_next(reader, first, ITEMS_MAX, BYTES_MAX), 1);
    assert_int_equal(number_of(&first[0]), 100);
    reader_release_all(reader);
    reader_close(reader);
    tear_down();
}

/* Given back by halves, over and over, each comes once. */
static void test_given_back_in_parts(void **state)
{
    struct reader_item items[ITEMS_MAX];
    unsigned given = 0, count;
    int next = 0;
    (void)state;
    set_up(LANE_BLOCK, LANE_DROP); /* the other one never reads */
    struct reader *reader = open_reader(0, LANE_BLOCK);
    while (next < 4 * READER_ITEMS_MAX) {
        while (lane_rig_put(&bench.rig, 0, (int)given, "", 1))
            given++;
        while ((count = reader_next(reader, items, ITEMS_MAX, BYTES_MAX)) > 0) {
            for (unsigned i = 0; i < count; i++)
                assert_int_equal(number_of(&items[i]), next++);
            reader_release(reader, items[count / 2].end);
            assert_int_equal(tail_of(0, 0), items[count / 2].end);
        }
    }
    assert_int_equal(next, given);
    reader_release_all(reader);
    assert_int_equal(balance_of(reader).read, given);
    reader_close(reader);
    tear_down();
}

/* What was given out stays as it was, whatever the producer does meanwhile. */
static void test_copies_stay(void **state)
{
    (void)state;
    struct reader_item items[ITEMS_MAX];
    set_up(LANE_DROP, LANE_DROP);
    struct reader *reader = open_reader(0, LANE_DROP);
    for (int i = 0; i < 30; i++)
        assert_true(lane_rig_put(&bench.rig, 0, i, "before", 1));
    assert_int_equal(reader_next(reader, items, 10, BYTES_MAX), 10);
    for (int i = 30; i < 3000; i++)
        assert_true(lane_rig_put(&bench.rig, 0, i, "a new one in its place", 1));
    for (int i = 0; i < 10; i++)
        assert_int_equal(number_of(&items[i]), i);
    struct reader_balance balance = balance_of(reader);
    assert_int_equal(balance.matched, 3000);
    assert_int_equal(balance.read, 10);
    assert_true(balance.dropped > 2000 && balance.in_flight > 100);
    reader_release(reader, items[4].end);
    reader_release_all(reader);
    uint64_t read = 10;
    int last = -1;
    unsigned count;
    while ((count = reader_next(reader, items, ITEMS_MAX, BYTES_MAX)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            assert_true(number_of(&items[i]) > last);
            last = number_of(&items[i]);
        }
        read += count;
        reader_release_all(reader);
    }
    assert_int_equal(last, 2999);
    struct reader_balance after = balance_of(reader);
    assert_int_equal(after.read, read);
    assert_int_equal(after.in_flight, 0);
    assert_int_equal(after.dropped, balance.dropped);
    assert_int_equal(bench.rig.writers[0].bad_cursor_count, 0);
    reader_close(reader);
    tear_down();
}

/* The lane says how it treats the consumer, not the configuration of today. */
static void test_policy_of_the_lane(void **state)
{
    (void)state;
    struct reader_item items[ITEMS_MAX];
    set_up(LANE_DROP, LANE_DROP);
    struct reader *reader = open_reader(0, LANE_BLOCK);
    for (int i = 0; i < 3000; i++)
        assert_true(lane_rig_put(&bench.rig, 0, i, "more than a lane holds", 1));
    assert_int_equal(reader_next(reader, items, 1, BYTES_MAX), 1);
    assert_true(number_of(&items[0]) > 2000);
    reader_close(reader);
    tear_down();
}

static void test_large_batches(void **state)
{
    (void)state;
    struct reader_item items[ITEMS_MAX];
    static char payload[9000];
    set_up(LANE_DROP, LANE_BLOCK);
    memset(payload, 'x', sizeof(payload) - 1);
    struct reader *reader = open_reader(0, LANE_DROP);
    for (int i = 0; i < 6; i++)
        assert_true(lane_rig_put(&bench.rig, 0, i, payload, 1));
    assert_int_equal(reader_next(reader, items, ITEMS_MAX, 20000), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(&items[i]), i);
    reader_release_all(reader);
    assert_int_equal(reader_next(reader, items, ITEMS_MAX, BYTES_MAX), 3);
    reader_release_all(reader);
    reader_close(reader);
    tear_down();
}

/* ---- killed under load ---- */

/* Reads and releases for ever; says in a pipe what it has released. Never returns. */
static void be_killed(int pipe_fd, enum lane_policy policy)
{
    struct reader_item items[ITEMS_MAX];
    struct reader *reader = open_reader(0, policy);
    for (uint64_t released = 0;;) {
        unsigned count = reader_next(reader, items, ITEMS_MAX, BYTES_MAX);
        if (count == 0) {
            sched_yield();
            continue;
        }
        for (unsigned i = 1; i <= count; i++) {
            if (i < count)
                reader_release(reader, items[i - 1].end);
            else
                reader_release_all(reader);
            released++;
            if (write(pipe_fd, &released, sizeof(released)) != (ssize_t)sizeof(released))
                _exit(1);
        }
    }
}

static uint64_t last_of(int pipe_fd)
{
    uint64_t value = 0, next;
    while (read(pipe_fd, &next, sizeof(next)) == (ssize_t)sizeof(next))
        value = next;
    return value;
}

/* Until the child has said something, and then `count` more. */
static int put_for_a_while(int next, unsigned count, int pipe_fd)
{
    struct pollfd poll_fd = {.fd = pipe_fd, .events = POLLIN};
    for (unsigned put = 0; put < count;) {
        if (!lane_rig_put(&bench.rig, (unsigned)next % LANES, next, "under load", 1)) {
            sched_yield();
            continue;
        }
        next++;
        put += put > 0 || poll(&poll_fd, 1, 0) > 0;
    }
    return next;
}

static void kill_again_and_again(enum lane_policy policy)
{
    uint64_t earlier = 0;
    int next = 0;
    set_up(policy, policy);
    lane_dismiss(&bench.rig.writers[0], 1);
    lane_dismiss(&bench.rig.writers[1], 1);
    for (unsigned round = 0; round < 25; round++) {
        int fds[2], status;
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            be_killed(fds[1], policy);
        close(fds[1]);
        next = put_for_a_while(next, 150 + round * 37 % 100, fds[0]);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        uint64_t released = last_of(fds[0]);
        close(fds[0]);
        struct reader *reader = open_reader(0, policy);
        struct reader_balance balance = balance_of(reader);
        /* It may have released one more than it could say. */
        assert_in_range((uint64_t)next - balance.matched - earlier, released,
                        policy == LANE_BLOCK ? released + 1 : (uint64_t)next);
        earlier = (uint64_t)next - balance.matched;
        reader_close(reader);
    }
    assert_true(earlier > 500);
    tear_down();
}

static void test_killed(void **state)
{
    (void)state;
    kill_again_and_again(LANE_BLOCK);
    kill_again_and_again(LANE_DROP);
}

/* ---- the bell ---- */

struct watcher {
    struct bell bell;
    _Atomic bool was_rung;
};

static void *wait_for_bell(void *arg)
{
    struct watcher *watcher = arg;
    uint32_t seen = 0;
    while (bell_rings(&watcher->bell) == seen)
        bell_wait(&watcher->bell, seen, 1000 * CLOCK_NS_PER_S);
    atomic_store(&watcher->was_rung, true);
    return NULL;
}

/* From a lane over the data plane's bell and the watch to a consumer that sleeps; then the same
 * with the next data plane. */
static void test_lane_watch(void **state)
{
    (void)state;
    struct err err = {0};
    set_up(LANE_BLOCK, LANE_BLOCK);
    for (unsigned round = 0; round < 20; round++) {
        static struct watcher watcher;
        pthread_t thread;
        memset(&watcher, 0, sizeof(watcher));
        struct lane_watch *watch = lane_watch_new(&watcher.bell, &err);
        assert_non_null(watch);
        if (round % 2 == 0)
            lane_watch_set(watch, NULL);
        lane_watch_set(watch, bench.attachment);
        while (bell_rings(&watcher.bell) == 0) /* it says at once that it looks */
            sched_yield();
        atomic_store(&watcher.bell.rings, 0);
        assert_false(segment_ring(&bench.rig.segment)); /* nothing has moved */
        assert_int_equal(pthread_create(&thread, NULL, wait_for_bell, &watcher), 0);
        assert_true(lane_rig_put(&bench.rig, 1, 1, "ring", 1));
        assert_true(segment_ring(&bench.rig.segment));
        pthread_join(thread, NULL);
        assert_true(atomic_load(&watcher.was_rung));
        lane_watch_free(watch);
    }
    lane_watch_free(NULL);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes_take_turns),
        cmocka_unit_test(test_more_while_out),
        cmocka_unit_test(test_given_back_in_parts),
        cmocka_unit_test(test_copies_stay),
        cmocka_unit_test(test_policy_of_the_lane),
        cmocka_unit_test(test_large_batches),
        cmocka_unit_test(test_killed), /* before threads: it forks */
        cmocka_unit_test(test_lane_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
