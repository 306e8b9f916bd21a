/* SPDX-License-Identifier: MPL-2.0
 *
 * test_ruleset.c - rule sets as their users see them: masks, bursts, signers, errors, limits.
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
#include "matcher/evaluate.h"
#include "matcher/ruleset.h"
#include "tests/unit/matcher/match_messages.h"

enum { MANY = 1000, MANY_WORDS = (MANY + 63) / 64 };

struct set {
    struct ruleset *set;
    struct ruleset_scratch *scratch;
};

static struct set open_set(const struct rule_text *rules, size_t count)
{
    struct set set = {0};
    struct err *err = calloc(1, sizeof *err);

    if (ruleset_compile(rules, count, &set.set, err) != 0)
        fail_msg("%s", err->texts[0]);
    assert_int_equal(err->count, 0);
    free(err);
    assert_int_equal(ruleset_scratch_new(set.set, &set.scratch), 0);
    assert_int_equal(ruleset_count(set.set), count);
    return set;
}

static void close_set(struct set *set)
{
    assert_int_equal(ruleset_scratch_limits(set->scratch), 0);
    ruleset_scratch_free(set->scratch);
    ruleset_free(set->set);
}

/* The answer of one rule for golden message `name`. */
static bool matches(const char *text, char name)
{
    struct rule_text rule = {"test", text, NULL};
    struct set set = open_set(&rule, 1);
    struct match_message message;
    uint64_t mask = 0;

    match_message_golden(name, &message);
    ruleset_match(set.set, set.scratch, &message.view, NULL, 1, &mask, 1);
    close_set(&set);
    return mask != 0;
}

static void test_empty(void **state)
{
    struct set set = open_set(NULL, 0);
    struct match_message message;
    uint64_t masks[2] = {~(uint64_t)0, ~(uint64_t)0};

    (void)state;
    match_message_golden('A', &message);
    ruleset_match(set.set, set.scratch, &message.view, NULL, 1, masks, 2);
    assert_int_equal(masks[0], 0);
    assert_int_equal(masks[1], 0);
    ruleset_match(set.set, set.scratch, NULL, NULL, 0, NULL, 0);
    close_set(&set);
}

static void test_signers(void **state)
{
    const struct rule_text rules[] = {
        {"any", "TRUE", NULL},
        {"empty", "TRUE", ""},
        {"ops", "TRUE", "ops"},
        {"ops and type", "Type == 'TEST'", "ops"},
        {"dev and other type", "Type == 'other'", "dev"},
    };
    const char *const signers[] = {NULL, "", "ops", "dev", "opsx"};
    const uint64_t wanted[] = {3, 3, 15, 3, 3};
    struct set set = open_set(rules, 5);
    struct match_message message;
    struct msg_view views[5];
    uint64_t masks[5];

    (void)state;
    match_message_golden('A', &message);
    for (unsigned i = 0; i < 5; i++)
        views[i] = message.view;
    ruleset_match(set.set, set.scratch, views, signers, 5, masks, 1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(masks[i], wanted[i]);
    ruleset_match(set.set, set.scratch, views, NULL, 1, masks, 1);
    assert_int_equal(masks[0], 3);
    close_set(&set);
}

/* More rules than bits in a word, and more words than needed. */
static void test_many(void **state)
{
    static char texts[MANY][64];
    static struct rule_text rules[MANY];
    uint64_t masks[2 * (MANY_WORDS + 1)];
    struct match_message messages[2];
    struct msg_view views[2];
    struct set set;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], i % 7 ? "Type == 'T%u'" : "Fields[number] > %u", i);
        rules[i] = (struct rule_text){"many", texts[i], NULL};
    }
    rules[777].text = "Type =~ /^TE/ && Payload =~ /Pay.*d$/";
    set = open_set(rules, MANY);
    match_message_golden('A', &messages[0]);
    match_message_golden('C', &messages[1]);
    views[0] = messages[0].view;
    views[1] = messages[1].view;
    memset(masks, 0xFF, sizeof masks);
    ruleset_match(set.set, set.scratch, views, NULL, 2, masks, MANY_WORDS + 1);
    for (unsigned i = 0; i < (MANY_WORDS + 1) * 64; i++) {
        bool a = i == 777 || (i % 7 == 0 && i < 64);
        bool c = i % 7 == 0 && i < 1;

        assert_int_equal(masks[i / 64] >> i % 64 & 1, a);
        assert_int_equal(masks[MANY_WORDS + 1 + i / 64] >> i % 64 & 1, c);
    }
    close_set(&set);
}

