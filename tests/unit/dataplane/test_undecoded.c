/* SPDX-License-Identifier: MPL-2.0
 *
 * test_undecoded.c - listeners whose decoder runs in hekad: their pieces go to one consumer, and
 *                    those that wait for room find it in the next plan. Pieces of which a decoder
 *                    makes more messages than there is room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/text_listener.h"
#include "tests/support/test_dir.h"

enum { CONSUMERS = 8 };

static char dir[] = "/tmp/heka-undecoded-XXXXXX";
static struct err err;

static struct plan *parse(const char *text, int wanted)
{
    struct plan *plan = NULL;
    err.count = 0;
    int rc = plan_parse(text, strlen(text), "plan", &plan, &err);
    if (rc != wanted)
        err_print(&err, stderr);
    assert_int_equal(rc, wanted);
    return plan;
}

/* ---- what a plan may say ---- */

#define LISTENER(name, more)                                                                       \
    "{\"name\": \"" name "\", \"kind\": \"text\", \"net\": \"tcp\"" more "}"
#define DECODES(name, slot)                                                                        \
    "{\"name\": \"" name "\", \"message_matcher\": \"FALSE\", \"decodes\": \"" name                \
    "\", \"slot\": " slot "}"
#define AT(port) ", \"address\": \"10.0.0.1:" port "\""

static void test_plan(void **state)
{
    (void)state;
    struct plan *plan = parse("{\"listeners\": [" LISTENER("a", AT("1")) ", "
                              LISTENER("b", AT("2")) "], \"consumers\": ["
                              DECODES("b", "5") "]}", 0);
    assert_false(plan->listeners[0].is_undecoded);
    assert_true(plan->listeners[1].is_undecoded);
    assert_int_equal(plan->listeners[1].decoder_slot, 5);
    assert_ptr_equal(plan_find_listener(plan, "b"), &plan->listeners[1]);
    assert_null(plan_find_listener(plan, "c"));
    plan_free(plan);
}

static void test_refused(void **state)
{
    static const char *const plans[] = {
        "{\"consumers\": [" DECODES("c", "0") "]}",
        "{\"listeners\": [" LISTENER("c", AT("1") ", \"decoder\": \"ProtobufDecoder\"")
        "], \"consumers\": [" DECODES("c", "0") "]}",
        "{\"listeners\": [" LISTENER("c", AT("1")) "], \"consumers\": ["
        DECODES("c", "0") ", " DECODES("c", "1") "]}",
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        parse(plans[i], -1);
        assert_string_equal(err.texts[0], "plan:1: decodes: found 'c', allowed a text listener "
                                          "without decoder, once");
    }
}

/* Over TCP each stream keeps what a search knows. */
static void test_large_expressions(void **state)
{
    static const char plan_text[] =
        "{\"listeners\": [{\"name\": \"large\", \"kind\": \"text\", \"net\": \"%s\", \"address\":"
        " \"10.0.0.1:1\", \"splitter\": {\"type\": \"RegexSplitter\", \"delimiter\":"
        " \"[ab]{200}\"}}]}";
    char text[512];
    (void)state;
    snprintf(text, sizeof(text), plan_text, "tcp");
    parse(text, -1);
    assert_non_null(strstr(err.texts[0], "splitter of 'large': its expressions take"));
    snprintf(text, sizeof(text), plan_text, "udp");
    plan_free(parse(text, 0));
}

/* ---- pieces ---- */

struct rig {
    struct segment segment;
    struct lane_writer lane;
    struct counters counters;
    struct message_sink sink;
    struct ruleset_scratch *scratch;
    struct plan *plan;
    struct text_decoder *decoders;
    struct spill spill;
};

static void set_up(struct rig *rig, struct plan *plan)
{
    struct segment_config segment = {.dir = dir, .lane_count = 1, .consumer_count = CONSUMERS,
                                     .lane_bytes = LANE_BYTES_MIN, .group = (gid_t)-1};
    memset(rig, 0, sizeof(*rig));
    rig->plan = plan;
    assert_int_equal(segment_create(&segment, &rig->segment, &err), 0);
    lane_writer_init(&rig->lane, rig->segment.lanes[0], rig->segment.cursors, CONSUMERS, 0,
                     LANE_BYTES_MIN);
    assert_int_equal(ruleset_scratch_new(plan->rules, &rig->scratch), 0);
    struct message_sink_config config = {.lane = &rig->lane,
                                         .consumers = segment_consumer(&rig->segment, 0, 0),
                                         .max_message_size = (uint64_t)plan->max_message_size,
                                         .counters = &rig->counters};
    assert_int_equal(message_sink_init(&rig->sink, &config, &err), 0);
    message_sink_adopt(&rig->sink, &plan->sink, rig->scratch);
    assert_int_equal(text_decoders_new(plan, &rig->decoders, &err), 0);
    assert_int_equal(spill_init(&rig->spill, (size_t)plan->max_message_size, &err), 0);
}

