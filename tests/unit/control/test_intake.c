/* SPDX-License-Identifier: MPL-2.0
 *
 * test_intake.c - many producers, one consumer: turns, dead ones first, closing, accounts, bell.
 */
#include "control/lanes/intake.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/clock.h"
#include "core/message.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/lane_rig.h"

enum { RIGS = 3, EACH = 12, PART = 4 };

struct bench {
    struct lane_rig rigs[RIGS];
    struct attachment *attachments[RIGS];
    struct bell bell;
    struct intake *intake;
};

static void open_bench(struct bench *bench)
{
    struct err err = {0};
    memset(bench, 0, sizeof(*bench));
    bench->intake = intake_new(&(struct intake_config){.name = "x", .bell = &bench->bell});
    assert_non_null(bench->intake);
    for (unsigned i = 0; i < RIGS; i++) {
        lane_rig_init(&bench->rigs[i], 1, 1);
        bench->attachments[i] = lane_rig_attach(&bench->rigs[i]);
        assert_int_equal(intake_attach(bench->intake, bench->attachments[i], 0, &err), 0);
    }
}

static void close_bench(struct bench *bench)
{
    intake_free(bench->intake);
    for (unsigned i = 0; i < RIGS; i++) {
        attachment_put(bench->attachments[i]);
        lane_rig_fini(&bench->rigs[i]);
    }
}

static void put(struct bench *bench, unsigned rig, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(lane_rig_put(&bench->rigs[rig], 0, (int)rig * 100 + i, "payload", 1));
}

static int number_of(const struct record *record)
{
    struct msg_view message;
    assert_int_equal(msg_view_init(&message, record->message, record->message_size), 0);
    return message.pid;
}

/* Takes up to PART records, all of one rig, and says of which; -1: there are none. */
static int take(struct bench *bench, unsigned *count)
{
    struct reader_item items[PART];
    *count = intake_next(bench->intake, items, PART, 1 << 20);
    if (*count == 0)
        return -1;
    int rig = number_of(items[0].record) / 100;
    for (unsigned i = 1; i < *count; i++)
        assert_int_equal(number_of(items[i].record), number_of(items[i - 1].record) + 1);
    intake_deliver(bench->intake, *count);
    intake_release_all(bench->intake);
    return rig;
}

static struct intake_status status_of(struct bench *bench)
{
    struct intake_status status;
    intake_status(bench->intake, &status);
    return status;
}

static void test_turns(void **state)
{
    struct bench bench;
    unsigned count;
    (void)state;
    open_bench(&bench);
    put(&bench, 0, EACH);
    put(&bench, 1, EACH);
    put(&bench, 2, PART);
    static const int expected[] = {0, 1, 2, 0, 1, 0, 1};
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(take(&bench, &count), expected[i]);
        assert_int_equal(count, PART);
    }
    assert_int_equal(take(&bench, &count), -1);
    struct intake_status status = status_of(&bench);
    assert_int_equal(status.matched, 2 * EACH + PART);
    assert_int_equal(status.delivered, 2 * EACH + PART);
    assert_int_equal(status.residual, 0);
    assert_false(intake_is_drained(bench.intake));
    close_bench(&bench);
}

/* One in the middle dies: it comes first, and goes when it is read; the others go on. */
static void test_dead_first(void **state)
{
    struct bench bench;
    unsigned count;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < RIGS; i++)
        put(&bench, i, EACH);
    assert_int_equal(take(&bench, &count), 0);
    attachment_set_final(bench.attachments[1]);
    attachment_set_final(bench.attachments[2]);
    static const int expected[] = {1, 1, 1, 2, 2, 2, 0, 0, -1};
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(take(&bench, &count), expected[i]);
    put(&bench, 0, 1);
    assert_int_equal(take(&bench, &count), 0);
    attachment_set_final(bench.attachments[0]);
    assert_false(intake_is_drained(bench.intake));
    assert_int_equal(take(&bench, &count), -1);
    assert_true(intake_is_drained(bench.intake));
    struct intake_status status = status_of(&bench);
    assert_int_equal(status.matched, 3 * EACH + 1);
    assert_int_equal(status.delivered, 3 * EACH + 1);
    assert_int_equal(status.residual, 0);
    close_bench(&bench);
}

/* Closed ones make room again, in any order, as often as one likes. */
static void test_come_and_go(void **state)
{
    struct bench bench;
    struct err err = {0};
    unsigned count;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < 2 * INTAKE_SOURCES_MAX; i++) {
        struct lane_rig rig;
        lane_rig_init(&rig, 1, 1);
        struct attachment *attachment = lane_rig_attach(&rig);
        assert_int_equal(intake_attach(bench.intake, attachment, 0, &err), 0);
        assert_true(lane_rig_put(&rig, 0, 7, "payload", 1));
        attachment_set_final(attachment);
        attachment_put(attachment);
        while (take(&bench, &count) != -1)
            assert_int_equal(count, 1);
        lane_rig_fini(&rig);
    }
    assert_true(intake_has_room(bench.intake));
    assert_int_equal(status_of(&bench).delivered, 2 * INTAKE_SOURCES_MAX);
    assert_int_equal(status_of(&bench).residual, 0);
    close_bench(&bench);
}

static void test_retire(void **state)
{
    struct bench bench;
    unsigned count;
    (void)state;
    open_bench(&bench);
    put(&bench, 1, PART);
    intake_retire(bench.intake);
    put(&bench, 2, PART); /* too late: a plan that does not have it would not do that */
    assert_int_equal(take(&bench, &count), 1);
    while (take(&bench, &count) == 2)
        continue;
    assert_true(intake_is_drained(bench.intake));
    close_bench(&bench);
}

