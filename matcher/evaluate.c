/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/evaluate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/regex_match.h"

struct evaluator {
    const struct rule *rule;
    struct regex_matcher *matchers[]; /* one for each test, NULL: no expression */
};

struct evaluator_scratch {
    struct regex_match_scratch match;
};

int evaluator_new(const struct rule *rule, struct evaluator **out)
{
    struct evaluator *evaluator =
        calloc(1, sizeof *evaluator + rule->test_count * sizeof(struct regex_matcher *));
    int rc = 0;

    if (!evaluator)
        return -ENOMEM;
    evaluator->rule = rule;
    for (uint32_t i = 0; i < rule->test_count && rc == 0; i++) {
        if (rule->tests[i].operand == RULE_REGEX) {
            struct regex_span span = regex_whole(rule->tests[i].regex);

            rc = regex_matcher_new(&span, &evaluator->matchers[i]);
        }
    }
    if (rc < 0) {
        evaluator_free(evaluator);
        return rc;
    }
    *out = evaluator;
    return 0;
}

void evaluator_free(struct evaluator *evaluator)
{
    if (!evaluator)
        return;
    for (uint32_t i = 0; i < evaluator->rule->test_count; i++)
        regex_matcher_free(evaluator->matchers[i]);
    free(evaluator);
}

int evaluator_scratch_new(struct evaluator_scratch **out)
{
    struct evaluator_scratch *scratch = calloc(1, sizeof *scratch);
    int rc = scratch ? regex_match_scratch_init(&scratch->match) : -ENOMEM;

    if (rc < 0)
        evaluator_scratch_free(scratch);
    else
        *out = scratch;
    return rc;
}

int evaluator_scratch_fit(struct evaluator_scratch *scratch, const struct evaluator *evaluator)
{
    int rc = 0;

    for (uint32_t i = 0; i < evaluator->rule->test_count && rc == 0; i++) {
        if (evaluator->matchers[i])
            rc = regex_match_scratch_fit(&scratch->match, evaluator->matchers[i]);
    }
    return rc;
}

void evaluator_scratch_free(struct evaluator_scratch *scratch)
{
    if (!scratch)
        return;
    regex_match_scratch_fini(&scratch->match);
    free(scratch);
}

uint64_t evaluator_scratch_limits(const struct evaluator_scratch *scratch)
{
    return scratch->match.limits;
}

static int compare_text(const struct rule_value *value, const struct rule_test *test)
{
    size_t shared = value->len < test->text_len ? value->len : test->text_len;
    int order = shared ? memcmp(value->text, test->text, shared) : 0;

    if (order != 0)
        return order;
    return value->len < test->text_len ? -1 : value->len > test->text_len;
}

static bool is_ordered(enum rule_compare compare, int order)
{
    switch (compare) {
    case RULE_EQ:
        return order == 0;
    case RULE_NE:
        return order != 0;
    case RULE_GT:
        return order > 0;
    case RULE_GE:
        return order >= 0;
    case RULE_LT:
        return order < 0;
    case RULE_LE:
        return order <= 0;
    default:
        return false;
    }
}

/* A field may hold NaN, which is only "not equal". */
static bool test_number(double value, const struct rule_test *test)
{
    switch (test->compare) {
    case RULE_EQ:
        return value == test->number;
    case RULE_NE:
        return value != test->number;
    case RULE_GT:
        return value > test->number;
    case RULE_GE:
        return value >= test->number;
    case RULE_LT:
        return value < test->number;
    case RULE_LE:
        return value <= test->number;
    default:
        return false;
    }
}

static bool test_string(const struct evaluator *evaluator, struct evaluator_scratch *scratch,
                        uint32_t index, const struct rule_value *value)
{
    const struct rule_test *test = &evaluator->rule->tests[index];

    switch (test->operand) {
    case RULE_STRING:
    case RULE_BOOLEAN: /* the words TRUE and FALSE */
        return is_ordered(test->compare, compare_text(value, test));
    case RULE_REGEX:
        return regex_match(evaluator->matchers[index], &scratch->match, value->text, value->len) ==
               (test->compare == RULE_MATCHES);
    default:
        return false;
    }
}

bool evaluate_test(const struct evaluator *evaluator, struct evaluator_scratch *scratch,
                   const struct msg_view *message, uint32_t index, struct rule_value *value)
{
    const struct rule_test *test = &evaluator->rule->tests[index];

    rule_value_get(test, message, value);
    if (test->operand == RULE_NIL)
        return (value->kind == RULE_VALUE_ABSENT) == (test->compare == RULE_EQ);
    switch (value->kind) {
    case RULE_VALUE_STRING:
        return test_string(evaluator, scratch, index, value);
    case RULE_VALUE_NUMBER:
        return test->operand == RULE_NUMBER && test_number(value->number, test);
    case RULE_VALUE_BOOLEAN: /* any right side but TRUE asks for false, whatever the operator */
        return value->boolean == (test->operand == RULE_BOOLEAN && test->boolean);
    case RULE_VALUE_ABSENT:
        break;
    }
    return false;
}

static bool evaluate_node(const struct evaluator *evaluator, struct evaluator_scratch *scratch,
                          const struct msg_view *message, uint32_t index)
{
    const struct rule_node *node = &evaluator->rule->nodes[index];
    struct rule_value value;

    switch (node->op) {
    case RULE_TRUE:
        return true;
    case RULE_FALSE:
        return false;
    case RULE_TEST:
        return evaluate_test(evaluator, scratch, message, node->left, &value);
    case RULE_AND:
        return evaluate_node(evaluator, scratch, message, node->left) &&
               evaluate_node(evaluator, scratch, message, node->right);
    case RULE_OR:
        return evaluate_node(evaluator, scratch, message, node->left) ||
               evaluate_node(evaluator, scratch, message, node->right);
    }
    return false;
}

bool evaluate(const struct evaluator *evaluator, struct evaluator_scratch *scratch,
              const struct msg_view *message)
{
    return evaluate_node(evaluator, scratch, message, evaluator->rule->root);
}