static void tear_down(struct rig *rig)
{
    text_decoders_free(rig->plan, rig->decoders);
    spill_fini(&rig->spill);
    message_sink_fini(&rig->sink);
    ruleset_scratch_free(rig->scratch);
    segment_detach(&rig->segment);
    plan_free(rig->plan);
}

static void take(struct rig *rig, unsigned index, const char *text, const char *signer,
                 uint32_t signer_index)
{
    static const uint8_t ip[4] = {10, 0, 0, 2};
    const struct text_source source = {.listener = &rig->plan->listeners[index],
                                       .decoder = &rig->decoders[index],
                                       .sink = &rig->sink,
                                       .spill = &rig->spill,
                                       .peer_ip = ip,
                                       .now_ns = 1,
                                       .origin = index};
    const struct split_piece piece = {.outcome = SPLIT_RECORD,
                                      .consumed = strlen(text),
                                      .record = {text, (uint32_t)strlen(text)},
                                      .signer = signer,
                                      .signer_index = signer_index};
    text_listener_piece(&source, &piece);
}

static const struct record *read_one(struct rig *rig, unsigned slot)
{
    struct lane_reader reader;
    uint64_t skipped = 0;
    int error = 0;
    assert_int_equal(lane_reader_init(&reader, rig->segment.lanes[0],
                                      segment_cursor(&rig->segment, 0, slot), slot), 0);
    return lane_next(&reader, &skipped, &error);
}

#define FRAMED(signers)                                                                            \
    ", \"splitter\": {\"type\": \"HekaFramingSplitter\", \"signer\": {" signers "}}"
#define KEY(name) "\"" name "_1\": {\"hmac_key\": \"x\"}"

static const char now_text[] =
    "{\"generation\": 1, \"listeners\": ["
    LISTENER("stays", AT("1") FRAMED(KEY("ann") ", " KEY("zoe"))) ", "
    LISTENER("goes", AT("2")) ", " LISTENER("never", AT("3")) "], \"consumers\": ["
    DECODES("stays", "3") ", " DECODES("goes", "4")
    ", {\"name\": \"all\", \"message_matcher\": \"TRUE\", \"slot\": 0}]}";

static const char next_text[] =
    "{\"generation\": 2, \"listeners\": [" LISTENER("never", AT("3")) ", "
    LISTENER("goes", AT("2")) ", "
    LISTENER("stays", AT("1") FRAMED(KEY("amy") ", " KEY("ben") ", " KEY("zoe")))
    "], \"consumers\": [" DECODES("stays", "6")
    ", {\"name\": \"all\", \"message_matcher\": \"TRUE\", \"slot\": 0}]}";

static void test_pieces(void **state)
{
    (void)state;
    struct rig rig;
    struct msg_view view;
    set_up(&rig, parse(now_text, 0));
    take(&rig, 0, "record", "zoe", 1);
    take(&rig, 2, "plain", NULL, 0);
    assert_int_equal(message_sink_push(&rig.sink), 0);
    const struct record *record = read_one(&rig, 3);
    assert_non_null(record);
    assert_int_equal(record->mask[0], 1 << 3); /* "all" is for what is decoded */
    assert_int_equal(record->signer, 2);
    assert_int_equal(msg_view_init(&view, record->message, record->message_size), 0);
    assert_memory_equal(view.payload.ptr, "record", 6);
    assert_memory_equal(view.logger.ptr, "stays", 5);
    record = read_one(&rig, 0);
    assert_non_null(record);
    assert_int_equal(record->mask[0], 1);
    assert_int_equal(rig.counters.values[COUNTER_TEXT_UNDECODED], 1);
    assert_int_equal(rig.counters.values[COUNTER_TEXT_MESSAGES], 1);
    tear_down(&rig);
}

static void test_next_plan(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig, parse(now_text, 0));
    struct plan *next = parse(next_text, 0);
    take(&rig, 0, "by zoe", "zoe", 1);
    take(&rig, 0, "by ann", "ann", 0);
    take(&rig, 1, "gone", NULL, 0);
    take(&rig, 2, "plain", NULL, 0);
    assert_int_equal(rig.sink.pending_count, 4);
    text_listener_adopt(&rig.sink, rig.plan, next);
    const struct sink_pending *pending = rig.sink.pending;
    assert_int_equal(pending[0].source.direct, 7);
    assert_int_equal(pending[0].source.signer_number, 3);
    assert_int_equal(pending[0].source.origin, 2);
    assert_int_equal(pending[1].source.direct, 7);
    assert_int_equal(pending[1].source.signer_number, 0); /* nobody knows her any more */
    assert_int_equal(pending[2].source.direct, SINK_DIRECT_GONE);
    assert_int_equal(pending[3].source.direct, 0);
    text_listener_adopt(&rig.sink, next, next);
    assert_int_equal(pending[0].source.direct, 7);
    plan_free(next);
    tear_down(&rig);
}