/* Gates: more clauses than one gate has, ORs of ANDs, negations of all that. */
static void test_gates(void **state)
{
    (void)state;
    assert_true(matches("Type == 'TEST' && Logger == 'GoSpec' && Severity == 6 && Pid > 1 && "
                        "Hostname == 'host.example' && EnvVersion == '0.8' && Payload =~ /Test/ && "
                        "Fields[foo] == 'bar' && Fields[int] == 999 && Fields[zero] == 0",
                        'A'));
    assert_false(
        matches("Type == 'TEST' && Logger == 'GoSpec' && Severity == 6 && Pid > 1 && "
                "Hostname == 'host.example' && EnvVersion == '0.8' && Payload =~ /Test/ && "
                "Fields[foo] == 'bar' && Fields[int] == 999 && Fields[zero] == 1",
                'A'));
    assert_true(
        matches("(Type == 'x' && Severity == 6) || (Type == 'TEST' && Severity == 6)", 'A'));
    assert_false(
        matches("(Type == 'x' && Severity == 6) || (Type == 'TEST' && Severity == 5)", 'A'));
    assert_true(matches("(Type != 'x' || Pid == 0) && (Type != 'TEST' || Severity != 5)", 'A'));
    assert_false(matches("(Type != 'x' || Pid == 0) && (Type != 'TEST' || Severity != 6)", 'A'));
    assert_true(matches("Type != 'a' && Type != 'b' && Type !~ /^heka/ && Type !~ /x/", 'A'));
    assert_false(matches("Type != 'a' && Type != 'b' && Type !~ /^heka/ && Type !~ /S/", 'A'));
    assert_true(matches("(Pid == 0 || (Severity != 6 && TRUE) || (FALSE || Type =~ /T$/))", 'A'));
    assert_false(matches("FALSE && Type == 'TEST' || TRUE && FALSE", 'A'));
    assert_true(matches("Type =~ /.*/ && Logger !~ /x/ && Payload =~ //", 'C'));
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(matches("Fields[bool] != 'x'", 'C') == false);
    assert_true(matches("Fields[bools][0][1] != 'x'", 'C'));
    assert_true(matches("Fields[bools][0][1] > 5", 'C'));
    assert_true(matches("Fields[bools][0][1] =~ /x/", 'C'));
    assert_true(matches("Fields[bools][0][1] !~ /.*/", 'C'));
    assert_false(matches("Fields[bools][0][3] == FALSE", 'C'));
    assert_false(matches("Fields[number] =~ /.*/", 'C'));
    assert_false(matches("Fields[number] !~ /.*/", 'C'));
    assert_true(matches("Fields[string] =~ /.*/", 'C'));
    assert_true(matches("Fields[string] >= 'string' && Fields[string] <= 'string'", 'C'));
    assert_false(matches("Fields[string] > 'string' || Fields[string] < 'string'", 'C'));
    assert_true(matches("Fields[string] > 'strin' && Fields[string] < 'string2'", 'C'));
}

