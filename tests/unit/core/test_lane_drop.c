/* SPDX-License-Identifier: MPL-2.0
 *
 * test_lane_drop.c - consumers that the lane does not wait for: what they get and miss is exact,
 *                    others lose nothing, and nothing that they write does harm.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/lane.h"

enum {
    CAPACITY = LANE_BYTES_MIN,
    CONSUMERS = 3,
    COPY_BYTES = CAPACITY / 4,
    GENERATION = 5
};

struct rig {
    struct lane_header *header;
    struct lane_cursor *cursors;
    struct lane_bounds *bounds;
    struct lane_place *places;
    struct lane_writer writer;
    enum lane_policy policies[CONSUMERS];
    uint64_t matched[CONSUMERS];
    uint64_t generation;
};

static void *zeroed(size_t align, size_t size)
{
    void *memory = aligned_alloc(align, size);
    assert_non_null(memory);
    memset(memory, 0, size);
    return memory;
}

static void admit(struct rig *rig, unsigned consumer, enum lane_policy policy)
{
    lane_admit(&rig->writer, consumer, policy, &rig->bounds[consumer]);
    rig->policies[consumer] = policy;
    rig->matched[consumer] = 0;
}

static void rig_init(struct rig *rig, enum lane_policy policy)
{
    memset(rig, 0, sizeof(*rig));
    rig->header = zeroed(4096, LANE_HEADER_BYTES + CAPACITY);
    rig->cursors = zeroed(64, CONSUMERS * sizeof(struct lane_cursor));
    rig->bounds = zeroed(64, CONSUMERS * sizeof(struct lane_bounds));
    rig->places = zeroed(64, LANE_PLACES * sizeof(struct lane_place));
    rig->generation = GENERATION;
    lane_writer_init(&rig->writer, rig->header, rig->cursors, CONSUMERS, 0, CAPACITY);
    lane_set_places(&rig->writer, rig->places);
    lane_dismiss_all(&rig->writer);
    for (unsigned c = 0; c < CONSUMERS; c++)
        admit(rig, c, policy);
}

static void rig_fini(struct rig *rig)
{
    free(rig->header);
    free(rig->cursors);
    free(rig->bounds);
    free(rig->places);
}

static void open_reader(struct rig *rig, unsigned consumer, struct lane_reader *reader)
{
    struct lane_admission admission = {&rig->bounds[consumer], rig->generation,
                                       rig->policies[consumer]};
    assert_int_equal(lane_reader_init_admitted(reader, rig->header, &rig->cursors[consumer],
                                               consumer, &admission),
                     0);
}

static bool put(struct rig *rig, uint64_t value, uint32_t size, uint64_t mask)
{
    struct record *record = lane_reserve(&rig->writer, size);
    if (record == NULL)
        return false;
    record->message_size = size;
    memset(record->mask, 0, sizeof(record->mask));
    record->mask[0] = mask;
    record->ingest_ns = value;
    memset(record->message, (int)(value & 0xFF), size);
    lane_commit(&rig->writer, record);
    lane_publish(&rig->writer);
    for (unsigned c = 0; c < CONSUMERS; c++)
        rig->matched[c] += (mask >> c) & 1;
    return true;
}

static bool is_whole(const struct record *record)
{
    for (uint32_t i = 0; i < record->message_size; i++)
        if (record->message[i] != (uint8_t)record->ingest_ns)
            return false;
    return true;
}

/* Takes one record, whose value is put into *value. */
static bool take(struct lane_reader *reader, uint64_t *value)
{
    static _Alignas(8) uint8_t copy[COPY_BYTES];
    const struct record *record = (const void *)copy;
    uint64_t skipped = 0;
    int error = 0;
    uint32_t size = lane_take(reader, copy, sizeof(copy), &skipped, &error);
    assert_int_equal(error, 0);
    if (size == 0)
        return false;
    assert_int_equal(size, record->size_bytes);
    assert_true(is_whole(record));
    *value = record->ingest_ns;
    return true;
}

/* Nobody holds the lane back; who comes late finds the newest records, and knows how many it
 * missed. */
static void test_overrun_is_exact(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader reader;
    uint64_t value = 0, read = 0, next = 0, ahead, dropped;
    rig_init(&rig, LANE_DROP);
    open_reader(&rig, 0, &reader);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(put(&rig, i, 500, 1));
    lane_look_ahead(&reader, &ahead, &dropped);
    assert_int_equal(reader.dropped, 0); /* a look changes nothing */
    assert_int_equal(ahead + dropped, 1000);
    assert_in_range(ahead, CAPACITY / 600 - CAPACITY / 16 / 500, CAPACITY / 500);
    while (take(&reader, &value)) {
        if (read == 0)
            next = value;
        assert_int_equal(value, next);
        next++;
        read++;
    }
    assert_int_equal(next, 1000);
    assert_int_equal(read, ahead);
    assert_int_equal(reader.dropped, dropped);
    assert_int_equal(reader.count, 1000);
    rig_fini(&rig);
}

