/* SPDX-License-Identifier: MPL-2.0
 *
 * test_consumer.c - consumers on real lanes with an output that does what it is told.
 */
#include "control/lanes/consumer.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/lanes/intake.h"
#include "control/lanes/reader.h"
#include "core/frame.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/lane_rig.h"

enum { BOTH = 3 };

static struct fake_output fakes[2];

struct bench { /* a rig with consumers on it */
    struct lane_rig rig;
    struct output_instance instances[2];
    struct consumer *consumers[2];
    struct attachment *attachment;
    unsigned count;
};

static struct consumer *start_consumer(struct output_instance *instance, unsigned index)
{
    struct err err = {0};
    struct consumer *consumer = consumer_new(instance, index, &fake_options, &err);
    assert_non_null(consumer);
    return consumer;
}

static void attach(struct consumer *consumer, struct attachment *attachment)
{
    struct err err = {0};
    assert_int_equal(consumer_attach(consumer, attachment, 0, &err), 0);
}

static void bench_init(struct bench *bench, unsigned lanes, unsigned consumers,
                       const struct encoder_instance *encoder)
{
    static const char *const names[] = {"first", "second"};
    memset(bench, 0, sizeof(*bench));
    memset(fakes, 0, sizeof(fakes));
    lane_rig_init(&bench->rig, lanes, consumers);
    bench->attachment = lane_rig_attach(&bench->rig);
    bench->count = consumers;
    for (unsigned i = 0; i < consumers; i++) {
        fake_output_instance(&fakes[i], names[i], encoder, &bench->instances[i]);
        bench->consumers[i] = start_consumer(&bench->instances[i], i);
        attach(bench->consumers[i], bench->attachment);
        assert_int_equal(consumer_start(bench->consumers[i]), 0);
    }
}

static void bench_fini(struct bench *bench)
{
    for (unsigned i = 0; i < bench->count; i++) {
        consumer_free(bench->consumers[i]);
        assert_int_equal(fakes[i].finis, 1);
    }
    attachment_put(bench->attachment);
    lane_rig_fini(&bench->rig);
}

static struct consumer_status status_of(struct consumer *consumer)
{
    struct consumer_status status;
    consumer_status(consumer, &status);
    return status;
}

static uint64_t end_of(const struct consumer_status *status, const char *reason)
{
    for (unsigned i = 0; i < status->ends.count; i++)
        if (strcmp(status->ends.list[i].reason, reason) == 0)
            return status->ends.list[i].count;
    return 0;
}

static uint64_t tail_of(const struct bench *bench, unsigned lane, unsigned consumer)
{
    return atomic_load(&segment_cursor(&bench->rig.segment, lane, consumer)->tail);
}

static uint64_t head_of(const struct bench *bench, unsigned lane)
{
    return bench->rig.writers[lane].head;
}

static void put_all(struct lane_rig *rig, unsigned lane, int first, int last)
{
    for (int i = first; i < last; i++)
        WAIT_UNTIL(lane_rig_put(rig, lane, i, "payload", BOTH));
}

