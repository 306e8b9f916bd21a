/* SPDX-License-Identifier: MPL-2.0
 *
 * test_msg_edit.c - messages changed in place: bytes that are known, and random changes against
 * protobuf-c.
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

#include "core/msg_edit.h"
#include "core/msg_index.h"
#include "tests/support/chance.h"
#include "tests/support/message_edit_oracle.h"
#include "tests/support/message_oracle.h"

enum { CAPACITY = 2048, ROUNDS = 4000, STEPS = 12 };

static const uint8_t uuid[MSG_UUID_SIZE] = "0123456789abcdef";

static struct msg_slice slice(const char *text)
{
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

static struct msg_place place(const char *name, uint32_t field_index, uint32_t value_index)
{
    return (struct msg_place){slice(name), field_index, value_index};
}

static struct msg_value integer(int64_t value)
{
    return (struct msg_value){.type = MSG_INTEGER, .integer = value};
}

static struct msg_value string(const char *text)
{
    return (struct msg_value){.type = MSG_STRING, .slice = slice(text)};
}

/* uuid, timestamp 5, and members as they are. */
static void start(struct msg_edit *edit, uint8_t *buffer, const char *members, size_t size)
{
    struct msg_builder builder;
    msg_builder_init(&builder, buffer, CAPACITY);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 5);
    msg_builder_raw(&builder, members, size);
    int64_t whole = msg_builder_finish(&builder);
    assert_true(whole > 0);
    assert_int_equal(msg_edit_init(edit, buffer, (size_t)whole, CAPACITY), 0);
}
#define START(edit, buffer, members) start(edit, buffer, members, sizeof(members) - 1)

/* What is behind uuid and timestamp. */
static void expect(const struct msg_edit *edit, const char *members, size_t size)
{
    struct msg_view view;
    assert_int_equal(msg_view_init(&view, edit->bytes, edit->size), 0);
    assert_int_equal(edit->size, 20 + size);
    assert_memory_equal(edit->bytes + 20, members, size);
}
#define EXPECT(edit, members) expect(edit, members, sizeof(members) - 1)

static void test_members(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct msg_edit edit;
    START(&edit, buffer, "");
    assert_int_equal(msg_edit_text(&edit, MSG_MEMBER_HOSTNAME, slice("h")), 0);
    assert_int_equal(msg_edit_text(&edit, MSG_MEMBER_TYPE, slice("t")), 0);
    assert_int_equal(msg_edit_number(&edit, MSG_MEMBER_PID, -1), 0);
    assert_int_equal(msg_edit_number(&edit, MSG_MEMBER_SEVERITY, INT64_C(0x100000003)), 0);
    EXPECT(&edit, "\x1a\x01t\x28\x03\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x4a\x01h");
    assert_int_equal(msg_edit_number(&edit, MSG_MEMBER_PID, 7), 0);
    assert_int_equal(msg_edit_text(&edit, MSG_MEMBER_TYPE, slice("")), 0);
    EXPECT(&edit, "\x1a\x00\x28\x03\x40\x07\x4a\x01h");
    assert_int_equal(msg_edit_clear(&edit, MSG_MEMBER_TYPE), 1);
    assert_int_equal(msg_edit_clear(&edit, MSG_MEMBER_TYPE), 0);
    assert_int_equal(msg_edit_number(&edit, MSG_MEMBER_TIMESTAMP, 6), 0);
    EXPECT(&edit, "\x28\x03\x40\x07\x4a\x01h");
    assert_int_equal(buffer[19], 6);
}

static void test_members_that_may_not(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct msg_edit edit;
    START(&edit, buffer, "");
    assert_int_equal(msg_edit_text(&edit, MSG_MEMBER_UUID, slice("short")), -EINVAL);
    assert_int_equal(msg_edit_text(&edit, MSG_MEMBER_PID, slice("1")), -EINVAL);
    assert_int_equal(msg_edit_number(&edit, MSG_MEMBER_TYPE, 1), -EINVAL);
    assert_int_equal(msg_edit_clear(&edit, MSG_MEMBER_UUID), -EINVAL);
    assert_int_equal(msg_edit_clear(&edit, MSG_MEMBER_TIMESTAMP), -EINVAL);
    EXPECT(&edit, "");
}

/* All that are there of a member given twice, with what is between. */
static void test_a_member_given_twice(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct msg_edit edit;
    START(&edit, buffer,
          "\x1a\x01"
          "a\xf8\x01\x01\x1a\x01"
          "b");
    assert_int_equal(msg_edit_text(&edit, MSG_MEMBER_TYPE, slice("cc")), 0);
    EXPECT(&edit, "\x1a\x01"
                  "a\xf8\x01\x01\x1a\x02"
                  "cc");
    assert_int_equal(msg_edit_clear(&edit, MSG_MEMBER_TYPE), 1);
    EXPECT(&edit, "\xf8\x01\x01");
}

