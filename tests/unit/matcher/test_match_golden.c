/* SPDX-License-Identifier: MPL-2.0
 *
 * test_match_golden.c - every row of tests/golden/matcher/cases.tsv, through the plain evaluator
 * and the rule set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/evaluate.h"
#include "matcher/ruleset.h"
#include "tests/unit/matcher/match_messages.h"

enum { LINE_SIZE = 2048 };

struct row {
    unsigned id;
    char message;
    const char *heka;
    const char *ours;
    char *rule;
    char *error; /* "position: text", for refused */
};

/* Puts the Uuid of `view` in place of "{UUID}". */
static void substitute_uuid(const struct msg_view *view, const char *rule, char *out, size_t size)
{
    const char *at = strstr(rule, "{UUID}");
    char uuid[MSG_UUID_TEXT_LEN + 1] = "";

    if (!at) {
        snprintf(out, size, "%s", rule);
        return;
    }
    msg_uuid_text(view->uuid, uuid);
    snprintf(out, size, "%.*s%s%s", (int)(at - rule), rule, uuid, at + 6);
}

static const char *run_plain(const char *text, const struct msg_view *view, char *error)
{
    struct rule *rule = NULL;
    struct rule_fault fault;
    struct evaluator *evaluator = NULL;
    struct evaluator_scratch *scratch = NULL;
    bool matched;

    if (rule_parse(text, &rule, &fault) < 0) {
        snprintf(error, LINE_SIZE, "%zu: %s", fault.position, fault.text);
        return "refused";
    }
    assert_int_equal(evaluator_new(rule, &evaluator), 0);
    assert_int_equal(evaluator_scratch_new(&scratch), 0);
    assert_int_equal(evaluator_scratch_fit(scratch, evaluator), 0);
    matched = evaluate(evaluator, scratch, view);
    assert_int_equal(evaluator_scratch_limits(scratch), 0);
    evaluator_scratch_free(scratch);
    evaluator_free(evaluator);
    rule_free(rule);
    return matched ? "match" : "no_match";
}

static const char *run_set(const char *text, const struct msg_view *view)
{
    struct rule_text rule = {.name = "golden", .text = text};
    struct ruleset *set = NULL;
    struct ruleset_scratch *scratch = NULL;
    uint64_t mask = ~(uint64_t)0;

    if (ruleset_compile(&rule, 1, &set, NULL) < 0)
        return "refused";
    assert_int_equal(ruleset_scratch_new(set, &scratch), 0);
    ruleset_match(set, scratch, view, NULL, 1, &mask, 1);
    ruleset_scratch_free(scratch);
    ruleset_free(set);
    assert_true(mask <= 1);
    return mask ? "match" : "no_match";
}

static void check_row(const struct row *row)
{
    struct match_message message;
    char rule[LINE_SIZE];
    char error[LINE_SIZE] = "";
    const char *got;

    match_message_golden(row->message, &message);
    substitute_uuid(&message.view, row->rule, rule, sizeof rule);
    got = run_plain(rule, &message.view, error);
    if (strcmp(got, row->ours) != 0 || strcmp(error, row->error) != 0)
        print_error("row %u: %s: %s %s\n", row->id, rule, got, error);
    assert_string_equal(got, row->ours);
    assert_string_equal(error, row->error);
    assert_string_equal(run_set(rule, &message.view), row->ours);
}

static void split_line(char *line, struct row *row)
{
    char *columns[6] = {0};

    line[strcspn(line, "\n")] = '\0';
    for (unsigned i = 0; i < 6; i++) {
        columns[i] = strsep(&line, "\t");
        assert_non_null(columns[i]);
    }
    assert_null(line);
    *row = (struct row){
        .id = (unsigned)strtoul(columns[0], NULL, 10),
        .message = columns[1][0],
        .heka = columns[2],
        .ours = columns[3],
        .rule = columns[4],
        .error = columns[5],
    };
}

static void test_rows(void **state)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/golden/matcher/cases.tsv", "r");
    char line[LINE_SIZE];
    unsigned count = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct row row;

        if (line[0] == '#')
            continue;
        split_line(line, &row);
        assert_int_equal(row.id, ++count);
        check_row(&row);
    }
    fclose(file);
    assert_int_equal(count, 161);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests_name("match_golden", tests, NULL, NULL);
}