static void test_in_order(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    put_all(&bench.rig, 0, 0, 5000); /* several times around the lane */
    WAIT_UNTIL(fakes[0].count == 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(fakes[0].numbers[i], i);
    WAIT_UNTIL(tail_of(&bench, 0, 0) == head_of(&bench, 0));
    struct consumer_status status = status_of(bench.consumers[0]);
    assert_int_equal(status.matched, 5000);
    assert_int_equal(status.read, 5000);
    assert_int_equal(status.delivered, 5000);
    assert_int_equal(status.in_flight + status.held + status.residual, 0);
    assert_int_equal(status.ends.count, 0);
    assert_int_equal(status.counter_values[0], 5000);
    assert_string_equal(status.name, "first");
    assert_string_equal(status.type, "FakeOutput");
    bench_fini(&bench);
}

/* Releases exactly what is done: the tail stands behind the third record of ten. */
static void test_exact_acknowledgement(void **state)
{
    struct bench bench;
    uint64_t behind_third = 0;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    fakes[0].blocked = true;
    for (int i = 0; i < 10; i++) {
        assert_true(lane_rig_put(&bench.rig, 0, i, "payload", 1));
        if (i == 2)
            behind_third = head_of(&bench, 0);
    }
    WAIT_UNTIL(fakes[0].calls > 2);
    assert_int_equal(tail_of(&bench, 0, 0), 0);
    fakes[0].take_max = 1;
    fakes[0].blocked = false;
    WAIT_UNTIL(fakes[0].count >= 3);
    fakes[0].blocked = true;
    unsigned taken = fakes[0].count;
    struct consumer_status status;
    /* The last acknowledgement is on its way when the count is there. */
    WAIT_UNTIL((status = status_of(bench.consumers[0])).delivered == (taken = fakes[0].count));
    assert_int_equal(status.matched, 10);
    assert_int_equal(status.held + status.in_flight, 10 - taken);
    assert_int_equal(status.residual, 0);
    uint64_t record_bytes = behind_third / 3;
    assert_int_equal(tail_of(&bench, 0, 0), taken * record_bytes);
    /* A second hekad goes on behind what was acknowledged. */
    consumer_stop(bench.consumers[0]);
    WAIT_UNTIL(consumer_has_ended(bench.consumers[0]));
    consumer_free(bench.consumers[0]);
    memset(&fakes[0], 0, sizeof(fakes[0]));
    fake_output_instance(&fakes[0], "first", NULL, &bench.instances[0]);
    bench.consumers[0] = start_consumer(&bench.instances[0], 0);
    attach(bench.consumers[0], bench.attachment);
    status = status_of(bench.consumers[0]);
    assert_int_equal(status.matched, 10 - taken);
    assert_int_equal(status.in_flight, 10 - taken);
    assert_int_equal(status.residual, 0);
    assert_int_equal(consumer_start(bench.consumers[0]), 0);
    WAIT_UNTIL(fakes[0].count == 10 - taken);
    for (unsigned i = 0; i < 10 - taken; i++)
        assert_int_equal(fakes[0].numbers[i], taken + i);
    bench_fini(&bench);
}

static void test_failures_come_again(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    fakes[0].fail_code = -ECONNREFUSED;
    put_all(&bench.rig, 0, 0, 20);
    WAIT_UNTIL(fakes[0].calls >= 3);
    struct consumer_status status = status_of(bench.consumers[0]);
    assert_int_equal(status.delivered, 0);
    assert_int_equal(status.held + status.in_flight, 20);
    assert_int_equal(status.residual, 0);
    fakes[0].fail_code = 0;
    WAIT_UNTIL(fakes[0].count == 20);
    assert_int_equal(fakes[0].numbers[0], 0);
    assert_int_equal(fakes[0].numbers[19], 19);
    bench_fini(&bench);
}

static void test_drops_are_ends(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    fakes[0].drop_every = 4;
    put_all(&bench.rig, 0, 0, 100);
    struct consumer_status status;
    WAIT_UNTIL((status = status_of(bench.consumers[0])).delivered == 75);
    assert_int_equal(end_of(&status, "test_drop"), 25);
    assert_int_equal(status.residual, 0);
    bench_fini(&bench);
}

static void test_encoder_ends(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 1, &fake_encoder);
    assert_true(lane_rig_put(&bench.rig, 0, 0, "fail", 1));
    assert_true(lane_rig_put(&bench.rig, 0, 1, "one", 1));
    assert_true(lane_rig_put(&bench.rig, 0, 2, "nothing", 1));
    assert_true(lane_rig_put(&bench.rig, 0, 3, "fail", 1));
    assert_true(lane_rig_put(&bench.rig, 0, 4, "last", 1));
    assert_true(lane_rig_put_bytes(&bench.rig, 0, "\xFFjunk", 5, 1));
    struct consumer_status status;
    WAIT_UNTIL((status = status_of(bench.consumers[0])).read == 6 && status.held == 0);
    assert_int_equal(status.delivered, 2);
    assert_int_equal(end_of(&status, "encode_failed"), 2);
    assert_int_equal(end_of(&status, "nothing_to_send"), 1);
    assert_int_equal(end_of(&status, "malformed"), 1);
    assert_int_equal(status.residual, 0);
    assert_int_equal(fakes[0].numbers[0], 1);
    assert_int_equal(fakes[0].numbers[1], 4);
    assert_int_equal(fakes[0].last_size, 4);
    assert_memory_equal(fakes[0].last_bytes, "last", 4);
    WAIT_UNTIL(tail_of(&bench, 0, 0) == head_of(&bench, 0));
    bench_fini(&bench);
}

