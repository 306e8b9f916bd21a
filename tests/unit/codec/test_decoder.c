/* SPDX-License-Identifier: MPL-2.0
 *
 * test_decoder.c - decoders where the golden cases do not reach: limits, rooms, counts, order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/message_template.h"
#include "codec/multi_decoder.h"
#include "codec/payload_regex.h"
#include "core/check.h"
#include "tests/support/decoder_rig.h"

enum { MESSAGE_SIZE = 4096 };

/* A message in an allocation of exactly its size. */
static uint8_t *new_message(const char *payload, size_t len, struct msg_view *view)
{
    uint8_t bytes[MESSAGE_SIZE];
    static const uint8_t uuid[MSG_UUID_SIZE] = {1, 2, 3};
    struct msg_builder builder;
    msg_builder_init(&builder, bytes, sizeof(bytes));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 5);
    msg_builder_payload(&builder, payload, len);
    assert_true(msg_builder_finish(&builder) > 0);
    uint8_t *message = malloc(builder.size);
    assert_non_null(message);
    memcpy(message, bytes, builder.size);
    assert_int_equal(msg_view_init(view, message, builder.size), 0);
    return message;
}

static int decode_text(struct decoder_rig *rig, const char *payload, int64_t now_ns)
{
    struct msg_view view;
    uint8_t *message = new_message(payload, strlen(payload), &view);
    int rc = decoder_rig_decode(rig, &view, now_ns);
    free(message);
    return rc;
}

static void start(struct decoder_rig *rig, const char *toml)
{
    struct err err = {0};
    if (decoder_rig_init(rig, toml, "main", &err) != 0)
        fail_msg("%s", err.texts[0]);
}

/* ---- names ---- */

static void test_names(void **state)
{
    (void)state;
    assert_ptr_equal(decoder_by_name("ScribbleDecoder"), &scribble_decoder);
    assert_ptr_equal(decoder_by_name("MultiDecoder"), &multi_decoder);
    assert_ptr_equal(decoder_by_name("PayloadRegexDecoder"), &payload_regex_decoder);
    assert_null(decoder_by_name("scribbledecoder"));
    assert_string_equal(decode_error_name(DECODE_E_NO_MATCH), "no_match");
    assert_string_equal(decode_error_name(DECODE_E_ALL_FAILED), "all_failed");
    assert_string_equal(decode_error_name(DECODE_E_MALFORMED), "malformed");
    assert_string_equal(decode_error_name(DECODE_E_MALFORMED - 1), "unknown");
    assert_string_equal(decode_error_name(0), "unknown");
    assert_string_equal(decode_note_name(DECODE_NOTE_LOST), "lost");
    for (size_t i = 0; builtin_decoders[i] != NULL; i++) {
        assert_int_equal(builtin_decoders[i]->plugin.abi, PLUGIN_ABI);
        uint8_t zeroed[4096] = {0};
        assert_true(builtin_decoders[i]->plugin.state_size <= sizeof(zeroed));
        builtin_decoders[i]->fini(zeroed); /* legal on zeroed state */
    }
}

/* ---- templates ---- */

static struct message_template *template_of(const char *toml, const struct capture_names *names,
                                            struct conf_doc **doc)
{
    struct message_template *template = NULL;
    assert_int_equal(toml_parse(toml, strlen(toml), "t", NULL, doc, NULL), 0);
    assert_int_equal(message_template_new(conf_root(*doc), names, NULL, &template, NULL), 0);
    return template;
}

static void assert_field(const struct msg_view *view, const char *name, const char *expected,
                         size_t len)
{
    struct msg_field field;
    struct msg_slice value;
    assert_true(msg_field_find(view, name, strlen(name), 0, &field));
    assert_true(msg_field_slice(&field, 0, &value));
    assert_int_equal(value.len, len);
    assert_memory_equal(value.ptr, expected, len);
}