static void test_errors(void **state)
{
    const struct rule_text rules[] = {
        {"one", "Type = 'a'", NULL}, {"two", "TRUE", NULL}, {"three", "Type =~ /(/", NULL}};
    struct ruleset *set = NULL;
    struct err *err = calloc(1, sizeof *err);

    (void)state;
    assert_int_equal(ruleset_compile(rules, 3, &set, err), -EINVAL);
    assert_null(set);
    assert_int_equal(err->count, 2);
    assert_string_equal(err->texts[0], "one: message_matcher: position 6: expected == != > >= < <= "
                                       "=~ or !~, found \"=\" (== and =~ are the operators)");
    assert_string_equal(err->texts[1],
                        "three: message_matcher: position 10: the regular expression is not RE2: "
                        "expected \")\" for the \"(\" here");
    free(err);
}

static void test_too_many_constants(void **state)
{
    static char texts[1100][32];
    static struct rule_text rules[1100];
    struct ruleset *set = NULL;
    struct err *err = calloc(1, sizeof *err);

    (void)state;
    for (unsigned i = 0; i < 1100; i++) {
        snprintf(texts[i], sizeof texts[i], "Pid < %u", i);
        rules[i] = (struct rule_text){"pid", texts[i], NULL};
    }
    assert_int_equal(ruleset_compile(rules, 1100, &set, err), -E2BIG);
    assert_int_equal(err->count, 1);
    assert_non_null(strstr(err->texts[0], "over 1024 different constants"));
    free(err);
}

static void test_too_large_expressions(void **state)
{
    static char texts[1000][600];
    static struct rule_text rules[1000];
    struct ruleset *set = NULL;
    struct err *err = calloc(1, sizeof *err);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        int len = snprintf(texts[i], sizeof texts[i], "Payload =~ /x%u", i);

        for (unsigned n = 0; n < 100; n++)
            len += snprintf(texts[i] + len, sizeof texts[i] - (size_t)len, "[ab]%c", 'a' + n % 26);
        snprintf(texts[i] + len, sizeof texts[i] - (size_t)len, "/");
        rules[i] = (struct rule_text){"large", texts[i], NULL};
    }
    assert_int_equal(ruleset_compile(rules, 1000, &set, err), -E2BIG);
    assert_int_equal(err->count, 1);
    assert_non_null(strstr(err->texts[0], "too large together"));
    free(err);
}

static void test_notes(void **state)
{
    const struct rule_text rules[] = {{"plain", "TRUE", NULL}, {"odd", "TRUE FALSE", NULL}};
    const struct ruleset_note *notes = NULL;
    struct set set = open_set(rules, 2);

    (void)state;
    assert_int_equal(ruleset_notes(set.set, &notes), 1);
    assert_string_equal(notes[0].name, "odd");
    assert_int_equal(notes[0].position, 5);
    assert_non_null(strstr(notes[0].text, "only what follows"));
    close_set(&set);
}

/* Expressions that backtracking engines never finish. */
static void test_catastrophes(void **state)
{
    const struct rule_text rules[] = {
        {"a", "Payload =~ /(a*)*b/", NULL},
        {"b", "Payload =~ /(a|aa)+$/", NULL},
        {"c", "Payload =~ /((a+)+)+[^a]{300}\\pL/", NULL},
        {"d", "Payload !~ /(x+x+)+y/", NULL},
        {"e", "Payload =~ /(?m)^(a?){50}a{50}!$/", NULL},
    };
    static uint8_t bytes[20000];
    static char payload[15000];
    const uint8_t uuid[MSG_UUID_SIZE] = {0};
    struct set set = open_set(rules, 5);
    struct msg_builder builder;
    struct msg_view view;
    uint64_t mask = 0;

    (void)state;
    memset(payload, 'a', sizeof payload);
    payload[sizeof payload - 1] = '!';
    msg_builder_init(&builder, bytes, sizeof bytes);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_payload(&builder, payload, sizeof payload);
    assert_true(msg_builder_finish(&builder) > 0);
    assert_int_equal(msg_view_init(&view, bytes, builder.size), 0);
    ruleset_match(set.set, set.scratch, &view, NULL, 1, &mask, 1);
    assert_int_equal(mask, 1 << 3);
    close_set(&set);
}

enum { BURST_RULES = 6, BURST_MAX = 70, BURSTS = 300 };