static void test_framing(void **state)
{
    struct bench bench;
    static char large[8000];
    struct frame frame;
    size_t consumed;
    struct hekad_globals globals = fake_globals;
    struct consumer_options options = {.globals = &globals};
    struct err err = {0};
    (void)state;
    bench_init(&bench, 1, 1, &fake_encoder);
    consumer_free(bench.consumers[0]);
    memset(&fakes[0], 0, sizeof(fakes[0]));
    fake_output_instance(&fakes[0], "first", &fake_encoder, &bench.instances[0]);
    bench.instances[0].use_framing = true;
    globals.max_message_size = 4000;
    memset(large, 'x', sizeof(large) - 1);
    bench.consumers[0] = consumer_new(&bench.instances[0], 0, &options, &err);
    assert_non_null(bench.consumers[0]);
    attach(bench.consumers[0], bench.attachment);
    assert_int_equal(consumer_start(bench.consumers[0]), 0);
    assert_true(lane_rig_put(&bench.rig, 0, 0, large, 1));
    assert_true(lane_rig_put(&bench.rig, 0, 1, "small", 1));
    struct consumer_status status;
    WAIT_UNTIL((status = status_of(bench.consumers[0])).delivered == 1 && status.read == 2);
    assert_int_equal(end_of(&status, "too_large"), 1);
    assert_int_equal(frame_scan(fakes[0].last_bytes, fakes[0].last_size, 4000, &frame, &consumed),
                     FRAME_OK);
    assert_int_equal(consumed, fakes[0].last_size);
    assert_int_equal(frame.message_size, 5);
    assert_memory_equal(frame.message, "small", 5);
    bench_fini(&bench);
}

/* One that is blocked does not hold up the other, until its lane is full: then it is named. */
static void test_blocked_neighbour(void **state)
{
    struct bench bench;
    unsigned committed = 0;
    (void)state;
    bench_init(&bench, 1, 2, NULL);
    fakes[1].blocked = true;
    while (lane_rig_put(&bench.rig, 0, (int)committed, "payload", BOTH))
        committed++;
    assert_true(committed > 200);
    WAIT_UNTIL(fakes[0].count == committed);
    WAIT_UNTIL(tail_of(&bench, 0, 0) == head_of(&bench, 0));
    assert_false(lane_rig_put(&bench.rig, 0, 0, "payload", BOTH));
    assert_int_equal(fakes[1].count, 0);
    struct consumer_status status = status_of(bench.consumers[1]);
    assert_true(status.lane_full >= 1);
    assert_int_equal(status.matched, committed);
    assert_int_equal(status.residual, 0);
    fakes[1].blocked = false;
    WAIT_UNTIL(fakes[1].count == committed);
    WAIT_UNTIL(status_of(bench.consumers[0]).delivered == committed);
    assert_true(lane_rig_put(&bench.rig, 0, 0, "again", BOTH));
    bench_fini(&bench);
}

/* Records of others are passed and given back, too. */
static void test_masks(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 2, NULL);
    for (int i = 0; i < 3000; i++)
        WAIT_UNTIL(lane_rig_put(&bench.rig, 0, i, "payload", i % 3 == 0 ? 1 : 2));
    WAIT_UNTIL(fakes[0].count == 1000 && fakes[1].count == 2000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fakes[0].numbers[i], 3 * i);
    WAIT_UNTIL(tail_of(&bench, 0, 0) == head_of(&bench, 0));
    WAIT_UNTIL(tail_of(&bench, 0, 1) == head_of(&bench, 0));
    assert_int_equal(status_of(bench.consumers[0]).residual, 0);
    assert_int_equal(status_of(bench.consumers[1]).residual, 0);
    bench_fini(&bench);
}

struct producer {
    struct lane_rig *rig;
    unsigned lane;
    int first, last;
};

static void *produce(void *arg)
{
    const struct producer *producer = arg;
    for (int i = producer->first; i < producer->last; i++)
        while (!lane_rig_put(producer->rig, producer->lane, i, "from a thread", BOTH))
            usleep(100);
    return NULL;
}

