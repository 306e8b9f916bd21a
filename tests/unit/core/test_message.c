/* SPDX-License-Identifier: MPL-2.0
 *
 * test_message.c - message view, fields, values, uuid and builder, by hand-made bytes.
 *
 * Accepting and refusing is covered by tests/golden/message and, against protobuf-c, by
 * test_message_oracle.c; here are the limits and what those two cannot see.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/check.h"
#include "core/message.h"

static const uint8_t uuid[MSG_UUID_SIZE] = {0x72, 0xde, 0x6a, 0x05, 0x1b, 0x99, 0x4a, 0x88,
                                            0x84, 0xc2, 0x90, 0x79, 0x76, 0x24, 0xc6, 0x8f};

/* Uuid and timestamp, ready for more. */
static struct msg_builder start(void *buffer, size_t capacity)
{
    struct msg_builder builder;
    msg_builder_init(&builder, buffer, capacity);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 5);
    return builder;
}

static struct msg_view view_of(const struct msg_builder *builder)
{
    struct msg_view view;
    assert_true(msg_builder_finish(builder) >= 0);
    assert_int_equal(msg_view_init(&view, builder->bytes, builder->size), 0);
    return view;
}

/* A message with one Field of those bytes. */
static struct msg_field field_of(struct msg_builder *builder, const void *bytes, size_t size)
{
    uint8_t head[2] = {0x52, (uint8_t)size};
    assert_true(size < 128);
    msg_builder_raw(builder, head, sizeof(head));
    msg_builder_raw(builder, bytes, size);
    struct msg_view view = view_of(builder);
    struct msg_field field;
    assert_true(msg_field_first(&view, &field));
    return field;
}

#define FIELD_OF(builder, ...)                                                                     \
    field_of(builder, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void assert_slice(struct msg_slice slice, const char *expected)
{
    assert_int_equal(slice.len, strlen(expected));
    assert_memory_equal(slice.ptr, expected, slice.len);
}

static void test_absent_members_have_defaults(void **state)
{
    (void)state;
    uint8_t buffer[64];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    struct msg_view view = view_of(&builder);
    assert_memory_equal(view.uuid, uuid, sizeof(uuid));
    assert_int_equal(view.timestamp_ns, 5);
    assert_int_equal(view.present, 0);
    assert_null(view.type.ptr);
    assert_int_equal(view.type.len, 0);
    assert_null(view.hostname.ptr);
    assert_int_equal(view.severity, MSG_SEVERITY_DEFAULT);
    assert_int_equal(view.pid, 0);
    assert_int_equal(view.field_count, 0);
    assert_int_equal(view.first_field, view.size);
    struct msg_field field;
    assert_false(msg_field_first(&view, &field));
    assert_false(msg_field_next(&view, &field));
    assert_false(msg_field_find(&view, "", 0, 0, &field));
}

static void test_all_members(void **state)
{
    (void)state;
    uint8_t buffer[256];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    msg_builder_type(&builder, "TEST", 4);
    msg_builder_logger(&builder, "log", 3);
    msg_builder_severity(&builder, -1);
    msg_builder_payload(&builder, "a\0b", 3);
    msg_builder_env_version(&builder, "", 0);
    msg_builder_pid(&builder, INT32_MIN);
    msg_builder_hostname(&builder, "host", 4);
    struct msg_view view = view_of(&builder);
    assert_slice(view.type, "TEST");
    assert_slice(view.logger, "log");
    assert_int_equal(view.severity, -1);
    assert_int_equal(view.payload.len, 3);
    assert_memory_equal(view.payload.ptr, "a\0b", 3);
    assert_non_null(view.env_version.ptr);
    assert_int_equal(view.env_version.len, 0);
    assert_int_equal(view.pid, INT32_MIN);
    assert_slice(view.hostname, "host");
    assert_int_equal(view.present, (1 << 7) - 1);
}

static void test_empty_input_is_no_message(void **state)
{
    (void)state;
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, NULL, 0), MSG_E_MISSING);
    assert_int_equal(msg_view_init(&view, "", (size_t)INT32_MAX + 1), MSG_E_LIMIT);
}

