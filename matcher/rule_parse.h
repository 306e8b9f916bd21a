/* SPDX-License-Identifier: MPL-2.0
 *
 * rule_parse.h - Heka's message_matcher language: text to tree.
 *
 * Place:   ruleset.c, `hekad -check`, explain.c. Language: docs/formats/matcher.md; where Heka and
 *          this parser part ways: docs/decisions/0004-matcher-quirks.md.
 * Threads: a parsed rule is immutable and may be shared.
 * Memory:  rule_parse() allocates the whole rule, rule_free() frees it.
 * Failure: -EINVAL with the first fault's position and what was expected there, or -ENOMEM.
 */
#ifndef MATCHER_RULE_PARSE_H
#define MATCHER_RULE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "matcher/regex.h"

enum {
    RULE_LEN_MAX = 32768,
    RULE_DEPTH_MAX = 100, /* nested parentheses */
    RULE_TESTS_MAX = 1024,
    RULE_INDEX_MAX = 999999999, /* of Fields[name][i][j] */
    RULE_NOTES_MAX = 4
};

enum rule_variable {
    RULE_UUID,
    RULE_TYPE,
    RULE_LOGGER,
    RULE_PAYLOAD,
    RULE_ENV_VERSION,
    RULE_HOSTNAME,
    RULE_TIMESTAMP, /* from here on numbers */
    RULE_SEVERITY,
    RULE_PID,
    RULE_FIELD,
    RULE_VARIABLES
};

enum rule_compare {
    RULE_EQ,
    RULE_NE,
    RULE_GT,
    RULE_GE,
    RULE_LT,
    RULE_LE,
    RULE_MATCHES, /* =~ */
    RULE_LACKS    /* !~ */
};

enum rule_operand {
    RULE_STRING,
    RULE_NUMBER,
    RULE_BOOLEAN, /* boolean; text is "TRUE" or "FALSE" */
    RULE_NIL,
    RULE_REGEX
};

struct rule_test {
    enum rule_variable variable;
    enum rule_compare compare;
    enum rule_operand operand;
    bool boolean;
    uint32_t position, len; /* of the test in the rule's text */
    const char *name;       /* RULE_FIELD */
    uint32_t name_len;
    uint32_t field_index, value_index;
    const char *text; /* RULE_STRING, RULE_BOOLEAN: the bytes, which may contain NUL */
    uint32_t text_len;
    double number;
    struct regex *regex;
};

enum rule_op {
    RULE_TRUE,
    RULE_FALSE,
    RULE_TEST, /* left: index of the test */
    RULE_AND,
    RULE_OR
};

struct rule_node {
    enum rule_op op;
    uint32_t left, right;
};

/* What Heka accepts without a word and somebody should know. */
struct rule_note {
    uint32_t position;
    const char *text;
};

struct rule {
    char *text;
    size_t text_len;
    struct rule_node *nodes;
    uint32_t node_count;
    uint32_t root;
    struct rule_test *tests;
    uint32_t test_count;
    char *strings; /* names and string operands */
    struct rule_note notes[RULE_NOTES_MAX];
    uint32_t note_count; /* may exceed RULE_NOTES_MAX */
};

struct rule_fault {
    size_t position; /* byte of the text, from 0 */
    char text[240];
};

int rule_parse(const char *text, struct rule **out, struct rule_fault *fault);
void rule_free(struct rule *rule);

const char *rule_variable_name(enum rule_variable variable);
const char *rule_compare_name(enum rule_compare compare);

#endif
