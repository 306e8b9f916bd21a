/* SPDX-License-Identifier: MPL-2.0
 *
 * test_message_write.c - write_message's arguments: what each does, and each reason to refuse.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/message_json.h"
#include "codec/message_write.h"

enum { CAPACITY = 1024 };

struct write_case {
    const char *name;
    enum message_write_kind kind;
    const char *string;
    double number;
    uint32_t field_index, value_index; /* value_index 9: not given */
    const char *result;                /* the member's JSON, or the reason */
};

static struct time_parser *times;

static void start(struct msg_edit *edit, uint8_t buffer[CAPACITY])
{
    struct msg_builder builder;
    msg_builder_init(&builder, buffer, CAPACITY);
    msg_builder_uuid(&builder, (const uint8_t *)"0123456789abcdef");
    msg_builder_timestamp(&builder, 5);
    msg_builder_field_string(&builder, "s", "v", 1, "r");
    msg_builder_field_integer(&builder, "i", 7, "count");
    msg_builder_field_bytes(&builder, "b", "v", 1, NULL);
    msg_builder_field_double(&builder, "d", 0.5, NULL);
    int64_t size = msg_builder_finish(&builder);
    assert_int_equal(msg_edit_init(edit, buffer, (size_t)size, CAPACITY), 0);
}

static int run(struct msg_edit *edit, const struct write_case *test, const char **reason)
{
    struct message_write write = {
        .name = {test->name, (uint32_t)strlen(test->name)},
        .kind = test->kind,
        .number = test->number,
        .boolean = test->number != 0,
        .representation = {"", 0},
        .field_index = test->field_index,
        .value_index = test->value_index == 9 ? 0 : test->value_index,
        .has_value_index = test->value_index != 9,
    };
    if (test->string != NULL)
        write.string = (struct msg_slice){test->string, (uint32_t)strlen(test->string)};
    return message_write(edit, &write, times, INT64_C(1416840893000000000), reason);
}

/* What is changed is found in the message's JSON; a refusal has a reason and changes nothing. */
static void check(const struct write_case *test)
{
    uint8_t buffer[CAPACITY], before[CAPACITY];
    struct msg_edit edit;
    struct msg_view view;
    struct buffer json = {0};
    const char *reason;
    start(&edit, buffer);
    memcpy(before, buffer, edit.size);
    size_t size = edit.size;
    int rc = run(&edit, test, &reason);
    if (rc < 0) {
        assert_string_equal(reason, test->result);
        assert_int_equal(edit.size, size);
        assert_memory_equal(buffer, before, size);
        return;
    }
    assert_null(reason);
    assert_int_equal(msg_view_init(&view, buffer, edit.size), 0);
    assert_int_equal(message_json(&view, &json), 0);
    assert_int_equal(buffer_append(&json, "", 1), 0);
    if (strstr(json.data, test->result) == NULL)
        fail_msg("%s: %s", test->name, json.data);
    buffer_fini(&json);
}

static const char range[] = "the number is out of range";
static const char type[] = "the field has values of another type";
static const char beyond[] = "field or value index beyond the last";