/* Order, packed and unpacked, unknown members. */
static void test_values(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct msg_edit edit;
    struct msg_value value = integer(300);
    struct msg_place where = place("n", 0, 1);
    START(&edit, buffer, "\x52\x10\x0a\x01n\x10\x02\x32\x02\x01\x02\xf8\x01\x09\x30\x03\x32\x00");
    assert_int_equal(msg_edit_value(&edit, &where, &value, NULL), 0);
    EXPECT(&edit, "\x52\x11\x0a\x01n\x10\x02\x32\x03\x01\xac\x02\xf8\x01\x09\x30\x03\x32\x00");
    where.value_index = 2;
    assert_int_equal(msg_edit_value(&edit, &where, &value, NULL), 0);
    EXPECT(&edit, "\x52\x12\x0a\x01n\x10\x02\x32\x03\x01\xac\x02\xf8\x01\x09\x30\xac\x02\x32\x00");
    where.value_index = 0;
    assert_int_equal(msg_edit_clear_value(&edit, &where), 1);
    EXPECT(&edit, "\x52\x11\x0a\x01n\x10\x02\x32\x02\xac\x02\xf8\x01\x09\x30\xac\x02\x32\x00");
    where.value_index = 2;
    struct msg_slice representation = slice("B");
    assert_int_equal(msg_edit_value(&edit, &where, &value, &representation), 0);
    EXPECT(&edit, "\x52\x17\x0a\x01n\x10\x02\x32\x02\xac\x02\xf8\x01\x09\x30\xac\x02\x32\x00"
                  "\x30\xac\x02\x1a\x01"
                  "B");
    where.value_index = 4;
    assert_int_equal(msg_edit_value(&edit, &where, &value, NULL), MSG_E_INDEX);
    assert_int_equal(msg_edit_clear_value(&edit, &where), 0);
}

static void test_fields(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct msg_edit edit;
    struct msg_value value = string("v"), number = integer(1);
    struct msg_place first = place("a", 0, 0), second = place("a", 1, 0), third = place("a", 2, 0);
    struct msg_place later = place("a", 1, 1);
    START(&edit, buffer, "");
    assert_int_equal(msg_edit_value(&edit, &second, &value, NULL), MSG_E_INDEX);
    assert_int_equal(msg_edit_value(&edit, &first, &value, NULL), 0);
    assert_int_equal(msg_edit_value(&edit, &later, &value, NULL), MSG_E_INDEX);
    assert_int_equal(msg_edit_value(&edit, &third, &value, NULL), MSG_E_INDEX);
    assert_int_equal(msg_edit_value(&edit, &second, &number, NULL), 0);
    EXPECT(&edit, "\x52\x0a\x0a\x01"
                  "a\x10\x00\x1a\x00\x22\x01v"
                  "\x52\x0a\x0a\x01"
                  "a\x10\x02\x1a\x00\x32\x01\x01");
    assert_int_equal(msg_edit_value(&edit, &second, &value, NULL), MSG_E_TYPE);
    assert_int_equal(msg_edit_clear_field(&edit, slice("b"), 0), 0);
    assert_int_equal(msg_edit_clear_field(&edit, slice("a"), 0), 1);
    assert_int_equal(edit.field_count, 1);
    EXPECT(&edit, "\x52\x0a\x0a\x01"
                  "a\x10\x02\x1a\x00\x32\x01\x01");
    assert_int_equal(msg_edit_clear_field(&edit, slice("a"), 0), 1);
    EXPECT(&edit, "");
}

/* A length that needs another byte, and a buffer that is one too short. */
static void test_room(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    char text[129] = "";
    struct msg_edit edit;
    struct msg_place where = place("a", 0, 0);
    memset(text, 'x', 128);
    struct msg_value value = string("v"), longer = string(text);
    START(&edit, buffer, "");
    assert_int_equal(msg_edit_value(&edit, &where, &value, NULL), 0);
    size_t needed = edit.size + 127 + 2; /* the field's length and the value's take two bytes */
    edit.capacity = needed - 1;
    assert_int_equal(msg_edit_value(&edit, &where, &longer, NULL), -ENOSPC);
    EXPECT(&edit, "\x52\x0a\x0a\x01"
                  "a\x10\x00\x1a\x00\x22\x01v");
    edit.capacity = needed;
    assert_int_equal(msg_edit_value(&edit, &where, &longer, NULL), 0);
    assert_int_equal(edit.size, needed);
    assert_int_equal(msg_edit_value(&edit, &where, &value, NULL), 0);
    EXPECT(&edit, "\x52\x0a\x0a\x01"
                  "a\x10\x00\x1a\x00\x22\x01v");
}