/* Cut anywhere but between two members, it is truncated. */
static void test_every_prefix(void **state)
{
    (void)state;
    uint8_t buffer[256];
    size_t ends[8];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    ends[0] = builder.size;
    msg_builder_severity(&builder, 300);
    ends[1] = builder.size;
    msg_builder_payload(&builder, "payload", 7);
    ends[2] = builder.size;
    msg_builder_field_integer(&builder, "i", 1000, "");
    ends[3] = builder.size;
    msg_builder_field_double(&builder, "d", 1, "");
    ends[4] = builder.size;
    unsigned next = 0;
    for (size_t size = ends[0]; size <= builder.size; size++) {
        struct msg_view view;
        uint8_t *exact = malloc(size); /* ASan sees a read past the end */
        memcpy(exact, buffer, size);
        int expected = size == ends[next] ? 0 : MSG_E_TRUNCATED;
        next += size == ends[next];
        assert_int_equal(msg_view_init(&view, exact, size), expected);
        free(exact);
    }
    assert_int_equal(next, 5);
}

static void test_field_count_limit(void **state)
{
    (void)state;
    static const uint8_t field[] = {0x52, 0x02, 0x0a, 0x00};
    size_t capacity = 64 + ((size_t)MSG_FIELDS_MAX + 1) * sizeof(field);
    uint8_t *buffer = malloc(capacity);
    struct msg_builder builder = start(buffer, capacity);
    for (unsigned i = 0; i < MSG_FIELDS_MAX; i++)
        msg_builder_raw(&builder, field, sizeof(field));
    struct msg_view view = view_of(&builder);
    assert_int_equal(view.field_count, MSG_FIELDS_MAX);
    msg_builder_raw(&builder, field, sizeof(field));
    assert_int_equal(msg_view_init(&view, builder.bytes, builder.size), MSG_E_LIMIT);
    free(buffer);
}

static int view_group(unsigned depth, bool in_field)
{
    uint8_t buffer[256];
    uint8_t group[128];
    size_t size = 0;
    for (unsigned i = 0; i < depth; i++)
        group[size++] = 11 << 3 | 3;
    for (unsigned i = 0; i < depth; i++)
        group[size++] = 11 << 3 | 4;
    struct msg_builder builder = start(buffer, sizeof(buffer));
    const uint8_t head[] = {0x52, (uint8_t)(size + 2), 0x0a, 0x00};
    if (in_field)
        msg_builder_raw(&builder, head, sizeof(head));
    msg_builder_raw(&builder, group, size);
    struct msg_view view;
    return msg_view_init(&view, builder.bytes, builder.size);
}

static void test_group_depth_limit(void **state)
{
    (void)state;
    assert_int_equal(view_group(1, false), 0);
    assert_int_equal(view_group(32, false), 0);
    assert_int_equal(view_group(33, false), MSG_E_LIMIT);
    assert_int_equal(view_group(32, true), 0);
    assert_int_equal(view_group(33, true), MSG_E_LIMIT);
}

static void test_fields_between_other_members(void **state)
{
    (void)state;
    uint8_t buffer[256];
    static const uint8_t unknown[] = {0x5b, 0x08, 0x01, 0x5c}; /* a group, number 11 */
    struct msg_builder builder = start(buffer, sizeof(buffer));
    msg_builder_field_string(&builder, "foo", "first", 5, "rep");
    msg_builder_raw(&builder, unknown, sizeof(unknown));
    msg_builder_payload(&builder, "p", 1);
    msg_builder_field_integer(&builder, "bar", 7, NULL);
    msg_builder_field_string(&builder, "foo", "second", 6, "");
    msg_builder_pid(&builder, 1);
    struct msg_view view = view_of(&builder);
    assert_int_equal(view.field_count, 3);
    struct msg_field field;
    struct msg_slice value;
    int64_t integer;
    assert_true(msg_field_first(&view, &field));
    assert_slice(field.name, "foo");
    assert_slice(field.representation, "rep");
    assert_true(msg_field_next(&view, &field));
    assert_slice(field.name, "bar");
    assert_slice(field.representation, "");
    assert_true(msg_field_integer(&field, 0, &integer));
    assert_int_equal(integer, 7);
    assert_true(msg_field_next(&view, &field));
    assert_false(msg_field_next(&view, &field));
    assert_true(msg_field_find(&view, "foo", 3, 1, &field));
    assert_true(msg_field_slice(&field, 0, &value));
    assert_slice(value, "second");
    assert_false(msg_field_find(&view, "foo", 3, 2, &field));
    assert_false(msg_field_find(&view, "fo", 2, 0, &field));
}