/* Values of all sizes at all distances from the end of the message, into rooms of all sizes. */
static void test_template_sizes(void **state)
{
    (void)state;
    static const char *const items[] = {"v"};
    struct capture_names names = {items, 1};
    struct conf_doc *doc = NULL;
    struct message_template *template =
        template_of("short = '%v%'\n"
                    "a_name_that_is_longer_than_thirty_two_bytes_are|B = '%v%'\n"
                    "two = '<%v%>'\n",
                    &names, &doc);
    char payload[200];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (char)('a' + i % 26);
    for (size_t len = 0; len <= 130; len++) {
        for (size_t behind = 0; behind <= 40; behind += 8) {
            struct msg_view view, decoded;
            uint8_t *message = new_message(payload, len + behind, &view);
            struct msg_slice value = {len > 0 ? view.payload.ptr : NULL, (uint32_t)len};
            struct message_changes changes = {.timestamp_ns = 9};
            struct msg_builder builder;
            uint8_t large[MESSAGE_SIZE];
            char two[140];
            msg_builder_init(&builder, large, sizeof(large));
            assert_int_equal(
                message_template_write(template, &view, &value, &changes, &builder, NULL), 0);
            size_t size = builder.size;
            assert_int_equal(msg_view_init(&decoded, large, size), 0);
            assert_int_equal(decoded.timestamp_ns, 9);
            assert_int_equal(decoded.field_count, 3);
            assert_field(&decoded, "short", payload, len);
            assert_field(&decoded, "a_name_that_is_longer_than_thirty_two_bytes_are", payload, len);
            snprintf(two, sizeof(two), "<%.*s>", (int)len, payload);
            assert_field(&decoded, "two", two, len + 2);
            for (size_t less = 0; less < 3 && less <= size; less++) {
                uint8_t *room = malloc(size - less);
                assert_non_null(room);
                msg_builder_init(&builder, room, size - less);
                int rc = message_template_write(template, &view, &value, &changes, &builder, NULL);
                assert_int_equal(rc, less == 0 ? 0 : DECODE_E_ROOM);
                if (rc == 0)
                    assert_memory_equal(room, large, size);
                free(room);
            }
            free(message);
        }
    }
    message_template_free(template);
    message_template_free(NULL);
    conf_doc_free(doc);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int32_t number;
    } rows[] = {
        {"0", true, 0},
        {"-2147483648", true, INT32_MIN},
        {"2147483647", true, INT32_MAX},
        {"+12", true, 12},
        {"-2147483649", false, 0},
        {"2147483648", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"99999999999999999999999", false, 0},
        {"0000000000000000000007", true, 7},
        {"--1", false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int32_t number = 0;
        bool good = message_template_number(rows[i].text, strlen(rows[i].text), &number);
        assert_int_equal(good, rows[i].good);
        if (good)
            assert_int_equal(number, rows[i].number);
    }
}

/* ---- PayloadRegexDecoder ---- */

static void test_room(void **state)
{
    (void)state;
    struct decoder_rig rig = {.room_size = 60};
    start(&rig, "[main]\ntype='PayloadRegexDecoder'\nmatch_regex='(?P<a>.*)'\n"
                "[main.message_fields]\na='%a%'\n");
    assert_int_equal(decode_text(&rig, "short", 0), 0);
    assert_int_equal(rig.message_count, 1);
    assert_int_equal(decode_text(&rig, "a payload that fits itself", 0), DECODE_E_ROOM);
    assert_int_equal(rig.message_count, 0);
    assert_string_equal(rig.reason.data == NULL ? "" : "x", "x");
    rig.is_quiet = true;
    assert_int_equal(decode_text(&rig, "a payload that fits itself", 0), DECODE_E_ROOM);
    assert_int_equal(rig.reason.size, 0);
    decoder_rig_fini(&rig);
}

/* The last timestamp is known again, but not when today had a part in it. */
static void test_known_time(void **state)
{
    (void)state;
    const int64_t day_ns = INT64_C(86400000000000);
    struct decoder_rig rig = {0};
    struct msg_view view;
    start(&rig, "[main]\ntype='PayloadRegexDecoder'\nmatch_regex='(?P<Timestamp>.*)'\n"
                "timestamp_layout='2006-01-02'\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(decode_text(&rig, "1970-01-03", 0), 0);
        assert_int_equal(msg_view_init(&view, rig.messages[0], rig.sizes[0]), 0);
        assert_int_equal(view.timestamp_ns, 2 * day_ns);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(decode_text(&rig, "12:00AM", i * day_ns), 0);
        assert_int_equal(msg_view_init(&view, rig.messages[0], rig.sizes[0]), 0);
        assert_int_equal(view.timestamp_ns, i * day_ns);
    }
    assert_int_equal(decode_text(&rig, "1970-01-0", 0), 0);
    assert_int_equal(rig.notes[DECODE_NOTE_TIMESTAMP], 1);
    decoder_rig_fini(&rig);
}

