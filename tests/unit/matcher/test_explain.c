/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/explain.h"
#include "tests/unit/matcher/match_messages.h"

static void expect_text(const char *rule, char message_name, const char *wanted)
{
    struct match_message message;
    struct buffer out = {0};

    match_message_golden(message_name, &message);
    assert_int_equal(explain_text(rule, &message.view, &out, NULL), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_string_equal(out.data, wanted);
    buffer_fini(&out);
}

static void test_texts(void **state)
{
    (void)state;
    expect_text("TRUE", 'A', "match\n");
    expect_text("Type == 'TEST' && Severity < 5", 'A',
                "  true    Type == 'TEST'  (value: \"TEST\")\n"
                "  false   Severity < 5  (value: 6)\n"
                "no match\n");
    expect_text("Type =~ /^X/ && Pid == 1 || (Fields[foo][1] =~ /alt/ || Fields[none] == NIL)", 'A',
                "  false   Type =~ /^X/  (value: \"TEST\")\n"
                "  unused  Pid == 1  (value: 4242)\n"
                "  true    Fields[foo][1] =~ /alt/  (value: \"alternate\")\n"
                "  unused  Fields[none] == NIL  (value: absent)\n"
                "match\n");
}

static void test_notes(void **state)
{
    (void)state;
    expect_text(
        "Fields[bool] == TRUE Fields[double] == 99.9 '", 'A',
        "  unused  Fields[bool] == TRUE  (value: TRUE)\n"
        "  true    Fields[double] == 99.9  (value: 99.900000000000006)\n"
        "  note: position 22: no && or || before this: only what follows counts, as in Heka\n"
        "  note: position 45: a stray quote at the end, ignored\n"
        "match\n");
}

static void test_values(void **state)
{
    const uint8_t uuid[MSG_UUID_SIZE] = {0};
    struct match_message message;
    struct msg_builder builder;
    struct buffer out = {0};
    char payload[100];

    (void)state;
    memset(payload, 'z', sizeof payload);
    memcpy(payload, "\"\\\n\xc3", 4);
    msg_builder_init(&builder, message.bytes, sizeof message.bytes);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 7);
    msg_builder_payload(&builder, payload, sizeof payload);
    match_message_finish(&message, &builder);
    assert_int_equal(explain_text("Payload == '' || Uuid == 'a'", &message.view, &out, NULL), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_non_null(strstr(out.data, "(value: \"\\x22\\x5c\\x0a\\xc3zzz"));
    assert_non_null(strstr(out.data, "zzz\"... (100 bytes))"));
    assert_non_null(strstr(out.data, "(value: \"00000000-0000-0000-0000-000000000000\")"));
    buffer_fini(&out);
}

static void test_error(void **state)
{
    struct match_message message;
    struct buffer out = {0};
    struct err *err = calloc(1, sizeof *err);

    (void)state;
    match_message_golden('A', &message);
    assert_int_equal(explain_text("Type = 1", &message.view, &out, err), -EINVAL);
    assert_int_equal(err->count, 1);
    assert_non_null(strstr(err->texts[0], "position 6: expected =="));
    assert_int_equal(out.size, 0);
    free(err);
}

struct seen {
    unsigned count;
    enum explain_outcome outcomes[4];
};

static void note_test(void *context, const struct explain_test *test)
{
    struct seen *seen = context;

    seen->outcomes[seen->count++] = test->outcome;
    assert_int_equal(test->test->position + 0u, (unsigned)(seen->count == 1 ? 0 : 18));
    assert_true(test->result == (seen->count == 1));
}

static void test_callback(void **state)
{
    struct match_message message;
    struct seen seen = {0};
    bool matches = false;

    (void)state;
    match_message_golden('B', &message);
    assert_int_equal(
        explain_rule("Type == 'TEST' || Pid == 0", &message.view, note_test, &seen, &matches, NULL),
        0);
    assert_true(matches);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.outcomes[0], EXPLAIN_TRUE);
    assert_int_equal(seen.outcomes[1], EXPLAIN_UNUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),    cmocka_unit_test(test_notes),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_error),
        cmocka_unit_test(test_callback),
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