static void test_packed_and_unpacked_in_order(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    struct msg_field field =
        FIELD_OF(&builder, 0x30, 1, /* 1, unpacked */
                 0x40, 1,           /* a bool: not looked at */
                 0x32, 3, 2, 0x80, 0x02 /* 2 and 256, packed */, 0x32, 0, /* packed, none */
                 0x10, 2, 0x0a, 1, 'n',              /* type and name come late */
                 0x30, 0xff, 0xff, 0xff, 0xff, 0xff, /* -1 */
                 0xff, 0xff, 0xff, 0xff, 0x01, 0x32, 1, 5);
    static const int64_t expected[] = {1, 2, 256, -1, 5};
    assert_int_equal(field.value_type, MSG_INTEGER);
    assert_int_equal(field.value_count, ARRAY_COUNT(expected));
    for (uint32_t i = 0; i < ARRAY_COUNT(expected); i++) {
        int64_t value;
        assert_true(msg_field_integer(&field, i, &value));
        assert_int_equal(value, expected[i]);
    }
    int64_t value;
    assert_false(msg_field_integer(&field, ARRAY_COUNT(expected), &value));
    assert_false(msg_field_integer(&field, UINT32_MAX, &value));
}

static void test_other_type_has_no_value(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    msg_builder_field_bytes(&builder, "b", "\0\1", 2, "");
    struct msg_view view = view_of(&builder);
    struct msg_field field;
    struct msg_slice slice;
    int64_t integer;
    double number;
    bool boolean;
    assert_true(msg_field_first(&view, &field));
    assert_true(msg_field_slice(&field, 0, &slice));
    assert_int_equal(slice.len, 2);
    assert_false(msg_field_slice(&field, 1, &slice));
    assert_false(msg_field_integer(&field, 0, &integer));
    assert_false(msg_field_double(&field, 0, &number));
    assert_false(msg_field_bool(&field, 0, &boolean));
}

static void test_strings_without_value_type(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    struct msg_field field = FIELD_OF(&builder, 0x0a, 1, 'n', 0x22, 0, 0x2a, 1, 'b', 0x22, 1, 's');
    struct msg_slice value;
    assert_int_equal(field.value_type, MSG_STRING);
    assert_null(field.representation.ptr);
    assert_int_equal(field.value_count, 2);
    assert_true(msg_field_slice(&field, 0, &value));
    assert_non_null(value.ptr);
    assert_int_equal(value.len, 0);
    assert_true(msg_field_slice(&field, 1, &value));
    assert_slice(value, "s");
}