/* Short counts and failures at random, three lanes, two consumers, books watched all the time. */
static void test_random_under_load(void **state)
{
    enum { EACH = 5000, LANES = 3 };
    struct bench bench;
    struct producer producers[LANES];
    pthread_t threads[LANES];
    static int seen[LANES];
    (void)state;
    bench_init(&bench, LANES, 2, NULL);
    fakes[0].seed = 12345;
    fakes[1].seed = 67890;
    fakes[1].drop_every = 7;
    for (unsigned i = 0; i < LANES; i++) {
        producers[i] = (struct producer){&bench.rig, i, (int)i * EACH, ((int)i + 1) * EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    /* The thread of each lane bumps `matched` before the record can be seen: what is read never
     * exceeds it, and both meet when the books are read. */
    while (fakes[0].count < LANES * EACH || fakes[1].count < LANES * EACH) {
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(status_of(bench.consumers[i]).residual, 0);
        usleep(1000);
    }
    for (unsigned i = 0; i < LANES; i++)
        pthread_join(threads[i], NULL);
    for (unsigned c = 0; c < 2; c++) {
        memset(seen, 0, sizeof(seen));
        for (unsigned i = 0; i < LANES * EACH; i++) {
            int lane = fakes[c].numbers[i] / EACH;
            assert_int_equal(fakes[c].numbers[i] % EACH, seen[lane]++);
        }
    }
    struct consumer_status status;
    WAIT_UNTIL((status = status_of(bench.consumers[1])).held == 0);
    assert_int_equal(end_of(&status, "test_drop"), LANES * EACH / 7);
    assert_int_equal(status.delivered, LANES * EACH - LANES * EACH / 7);
    assert_int_equal(status.residual, 0);
    bench_fini(&bench);
}

/* A data plane dies with unread lanes; the next one runs while they are read, and comes behind
 * them. */
static void test_next_data_plane(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 2, 1, NULL);
    fakes[0].blocked = true;
    put_all(&bench.rig, 0, 0, 10);
    put_all(&bench.rig, 1, 10, 20);
    lane_rig_end(&bench.rig);
    lane_rig_again(&bench.rig, 2, 1);
    struct attachment *next = lane_rig_attach(&bench.rig);
    attachment_set_final(bench.attachment);
    attach(bench.consumers[0], next);
    put_all(&bench.rig, 0, 100, 110);
    struct consumer_status status = status_of(bench.consumers[0]);
    assert_int_equal(status.matched, 30);
    assert_int_equal(status.residual, 0);
    fakes[0].blocked = false;
    WAIT_UNTIL(fakes[0].count == 30);
    for (int i = 0; i < 20; i++)
        assert_true(fakes[0].numbers[i] < 20);
    for (int i = 0; i < 10; i++)
        assert_int_equal(fakes[0].numbers[20 + i], 100 + i);
    WAIT_UNTIL((status = status_of(bench.consumers[0])).delivered == 30);
    assert_int_equal(status.matched, 30);
    assert_int_equal(status.residual, 0);
    assert_false(consumer_is_drained(bench.consumers[0]));
    attachment_set_final(next);
    WAIT_UNTIL(consumer_is_drained(bench.consumers[0]));
    status = status_of(bench.consumers[0]);
    assert_int_equal(status.matched, 30);
    assert_int_equal(status.residual, 0);
    attachment_put(next);
    bench_fini(&bench);
}

/* Counted as matched, but the data plane died before anybody could see it: an end with a name. */
static void test_unpublished(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    put_all(&bench.rig, 0, 0, 5);
    WAIT_UNTIL(status_of(bench.consumers[0]).delivered == 5);
    atomic_fetch_add(&segment_consumer(&bench.rig.segment, 0, 0)->matched, 2);
    status = status_of(bench.consumers[0]);
    assert_int_equal(status.residual, 2);
    attachment_set_final(bench.attachment);
    WAIT_UNTIL(consumer_is_drained(bench.consumers[0]));
    status = status_of(bench.consumers[0]);
    assert_int_equal(end_of(&status, "unpublished"), 2);
    assert_int_equal(status.matched, 7);
    assert_int_equal(status.residual, 0);
    bench_fini(&bench);
}

/* A record that makes no sense: what is behind it is lost by name, what comes later is read. */
static void test_corrupt_lane(void **state)
{
    struct bench bench;
    struct consumer_status status;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    fakes[0].blocked = true;
    put_all(&bench.rig, 0, 0, 1);
    WAIT_UNTIL(fakes[0].calls > 0); /* the first is a batch of its own now */
    uint64_t at = head_of(&bench, 0);
    put_all(&bench.rig, 0, 1, 5);
    struct record *record = (void *)(bench.rig.writers[0].ring + at);
    record->size_bytes = 3;
    fakes[0].blocked = false;
    WAIT_UNTIL((status = status_of(bench.consumers[0])).read == 5 && status.held == 0);
    assert_int_equal(end_of(&status, "lane_corrupt"), 4);
    assert_int_equal(status.delivered, 1);
    assert_int_equal(status.residual, 0);
    put_all(&bench.rig, 0, 5, 8);
    WAIT_UNTIL(fakes[0].count == 4);
    assert_int_equal(fakes[0].numbers[1], 5);
    assert_int_equal(status_of(bench.consumers[0]).residual, 0);
    bench_fini(&bench);
}

static void test_timer_and_reload(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    WAIT_UNTIL(fakes[0].timers >= 3);
    consumer_reload(bench.consumers[0]);
    WAIT_UNTIL(fakes[0].reloads == 1);
    fakes[0].blocked = true; /* while it waits, too */
    put_all(&bench.rig, 0, 0, 1);
    WAIT_UNTIL(fakes[0].calls >= 1);
    consumer_reload(bench.consumers[0]);
    WAIT_UNTIL(fakes[0].reloads == 2);
    bench_fini(&bench);
}

static void test_too_many_segments(void **state)
{
    struct bench bench;
    struct attachment *attachments[INTAKE_SOURCES_MAX];
    struct err err = {0};
    (void)state;
    bench_init(&bench, 1, 1, NULL);
    for (unsigned i = 1; i < INTAKE_SOURCES_MAX; i++) {
        assert_true(consumer_has_room(bench.consumers[0]));
        attachments[i] = lane_rig_attach(&bench.rig);
        attach(bench.consumers[0], attachments[i]);
    }
    assert_false(consumer_has_room(bench.consumers[0]));
    assert_int_equal(consumer_attach(bench.consumers[0], bench.attachment, 0, &err), -EAGAIN);
    for (unsigned i = 1; i < INTAKE_SOURCES_MAX; i++)
        attachment_put(attachments[i]);
    bench_fini(&bench);
}

/* The earlier run had other outputs: by name, not by place. */
static void test_mapped_consumer(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 1, 2, NULL);
    struct attachment *mapped = lane_rig_attach(&bench.rig);
    mapped->consumer_map[0] = ATTACHMENT_NO_CONSUMER;
    mapped->consumer_map[1] = 0;
    consumer_free(bench.consumers[0]);
    consumer_free(bench.consumers[1]);
    memset(fakes, 0, sizeof(fakes));
    for (unsigned i = 0; i < 2; i++) {
        fake_output_instance(&fakes[i], "x", NULL, &bench.instances[i]);
        bench.consumers[i] = start_consumer(&bench.instances[i], i);
        attach(bench.consumers[i], mapped);
        assert_int_equal(consumer_start(bench.consumers[i]), 0);
    }
    put_all(&bench.rig, 0, 0, 3);
    WAIT_UNTIL(fakes[1].count == 3);
    assert_int_equal(status_of(bench.consumers[0]).matched, 0);
    attachment_set_final(mapped);
    WAIT_UNTIL(consumer_is_drained(bench.consumers[0]));
    WAIT_UNTIL(consumer_is_drained(bench.consumers[1]));
    assert_int_equal(fakes[0].count, 0);
    attachment_put(mapped);
    bench_fini(&bench);
}

static void test_bad_cursor(void **state)
{
    struct lane_rig rig;
    struct err err = {0};
    (void)state;
    lane_rig_init(&rig, 1, 1);
    struct attachment *attachment = lane_rig_attach(&rig);
    atomic_store(&segment_cursor(&attachment->segment, 0, 0)->admitted, 1);
    atomic_store(&segment_cursor(&attachment->segment, 0, 0)->tail, 12345678);
    assert_null(reader_open(attachment, 0, 0, LANE_BLOCK, &err));
    assert_int_equal(err.count, 1);
    attachment_put(attachment);
    lane_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_exact_acknowledgement),
        cmocka_unit_test(test_failures_come_again),
        cmocka_unit_test(test_drops_are_ends),
        cmocka_unit_test(test_encoder_ends),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_blocked_neighbour),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_random_under_load),
        cmocka_unit_test(test_next_data_plane),
        cmocka_unit_test(test_unpublished),
        cmocka_unit_test(test_corrupt_lane),
        cmocka_unit_test(test_timer_and_reload),
        cmocka_unit_test(test_too_many_segments),
        cmocka_unit_test(test_mapped_consumer),
        cmocka_unit_test(test_bad_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
