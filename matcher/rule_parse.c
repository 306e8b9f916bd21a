/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/rule_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/rule_lex.h"
#include "matcher/utf8_text.h"

struct rule_parser {
    struct rule_lexer lexer;
    struct rule_token token; /* the next one */
    struct rule *rule;
    uint32_t node_capacity;
    uint32_t test_capacity;
    unsigned depth; /* open parentheses */
};

static const char expected_operation[] =
    "a variable (Uuid, Type, Logger, Payload, EnvVersion, Hostname, Timestamp, Severity, Pid, "
    "Fields[name]), TRUE, FALSE or \"(\"";

static int64_t parse_or(struct rule_parser *parser);

static int next_token(struct rule_parser *parser, const char *expected)
{
    return rule_lex(&parser->lexer, expected, &parser->token);
}

/* What may follow a complete expression. */
static const char *expected_next(const struct rule_parser *parser)
{
    return parser->depth ? "&&, || or \")\"" : "&&, || or the end of the rule";
}

static int fail_expected(struct rule_parser *parser, const char *expected)
{
    const struct rule_token *token = &parser->token;
    size_t len = token->len > 40 ? 40 : token->len;

    if (token->type == TOKEN_END)
        return rule_fail(&parser->lexer, token->position, "expected %s, found the end of the rule",
                         expected);
    return rule_fail(&parser->lexer, token->position, "expected %s, found \"%.*s\"%s", expected,
                     (int)len, parser->lexer.text + token->position, len < token->len ? "..." : "");
}

static void add_note(struct rule_parser *parser, const char *text)
{
    struct rule *rule = parser->rule;

    if (rule->note_count < RULE_NOTES_MAX)
        rule->notes[rule->note_count] = (struct rule_note){(uint32_t)parser->token.position, text};
    rule->note_count++;
}

static int64_t node_new(struct rule_parser *parser, enum rule_op op, uint32_t left, uint32_t right)
{
    struct rule *rule = parser->rule;

    if (rule->node_count == parser->node_capacity) {
        uint32_t capacity = parser->node_capacity ? parser->node_capacity * 2 : 8;
        struct rule_node *nodes = realloc(rule->nodes, capacity * sizeof *nodes);

        if (!nodes)
            return -ENOMEM;
        rule->nodes = nodes;
        parser->node_capacity = capacity;
    }
    rule->nodes[rule->node_count] = (struct rule_node){op, left, right};
    return rule->node_count++;
}

static int64_t test_new(struct rule_parser *parser, const struct rule_test *test)
{
    struct rule *rule = parser->rule;
    int64_t node;

    if (rule->test_count == RULE_TESTS_MAX)
        return rule_fail(&parser->lexer, test->position, "the rule has over %d tests",
                         RULE_TESTS_MAX);
    if (rule->test_count == parser->test_capacity) {
        uint32_t capacity = parser->test_capacity ? parser->test_capacity * 2 : 4;
        struct rule_test *tests = realloc(rule->tests, capacity * sizeof *tests);

        if (!tests)
            return -ENOMEM;
        rule->tests = tests;
        parser->test_capacity = capacity;
    }
    node = node_new(parser, RULE_TEST, rule->test_count, 0);
    if (node >= 0) /* from here on the rule owns the expression */
        rule->tests[rule->test_count++] = *test;
    return node;
}

static int parse_regex(struct rule_parser *parser, struct rule_test *test)
{
    const struct rule_token *token = &parser->token;
    struct regex_fault fault;
    int rc = regex_parse(token->text, token->text_len, &test->regex, &fault);

    test->operand = RULE_REGEX;
    if (rc != -EINVAL)
        return rc;
    return rule_fail(&parser->lexer, rule_regex_position(&parser->lexer, token, fault.position),
                     "the regular expression is not RE2: %s", fault.text);
}

/* What may stand behind the comparison of `test`, for the error text. */
static const char *expected_operand(const struct rule_test *test)
{
    bool equal = test->compare == RULE_EQ || test->compare == RULE_NE;

    if (test->compare == RULE_MATCHES || test->compare == RULE_LACKS)
        return "a regular expression between slashes";
    if (test->variable < RULE_TIMESTAMP)
        return "a string in quotes";
    if (test->variable < RULE_FIELD)
        return "a number without sign";
    if (test->compare == RULE_EQ)
        return "a string, a number, TRUE, FALSE or NIL";
    return equal ? "a string, a number or NIL" : "a string or a number";
}