/* ---- more messages than room ---- */

enum { TIMES = 16 };

static const char stats_text[] =
    "{\"decoders\": [{\"name\": \"s\", \"type\": \"StatsToFieldsDecoder\"}], \"listeners\": ["
    LISTENER("stats", AT("1") ", \"decoder\": \"s\"")
    "], \"consumers\": [{\"name\": \"all\", \"message_matcher\": \"TRUE\", \"slot\": 0}]}";

/* A payload that becomes TIMES messages, of the times first, first + 1, ... */
static void take_stats(struct rig *rig, unsigned first)
{
    char text[TIMES * 32];
    size_t len = 0;
    for (unsigned i = 0; i < TIMES; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a 1 %u\n", first + i);
    take(rig, 0, text, NULL, 0);
}

/* How many messages the consumer finds; adds those with fields to *decoded. */
static unsigned read_all(struct lane_reader *reader, unsigned *decoded)
{
    uint64_t skipped = 0;
    int error = 0;
    unsigned count = 0;
    const struct record *record;
    for (; (record = lane_next(reader, &skipped, &error)) != NULL; count++) {
        struct msg_view view;
        struct msg_field field;
        assert_int_equal(msg_view_init(&view, record->message, record->message_size), 0);
        *decoded += msg_field_first(&view, &field);
    }
    lane_release(reader);
    return count;
}

/* Fills the lane with others until there is room for a few only. */
static unsigned fill_lane(struct rig *rig)
{
    const struct sink_source source = {.ingest_ns = 1};
    unsigned count = 0;
    for (; message_sink_make_room(&rig->sink, 5); count++) {
        struct msg_builder builder;
        message_sink_begin(&rig->sink, &builder, 1);
        msg_builder_payload(&builder, stats_text, sizeof(stats_text) - 1);
        assert_true(message_sink_stage(&rig->sink, &builder, &source));
    }
    return count;
}

static void test_messages_without_room_wait(void **state)
{
    (void)state;
    struct rig rig;
    struct lane_reader reader;
    struct segment view; /* hekad's */
    unsigned read = 0, decoded = 0;
    uint64_t *values = rig.counters.values;
    set_up(&rig, parse(stats_text, 0));
    atomic_store(&rig.segment.header->state, SEGMENT_RUNNING);
    assert_int_equal(segment_attach(dir, &view, &err), 0);
    assert_int_equal(segment_reader_init(&view, 0, 0, 1, &reader), 0);
    unsigned wanted = TIMES + fill_lane(&rig);
    take_stats(&rig, 1000);
    assert_true(rig.spill.count > 0 && rig.spill.count < TIMES);
    assert_false(spill_push(&rig.spill, &rig.sink));
    assert_int_equal(values[COUNTER_MESSAGES_CREATED], wanted);
    for (unsigned turn = 0; turn < 1000 && read < wanted; turn++) {
        read += read_all(&reader, &decoded);
        spill_push(&rig.spill, &rig.sink);
        message_sink_push(&rig.sink);
    }
    assert_int_equal(read, wanted);
    assert_int_equal(decoded, TIMES);
    assert_true(spill_is_empty(&rig.spill));
    assert_int_equal(values[COUNTER_MESSAGES_CREATED], wanted);
    assert_int_equal(values[COUNTER_MESSAGES_COMMITTED], wanted);
    assert_int_equal(values[COUNTER_TEXT_MESSAGES], 1);
    assert_int_equal(values[COUNTER_DECODE_NOTE_LOST], 0);
    segment_detach(&view);
    tear_down(&rig);
}

/* At the end nobody waits any more. */
static void test_what_waits_can_be_given_up(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig, parse(stats_text, 0));
    fill_lane(&rig);
    take_stats(&rig, 1000);
    unsigned waiting = rig.spill.count;
    spill_give_up(&rig.spill, &rig.sink, COUNTER_MESSAGES_STOPPED);
    assert_true(waiting > 0 && spill_is_empty(&rig.spill));
    assert_int_equal(rig.counters.values[COUNTER_MESSAGES_STOPPED], waiting);
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
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_large_expressions),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_next_plan),
        cmocka_unit_test(test_messages_without_room_wait),
        cmocka_unit_test(test_what_waits_can_be_given_up),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