static int give_up(void *context, struct msg_slice text, const struct msg_slice **values)
{
    (void)context;
    (void)text;
    (void)values;
    return -E2BIG;
}

static int compile_hopeless(void *context, const char *regex, struct capture_source *source,
                            struct err *err)
{
    static const char *const names[] = {"x"};
    (void)context;
    (void)regex;
    (void)err;
    *source = (struct capture_source){.names = {names, 1}, .match = give_up};
    return 0;
}

static void test_limit(void **state)
{
    (void)state;
    struct decoder_host host = {.compile = compile_hopeless};
    struct payload_regex_config config = {
        .match_regex = "x", .timestamp_layout = "", .timestamp_location = "", .log_errors = false};
    struct buffer reason = {0};
    struct decode_io io = {.reason = &reason};
    struct msg_view view;
    uint8_t *message = new_message("payload", 7, &view);
    void *decoder = calloc(1, payload_regex_decoder.plugin.state_size);
    assert_non_null(decoder);
    assert_int_equal(payload_regex_decoder.init(decoder, &config, &host, NULL), 0);
    assert_int_equal(payload_regex_decoder.decode(decoder, &config, &view, &io), DECODE_E_LIMIT);
    assert_int_equal(buffer_append(&reason, "", 1), 0);
    assert_string_equal(reason.data, "The expression takes too long on: payload");
    payload_regex_decoder.fini(decoder);
    free(decoder);
    free(message);
    buffer_fini(&reason);
}

/* ---- MultiDecoder ---- */

/* Three for one, except for messages that were marked before: Heka's test of "all". */
static int decode_tripling(void *state, const void *config, const struct msg_view *message,
                           struct decode_io *io)
{
    struct msg_field field;
    (void)state;
    (void)config;
    if (msg_field_find(message, "skip", 4, 0, &field))
        return DECODE_E_NO_MATCH;
    for (int i = 0; i < 3; i++) {
        size_t capacity = 0;
        struct msg_builder builder;
        uint8_t *room = io->begin(io->context, &capacity);
        if (room == NULL)
            return i > 0 ? 0 : DECODE_E_ROOM;
        msg_builder_init(&builder, room, capacity);
        msg_builder_raw(&builder, message->bytes, message->size);
        if (i == 1)
            msg_builder_field_string(&builder, "skip", "x", 1, NULL);
        if (msg_builder_finish(&builder) < 0)
            return i > 0 ? 0 : DECODE_E_ROOM;
        io->commit(io->context, builder.size);
    }
    return 0;
}

static const struct decoder_ops tripling = {.decode = decode_tripling};

static int find_tripling(void *context, const char *name, struct decoder *decoder, struct err *err)
{
    (void)context;
    (void)err;
    *decoder = (struct decoder){.ops = &tripling, .name = name};
    return 0;
}

struct sink {
    uint8_t room[MESSAGE_SIZE];
    size_t capacity;
    unsigned messages;
};

static uint8_t *sink_begin(void *context, size_t *capacity)
{
    struct sink *sink = context;
    *capacity = sink->capacity;
    return sink->room;
}

static void sink_commit(void *context, size_t size)
{
    struct sink *sink = context;
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, sink->room, size), 0);
    sink->messages++;
}

static void *new_multi(const struct multi_decoder_config *config, const struct decoder_host *host)
{
    void *multi = calloc(1, multi_decoder.plugin.state_size);
    assert_non_null(multi);
    assert_int_equal(multi_decoder.init(multi, config, host, NULL), 0);
    return multi;
}