static bool is_allowed_operand(const struct rule_test *test, enum rule_token_type type)
{
    bool is_field = test->variable == RULE_FIELD;
    bool is_regex = test->compare == RULE_MATCHES || test->compare == RULE_LACKS;

    switch (type) {
    case TOKEN_REGEX:
        return is_regex;
    case TOKEN_STRING:
        return !is_regex && (is_field || test->variable < RULE_TIMESTAMP);
    case TOKEN_NUMBER:
        return !is_regex && test->variable >= RULE_TIMESTAMP;
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        return is_field && test->compare == RULE_EQ;
    case TOKEN_NIL:
        return is_field && (test->compare == RULE_EQ || test->compare == RULE_NE);
    default:
        return false;
    }
}

static int parse_operand(struct rule_parser *parser, struct rule_test *test)
{
    const struct rule_token *token = &parser->token;

    if (!is_allowed_operand(test, token->type))
        return fail_expected(parser, expected_operand(test));
    test->text = token->text;
    test->text_len = token->text_len;
    switch (token->type) {
    case TOKEN_REGEX:
        return parse_regex(parser, test);
    case TOKEN_NUMBER:
        test->operand = RULE_NUMBER;
        test->number = token->number;
        if (token->number_is_zeroed)
            add_note(parser, "not a number in range: compared as 0, as Heka does");
        return 0;
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        test->operand = RULE_BOOLEAN;
        test->boolean = token->type == TOKEN_TRUE;
        test->text = test->boolean ? "TRUE" : "FALSE";
        test->text_len = test->boolean ? 4 : 5;
        return 0;
    case TOKEN_NIL:
        test->operand = RULE_NIL;
        return 0;
    default:
        test->operand = RULE_STRING;
        return 0;
    }
}

static int parse_compare(struct rule_parser *parser, struct rule_test *test)
{
    bool numeric = test->variable >= RULE_TIMESTAMP && test->variable < RULE_FIELD;
    const char *expected = numeric ? "== != > >= < or <=" : "== != > >= < <= =~ or !~";
    enum rule_compare compare;
    int rc = next_token(parser, expected);

    if (rc < 0)
        return rc;
    compare = parser->token.compare;
    if (parser->token.type != TOKEN_COMPARE ||
        (numeric && (compare == RULE_MATCHES || compare == RULE_LACKS)))
        return fail_expected(parser, expected);
    test->compare = compare;
    return next_token(parser, expected_operand(test));
}

/* variable comparison operand */
static int64_t parse_test(struct rule_parser *parser)
{
    const struct rule_token *token = &parser->token;
    struct rule_test test = {
        .variable = token->variable,
        .position = (uint32_t)token->position,
        .name = token->text,
        .name_len = token->text_len,
        .field_index = token->field_index,
        .value_index = token->value_index,
    };
    int64_t result = parse_compare(parser, &test);

    if (result == 0)
        result = parse_operand(parser, &test);
    if (result == 0) {
        test.len = (uint32_t)(token->position + token->len) - test.position;
        result = test_new(parser, &test);
    }
    if (result < 0) {
        regex_free(test.regex);
        return result;
    }
    int rc = next_token(parser, expected_next(parser));

    return rc < 0 ? rc : result;
}

static int64_t parse_parentheses(struct rule_parser *parser)
{
    size_t open = parser->token.position;
    int64_t node;
    int rc;

    if (parser->depth == RULE_DEPTH_MAX)
        return rule_fail(&parser->lexer, open, "parentheses are nested over %d deep",
                         RULE_DEPTH_MAX);
    parser->depth++;
    rc = next_token(parser, expected_operation);
    node = rc < 0 ? rc : parse_or(parser);
    if (node < 0)
        return node;
    if (parser->token.type != TOKEN_CLOSE)
        return fail_expected(parser, expected_next(parser));
    parser->depth--;
    rc = next_token(parser, expected_next(parser));
    return rc < 0 ? rc : node;
}