/* Names are where a walk over names alone would not see them. */
static void test_fields_are_found_by_any_name(void **state)
{
    (void)state;
    /* "a", then "b": the last one counts */
    static const uint8_t twice[] = {0x52, 9, 0x0A, 1, 'a', 0x22, 1, 'x', 0x0A, 1, 'b'};
    static const uint8_t behind[] = {0x52, 6, 0x22, 1, 'y', 0x0A, 1, 'c'};
    char buffer[1024], name[200];
    struct msg_field field;
    struct msg_slice value;
    memset(name, 'n', sizeof(name));
    for (unsigned part = 0; part < 3; part++) {
        struct msg_builder builder = start(buffer, sizeof(buffer));
        msg_builder_field_string(&builder, "a", "first", 5, "");
        if (part == 0)
            msg_builder_raw(&builder, twice, sizeof(twice));
        if (part == 1)
            msg_builder_raw(&builder, behind, sizeof(behind));
        if (part == 2)
            msg_builder_field(&builder, (struct msg_slice){name, sizeof(name)},
                              &(struct msg_value){.type = MSG_STRING, .slice = {"z", 1}},
                              (struct msg_slice){"", 0});
        struct msg_view view = view_of(&builder);
        assert_true(view.has_late_names);
        assert_true(msg_field_find(&view, "a", 1, 0, &field));
        assert_true(msg_field_slice(&field, 0, &value));
        assert_slice(value, "first");
        assert_false(msg_field_find(&view, "a", 1, 1, &field));
        assert_int_equal(msg_field_find(&view, "b", 1, 0, &field), part == 0);
        assert_int_equal(msg_field_find(&view, "c", 1, 0, &field), part == 1);
        assert_int_equal(msg_field_find(&view, name, sizeof(name), 0, &field), part == 2);
    }
    struct msg_builder builder = start(buffer, sizeof(buffer));
    msg_builder_field_string(&builder, "a", "first", 5, "");
    msg_builder_field_string(&builder, "", "none", 4, "");
    struct msg_view view = view_of(&builder);
    assert_false(view.has_late_names);
    assert_true(msg_field_find(&view, "", 0, 0, &field));
    assert_false(msg_field_find(&view, name, sizeof(name), 0, &field));
}

static void test_unknown_value_type_is_ignored(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    struct msg_field field =
        FIELD_OF(&builder, 0x0a, 0, 0x10, 4, 0x10, 5, 0x40, 1, 0x10, 0x80, 0x80, 0x80, 0x80, 0x10);
    assert_int_equal(field.value_type,
                     MSG_STRING); /* 2^32 is 0 for an enum, the last that is known */
    builder = start(buffer, sizeof(buffer));
    field = FIELD_OF(&builder, 0x0a, 0, 0x10, 4, 0x10, 5, 0x40, 1);
    bool boolean;
    assert_int_equal(field.value_type, MSG_BOOL);
    assert_true(msg_field_bool(&field, 0, &boolean));
    assert_true(boolean);
}

