/* SPDX-License-Identifier: MPL-2.0
 *
 * test_rule_parse.c - limits, positions and notes of the rule parser; the language itself is in
 * tests/golden/matcher.
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

#include "core/buffer.h"
#include "matcher/rule_parse.h"

static void expect_fault(const char *text, size_t position, const char *part)
{
    struct rule *rule = NULL;
    struct rule_fault fault = {0};

    assert_int_equal(rule_parse(text, &rule, &fault), -EINVAL);
    assert_null(rule);
    if (fault.position != position || !strstr(fault.text, part))
        fail_msg("%.60s: %zu: %s", text, fault.position, fault.text);
}

static struct rule *expect_rule(const char *text)
{
    struct rule *rule = NULL;
    struct rule_fault fault = {0};

    if (rule_parse(text, &rule, &fault) != 0)
        fail_msg("%.60s: %zu: %s", text, fault.position, fault.text);
    return rule;
}

static void expect_good(const char *text)
{
    rule_free(expect_rule(text));
}

/* `count` times `part`, then `tail`. */
static char *repeat(const char *part, size_t count, const char *tail)
{
    struct buffer text = {0};

    for (size_t i = 0; i < count; i++)
        assert_int_equal(buffer_append_text(&text, part), 0);
    assert_int_equal(buffer_append(&text, tail, strlen(tail) + 1), 0);
    return text.data;
}

static void test_limits(void **state)
{
    char *text;

    (void)state;
    text = repeat(" ", RULE_LEN_MAX - 4, "TRUE");
    expect_good(text);
    free(text);
    text = repeat(" ", RULE_LEN_MAX - 3, "TRUE");
    expect_fault(text, RULE_LEN_MAX, "bytes long");
    free(text);
    text = repeat("Pid==1&&", RULE_TESTS_MAX - 1, "Pid==1");
    expect_good(text);
    free(text);
    text = repeat("Pid==1&&", RULE_TESTS_MAX, "Pid==1");
    expect_fault(text, (size_t)RULE_TESTS_MAX * 8, "tests");
    free(text);
    text = repeat("(", RULE_DEPTH_MAX + 1, "TRUE");
    expect_fault(text, RULE_DEPTH_MAX, "deep");
    free(text);
    text = repeat("TRUE||", 5000, "FALSE");
    expect_good(text);
    free(text);
}

static void test_nesting(void **state)
{
    char *open = repeat("(", RULE_DEPTH_MAX, "Pid > 3");
    char *close = repeat(")", RULE_DEPTH_MAX, "");
    struct buffer text = {0};

    (void)state;
    assert_int_equal(buffer_printf(&text, "%s%s", open, close), 0);
    assert_int_equal(buffer_append(&text, "", 1), 0);
    expect_good(text.data);
    buffer_fini(&text);
    free(open);
    free(close);
}

static void test_regex_limits(void **state)
{
    char *text = repeat("(", REGEX_DEPTH_MAX + 1, "/");
    struct buffer rule = {0};

    (void)state;
    assert_int_equal(buffer_printf(&rule, "Type =~ /%s", text), 0);
    assert_int_equal(buffer_append(&rule, "", 1), 0);
    expect_fault(rule.data, 9 + REGEX_DEPTH_MAX, "deep");
    free(text);
    buffer_clear(&rule);
    text = repeat("a", REGEX_LEN_MAX + 1, "/");
    assert_int_equal(buffer_printf(&rule, "Type =~ /%s", text), 0);
    assert_int_equal(buffer_append(&rule, "", 1), 0);
    expect_fault(rule.data, 9, "bytes long");
    free(text);
    buffer_fini(&rule);
    expect_fault("Type =~ /(abcdefghijklmnopqrstuvwxyz){1000}/", 37, "too large");
}