/* Parts of what was taken end in different ways and go back as far as they are done. */
static void test_accounts(void **state)
{
    struct bench bench;
    struct reader_item items[EACH];
    (void)state;
    open_bench(&bench);
    put(&bench, 0, EACH);
    assert_int_equal(intake_next(bench.intake, items, EACH, 1 << 20), EACH);
    assert_int_equal(status_of(&bench).held, EACH);
    intake_deliver(bench.intake, 5);
    intake_end(bench.intake, "first", 1);
    intake_end(bench.intake, "second", 2);
    intake_end(bench.intake, "first", 1);
    intake_release(bench.intake, items[8].end);
    struct intake_status status = status_of(&bench);
    assert_int_equal(status.held, 3);
    assert_int_equal(status.delivered, 5);
    assert_int_equal(status.ends.count, 2);
    assert_int_equal(status.ends.list[0].count, 2);
    assert_int_equal(status.residual, 0);
    assert_int_equal(atomic_load(&segment_cursor(&bench.rigs[0].segment, 0, 0)->tail),
                     items[8].end);
    intake_deliver(bench.intake, 3);
    intake_release_all(bench.intake);
    assert_int_equal(atomic_load(&segment_cursor(&bench.rigs[0].segment, 0, 0)->tail),
                     bench.rigs[0].writers[0].head);
    close_bench(&bench);
}

struct ringer {
    struct bench *bench;
    _Atomic bool is_over;
};

static void *ring(void *arg)
{
    struct ringer *ringer = arg;
    for (int i = 0; i < 2000; i++) {
        while (!lane_rig_put(&ringer->bench->rigs[0], 0, i % 50, "payload", 1))
            usleep(50);
        bell_ring(&ringer->bench->bell);
    }
    atomic_store(&ringer->is_over, true);
    return NULL;
}

/* A producer that rings and a consumer that waits: everything comes, whoever was first. */
static void test_bell(void **state)
{
    static struct bench bench;
    static struct ringer ringer;
    struct reader_item items[PART];
    unsigned total = 0;
    pthread_t thread;
    (void)state;
    open_bench(&bench);
    ringer = (struct ringer){.bench = &bench};
    assert_int_equal(pthread_create(&thread, NULL, ring, &ringer), 0);
    while (total < 2000) {
        unsigned count = intake_next(bench.intake, items, PART, 1 << 20);
        if (count == 0) {
            intake_wait(bench.intake, CLOCK_NS_PER_S);
            continue;
        }
        intake_deliver(bench.intake, count);
        intake_release_all(bench.intake);
        total += count;
    }
    pthread_join(thread, NULL);
    assert_true(atomic_load(&ringer.is_over));
    assert_int_equal(status_of(&bench).residual, 0);
    close_bench(&bench);
}

/* Another reader, after the one before has died. */
static void reopen(struct bench *bench, bool is_holding)
{
    struct err err = {0};
    intake_free(bench->intake);
    bench->intake = intake_new(&(struct intake_config){.name = "x", .bell = &bench->bell});
    if (is_holding)
        intake_hold(bench->intake);
    for (unsigned i = 0; i < RIGS; i++)
        assert_int_equal(intake_attach(bench->intake, bench->attachments[i], 0, &err), 0);
}

static unsigned take_all(struct bench *bench)
{
    unsigned total = 0, count;
    while (take(bench, &count) >= 0)
        total += count;
    return total;
}

/* What was not let go comes again; what was released of a part that is out does not. */
static void test_hold(void **state)
{
    struct bench bench;
    struct reader_item items[PART];
    unsigned count;
    (void)state;
    open_bench(&bench);
    reopen(&bench, true);
    for (unsigned i = 0; i < RIGS; i++)
        put(&bench, i, EACH);
    assert_int_equal(take_all(&bench), RIGS * EACH);
    assert_int_equal(status_of(&bench).residual, 0);
    reopen(&bench, true);
    assert_int_equal(take(&bench, &count), 0);
    intake_let_go(bench.intake);
    assert_int_equal(intake_next(bench.intake, items, PART, 1 << 20), PART);
    intake_deliver(bench.intake, 2);
    intake_release(bench.intake, items[1].end);
    intake_let_go(bench.intake);
    reopen(&bench, true);
    assert_int_equal(take_all(&bench), RIGS * EACH - PART - 2);
    assert_false(intake_should_let_go(bench.intake));
    /* A source that is gone is closed only then. */
    attachment_set_final(bench.attachments[0]);
    assert_int_equal(take(&bench, &count), -1);
    assert_true(intake_should_let_go(bench.intake));
    intake_let_go(bench.intake);
    assert_false(intake_should_let_go(bench.intake));
    reopen(&bench, false);
    assert_int_equal(take_all(&bench), 0);
    close_bench(&bench);
}

/* Producers must not find a lane full of what is held. */
static void test_hold_much(void **state)
{
    static char payload[1000];
    struct bench bench;
    unsigned count, held = 0;
    (void)state;
    open_bench(&bench);
    reopen(&bench, true);
    memset(payload, 'x', sizeof(payload) - 1);
    while (!intake_should_let_go(bench.intake)) {
        assert_true(lane_rig_put(&bench.rigs[0], 0, (int)held++, payload, 1));
        assert_int_equal(take(&bench, &count), 0);
    }
    assert_in_range(held, LANE_BYTES_MIN / 4 / 1200, LANE_BYTES_MIN / 4 / 1000 + 1);
    intake_let_go(bench.intake);
    assert_false(intake_should_let_go(bench.intake));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),       cmocka_unit_test(test_dead_first),
        cmocka_unit_test(test_come_and_go), cmocka_unit_test(test_retire),
        cmocka_unit_test(test_accounts),    cmocka_unit_test(test_bell),
        cmocka_unit_test(test_hold),        cmocka_unit_test(test_hold_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
