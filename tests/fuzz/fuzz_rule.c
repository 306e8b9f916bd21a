/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_rule.c - any text as a rule: it parses or has a fault inside its text; what parses
 * evaluates, and its expressions say the same in both engines that run without Hyperscan.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/evaluate.h"
#include "matcher/regex_match.h"
#include "tests/unit/matcher/match_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 4096 };

static const char *const values[] = {"",
                                     "a",
                                     "TEST",
                                     "line\nline",
                                     "\xC3\xA9t\xC3\xA9",
                                     "\xFFz 7_",
                                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaab"};

static void check_regex(const struct regex *regex)
{
    struct regex_span span = regex_whole(regex);
    struct regex_match_scratch scratch = {0};
    struct regex_run_scratch run = {0};
    struct regex_program *program = NULL;
    struct regex_matcher *matcher = NULL;

    CHECK(regex_matcher_new(&span, &matcher) == 0);
    CHECK(regex_program_new(&span, &program) == 0);
    CHECK(regex_match_scratch_init(&scratch) == 0);
    CHECK(regex_match_scratch_fit(&scratch, matcher) == 0);
    CHECK(regex_run_scratch_fit(&run, program) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        size_t len = strlen(values[i]);

        CHECK(regex_match(matcher, &scratch, values[i], len) ==
              regex_run(program, &run, values[i], len));
    }
    CHECK(scratch.limits == 0);
    regex_match_scratch_fini(&scratch);
    regex_run_scratch_fini(&run);
    regex_matcher_free(matcher);
    regex_program_free(program);
}

static void check_rule(const struct rule *rule)
{
    struct evaluator_scratch *scratch = NULL;
    struct evaluator *evaluator = NULL;

    CHECK(evaluator_new(rule, &evaluator) == 0);
    CHECK(evaluator_scratch_new(&scratch) == 0);
    CHECK(evaluator_scratch_fit(scratch, evaluator) == 0);
    for (const char *name = "ABC"; *name; name++) {
        struct match_message message;

        match_message_golden(*name, &message);
        evaluate(evaluator, scratch, &message.view);
    }
    for (uint32_t i = 0; i < rule->test_count; i++) {
        CHECK(rule->tests[i].position + rule->tests[i].len <= rule->text_len);
        if (rule->tests[i].regex)
            check_regex(rule->tests[i].regex);
    }
    evaluator_scratch_free(scratch);
    evaluator_free(evaluator);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    struct rule *rule = NULL;
    struct rule_fault fault = {0};
    int rc;

    if (size > TEXT_MAX)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    rc = rule_parse(text, &rule, &fault);
    if (rc == 0)
        check_rule(rule);
    else
        CHECK(rc == -EINVAL && fault.position <= strlen(text) && fault.text[0] != '\0');
    rule_free(rule);
    return 0;
}