static const struct write_case cases[] = {
    {"Type", WRITE_STRING, "t", 0, 0, 9, "\"Type\":\"t\""},
    {"Payload", WRITE_STRING, "", 0, 0, 9, "\"Payload\":\"\""},
    {"Uuid", WRITE_STRING, "72de6a05-abaf-49ee-b111-51A671b32e62", 0, 0, 9,
     "\"Uuid\":\"72de6a05-abaf-49ee-b111-51a671b32e62\""},
    {"Uuid", WRITE_STRING, "0123456789abcdef", 0, 0, 9, "the text is not a UUID"},
    {"Timestamp", WRITE_STRING, "0x10", 0, 0, 9, "\"Timestamp\":16,"},
    {"Timestamp", WRITE_STRING, "-12", 0, 0, 9, "\"Timestamp\":-12,"},
    {"Timestamp", WRITE_STRING, "1970-01-01T00:00:01Z", 0, 0, 9, "\"Timestamp\":1000000000,"},
    {"Timestamp", WRITE_STRING, "soon", 0, 0, 9, "the text is neither a number nor a time"},
    {"Timestamp", WRITE_STRING, "", 0, 0, 9, "the text is neither a number nor a time"},
    {"Timestamp", WRITE_STRING, " 1", 0, 0, 9, "the text is neither a number nor a time"},
    {"Timestamp", WRITE_NUMBER, NULL, 1e18, 0, 9, "\"Timestamp\":1000000000000000000,"},
    {"Timestamp", WRITE_NUMBER, NULL, 1e19, 0, 9, range},
    {"Timestamp", WRITE_NUMBER, NULL, NAN, 0, 9, range},
    {"Severity", WRITE_STRING, "3", 0, 0, 9, "\"Severity\":3"},
    {"Severity", WRITE_STRING, "high", 0, 0, 9, "the text is not a number of 32 bits"},
    {"Pid", WRITE_NUMBER, NULL, -2147483648.5, 0, 9, "\"Pid\":-2147483648"},
    {"Pid", WRITE_NUMBER, NULL, 2147483648.0, 0, 9, range},
    {"Pid", WRITE_BOOL, NULL, 1, 0, 9, "a boolean is for fields only"},
    {"Pid", WRITE_NIL, NULL, 0, 0, 9, "a member of the header cannot be deleted"},
    {"Hostname", WRITE_NUMBER, NULL, 1, 0, 9, "a number for a member that is a text"},
    {"hostname", WRITE_STRING, "h", 0, 0, 9, "no such member"},
    {"Fields", WRITE_STRING, "h", 0, 0, 9, "no such member"},
    {"Fields[s]", WRITE_STRING, "new", 0, 0, 9,
     "{\"name\":\"s\",\"type\":\"string\",\"representation\":\"\",\"values\":[\"new\"]}"},
    {"Fields[s]", WRITE_STRING, "w", 0, 0, 1, "\"values\":[\"v\",\"w\"]"},
    {"Fields[s]", WRITE_STRING, "w", 0, 0, 2, beyond},
    {"Fields[s]", WRITE_STRING, "w", 0, 1, 0,
     "{\"name\":\"s\",\"type\":\"string\","
     "\"representation\":\"\",\"values\":[\"w\"]}]"},
    {"Fields[s]", WRITE_STRING, "w", 0, 2, 0, beyond},
    {"Fields[s]", WRITE_NUMBER, NULL, 1, 0, 0, type},
    {"Fields[i]", WRITE_NUMBER, NULL, 8, 0, 0, "\"values\":[8]"},
    {"Fields[i]", WRITE_NUMBER, NULL, 8.5, 0, 0, "the field takes whole numbers of 64 bits only"},
    {"Fields[i]", WRITE_BOOL, NULL, 1, 0, 0, type},
    {"Fields[b]", WRITE_STRING, "w", 0, 0, 0, "\"values\":[\"dw==\"]"},
    {"Fields[d]", WRITE_NUMBER, NULL, 0.25, 0, 0, "\"values\":[0.25]"},
    {"Fields[]", WRITE_BOOL, NULL, 1, 0, 0,
     "{\"name\":\"\",\"type\":\"bool\",\"representation\":\"\",\"values\":[true]}"},
    {"Fields[new]", WRITE_NUMBER, NULL, 3, 0, 0,
     "\"type\":\"double\",\"representation\":\"\",\"values\":[3]"},
    {"Fields[new]", WRITE_NUMBER, NULL, 3, 1, 0, beyond},
    {"Fields[s]", WRITE_NIL, NULL, 0, 0, 9, "\"Fields\":[{\"name\":\"i\""},
    {"Fields[s]", WRITE_NIL, NULL, 0, 0, 0, "\"representation\":\"r\",\"values\":[]"},
    {"Fields[s]", WRITE_NIL, NULL, 0, 0, 1, beyond},
    {"Fields[s]", WRITE_NIL, NULL, 0, 0, 5, beyond},
    {"Fields[s]", WRITE_NIL, NULL, 0, 1, 9, beyond},
    {"Fields[s]", WRITE_NIL, NULL, 0, 1, 0, beyond},
    {"Fields[gone]", WRITE_NIL, NULL, 0, 0, 9, "\"Fields\":[{\"name\":\"s\""},
    {"Fields[gone]", WRITE_NIL, NULL, 0, 3, 3, "\"Fields\":[{\"name\":\"s\""},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(&cases[i]);
}

static void test_cut_at_nul_and_room(void **state)
{
    (void)state;
    uint8_t buffer[CAPACITY];
    struct msg_edit edit;
    struct msg_view view;
    const char *reason;
    struct message_write write = {.name = {"Type", 4}, .kind = WRITE_STRING, .string = {"a\0b", 3}};
    start(&edit, buffer);
    assert_int_equal(message_write(&edit, &write, NULL, 0, &reason), 0);
    assert_int_equal(msg_view_init(&view, buffer, edit.size), 0);
    assert_int_equal(view.type.len, 1);
    edit.capacity = edit.size;
    write.string = (struct msg_slice){"ab", 2};
    assert_true(message_write(&edit, &write, NULL, 0, &reason) < 0);
    assert_string_equal(reason, "the message gets too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cut_at_nul_and_room),
    };
    struct err err = {0};
    if (time_parser_new("", "", &times, &err) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    time_parser_free(times);
    return failed;
}
