/* SPDX-License-Identifier: MPL-2.0
 *
 * test_lane.c - lanes and segments: order, wrap, limits, distrust of cursors, two threads, two
 *               views.
 */
#include "core/lane.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/segment.h"
#include "tests/support/test_dir.h"

enum { CAPACITY = LANE_BYTES_MIN, CONSUMERS = 3 };

struct rig {
    struct lane_header *header;
    struct lane_cursor *cursors;
    struct lane_writer writer;
};

static void rig_init(struct rig *rig, uint64_t capacity)
{
    rig->header = aligned_alloc(4096, LANE_HEADER_BYTES + capacity);
    rig->cursors = aligned_alloc(64, CONSUMERS * sizeof(struct lane_cursor));
    assert_non_null(rig->header);
    assert_non_null(rig->cursors);
    memset(rig->header, 0, LANE_HEADER_BYTES + capacity);
    memset(rig->cursors, 0, CONSUMERS * sizeof(struct lane_cursor));
    lane_writer_init(&rig->writer, rig->header, rig->cursors, CONSUMERS, 7, capacity);
}

static void rig_fini(struct rig *rig)
{
    free(rig->header);
    free(rig->cursors);
}

static bool put(struct lane_writer *writer, uint64_t value, uint32_t size, uint64_t mask)
{
    struct record *record = lane_reserve(writer, size);
    if (record == NULL)
        return false;
    record->message_size = size;
    memset(record->mask, 0, sizeof(record->mask));
    record->mask[0] = mask;
    record->ingest_ns = value;
    memset(record->message, (int)(value & 0xFF), size);
    lane_commit(writer, record);
    lane_publish(writer);
    return true;
}

static void test_order_and_masks(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader readers[CONSUMERS];
    rig_init(&rig, CAPACITY);
    for (unsigned c = 0; c < CONSUMERS; c++)
        assert_int_equal(lane_reader_init(&readers[c], rig.header, &rig.cursors[c], c), 0);
    for (uint64_t i = 0; i < 100; i++)
        assert_true(put(&rig.writer, i, (uint32_t)(i % 50), 1u << (i % CONSUMERS)));
    for (unsigned c = 0; c < CONSUMERS; c++) {
        uint64_t skipped = 0, expected = c;
        int error = 0;
        const struct record *record;
        assert_int_equal(lane_count_ahead(&readers[c]), c == 0 ? 34 : 33);
        while ((record = lane_next(&readers[c], &skipped, &error)) != NULL) {
            assert_int_equal(record->ingest_ns, expected);
            assert_int_equal(record->message_size, expected % 50);
            expected += CONSUMERS;
        }
        assert_int_equal(error, 0);
        assert_int_equal(skipped, 100 - (c == 0 ? 34 : 33));
        assert_false(lane_drained(&rig.writer));
        lane_release(&readers[c]);
    }
    assert_true(lane_drained(&rig.writer));
    rig_fini(&rig);
}

/* A full lane names the slowest consumer, and gives room again when that one, and only that one,
 * releases. */
static void test_full_names_the_slowest(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader readers[CONSUMERS];
    rig_init(&rig, CAPACITY);
    for (unsigned c = 0; c < CONSUMERS; c++)
        assert_int_equal(lane_reader_init(&readers[c], rig.header, &rig.cursors[c], c), 0);
    uint64_t written = 0, skipped = 0;
    int error = 0;
    while (put(&rig.writer, written, 1000, 7))
        written++;
    assert_in_range(written, CAPACITY / 1100, CAPACITY / 1000);
    for (unsigned c = 0; c < CONSUMERS; c++) {
        if (c == 1)
            continue;
        while (lane_next(&readers[c], &skipped, &error) != NULL)
            ;
        lane_release(&readers[c]);
        assert_false(put(&rig.writer, written, 1000, 7));
        assert_int_equal(rig.writer.slowest, 1);
    }
    assert_non_null(lane_next(&readers[1], &skipped, &error));
    assert_false(put(&rig.writer, written, 1000, 7)); /* looked at is not released */
    lane_release(&readers[1]);
    assert_true(put(&rig.writer, written, 900, 7));
    rig_fini(&rig);
}

/* Cursors that make no sense are counted and change nothing. */
static void test_bad_cursors(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, CAPACITY);
    while (put(&rig.writer, 1, 2000, 7))
        ;
    uint64_t head = atomic_load(&rig.header->head);
    uint64_t before = rig.writer.bad_cursor_count;
    for (unsigned c = 0; c < CONSUMERS; c++)
        atomic_store(&rig.cursors[c].tail, head + 8);
    assert_false(put(&rig.writer, 1, 2000, 7));
    assert_int_equal(rig.writer.bad_cursor_count, before + CONSUMERS);
    for (unsigned c = 0; c < CONSUMERS; c++)
        atomic_store(&rig.cursors[c].tail, head);
    assert_true(put(&rig.writer, 1, 2000, 7));
    atomic_store(&rig.cursors[0].tail, 0); /* back */
    while (put(&rig.writer, 1, 2000, 7))
        ;
    assert_true(rig.writer.bad_cursor_count > before + CONSUMERS);
    rig_fini(&rig);
}