/* Bits above the 64th count for a bool, as they do for protobuf-c. */
static void test_bool_of_ten_bytes(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    struct msg_field field =
        FIELD_OF(&builder, 0x0a, 0, 0x10, 4, 0x40, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                 0x80, 0x02, 0x40, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
    bool first = false;
    bool second = true;
    assert_true(msg_field_bool(&field, 0, &first));
    assert_true(msg_field_bool(&field, 1, &second));
    assert_true(first);
    assert_false(second);
}

static void test_doubles_are_bit_exact(void **state)
{
    (void)state;
    static const double numbers[] = {0.0, -0.0, 345.6789, INFINITY, 5e-324, 1.7976931348623157e308};
    uint8_t buffer[1024];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        msg_builder_field_double(&builder, "d", numbers[i], "");
    msg_builder_field_double(&builder, "d", NAN, "");
    struct msg_view view = view_of(&builder);
    struct msg_field field;
    double value;
    for (uint32_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        assert_true(msg_field_find(&view, "d", 1, i, &field));
        assert_true(msg_field_double(&field, 0, &value));
        assert_memory_equal(&value, &numbers[i], sizeof(value));
    }
    assert_true(msg_field_find(&view, "d", 1, ARRAY_COUNT(numbers), &field));
    assert_true(msg_field_double(&field, 0, &value));
    assert_true(isnan(value));
}

static void test_uuid(void **state)
{
    (void)state;
    char text[MSG_UUID_TEXT_LEN + 1] = {[MSG_UUID_TEXT_LEN] = '#'};
    msg_uuid_text(uuid, text);
    assert_memory_equal(text, "72de6a05-1b99-4a88-84c2-90797624c68f#", sizeof(text));
    static const uint64_t randoms[] = {0, UINT64_MAX, UINT64_C(0x0123456789abcdef)};
    for (size_t i = 0; i < ARRAY_COUNT(randoms); i++) {
        uint8_t made[MSG_UUID_SIZE];
        msg_uuid_from_random(made, randoms[i], ~randoms[i]);
        assert_int_equal(made[6] >> 4, 4);
        assert_int_equal(made[8] >> 6, 2);
        msg_uuid_text(made, text);
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
        assert_int_equal(made[0], randoms[i] & 0xff);
        assert_int_equal(made[15], ~randoms[i] >> 56);
    }
}

/* ---- builder ---- */

enum step { STEP_UUID, STEP_TIMESTAMP, STEP_TEXT, STEP_PAYLOAD, STEP_STRING, STEP_INTEGER, STEPS };

static void take_step(struct msg_builder *builder, enum step step)
{
    size_t room;
    char *payload;
    switch (step) {
    case STEP_UUID:
        msg_builder_uuid(builder, uuid);
        break;
    case STEP_TIMESTAMP:
        msg_builder_timestamp(builder, INT64_C(1416840893000000000));
        break;
    case STEP_TEXT:
        msg_builder_type(builder, "type", 4);
        break;
    case STEP_PAYLOAD:
        payload = msg_builder_payload_begin(builder, &room);
        if (payload != NULL && room >= 3)
            memcpy(payload, "abc", 3);
        msg_builder_payload_end(builder, room < 3 ? room : 3);
        break;
    case STEP_STRING:
        msg_builder_field_string(builder, "name", "value", 5, "rep");
        break;
    default:
        msg_builder_field_integer(builder, "name", 1 << 20, "count");
    }
}

/* With every capacity: what fits is there, what does not fails, and nothing is written behind. */
static void test_builder_out_of_room(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder;
    msg_builder_init(&builder, buffer, sizeof(buffer));
    for (unsigned step = 0; step < STEPS; step++)
        take_step(&builder, (enum step)step);
    size_t whole = builder.size;
    for (size_t capacity = 0; capacity <= whole; capacity++) {
        memset(buffer, 0xee, sizeof(buffer));
        msg_builder_init(&builder, buffer, capacity);
        for (unsigned step = 0; step < STEPS; step++)
            take_step(&builder, (enum step)step);
        for (size_t i = capacity; i < sizeof(buffer); i++)
            assert_int_equal(buffer[i], 0xee);
        assert_int_equal(msg_builder_finish(&builder), capacity < whole ? -ENOSPC : (int64_t)whole);
    }
}

static void test_failed_builder_stays_failed(void **state)
{
    (void)state;
    uint8_t buffer[10];
    struct msg_builder builder;
    msg_builder_init(&builder, buffer, sizeof(buffer));
    msg_builder_uuid(&builder, uuid);
    assert_true(builder.failed);
    assert_int_equal(builder.size, 0);
    msg_builder_pid(&builder, 1);
    msg_builder_raw(&builder, "x", 1);
    size_t room = 99;
    assert_null(msg_builder_payload_begin(&builder, &room));
    assert_int_equal(room, 0);
    assert_int_equal(builder.size, 0);
    assert_int_equal(msg_builder_finish(&builder), -ENOSPC);
}

/* Begin and end give the same bytes as one call, at each width of the length. */
static void test_payload_in_place(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 126, 127, 128, 129, 16383, 16384, 20000};
    enum { CAPACITY = 1 << 16 };
    char *text = malloc(CAPACITY);
    uint8_t *in_place = malloc(CAPACITY);
    uint8_t *copied = malloc(CAPACITY);
    for (size_t i = 0; i < CAPACITY; i++)
        text[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct msg_builder a = start(in_place, CAPACITY);
        struct msg_builder b = start(copied, CAPACITY);
        size_t room;
        char *payload = msg_builder_payload_begin(&a, &room);
        assert_non_null(payload);
        assert_true(room >= 65000);
        memcpy(payload, text, sizes[i]);
        msg_builder_payload_end(&a, sizes[i]);
        msg_builder_hostname(&a, "h", 1);
        msg_builder_payload(&b, text, sizes[i]);
        msg_builder_hostname(&b, "h", 1);
        assert_int_equal(msg_builder_finish(&a), msg_builder_finish(&b));
        assert_memory_equal(in_place, copied, a.size);
    }
    free(text);
    free(in_place);
    free(copied);
}