static int64_t parse_operation(struct rule_parser *parser)
{
    enum rule_token_type type = parser->token.type;
    int64_t node;
    int rc;

    if (type == TOKEN_OPEN)
        return parse_parentheses(parser);
    if (type == TOKEN_VARIABLE)
        return parse_test(parser);
    if (type != TOKEN_TRUE && type != TOKEN_FALSE)
        return fail_expected(parser, expected_operation);
    node = node_new(parser, type == TOKEN_TRUE ? RULE_TRUE : RULE_FALSE, 0, 0);
    rc = next_token(parser, expected_next(parser));
    return rc < 0 ? rc : node;
}

static int64_t parse_and(struct rule_parser *parser)
{
    int64_t left = parse_operation(parser);

    while (left >= 0 && parser->token.type == TOKEN_AND) {
        int64_t right = next_token(parser, expected_operation);

        if (right == 0)
            right = parse_operation(parser);
        if (right < 0)
            return right;
        left = node_new(parser, RULE_AND, (uint32_t)left, (uint32_t)right);
    }
    return left;
}

static int64_t parse_or(struct rule_parser *parser)
{
    int64_t left = parse_and(parser);

    while (left >= 0 && parser->token.type == TOKEN_OR) {
        int64_t right = next_token(parser, expected_operation);

        if (right == 0)
            right = parse_and(parser);
        if (right < 0)
            return right;
        left = node_new(parser, RULE_OR, (uint32_t)left, (uint32_t)right);
    }
    return left;
}

static bool begins_operation(enum rule_token_type type)
{
    return type == TOKEN_VARIABLE || type == TOKEN_OPEN || type == TOKEN_TRUE ||
           type == TOKEN_FALSE;
}

/* One expression or several side by side, of which the last one counts. */
static int parse_rule(struct rule_parser *parser)
{
    int64_t root = next_token(parser, expected_operation);

    if (root == 0)
        root = parse_or(parser);
    while (root >= 0 && begins_operation(parser->token.type)) {
        add_note(parser, "no && or || before this: only what follows counts, as in Heka");
        root = parse_or(parser);
    }
    if (root < 0)
        return (int)root;
    if (parser->token.type == TOKEN_STRAY_QUOTE)
        add_note(parser, "a stray quote at the end, ignored");
    else if (parser->token.type != TOKEN_END)
        return fail_expected(parser, expected_next(parser));
    parser->rule->root = (uint32_t)root;
    return 0;
}

static int start_parser(struct rule_parser *parser, const char *text, size_t len)
{
    struct rule *rule = parser->rule;

    rule->text = malloc(len + 1);
    rule->strings = malloc(2 * len + 2); /* each token adds a NUL */
    if (!rule->text || !rule->strings)
        return -ENOMEM;
    memcpy(rule->text, text, len + 1);
    rule->text_len = len;
    parser->lexer.text = rule->text;
    parser->lexer.strings = rule->strings;
    return 0;
}

int rule_parse(const char *text, struct rule **out, struct rule_fault *fault)
{
    size_t len = strnlen(text, RULE_LEN_MAX + 1);
    struct rule_parser parser = {.lexer = {.fault = fault, .len = len}};
    size_t valid = utf8_valid_size(text, len);
    int rc;

    if (len > RULE_LEN_MAX)
        return rule_fail(&parser.lexer, RULE_LEN_MAX, "the rule is over %d bytes long",
                         RULE_LEN_MAX);
    if (valid < len)
        return rule_fail(&parser.lexer, valid, "expected UTF-8, found byte 0x%02x",
                         (unsigned char)text[valid]);
    parser.rule = calloc(1, sizeof *parser.rule);
    if (!parser.rule)
        return -ENOMEM;
    rc = start_parser(&parser, text, len);
    if (rc == 0)
        rc = parse_rule(&parser);
    if (rc == 0) {
        *out = parser.rule;
        parser.rule = NULL;
    }
    rule_free(parser.rule);
    return rc;
}

void rule_free(struct rule *rule)
{
    if (!rule)
        return;
    for (uint32_t i = 0; i < rule->test_count; i++)
        regex_free(rule->tests[i].regex);
    free(rule->tests);
    free(rule->nodes);
    free(rule->strings);
    free(rule->text);
    free(rule);
}
