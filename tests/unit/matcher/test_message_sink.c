/* SPDX-License-Identifier: MPL-2.0
 *
 * test_message_sink.c - what a producer tells its consumers: a plan's policies, and counts that
 *                       match what is in the lane, over changes of the plan.
 */
#include "matcher/message_sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>

#include "tests/support/test_dir.h"
// clang-format on

enum { CONSUMERS = 3, MESSAGES = 3000, MESSAGE_SIZE_MAX = 2048 };

static char dir[] = "/tmp/heka-test-sink-XXXXXX";

struct rig {
    struct segment segment;
    struct lane_writer lane;
    struct counters counters;
    struct message_sink sink;
    struct ruleset *rules;
    struct ruleset_scratch *scratch;
    struct sink_plan plan;
};

static void set_up(struct rig *rig, uint64_t drops)
{
    static const struct rule_text texts[CONSUMERS] = {
        {.name = "all", .text = "TRUE"},
        {.name = "odd", .text = "Severity == 1"},
        {.name = "everything", .text = "TRUE"},
    };
    static struct err err;
    struct segment_config segment = {.dir = dir, .lane_count = 1, .consumer_count = CONSUMERS,
                                     .lane_bytes = LANE_BYTES_MIN, .group = (gid_t)-1};
    memset(rig, 0, sizeof(*rig));
    assert_int_equal(segment_create(&segment, &rig->segment, &err), 0);
    lane_writer_init(&rig->lane, rig->segment.lanes[0], rig->segment.cursors, CONSUMERS, 0,
                     LANE_BYTES_MIN);
    assert_int_equal(ruleset_compile(texts, CONSUMERS, &rig->rules, &err), 0);
    assert_int_equal(ruleset_scratch_new(rig->rules, &rig->scratch), 0);
    struct message_sink_config config = {.lane = &rig->lane,
                                         .consumers = segment_consumer(&rig->segment, 0, 0),
                                         .max_message_size = MESSAGE_SIZE_MAX,
                                         .counters = &rig->counters};
    assert_int_equal(message_sink_init(&rig->sink, &config, &err), 0);
    rig->plan = (struct sink_plan){.generation = 1, .max_message_size = MESSAGE_SIZE_MAX,
                                   .hostname = "h", .rules = rig->rules, .slots = {7},
                                   .drops = {drops}};
    message_sink_adopt(&rig->sink, &rig->plan, rig->scratch);
    atomic_store(&rig->segment.header->state, SEGMENT_RUNNING);
}

static void tear_down(struct rig *rig)
{
    message_sink_fini(&rig->sink);
    ruleset_scratch_free(rig->scratch);
    ruleset_free(rig->rules);
    segment_detach(&rig->segment);
}

static void put(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct msg_builder builder;
        message_sink_begin(&rig->sink, &builder, 1);
        msg_builder_severity(&builder, (int)(i % 2));
        msg_builder_payload(&builder, "payload", 7);
        message_sink_add(&rig->sink, &builder, 0, 1);
    }
    message_sink_flush(&rig->sink);
}

/* Opens hekad's side, which maps the lanes read-only. */
static void open_reader(struct segment *view, unsigned slot, struct lane_reader *reader)
{
    assert_int_equal(segment_reader_init(view, 0, slot, 1, reader), 0);
}

static uint64_t read_all(struct lane_reader *reader)
{
    static _Alignas(8) uint8_t copy[MESSAGE_SIZE_MAX + sizeof(struct record)];
    uint64_t count = 0, skipped = 0;
    int error = 0;
    while (lane_take(reader, copy, sizeof(copy), &skipped, &error) > 0)
        count++;
    assert_int_equal(error, 0);
    lane_release(reader);
    return count;
}

/* Two that are overrun and one that is not: the producer goes on as far as that one lets it. */
static void test_policies(void **state)
{
    (void)state;
    struct rig rig;
    struct segment view;
    struct lane_reader readers[CONSUMERS];
    static struct err err;
    set_up(&rig, 3);
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    for (unsigned slot = 0; slot < CONSUMERS; slot++) {
        open_reader(&view, slot, &readers[slot]);
        assert_int_equal(readers[slot].policy, slot < 2 ? LANE_DROP : LANE_BLOCK);
    }
    uint64_t waited_for = 0;
    for (unsigned i = 0; i < MESSAGES / 100; i++) {
        put(&rig, 100);
        waited_for += read_all(&readers[2]);
    }
    assert_int_equal(waited_for, MESSAGES);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_LANE_FULL], 0);
    for (unsigned slot = 0; slot < 2; slot++) {
        uint64_t read = read_all(&readers[slot]);
        uint64_t matched = atomic_load(&segment_consumer(&view, 0, slot)->matched);
        assert_int_equal(matched, slot == 0 ? MESSAGES : MESSAGES / 2);
        assert_true(read > 0 && readers[slot].dropped > 0);
        assert_int_equal(read + readers[slot].dropped, matched);
    }
    put(&rig, MESSAGES); /* now nobody reads */
    struct segment_consumer *third = segment_consumer(&view, 0, 2);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_LANE_FULL],
                     atomic_load(&third->lane_full));
    assert_int_equal(atomic_load(&third->matched) + atomic_load(&third->lane_full), 2 * MESSAGES);
    segment_detach(&view);
    tear_down(&rig);
}