static void test_reader_refuses_corruption(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader reader;
    rig_init(&rig, CAPACITY);
    assert_true(put(&rig.writer, 1, 100, 1));
    assert_int_equal(lane_reader_init(&reader, rig.header, &rig.cursors[0], CONSUMERS), -EPROTO);
    struct record *record = (void *)((char *)rig.header + LANE_HEADER_BYTES);
    const uint32_t bad_sizes[] = {0, 4, 7, 63, CAPACITY * 2};
    for (unsigned i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
        uint64_t skipped = 0;
        int error = 0;
        uint32_t good = record->size_bytes;
        assert_int_equal(lane_reader_init(&reader, rig.header, &rig.cursors[0], 0), 0);
        record->size_bytes = bad_sizes[i];
        assert_null(lane_next(&reader, &skipped, &error));
        assert_int_equal(error, -EPROTO);
        record->size_bytes = good;
    }
    atomic_store(&rig.cursors[0].tail, 1 << 20);
    assert_int_equal(lane_reader_init(&reader, rig.header, &rig.cursors[0], 0), -EPROTO);
    rig_fini(&rig);
}

/* ---- threads ---- */

enum { RECORDS = 200000 };

struct consumer_job {
    struct lane_header *header;
    struct lane_cursor *cursor;
    unsigned consumer;
    uint64_t count, bad;
};

static void *consume(void *arg)
{
    struct consumer_job *job = arg;
    struct lane_reader reader;
    uint64_t skipped = 0, next = 0;
    int error = 0;
    if (lane_reader_init(&reader, job->header, job->cursor, job->consumer) != 0)
        job->bad++;
    while (next < RECORDS && error == 0) {
        const struct record *record = lane_next(&reader, &skipped, &error);
        if (record == NULL) {
            lane_release(&reader);
            sched_yield();
            continue;
        }
        job->bad += record->ingest_ns < next;
        next = record->ingest_ns + 1;
        for (uint32_t i = 0; i < record->message_size; i++)
            job->bad += record->message[i] != (uint8_t)record->ingest_ns;
        job->count++;
        if (job->count % 7 == 0)
            lane_release(&reader);
    }
    job->bad += error != 0;
    lane_release(&reader);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t threads[CONSUMERS];
    struct consumer_job jobs[CONSUMERS] = {0};
    uint64_t expected[CONSUMERS] = {0};
    rig_init(&rig, CAPACITY);
    for (unsigned c = 0; c < CONSUMERS; c++) {
        jobs[c] = (struct consumer_job){rig.header, &rig.cursors[c], c, 0, 0};
        assert_int_equal(pthread_create(&threads[c], NULL, consume, &jobs[c]), 0);
    }
    uint64_t random = 88172645463325252u;
    for (uint64_t i = 0; i < RECORDS; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint64_t mask = i == RECORDS - 1 ? 7 : random & 7;
        for (unsigned c = 0; c < CONSUMERS; c++)
            expected[c] += (mask >> c) & 1;
        while (!put(&rig.writer, i, (uint32_t)(random >> 8) % 300, mask))
            sched_yield();
    }
    for (unsigned c = 0; c < CONSUMERS; c++) {
        pthread_join(threads[c], NULL);
        assert_int_equal(jobs[c].bad, 0);
        assert_int_equal(jobs[c].count, expected[c]);
    }
    assert_true(lane_drained(&rig.writer));
    assert_int_equal(rig.writer.bad_cursor_count, 0);
    rig_fini(&rig);
}

/* ---- segment ---- */

static void test_segment(void **state)
{
    (void)state;
    char dir[] = "/tmp/heka-test-segment-XXXXXX";
    assert_int_equal(test_dir_make(dir), 0);
    struct segment owner, other, view;
    static struct err err;
    assert_int_equal(segment_attach(dir, &view, &err), -EAGAIN);
    struct segment_config config = {.dir = dir, .lane_count = 2, .consumer_count = 2,
                                    .lane_bytes = CAPACITY, .generation = 5,
                                    .group = (gid_t)-1};
    assert_int_equal(segment_create(&config, &owner, &err), 0);
    assert_int_equal(segment_create(&config, &other, &err), -1);
    assert_int_equal(err.count, 1);
    assert_int_equal(segment_attach(dir, &view, &err), -EAGAIN); /* still starting */
    struct lane_writer writers[2];
    for (unsigned i = 0; i < 2; i++)
        lane_writer_init(&writers[i], owner.lanes[i], segment_cursor(&owner, i, 0), 2, i,
                         CAPACITY);
    atomic_store(&owner.header->state, SEGMENT_RUNNING);
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    struct lane_reader reader;
    assert_int_equal(lane_reader_init(&reader, view.lanes[1], segment_cursor(&view, 1, 1), 1), 0);
    assert_true(put(&writers[1], 42, 10, 2));
    uint64_t skipped = 0;
    int error = 0;
    const struct record *record = lane_next(&reader, &skipped, &error);
    assert_non_null(record);
    assert_int_equal(record->ingest_ns, 42);
    lane_release(&reader);
    assert_int_equal(atomic_load(&segment_cursor(&owner, 1, 1)->tail), 80);

    struct counters mine = {0}, sum;
    mine.values[COUNTER_FRAMES_RX] = 3;
    counters_publish(&owner.blocks[0], &mine);
    counters_publish(&owner.blocks[1], &mine);
    assert_true(segment_counters(&view, &sum));
    assert_int_equal(sum.values[COUNTER_FRAMES_RX], 6);
    atomic_store(&owner.blocks[0].sequence, 3); /* a writer that died in the middle */
    assert_false(segment_counters(&view, &sum));
    assert_int_equal(sum.values[COUNTER_FRAMES_RX], 3);
    segment_detach(&view);
    segment_detach(&owner);
    assert_int_equal(test_dir_remove(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_masks), cmocka_unit_test(test_full_names_the_slowest),
        cmocka_unit_test(test_bad_cursors),     cmocka_unit_test(test_reader_refuses_corruption),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
