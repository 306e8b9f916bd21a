/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_form.h - which expressions are plain string tests, and what may be cut off the others.
 *
 * Place:   program.c, once for each expression: a string test is much cheaper than an expression.
 * Threads: any, no state.
 * Memory:  the literal is appended to the caller's buffer.
 * Failure: the buffer's errors.
 */
#ifndef MATCHER_REGEX_FORM_H
#define MATCHER_REGEX_FORM_H

#include "core/buffer.h"
#include "matcher/regex.h"

enum regex_form_type {
    REGEX_ALWAYS,   /* every value */
    REGEX_EQUALS,   /* the literal */
    REGEX_PREFIX,   /* begins with the literal */
    REGEX_SUFFIX,   /* ends with the literal */
    REGEX_CONTAINS, /* the literal anywhere */
    REGEX_GENERAL   /* span, which is the expression without ends that match nothing, as .* */
};

struct regex_form {
    enum regex_form_type type;
    struct regex_span span;
};

int regex_form_of(const struct regex *regex, struct regex_form *form, struct buffer *literal);

#endif