/* A payload by number: short and long, empty, with bytes that are not UTF-8, full of matches. */
static size_t make_payload(unsigned n, char payload[700])
{
    static const char e_acute_one[] = {(char)0xC3, (char)0xA9, '1', '\0'};
    const char *const pieces[] = {"ab",
                                         "x1",
                                         e_acute_one,
                                         "\xFF",
                                         "aaaaaaaaaaaaaaaaaaaaaaaa",
                                         "b ",
                                         "0123456789012345678901234567890123456789x",
                                         "\n"};
    size_t len = 0;

    for (unsigned i = 0; i < n % 7; i++) {
        const char *piece = pieces[(n * 31 + i * 17) / 5 % 8];

        memcpy(payload + len, piece, strlen(piece));
        len += strlen(piece);
    }
    if (n % 19 == 0) {
        memset(payload + len, 'z', 600 - len);
        len = 600;
    }
    return len;
}

static void make_message(unsigned n, struct match_message *message)
{
    const uint8_t uuid[MSG_UUID_SIZE] = {0};
    struct msg_builder builder;
    char payload[700];

    msg_builder_init(&builder, message->bytes, sizeof message->bytes);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1);
    msg_builder_severity(&builder, (int32_t)(n % 8));
    msg_builder_payload(&builder, payload, make_payload(n, payload));
    match_message_finish(message, &builder);
}

/* Bursts of all sizes, longer than what is matched together, with values that are scanned together
 * and alone, confirmed or not, and so many matches that scanning together stops for a while. */
static void test_bursts(void **state)
{
    static const char *const texts[BURST_RULES] = {
        "Payload =~ /a.*b/",     "Payload =~ /[a-z]/ && Severity > 2",
        "Payload !~ /.{40}x/",   "Payload =~ /^\\W*\\pL[1x]/",
        "Payload =~ /(1|b) ?$/", "Payload =~ /aaa[^b]a/"};
    static struct match_message messages[BURST_MAX];
    static struct msg_view views[BURST_MAX];
    struct rule_text rules[BURST_RULES];
    struct rule *parsed[BURST_RULES];
    struct evaluator *evaluators[BURST_RULES];
    struct evaluator_scratch *scratch = NULL;
    struct set set;
    unsigned next = 0;

    (void)state;
    assert_int_equal(evaluator_scratch_new(&scratch), 0);
    for (unsigned r = 0; r < BURST_RULES; r++) {
        struct rule_fault fault;

        rules[r] = (struct rule_text){"burst", texts[r], NULL};
        assert_int_equal(rule_parse(texts[r], &parsed[r], &fault), 0);
        assert_int_equal(evaluator_new(parsed[r], &evaluators[r]), 0);
        assert_int_equal(evaluator_scratch_fit(scratch, evaluators[r]), 0);
    }
    set = open_set(rules, BURST_RULES);
    for (unsigned b = 0; b < BURSTS; b++) {
        unsigned count = b % (BURST_MAX + 1);
        uint64_t masks[BURST_MAX];

        for (unsigned m = 0; m < count; m++) {
            make_message(next++, &messages[m]);
            views[m] = messages[m].view;
        }
        ruleset_match(set.set, set.scratch, views, NULL, count, masks, 1);
        for (unsigned m = 0; m < count; m++) {
            for (unsigned r = 0; r < BURST_RULES; r++)
                assert_int_equal(masks[m] >> r & 1, evaluate(evaluators[r], scratch, &views[m]));
        }
    }
    close_set(&set);
    for (unsigned r = 0; r < BURST_RULES; r++) {
        evaluator_free(evaluators[r]);
        rule_free(parsed[r]);
    }
    evaluator_scratch_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_signers),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_too_many_constants),
        cmocka_unit_test(test_too_large_expressions),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_catastrophes),
        cmocka_unit_test(test_bursts),
    };

    return cmocka_run_group_tests_name("ruleset", tests, NULL, NULL);
}
