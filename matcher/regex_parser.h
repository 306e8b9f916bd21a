/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_parser.h - state shared by the two halves of the RE2 parser.
 *
 * Place:   regex_parse.c (expressions) and regex_class.c (escapes and character classes).
 * Threads: one.
 * Memory:  grows regex->nodes and regex->pool.
 * Failure: -EINVAL after regex_fail(), or -ENOMEM.
 */
#ifndef MATCHER_REGEX_PARSER_H
#define MATCHER_REGEX_PARSER_H

#include "matcher/regex.h"

enum { /* flags of (?ims) */
       REGEX_FOLD = 1,
       REGEX_MULTI_LINE = 2,
       REGEX_DOT_ALL = 4
};

struct regex_parser {
    struct regex *regex;
    struct regex_fault *fault;
    const char *text;
    size_t len;
    size_t at;
    unsigned flags;
    bool quoting; /* inside \Q...\E */
    uint32_t node_capacity;
};

/* Fills the fault; returns -EINVAL. */
int regex_fail(struct regex_parser *parser, size_t position, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A new node with defaults; its index, or a negative error. */
int64_t regex_node_new(struct regex_parser *parser, enum regex_op op);

/* A class node of the members; consumes nothing. */
int64_t regex_class_new(struct regex_parser *parser, const struct code_points *set);
int64_t regex_literal_new(struct regex_parser *parser, uint32_t point);

/* At "[": the whole class. */
int64_t regex_parse_class(struct regex_parser *parser);

/* At a backslash that begins a class (\d \pL ...) or a character; assertions are the caller's. */
int64_t regex_parse_escape(struct regex_parser *parser);

/* True when `word` stands at the current position. */
bool regex_looking_at(const struct regex_parser *parser, const char *word);

#endif