/* The value gets longer by what the representation gets shorter: there is no room in between. */
static void test_room_in_between(void **state)
{
    (void)state;
    uint8_t *buffer = malloc(CAPACITY);
    struct msg_edit edit;
    struct msg_place where = place("a", 0, 0);
    struct msg_value value = string("v"), longer = string("0123456789");
    struct msg_slice representation = slice("count bytes"), shorter = slice("c");
    assert_non_null(buffer);
    START(&edit, buffer, "");
    assert_int_equal(msg_edit_value(&edit, &where, &value, &representation), 0);
    buffer = realloc(buffer, edit.size); /* ASan sees a write past the end */
    assert_non_null(buffer);
    edit.bytes = buffer;
    edit.capacity = edit.size;
    assert_int_equal(msg_edit_value(&edit, &where, &longer, &shorter), 0);
    EXPECT(&edit, "\x52\x14\x0a\x01"
                  "a\x10\x00\x1a\x01"
                  "c\x22\x0a"
                  "0123456789");
    assert_int_equal(msg_edit_value(&edit, &where, &value, &representation), 0);
    free(buffer);
}

static void test_no_message(void **state)
{
    (void)state;
    uint8_t buffer[4] = {0x10, 0x01};
    struct msg_edit edit;
    assert_int_equal(msg_edit_init(&edit, buffer, 2, sizeof(buffer)), MSG_E_MISSING);
}

/* The most fields that a message may have, found by the index and behind it. */
static void test_many_fields(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    uint8_t *buffer = malloc(SIZE);
    struct msg_builder builder;
    struct msg_edit edit;
    struct msg_view view;
    static struct msg_index index;
    struct msg_field field;
    struct msg_place where = place("z", 0, 0);
    struct msg_value value = integer(1);
    assert_non_null(buffer);
    msg_builder_init(&builder, buffer, SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 5);
    for (unsigned i = 0; i < MSG_FIELDS_MAX; i++)
        msg_builder_raw(&builder, "\x52\x03\x0a\x01n", 5);
    assert_int_equal(msg_edit_init(&edit, buffer, (size_t)msg_builder_finish(&builder), SIZE), 0);
    assert_int_equal(msg_edit_value(&edit, &where, &value, NULL), MSG_E_LIMIT);
    assert_int_equal(msg_view_init(&view, edit.bytes, edit.size), 0);
    msg_index_build(&index, &view);
    assert_int_equal(index.count, MSG_INDEX_MAX);
    assert_true(msg_index_find(&index, "n", 1, MSG_INDEX_MAX - 1, &field));
    assert_true(msg_index_find(&index, "n", 1, MSG_FIELDS_MAX - 1, &field));
    assert_int_equal(field.next, view.size);
    assert_false(msg_index_find(&index, "n", 1, MSG_FIELDS_MAX, &field));
    assert_false(msg_index_find(&index, "", 0, 0, &field));
    free(buffer);
}

/* ---- random ---- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    return chance_next(&random_state);
}

static void test_random_changes(void **state)
{
    (void)state;
    /* Fields as others write them. */
    static const char *const odd[] = {
        "\x52\x10\x0a\x01n\x10\x02\x32\x02\x01\x02\xf8\x01\x09\x30\x03\x32\x00",
        "\x52\x0d\x1a\x01r\x22\x01v\x0a\x01s\x1a\x02xx",
        "\x52\x87\x80\x00\x0a\x01"
        "b\x40\x01\x10\x04",
        "\x52\x07\x10\x03\x0a\x03"
        "abc",
        "\xf8\x01\x05",
        "\x1a\x01t",
    };
    static const size_t sizes[] = {18, 15, 11, 9, 3, 3};
    struct edit_tally tally = {0};
    random_state = 4;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t buffer[CAPACITY], script[STEPS * EDIT_SCRIPT_STEP];
        struct msg_builder builder;
        enum oracle_end end;
        size_t capacity = round % 3 == 0 ? 150 : CAPACITY;
        msg_builder_init(&builder, buffer, capacity);
        msg_builder_uuid(&builder, uuid);
        msg_builder_timestamp(&builder, (int64_t)random_u64());
        for (unsigned i = 0; i < round % 4; i++) {
            unsigned which = (unsigned)(random_u64() % 6);
            msg_builder_raw(&builder, odd[which], sizes[which]);
        }
        size_t size = (size_t)msg_builder_finish(&builder);
        for (size_t i = 0; i < sizeof(script); i++)
            script[i] = (uint8_t)random_u64();
        const char *difference =
            message_edit_oracle_run(buffer, &size, capacity, script, sizeof(script), &tally);
        if (difference == NULL)
            difference = message_oracle_check(buffer, size, &end);
        if (difference != NULL)
            fail_msg("round %u: %s", round, difference);
    }
    assert_true(tally.changes > ROUNDS * 3);
    assert_true(tally.refusals > ROUNDS);
    assert_true(tally.nothing > ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_members_that_may_not),
        cmocka_unit_test(test_a_member_given_twice),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_room_in_between),
        cmocka_unit_test(test_no_message),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_random_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