static void test_all_outputs(void **state)
{
    (void)state;
    static const char *const subs[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct decoder_host host = {.find = find_tripling, .message_size_max = 512};
    struct multi_decoder_config config = {{subs, 3}, MULTI_ALL, false};
    struct sink sink = {.capacity = MESSAGE_SIZE};
    struct decode_io io = {.context = &sink, .begin = sink_begin, .commit = sink_commit};
    struct msg_view view;
    uint8_t *message = new_message("p", 1, &view);
    void *multi = new_multi(&config, &host);
    assert_int_equal(multi_decoder.decode(multi, &config, &view, &io), 0);
    assert_int_equal(sink.messages, 15);
    assert_int_equal(io.notes[DECODE_NOTE_LOST], 0);
    assert_int_equal(multi_decoder_report(multi, 0).messages, 1);
    assert_int_equal(multi_decoder_report(multi, 1).messages, 3);
    assert_int_equal(multi_decoder_report(multi, 1).failures, 1);
    assert_int_equal(multi_decoder_report(multi, 2).messages, 7);
    assert_int_equal(multi_decoder_report(multi, 2).failures, 3);
    multi_decoder.fini(multi);
    free(multi);
    config.subs.count = 8; /* more than there is room for: what is lost is counted */
    multi = new_multi(&config, &host);
    sink.messages = 0;
    assert_int_equal(multi_decoder.decode(multi, &config, &view, &io), 0);
    assert_true(sink.messages > 15 && sink.messages <= MULTI_MESSAGES_MAX);
    assert_true(io.notes[DECODE_NOTE_LOST] > 0);
    sink.capacity = 5;
    assert_int_equal(multi_decoder.decode(multi, &config, &view, &io), DECODE_E_ROOM);
    multi_decoder.fini(multi);
    free(multi);
    free(message);
}

/* ---- runs of expressions ---- */

enum { MANY = 70 };

struct counting_source {
    uint32_t number;
    struct counting_set *set;
};

struct counting_set {
    struct counting_source sources[MANY];
    struct decoder decoders[MANY];
    struct payload_regex_config configs[MANY];
    uint32_t added;
    unsigned matches, nexts;
    uint32_t candidates[3]; /* numbers that may match; the last of them does */
};

static int count_match(void *context, struct msg_slice text, const struct msg_slice **values)
{
    static const struct msg_slice value = {"x", 1};
    const struct counting_source *source = context;
    (void)text;
    source->set->matches++;
    *values = &value;
    return source->number == source->set->candidates[2];
}

static int64_t count_next(void *set_context, uint32_t from, struct msg_slice text)
{
    struct counting_set *set = set_context;
    (void)text;
    set->nexts++;
    for (int i = 0; i < 3; i++) {
        if (set->candidates[i] >= from)
            return set->candidates[i];
    }
    return -1;
}

static int count_compile(void *context, const char *regex, struct capture_source *source,
                         struct err *err)
{
    static const char *const names[] = {"x"};
    struct counting_set *set = context;
    uint32_t number = set->added++;
    (void)regex;
    (void)err;
    set->sources[number] = (struct counting_source){number, set};
    *source = (struct capture_source){.names = {names, 1},
                                      .match = count_match,
                                      .context = &set->sources[number],
                                      .next = count_next,
                                      .set_context = set,
                                      .index = number};
    return 0;
}

static int count_find(void *context, const char *name, struct decoder *decoder, struct err *err)
{
    struct counting_set *set = context;
    struct decoder_host host = {.context = set, .compile = count_compile};
    uint32_t number = set->added;
    set->configs[number] = (struct payload_regex_config){
        .match_regex = "x", .timestamp_layout = "", .timestamp_location = "", .log_errors = true};
    set->decoders[number] =
        (struct decoder){&payload_regex_decoder, calloc(1, payload_regex_decoder.plugin.state_size),
                         &set->configs[number], name};
    assert_non_null(set->decoders[number].state);
    *decoder = set->decoders[number];
    return payload_regex_decoder.init(decoder->state, decoder->config, &host, err);
}

/* Only what may match is asked, and the counts are as if all had been. */
static void test_runs(void **state)
{
    (void)state;
    static struct counting_set set = {.candidates = {3, 40, 68}};
    const char *subs[MANY];
    for (int i = 0; i < MANY; i++)
        subs[i] = "sub";
    struct decoder_host host = {.context = &set, .find = count_find};
    struct multi_decoder_config config = {{subs, MANY}, MULTI_FIRST_WINS, false};
    struct sink sink = {.capacity = MESSAGE_SIZE};
    struct decode_io io = {.context = &sink, .begin = sink_begin, .commit = sink_commit};
    struct msg_view view;
    uint8_t *message = new_message("p", 1, &view);
    void *multi = new_multi(&config, &host);
    for (int i = 0; i < 4; i++)
        assert_int_equal(multi_decoder.decode(multi, &config, &view, &io), 0);
    assert_int_equal(set.matches, 4 * 3);
    assert_int_equal(set.nexts, 4 * 3);
    assert_int_equal(multi_decoder_report(multi, 0).messages, 4);
    assert_int_equal(multi_decoder_report(multi, 0).failures, 4);
    assert_int_equal(multi_decoder_report(multi, 68).messages, 4);
    assert_int_equal(multi_decoder_report(multi, 68).failures, 0);
    assert_int_equal(multi_decoder_report(multi, 69).messages, 0);
    set.candidates[2] = 69; /* the last one of the run */
    assert_int_equal(multi_decoder.decode(multi, &config, &view, &io), 0);
    memset(set.candidates, 0, sizeof(set.candidates));
    set.candidates[0] = 1;
    set.matches = 0;
    set.candidates[2] = 1000;
    assert_int_equal(multi_decoder.decode(multi, &config, &view, &io), DECODE_E_ALL_FAILED);
    assert_int_equal(set.matches, 1);
    assert_int_equal(multi_decoder_report(multi, 69).messages, 2);
    assert_int_equal(multi_decoder_report(multi, 69).failures, 1);
    multi_decoder.fini(multi);
    free(multi);
    for (int i = 0; i < MANY; i++) {
        payload_regex_decoder.fini(set.decoders[i].state);
        free(set.decoders[i].state);
    }
    free(message);
}

/* ---- order of sections ---- */

static struct multi_decoder_node node(const char *name, const char *const *subs, size_t count)
{
    return (struct multi_decoder_node){name, {subs, count}};
}

static void test_order(void **state)
{
    (void)state;
    static const char *const of_a[] = {"b", "leaf", "c"}, *const of_b[] = {"c", "other"},
                             *const of_c[] = {"leaf"};
    struct multi_decoder_node nodes[] = {node("a", of_a, 3), node("c", of_c, 1),
                                         node("b", of_b, 2)};
    uint32_t order[3];
    struct err err = {0};
    assert_int_equal(multi_decoder_order(nodes, 3, order, &err), 0);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 0);
    assert_int_equal(multi_decoder_order(NULL, 0, order, &err), 0);
    static const char *const back[] = {"x", "a"};
    nodes[1].subs = (struct schema_list){back, 2};
    assert_int_equal(multi_decoder_order(nodes, 3, order, &err), -1);
    assert_string_equal(err.texts[0], "circular dependency detected: a > b > c > a");
}