static void test_positions(void **state)
{
    (void)state;
    expect_fault("Type == 'x' && Severity >= 'y'", 27, "expected a number without sign");
    expect_fault("Payload =~ /a\\/b\\/(/", 18, "expected \")\"");
    expect_fault("Payload =~ /a\\\\b[/", 16, "expected \"]\"");
    expect_fault("Fields[a][1000000000] == 1", 9, "over 999999999");
    expect_fault("Fields[a\xff] == 1", 8, "expected UTF-8, found byte 0xff");
    expect_fault("Fields [a] == 1", 6, "expected \"[\" right after Fields");
    expect_fault("Type == 'a' &", 12, "&& and ||");
    expect_fault("Type == 'a' && !(Type == 'b')", 15, "there is no negation");
    expect_fault("TRUE\nFALSE", 4, "a rule is one line");
    expect_fault("Type == 'a\nb'", 8, "has no end");
    expect_fault("TRUE\x01", 4, "found byte 0x01");
    expect_fault("(TRUE FALSE)", 6, "expected &&, || or \")\"");
    expect_fault("TRUE)", 4, "expected &&, || or the end");
    expect_fault("Type == '", 8, "expected a string");
    expect_good("TRUE\n \t\r\n");
    expect_good("\t TRUE ");
}

static void test_contents(void **state)
{
    struct rule *rule =
        expect_rule("Fields[a[b\" ][7][9] != 'it\\'s\\\\\\n' || Logger =~ /a\\/b\\.c/");

    (void)state;
    assert_int_equal(rule->test_count, 2);
    assert_int_equal(rule->nodes[rule->root].op, RULE_OR);
    assert_int_equal(rule->tests[0].variable, RULE_FIELD);
    assert_string_equal(rule->tests[0].name, "a[b\" ");
    assert_int_equal(rule->tests[0].field_index, 7);
    assert_int_equal(rule->tests[0].value_index, 9);
    assert_int_equal(rule->tests[0].compare, RULE_NE);
    assert_string_equal(rule->tests[0].text, "it's\\\\\\n");
    assert_int_equal(rule->tests[0].text_len, 8);
    assert_int_equal(rule->tests[1].position, 38);
    assert_int_equal(rule->tests[1].len, 19);
    assert_string_equal(rule->tests[1].regex->text, "a/b\\.c");
    assert_int_equal(rule->note_count, 0);
    rule_free(rule);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        double number;
        unsigned notes;
    } cases[] = {
        {"Pid == 0", 0, 0},
        {"Pid == 12.5", 12.5, 0},
        {"Pid == .5", .5, 0},
        {"Pid == 5.", 5, 0},
        {"Pid == 1e3", 1000, 0},
        {"Pid == 1e+3", 1000, 0},
        {"Pid == 1e-3", 0.001, 0},
        {"Pid == 1.2.3", 0, 1},
        {"Pid == 1e", 0, 1},
        {"Pid == .", 0, 1},
        {"Pid == 1-2", 0, 1},
        {"Pid == 1e400", 0, 1},
        {"Pid == 00012", 12, 0},
        {"Pid == 1ee5", 0, 1},
        {"Pid == 1e-400", 0, 0},
        {"Pid == 9007199254740993", 9007199254740992, 0}, /* a double, as in Heka */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rule *rule = expect_rule(cases[i].text);

        assert_true(rule->tests[0].number == cases[i].number);
        assert_int_equal(rule->note_count, cases[i].notes);
        rule_free(rule);
    }
    expect_fault("Pid == 1E3", 8, "found \"E\"");
    expect_fault("Pid == +1", 7, "no sign");
}

static void test_notes(void **state)
{
    struct rule *rule = expect_rule("Type == 'a' Severity == 5 (TRUE) '");

    (void)state;
    assert_int_equal(rule->note_count, 3);
    assert_int_equal(rule->notes[0].position, 12);
    assert_int_equal(rule->notes[1].position, 26);
    assert_int_equal(rule->notes[2].position, 33);
    assert_non_null(strstr(rule->notes[0].text, "only what follows counts"));
    assert_non_null(strstr(rule->notes[2].text, "stray quote"));
    assert_int_equal(rule->nodes[rule->root].op, RULE_TRUE);
    rule_free(rule);
    rule = expect_rule("TRUE TRUE TRUE TRUE TRUE TRUE TRUE");
    assert_int_equal(rule->note_count, 6);
    rule_free(rule);
    rule = expect_rule("Type == 'a' && Logger == \"b\"");
    assert_int_equal(rule->note_count, 0);
    rule_free(rule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_regex_limits), cmocka_unit_test(test_positions),
        cmocka_unit_test(test_contents),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_notes),
    };

    return cmocka_run_group_tests_name("rule_parse", tests, NULL, NULL);
}
