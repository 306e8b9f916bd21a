/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_pcre.h - expressions on PCRE2-JIT, with limits.
 *
 * Place:   evaluate.c for every expression, ruleset_match.c for those that Hyperscan cannot take.
 * Threads: compiled code is immutable and shared; a scratch belongs to one thread.
 * Memory:  compile and scratch allocate, matching does not.
 * Failure: matching returns -E2BIG when a limit was reached before there was an answer.
 */
#ifndef MATCHER_REGEX_PCRE_H
#define MATCHER_REGEX_PCRE_H

#include <stdbool.h>
#include <stddef.h>

#include "matcher/regex.h"

enum {
    REGEX_PCRE_STEPS_MAX = 100000, /* match limit of PCRE2 */
    REGEX_PCRE_STACK_SIZE = 512 * 1024,
    REGEX_PCRE_HEAP_KIB = 4096
};

struct regex_pcre;
struct regex_pcre_scratch;

/* Returns 0, -ENOMEM, or -EINVAL when PCRE2 refuses (too large). */
int regex_pcre_new(const struct regex_span *span, struct regex_pcre **out);
void regex_pcre_free(struct regex_pcre *code);

/* True when values have to be valid UTF-8. */
bool regex_pcre_wants_utf8(const struct regex_pcre *code);

int regex_pcre_scratch_new(struct regex_pcre_scratch **out);
void regex_pcre_scratch_free(struct regex_pcre_scratch *scratch);

/* 1 match, 0 no match, -E2BIG no answer within the limits. */
int regex_pcre_match(const struct regex_pcre *code, struct regex_pcre_scratch *scratch,
                     const char *value, size_t len);

#endif