/* A dropper that stands still costs a blocker nothing; and the lane waits for the blocker, also
 * when the dropper is further behind. */
static void test_blockers_are_kept(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader blocker, dropper;
    uint64_t written = 0, skipped = 0, read = 0, value;
    int error = 0;
    rig_init(&rig, LANE_DROP);
    admit(&rig, 1, LANE_BLOCK);
    open_reader(&rig, 0, &dropper);
    open_reader(&rig, 1, &blocker);
    for (unsigned round = 0; round < 50; round++) {
        const struct record *record;
        while (put(&rig, written, (uint32_t)(written * 7 % 900), 3))
            written++;
        assert_int_equal(rig.writer.slowest, 1);
        for (unsigned i = 0; i < 40 && (record = lane_next(&blocker, &skipped, &error)); i++) {
            assert_int_equal(record->ingest_ns, read++);
            assert_true(is_whole(record));
        }
        lane_release(&blocker);
    }
    assert_int_equal(blocker.dropped, 0);
    assert_int_equal(blocker.count, read);
    assert_int_equal(read + lane_count_ahead(&blocker), written);
    assert_true(take(&dropper, &value));
    assert_int_equal(dropper.dropped, value);
    assert_int_equal(dropper.dropped + 1 + lane_count_ahead(&dropper), written);
    assert_int_equal(rig.writer.bad_cursor_count, 0);
    rig_fini(&rig);
}

/* Whatever a dropper writes as its cursor: the floor is where the producer's records begin, the
 * counts are its own, and others get everything. */
static void test_wrong_cursors_do_no_harm(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader reader;
    uint64_t random = 88172645463325252u, skipped = 0, read = 0, written = 0;
    int error = 0;
    rig_init(&rig, LANE_DROP);
    admit(&rig, 2, LANE_BLOCK);
    open_reader(&rig, 2, &reader);
    for (unsigned round = 0; round < 3000; round++) {
        const struct record *record;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint64_t head = rig.writer.head;
        uint64_t near = head - random % (2 * CAPACITY), odd = random >> (random % 64);
        atomic_store(&rig.cursors[0].tail, random & 1 ? near : odd);
        atomic_store(&rig.cursors[1].tail, random & 2 ? head : UINT64_MAX);
        while (put(&rig, written, (uint32_t)(random >> 8) % 3000, 7))
            written++;
        while ((record = lane_next(&reader, &skipped, &error)) != NULL) {
            assert_int_equal(record->ingest_ns, read++);
            assert_true(is_whole(record));
        }
        lane_release(&reader);
        struct lane_floor floor = lane_bounds_floor(&rig.bounds[0]);
        assert_true(floor.position <= rig.writer.head);
        assert_true(floor.count <= rig.matched[0]);
    }
    assert_int_equal(read, written);
    assert_true(rig.writer.bad_cursor_count > 1000);
    rig_fini(&rig);
}

/* A slot that is given on: nothing of the former consumer's counts or records. */
static void test_next_consumer_of_a_slot(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader reader;
    uint64_t value = 0;
    rig_init(&rig, LANE_DROP);
    open_reader(&rig, 0, &reader);
    for (uint64_t i = 0; i < 300; i++)
        assert_true(put(&rig, i, 700, 1));
    lane_dismiss(&rig.writer, 0);
    for (uint64_t i = 300; i < 310; i++)
        assert_true(put(&rig, i, 700, 2));
    while (take(&reader, &value))
        ;
    assert_true(lane_is_at_end(&reader)); /* and not at the head, where nobody keeps it room */
    assert_true(reader.position < rig.writer.head);
    assert_int_equal(value, 299);
    assert_int_equal(reader.count, 300);
    lane_release(&reader);
    for (enum lane_policy policy = LANE_BLOCK; policy <= LANE_DROP; policy++) {
        rig.generation++;
        admit(&rig, 0, policy);
        for (uint64_t i = 0; i < 20; i++)
            assert_true(put(&rig, 1000 + i, 700, 3));
        open_reader(&rig, 0, &reader);
        assert_int_equal(reader.base, 0);
        assert_int_equal(lane_count_ahead(&reader), 20);
        for (uint64_t i = 0; i < 20; i++) {
            assert_true(take(&reader, &value));
            assert_int_equal(value, 1000 + i);
        }
        assert_int_equal(reader.dropped, 0);
        lane_release(&reader);
        lane_dismiss(&rig.writer, 0);
    }
    rig_fini(&rig);
}