/* All the room that begin offers can be used, whatever is left of the buffer. */
static void test_payload_takes_all_room(void **state)
{
    (void)state;
    uint8_t *buffer = malloc(20000);
    for (size_t left = 2; left < 20000; left += left < 300 || left > 16300 ? 1 : 50) {
        struct msg_builder builder;
        msg_builder_init(&builder, buffer, left);
        size_t room;
        char *payload = msg_builder_payload_begin(&builder, &room);
        assert_non_null(payload);
        assert_ptr_equal(payload + room, buffer + left);
        memset(payload, 'x', room);
        msg_builder_payload_end(&builder, room);
        assert_true(msg_builder_finish(&builder) > 0);
        assert_true(builder.size <= left && builder.size + 2 >= left);
    }
    free(buffer);
}

static void test_payload_not_ended(void **state)
{
    (void)state;
    uint8_t buffer[128];
    struct msg_builder builder = start(buffer, sizeof(buffer));
    size_t size = builder.size;
    size_t room;
    assert_non_null(msg_builder_payload_begin(&builder, &room));
    assert_int_equal(msg_builder_finish(&builder), size);
}

/* The message of Heka's own framing tests. */
static void test_known_bytes(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x10, 0x80, 0xc4, 0x8c, 0x94, 0x91, 0xa9, 0xe8,
                                       0xd4, 0x13, 0x1a, 0x04, 0x54, 0x45, 0x53, 0x54};
    uint8_t buffer[64];
    struct msg_builder builder;
    msg_builder_init(&builder, buffer, sizeof(buffer));
    msg_builder_timestamp(&builder, INT64_C(1416840893000000000));
    msg_builder_type(&builder, "TEST", 4);
    assert_int_equal(msg_builder_finish(&builder), sizeof(expected));
    assert_memory_equal(buffer, expected, sizeof(expected));
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, buffer, sizeof(expected)), MSG_E_MISSING);
}

static void test_error_texts(void **state)
{
    (void)state;
    assert_string_equal(msg_error_text(MSG_E_TRUNCATED), "truncated");
    assert_string_equal(msg_error_text(MSG_E_UUID), "uuid is not 16 bytes");
    assert_string_equal(msg_error_text(MSG_E_LIMIT),
                        "message, field count or group depth over the limit");
    assert_string_equal(msg_error_text(0), "unknown error");
    assert_string_equal(msg_error_text(MSG_E_INDEX - 1), "unknown error");
    assert_string_equal(msg_error_text(1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent_members_have_defaults),
        cmocka_unit_test(test_all_members),
        cmocka_unit_test(test_empty_input_is_no_message),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_field_count_limit),
        cmocka_unit_test(test_group_depth_limit),
        cmocka_unit_test(test_fields_between_other_members),
        cmocka_unit_test(test_packed_and_unpacked_in_order),
        cmocka_unit_test(test_other_type_has_no_value),
        cmocka_unit_test(test_strings_without_value_type),
        cmocka_unit_test(test_fields_are_found_by_any_name),
        cmocka_unit_test(test_unknown_value_type_is_ignored),
        cmocka_unit_test(test_bool_of_ten_bytes),
        cmocka_unit_test(test_doubles_are_bit_exact),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_builder_out_of_room),
        cmocka_unit_test(test_failed_builder_stays_failed),
        cmocka_unit_test(test_payload_in_place),
        cmocka_unit_test(test_payload_takes_all_room),
        cmocka_unit_test(test_payload_not_ended),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_error_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
