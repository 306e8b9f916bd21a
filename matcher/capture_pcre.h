/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_pcre.h - captures by PCRE2-JIT, with limits.
 *
 * Place:   capture_set.c, for what capture_path.c does not settle.
 * Threads: compiled code is immutable and shared; a scratch belongs to one thread.
 * Memory:  compiling and scratch allocate, matching does not: code that PCRE2 would have to
 *          interpret is refused.
 * Failure: matching returns -E2BIG when a limit was reached before there was an answer.
 */
#ifndef MATCHER_CAPTURE_PCRE_H
#define MATCHER_CAPTURE_PCRE_H

#include "matcher/capture_tree.h"

struct capture_pcre;
struct capture_pcre_scratch;

/* `ascii`: for texts of ASCII only; else for valid UTF-8. Never for an expression with
 * has_nullable_loop, which PCRE2 understands differently. 0, -ENOMEM, or -EINVAL: PCRE2 or its JIT
 * refuses. */
int capture_pcre_new(const struct capture_tree *tree, bool ascii, struct capture_pcre **out);
void capture_pcre_free(struct capture_pcre *code);

int capture_pcre_scratch_new(struct capture_pcre_scratch **out);
void capture_pcre_scratch_free(struct capture_pcre_scratch *scratch);

/* 1 match, 0 no match, -E2BIG. Fills `slots` as capture_run() does. */
int capture_pcre_match(const struct capture_pcre *code, struct capture_pcre_scratch *scratch,
                       const char *text, size_t len, uint32_t *slots);

#endif