/* The policy is that of the admission; whoever is admitted anew gets the new one. */
static void test_changes(void **state)
{
    (void)state;
    struct rig rig;
    struct segment view;
    struct lane_reader reader;
    static struct err err;
    set_up(&rig, 0);
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    struct sink_plan without = rig.plan, with = rig.plan;
    without.generation = 2;
    without.slots[0] = 6;
    without.drops[0] = 7; /* of consumers that stay: nothing changes */
    with.generation = 3;
    with.drops[0] = 1;
    put(&rig, 10);
    message_sink_adopt(&rig.sink, &without, rig.scratch);
    open_reader(&view, 0, &reader);
    assert_int_equal(reader.policy, LANE_BLOCK);
    assert_int_equal(read_all(&reader), 10);
    assert_true(lane_is_at_end(&reader));
    put(&rig, 10);
    assert_int_equal(read_all(&reader), 0);
    message_sink_adopt(&rig.sink, &with, rig.scratch);
    put(&rig, 10);
    open_reader(&view, 0, &reader);
    assert_int_equal(reader.policy, LANE_DROP);
    assert_int_equal(read_all(&reader), 10);
    open_reader(&view, 2, &reader);
    assert_int_equal(reader.policy, LANE_BLOCK);
    assert_int_equal(read_all(&reader), 30);
    segment_detach(&view);
    tear_down(&rig);
}

/* Stages as long as there is room; how many that were. */
static uint64_t stage_all(struct rig *rig)
{
    const struct sink_source source = {.ingest_ns = 1};
    uint64_t count = 0;
    while (message_sink_make_room(&rig->sink, 4)) {
        struct msg_builder builder;
        message_sink_begin(&rig->sink, &builder, 1);
        msg_builder_payload(&builder, "payload", 7);
        assert_true(message_sink_stage(&rig->sink, &builder, &source));
        count++;
        assert_true(count <= MESSAGES);
    }
    return count;
}

/* Who asks for room before each message loses none: not while nobody reads, and not over a change
 * of plans. */
static void test_room_is_made_without_loss(void **state)
{
    (void)state;
    struct rig rig;
    struct segment view;
    struct lane_reader readers[CONSUMERS];
    static struct err err;
    uint64_t staged = 0, read = 0;
    set_up(&rig, 0);
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    for (unsigned slot = 0; slot < CONSUMERS; slot++)
        open_reader(&view, slot, &readers[slot]);
    for (unsigned i = 0; i < 3; i++) {
        staged += stage_all(&rig);
        assert_int_equal(message_sink_push(&rig.sink) > 0, 1);
        assert_false(message_sink_make_room(&rig.sink, 4));
        message_sink_adopt(&rig.sink, &rig.plan, rig.scratch); /* matched again */
        for (unsigned slot = 1; slot < CONSUMERS; slot++)
            read_all(&readers[slot]);
        read += read_all(&readers[0]);
        assert_true(read < staged);
    }
    assert_int_equal(message_sink_push(&rig.sink), 0);
    read += read_all(&readers[0]);
    assert_int_equal(read, staged);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_LANE_FULL], 0);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_COMMITTED], staged);
    segment_detach(&view);
    tear_down(&rig);
}

static void stage_direct(struct rig *rig, uint16_t direct, uint32_t signer_number)
{
    const struct sink_source source = {
        .ingest_ns = 1, .direct = direct, .signer_number = signer_number};
    struct msg_builder builder;
    message_sink_begin(&rig->sink, &builder, 1);
    msg_builder_payload(&builder, "undecoded", 9);
    assert_true(message_sink_stage(&rig->sink, &builder, &source));
}

/* Messages for one consumer: no rule is asked, alone and among others. */
static void test_direct(void **state)
{
    (void)state;
    struct rig rig;
    struct segment view;
    struct lane_reader readers[CONSUMERS];
    static struct err err;
    set_up(&rig, 0);
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    for (unsigned slot = 0; slot < CONSUMERS; slot++)
        open_reader(&view, slot, &readers[slot]);
    stage_direct(&rig, 2, 7);
    stage_direct(&rig, 2, 0);
    assert_int_equal(message_sink_push(&rig.sink), 0);
    uint64_t skipped = 0;
    int error = 0;
    const struct record *record = lane_next(&readers[1], &skipped, &error);
    assert_non_null(record);
    assert_int_equal(record->signer, 7);
    assert_int_equal(record->mask[0], 2);
    assert_int_equal(read_all(&readers[1]), 1);
    stage_direct(&rig, 2, 0);
    stage_direct(&rig, SINK_DIRECT_GONE, 0);
    put(&rig, 1); /* for 0 and 2, by their rules */
    assert_int_equal(read_all(&readers[0]), 1);
    assert_int_equal(read_all(&readers[1]), 1);
    assert_int_equal(read_all(&readers[2]), 1);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_DECODER_GONE], 1);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_COMMITTED], 4);
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_UNMATCHED], 0);
    segment_detach(&view);
    tear_down(&rig);
}

static int make_dir(void **state)
{
    (void)state;
    return test_dir_make(dir);
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_room_is_made_without_loss),
        cmocka_unit_test(test_direct),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
