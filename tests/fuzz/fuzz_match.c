/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_match.c - rule sets against the plain evaluator. The first byte decides: even, the rest
 * drives the generators of rules and messages; odd, it is a rule, NUL, and the bytes of a message.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/evaluate.h"
#include "matcher/ruleset.h"
#include "tests/unit/matcher/match_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RULES = 3, MESSAGES = 4, REGEX_TESTS_MAX = 8 };

/* Compiling takes milliseconds for each expression, so rules with many of them are left to the unit
 * tests. */
static bool is_small(const struct rule *rule)
{
    unsigned expressions = 0;

    for (uint32_t i = 0; i < rule->test_count; i++)
        expressions += rule->tests[i].regex != NULL;
    return expressions <= REGEX_TESTS_MAX;
}

static bool answer(const char *text, const struct msg_view *message)
{
    struct evaluator_scratch *scratch = NULL;
    struct evaluator *evaluator = NULL;
    struct rule_fault fault;
    struct rule *rule = NULL;
    bool result;

    CHECK(rule_parse(text, &rule, &fault) == 0);
    CHECK(evaluator_new(rule, &evaluator) == 0);
    CHECK(evaluator_scratch_new(&scratch) == 0);
    CHECK(evaluator_scratch_fit(scratch, evaluator) == 0);
    result = evaluate(evaluator, scratch, message);
    CHECK(evaluator_scratch_limits(scratch) == 0);
    evaluator_scratch_free(scratch);
    evaluator_free(evaluator);
    rule_free(rule);
    return result;
}

static void check_set(const struct rule_text *rules, unsigned rule_count,
                      const struct msg_view *messages, unsigned message_count)
{
    struct ruleset_scratch *scratch = NULL;
    struct ruleset *set = NULL;
    uint64_t masks[MESSAGES];

    CHECK(ruleset_compile(rules, rule_count, &set, NULL) == 0);
    CHECK(ruleset_scratch_new(set, &scratch) == 0);
    ruleset_match(set, scratch, messages, NULL, message_count, masks, 1);
    CHECK(ruleset_scratch_limits(scratch) == 0);
    for (unsigned m = 0; m < message_count; m++) {
        for (unsigned r = 0; r < rule_count; r++)
            CHECK((masks[m] >> r & 1) == answer(rules[r].text, &messages[m]));
        CHECK(masks[m] >> rule_count == 0);
    }
    ruleset_scratch_free(scratch);
    ruleset_free(set);
}

static bool is_usable(const char *text)
{
    struct rule_fault fault;
    struct rule *rule = NULL;
    bool usable = rule_parse(text, &rule, &fault) == 0 && is_small(rule);

    rule_free(rule);
    return usable;
}

static void run_generated(const uint8_t *data, size_t size)
{
    static char texts[RULES][MATCH_RULE_SIZE];
    static struct match_message messages[MESSAGES];
    struct match_random random = {.state = 1, .bytes = data, .size = size};
    struct rule_text rules[RULES];
    struct msg_view views[MESSAGES];
    unsigned count = 0;

    for (unsigned m = 0; m < MESSAGES; m++) {
        match_random_message(&random, &messages[m]);
        views[m] = messages[m].view;
    }
    for (unsigned r = 0; r < RULES; r++) {
        match_random_rule(&random, texts[count]);
        rules[count] = (struct rule_text){"fuzz", texts[count], NULL};
        count += is_usable(texts[count]);
    }
    check_set(rules, count, views, MESSAGES);
}

static void run_given(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    struct rule_text rule = {"fuzz", (const char *)data, NULL};
    struct msg_view view;
    size_t left = end ? size - (size_t)(end + 1 - data) : 0;

    if (!end || msg_view_init(&view, end + 1, left) != 0 || !is_usable(rule.text))
        return;
    check_set(&rule, 1, &view, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    if (data[0] % 2 == 0)
        run_generated(data + 1, size - 1);
    else
        run_given(data + 1, size - 1);
    return 0;
}