static void test_depth(void **state)
{
    (void)state;
    struct multi_decoder_node nodes[MULTI_DEPTH_MAX + 1];
    static char names[MULTI_DEPTH_MAX + 2][8];
    const char *subs[MULTI_DEPTH_MAX + 2];
    uint32_t order[MULTI_DEPTH_MAX + 1];
    struct err err = {0};
    for (unsigned i = 0; i < MULTI_DEPTH_MAX + 2; i++) {
        snprintf(names[i], sizeof(names[i]), "m%u", i);
        subs[i] = names[i];
    }
    for (unsigned i = 0; i < MULTI_DEPTH_MAX + 1; i++)
        nodes[i] = node(names[i], &subs[i + 1], 1);
    assert_int_equal(multi_decoder_order(nodes, MULTI_DEPTH_MAX, order, &err), 0);
    assert_int_equal(order[0], MULTI_DEPTH_MAX - 1);
    assert_int_equal(multi_decoder_order(nodes, MULTI_DEPTH_MAX + 1, order, &err), -1);
    assert_string_equal(err.texts[0], "m16: MultiDecoders are nested over 16 deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),       cmocka_unit_test(test_template_sizes),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_room),
        cmocka_unit_test(test_known_time),  cmocka_unit_test(test_limit),
        cmocka_unit_test(test_all_outputs), cmocka_unit_test(test_runs),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
