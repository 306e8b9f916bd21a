/* SPDX-License-Identifier: MPL-2.0
 *
 * test_queue_threads.c - one thread appends, one reads, one looks: each message once and in order.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/queue/queue.h"
#include "core/check.h"
#include "core/frame.h"
#include "tests/unit/control/queue/queue_folder_rig.h"
#include "tests/unit/control/queue/sim_disk.h"

enum { MESSAGES = 20000, BURST_MAX = 50, MESSAGE_MAX = 300 };

struct shared {
    struct queue *queue;
    _Atomic bool is_over;
    uint64_t refused; /* the appender's */
    uint64_t read;    /* the reader's */
};

/* Threads are what is tested here, not the disk's patience. */
static int sync_nothing(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static int sync_no_dir(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static size_t make_message(uint32_t number, uint64_t *random, uint8_t *bytes)
{
    size_t size = 4 + (size_t)sim_below(random, MESSAGE_MAX - 3);
    memset(bytes, (int)(number & 0xFF), size);
    memcpy(bytes, &number, 4);
    return size;
}

static void *append_all(void *arg)
{
    static uint8_t bytes[BURST_MAX][MESSAGE_MAX];
    struct shared *shared = arg;
    struct queue_message messages[BURST_MAX];
    uint64_t random = 1;
    for (uint32_t next = 0; next < MESSAGES;) {
        unsigned count = 1 + (unsigned)sim_below(&random, BURST_MAX), done = 0;
        for (unsigned i = 0; i < count; i++)
            messages[i] =
                (struct queue_message){bytes[i], make_message(next + i, &random, bytes[i])};
        if (count > MESSAGES - next)
            count = MESSAGES - next;
        while (done < count) {
            int why;
            done += queue_append(shared->queue, messages + done, count - done, &why);
            CHECK(why == 0 || why == QUEUE_E_BLOCK);
            CHECK(queue_sync(shared->queue) == 0);
            shared->refused += why == QUEUE_E_BLOCK;
            if (why == QUEUE_E_BLOCK)
                sched_yield();
        }
        next += count;
    }
    return NULL;
}

static void check_record(const struct queue_record *record, uint64_t number)
{
    uint32_t found;
    CHECK(record->size >= 4);
    memcpy(&found, record->bytes, 4);
    CHECK(found == number);
    for (uint32_t i = 4; i < record->size; i++)
        CHECK(record->bytes[i] == (number & 0xFF));
}

static void *read_all(void *arg)
{
    struct shared *shared = arg;
    struct queue_record records[BURST_MAX];
    uint64_t random = 2;
    unsigned held = 0;
    while (shared->read < MESSAGES) {
        int count = queue_read(shared->queue, records, 1 + (unsigned)sim_below(&random, BURST_MAX));
        CHECK(count >= 0);
        for (int i = 0; i < count; i++)
            check_record(&records[i], shared->read++);
        held += (unsigned)count;
        unsigned done = count == 0 ? held : (unsigned)sim_below(&random, held + 1);
        CHECK(queue_acknowledge(shared->queue, done) == 0);
        held -= done;
        if (count == 0)
            sched_yield();
    }
    CHECK(queue_acknowledge(shared->queue, held) == 0);
    return NULL;
}

static void *look(void *arg)
{
    struct shared *shared = arg;
    struct queue_position last = {0, 0};
    while (!atomic_load_explicit(&shared->is_over, memory_order_relaxed)) {
        struct queue_stats stats;
        queue_stats(shared->queue, &stats);
        CHECK(stats.bytes <= stats.bytes_max);
        CHECK(queue_position_compare(stats.cursor, last) >= 0);
        last = stats.cursor;
        queue_is_nearly_full(shared->queue);
        queue_is_drained(shared->queue);
        sched_yield();
    }
    return NULL;
}

static void test_two_threads_and_a_looker(void **state)
{
    struct folder_rig folder;
    struct queue_io io = queue_io_posix;
    struct queue_options options = {
        .message_size_max = MESSAGE_MAX,
        .max_file_size = 20000,
        .max_buffer_size = 60000,
        .full_action = QUEUE_BLOCK,
        .cursor_update_count = 40,
        .buffer_bytes = 4000,
        .unacknowledged_max = 100,
        .io = &io,
    };
    struct shared shared = {0};
    struct queue_stats stats;
    pthread_t threads[3];
    (void)state;
    io.sync = sync_nothing;
    io.sync_dir = sync_no_dir;
    folder_rig_init(&folder);
    shared.queue = queue_open(folder.dir, &options, NULL, NULL);
    assert_non_null(shared.queue);
    assert_int_equal(pthread_create(&threads[0], NULL, append_all, &shared), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, read_all, &shared), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, look, &shared), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    atomic_store_explicit(&shared.is_over, true, memory_order_relaxed);
    pthread_join(threads[2], NULL);
    queue_stats(shared.queue, &stats);
    assert_int_equal(shared.read, MESSAGES);
    assert_int_equal(stats.counters[QUEUE_APPENDED], MESSAGES);
    assert_int_equal(stats.counters[QUEUE_ACKNOWLEDGED], MESSAGES);
    assert_int_equal(stats.counters[QUEUE_REFUSED], shared.refused);
    assert_int_equal(stats.counters[QUEUE_GARBAGE_BYTES] + stats.counters[QUEUE_TORN_BYTES], 0);
    assert_true(stats.counters[QUEUE_FILES_DELETED] > 10);
    assert_true(queue_is_drained(shared.queue));
    assert_int_equal(queue_close(shared.queue), 0);
    folder_rig_fini(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_threads_and_a_looker)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
