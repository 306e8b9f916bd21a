/* SPDX-License-Identifier: MPL-2.0
 *
 * test_encoder.c - the table of encoders and what golden files cannot show: limits, time of
 * encoding, cost of long arrays.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/encoder.h"
#include "codec/message_json.h"
#include "codec/payload_encoder.h"
#include "core/check.h"
#include "core/clock.h"

static const struct payload_encoder_config payload_config = {true, true, true, "%F"};

static struct msg_view make_message(uint8_t *bytes, size_t capacity)
{
    struct msg_builder builder;
    uint8_t uuid[MSG_UUID_SIZE];
    struct msg_view view;
    msg_uuid_from_random(uuid, 1, 2);
    msg_builder_init(&builder, bytes, capacity);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1000);
    msg_builder_payload(&builder, "payload", 7);
    msg_builder_field_double(&builder, "d", 0.5, "s");
    msg_builder_field_bytes(&builder, "b", "12345", 5, "");
    msg_builder_field_string(&builder, "s", "\xff", 1, "");
    assert_int_equal(msg_view_init(&view, bytes, (size_t)msg_builder_finish(&builder)), 0);
    return view;
}

static void test_table(void **state)
{
    (void)state;
    static const char *const names[] = {"ESJsonEncoder", "ESLogstashV0Encoder", "PayloadEncoder",
                                        "ProtobufEncoder", "RstEncoder"};
    unsigned count = 0;
    for (const struct encoder_ops *const *ops = builtin_encoders; *ops != NULL; ops++, count++) {
        assert_string_equal((*ops)->plugin.name, names[count]);
        assert_int_equal((*ops)->plugin.abi, PLUGIN_ABI);
        assert_non_null((*ops)->plugin.schema);
        assert_non_null((*ops)->encode);
        assert_ptr_equal(encoder_by_name(names[count]), *ops);
    }
    assert_int_equal(count, ARRAY_COUNT(names));
    assert_null(encoder_by_name("payloadencoder"));
    assert_null(encoder_by_name(""));
}

typedef int (*append_fn)(const struct msg_view *view, struct buffer *out);

static int append_payload(const struct msg_view *view, struct buffer *out)
{
    return payload_encoder.encode(NULL, &payload_config, view, out);
}

static int append_protobuf(const struct msg_view *view, struct buffer *out)
{
    return protobuf_encoder.encode(NULL, NULL, view, out);
}

static int append_rst(const struct msg_view *view, struct buffer *out)
{
    return rst_encoder.encode(NULL, NULL, view, out);
}

static const append_fn appends[] = {append_payload, append_protobuf, append_rst, message_json};

/* With every limit below what is needed nothing is appended. */
static void test_no_room_leaves_nothing(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct msg_view view = make_message(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(appends) / sizeof(appends[0]); i++) {
        struct buffer whole = {0};
        assert_int_equal(buffer_append_text(&whole, "abc"), 0);
        assert_int_equal(appends[i](&view, &whole), 0);
        assert_true(whole.size > 3 && whole.size < 4000);
        for (size_t limit = 3; limit < whole.size; limit++) {
            struct buffer out = {.max_size = limit};
            assert_int_equal(buffer_append_text(&out, "abc"), 0);
            assert_int_equal(appends[i](&view, &out), -ENOSPC);
            assert_int_equal(out.size, 3);
            assert_memory_equal(out.data, "abc", 3);
            buffer_fini(&out);
        }
        buffer_fini(&whole);
    }
}

/* [option PayloadEncoder.ts_from_message] */
static void test_time_of_encoding(void **state)
{
    (void)state;
    static const struct payload_encoder_config config = {false, true, false, "%s"};
    uint8_t bytes[256];
    struct msg_view view = make_message(bytes, sizeof(bytes));
    struct buffer out = {0};
    uint64_t before = clock_wall_ns() / CLOCK_NS_PER_S;
    assert_int_equal(payload_encoder.encode(NULL, &config, &view, &out), 0);
    uint64_t after = clock_wall_ns() / CLOCK_NS_PER_S;
    assert_int_equal(buffer_append(&out, "", 1), 0);
    char *end;
    uint64_t found = strtoull(out.data, &end, 10);
    assert_string_equal(end, " payload");
    assert_true(found >= before && found <= after);
    buffer_fini(&out);
}

/* A hostile message of 64 KiB: all of it one packed array. Work that grew with its square would
 * take minutes here. */
static void test_long_array(void **state)
{
    (void)state;
    enum { COUNT = 65000 };
    uint8_t *bytes = malloc(COUNT + 100);
    uint8_t *zeros = calloc(1, COUNT);
    struct msg_view head = make_message(bytes, 100);
    struct msg_builder builder = {bytes, head.size, COUNT + 100, false};
    static const uint8_t field[] = {0x52, 0xf0, 0xfb, 0x03, 0x0a, 0, 0x10, 4, 0x42, 0xe8, 0xfb, 3};
    msg_builder_raw(&builder, field, sizeof(field));
    msg_builder_raw(&builder, zeros, COUNT);
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, bytes, (size_t)msg_builder_finish(&builder)), 0);
    for (size_t i = 0; i < sizeof(appends) / sizeof(appends[0]); i++) {
        struct buffer out = {0};
        assert_int_equal(appends[i](&view, &out), 0);
        if (appends[i] == append_rst || appends[i] == message_json)
            assert_true(out.size > COUNT * sizeof("false") - 1);
        buffer_fini(&out);
    }
    free(bytes);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_no_room_leaves_nothing),
        cmocka_unit_test(test_time_of_encoding),
        cmocka_unit_test(test_long_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