/* One that dies at any place is followed by one that knows what the first has released. */
static void test_successor_knows_what_was_released(void **state)
{
    (void)state;
    for (unsigned stop = 1; stop < 60; stop++) {
        struct rig rig;
        struct lane_reader first, second;
        uint64_t value, released = 0;
        rig_init(&rig, stop & 1 ? LANE_DROP : LANE_BLOCK);
        open_reader(&rig, 0, &first);
        for (uint64_t i = 0; i < 60; i++)
            assert_true(put(&rig, i, 300, i % 3 == 0 ? 2 : 3));
        for (unsigned i = 0; i < stop && take(&first, &value); i++) {
            if (i % 4 == 0) {
                lane_release(&first);
                released = first.count;
            }
        }
        struct lane_cursor *cursor = &rig.cursors[0];
        struct lane_mark *mark = &cursor->marks[first.mark ^ 1];
        if (stop % 3 == 0) /* dies between the stores of a release */
            atomic_store(&mark->count, 77);
        if (stop % 6 == 0)
            atomic_store(&mark->position, first.position + 64);
        open_reader(&rig, 0, &second);
        assert_int_equal(second.base, released);
        assert_int_equal(second.count + lane_count_ahead(&second), 40);
        rig_fini(&rig);
    }
}

static void test_small_copies(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader reader;
    _Alignas(8) uint8_t copy[1024];
    uint64_t skipped = 0;
    int error = 0;
    rig_init(&rig, LANE_DROP);
    open_reader(&rig, 0, &reader);
    assert_true(put(&rig, 1, 900, 1));
    assert_int_equal(lane_take(&reader, copy, 0, &skipped, &error), 968);
    assert_int_equal(lane_take(&reader, copy, 967, &skipped, &error), 968);
    assert_int_equal(reader.count, 0);
    assert_int_equal(lane_take(&reader, copy, 968, &skipped, &error), 968);
    assert_int_equal(reader.count, 1);
    assert_int_equal(lane_take(&reader, copy, 968, &skipped, &error), 0);
    struct record *record = (void *)((char *)rig.header + LANE_HEADER_BYTES);
    assert_true(put(&rig, 2, 100, 1));
    record = (void *)((char *)record + 968);
    record->size_bytes = 7;
    assert_int_equal(lane_take(&reader, copy, 968, &skipped, &error), 0);
    assert_int_equal(error, -EPROTO);
    rig_fini(&rig);
}

/* ---- threads: one that is waited for, one that may keep up, one that often stands still ---- */

enum { RECORDS = 300000 };

struct job {
    struct rig *rig;
    unsigned consumer, pause_every;
    uint64_t read, dropped, bad;
};

static void *consume(void *arg)
{
    struct job *job = arg;
    struct lane_reader reader;
    _Alignas(8) uint8_t copy[2048];
    const struct record *record = (const void *)copy;
    uint64_t skipped = 0, next = 0;
    int error = 0;
    open_reader(job->rig, job->consumer, &reader);
    while (next < RECORDS && error == 0) {
        uint32_t size = lane_take(&reader, copy, sizeof(copy), &skipped, &error);
        if (size == 0 || (job->pause_every > 0 && job->read % job->pause_every == 0)) {
            lane_release(&reader);
            sched_yield();
        }
        if (size == 0)
            continue;
        job->bad += record->ingest_ns < next || !is_whole(record);
        next = record->ingest_ns + 1;
        job->read++;
    }
    job->bad += error != 0;
    job->dropped = reader.dropped;
    lane_release(&reader);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t threads[CONSUMERS];
    struct job jobs[CONSUMERS];
    rig_init(&rig, LANE_DROP);
    admit(&rig, 0, LANE_BLOCK);
    for (unsigned c = 0; c < CONSUMERS; c++) {
        jobs[c] = (struct job){.rig = &rig, .consumer = c, .pause_every = c == 2 ? 3 : 0};
        assert_int_equal(pthread_create(&threads[c], NULL, consume, &jobs[c]), 0);
    }
    uint64_t random = 88172645463325252u;
    for (uint64_t i = 0; i < RECORDS; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint64_t mask = i == RECORDS - 1 ? 7 : random & 7;
        while (!put(&rig, i, (uint32_t)(random >> 8) % 300, mask))
            sched_yield();
    }
    for (unsigned c = 0; c < CONSUMERS; c++) {
        pthread_join(threads[c], NULL);
        assert_int_equal(jobs[c].bad, 0);
        assert_int_equal(jobs[c].read + jobs[c].dropped, rig.matched[c]);
    }
    assert_int_equal(jobs[0].dropped, 0);
    assert_int_equal(rig.writer.bad_cursor_count, 0);
    print_message("droppers missed %llu and %llu of %d\n", (unsigned long long)jobs[1].dropped,
                  (unsigned long long)jobs[2].dropped, RECORDS);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overrun_is_exact),
        cmocka_unit_test(test_blockers_are_kept),
        cmocka_unit_test(test_wrong_cursors_do_no_harm),
        cmocka_unit_test(test_next_consumer_of_a_slot),
        cmocka_unit_test(test_successor_knows_what_was_released),
        cmocka_unit_test(test_small_copies),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
