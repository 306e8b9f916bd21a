/* SPDX-License-Identifier: MPL-2.0
 *
 * rule_lex.h - the words of the matcher language.
 *
 * Place:   rule_parse.c only.
 * Threads: one.
 * Memory:  unescaped strings go to the caller's buffer, which is as long as the rule's text.
 * Failure: -EINVAL after filling the fault. What Heka's lexer takes for the end of the rule
 *          (unknown words, unfinished strings) is a fault here, unless nothing would be lost.
 * Source:  docs/formats/matcher.md.
 */
#ifndef MATCHER_RULE_LEX_H
#define MATCHER_RULE_LEX_H

#include "matcher/rule_parse.h"

enum rule_token_type {
    TOKEN_END,
    TOKEN_STRAY_QUOTE, /* a quote with only blanks behind it */
    TOKEN_VARIABLE,
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_NIL,
    TOKEN_COMPARE,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_REGEX
};

struct rule_token {
    enum rule_token_type type;
    size_t position, len; /* in the rule's text */
    enum rule_variable variable;
    enum rule_compare compare;
    const char *text; /* field name, string, regex: unescaped */
    uint32_t text_len;
    uint32_t field_index, value_index;
    double number;
    bool number_is_zeroed; /* was no number; Heka takes 0 */
};

struct rule_lexer {
    const char *text;
    size_t len;
    size_t at;
    char *strings; /* where unescaped text goes */
    size_t strings_used;
    const char *expected; /* what the grammar wants next, for the fault */
    struct rule_fault *fault;
};

/* The next token; `expected` is for the error text. */
int rule_lex(struct rule_lexer *lexer, const char *expected, struct rule_token *token);

/* Fills the lexer's fault; returns -EINVAL. */
int rule_fail(struct rule_lexer *lexer, size_t position, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where byte `offset` of an unescaped TOKEN_REGEX stands in the rule's text. */
size_t rule_regex_position(const struct rule_lexer *lexer, const struct rule_token *token,
                           size_t offset);

#endif
