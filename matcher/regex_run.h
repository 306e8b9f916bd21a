/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_run.h - expressions without backtracking: time is at most value length times expression
 * size.
 *
 * Place:   regex_match.c, when PCRE2 gives up; the tests, as a third opinion on every engine.
 * Threads: a program is immutable and shared; a scratch belongs to one thread.
 * Memory:  building and fitting allocate, running does not.
 * Failure: regex_run() returns -E2BIG after REGEX_RUN_STEPS_MAX steps.
 * Source:  K. Thompson, "Regular expression search algorithm", 1968; the virtual machine is Rob
 *          Pike's.
 */
#ifndef MATCHER_REGEX_RUN_H
#define MATCHER_REGEX_RUN_H

#include <stddef.h>

#include "matcher/regex.h"

enum { REGEX_RUN_STEPS_MAX = 4000000 };

struct regex_program;

struct regex_run_scratch { /* zero-initialise */
    uint32_t *memory;
    uint32_t capacity; /* instructions of the largest program */
};

/* Borrows the ranges of the expression. */
int regex_program_new(const struct regex_span *span, struct regex_program **out);
void regex_program_free(struct regex_program *program);

int regex_run_scratch_fit(struct regex_run_scratch *scratch, const struct regex_program *program);
void regex_run_scratch_fini(struct regex_run_scratch *scratch);

/* 1 match, 0 no match, -E2BIG. The value may be any bytes; invalid UTF-8 reads as U+FFFD. */
int regex_run(const struct regex_program *program, struct regex_run_scratch *scratch,
              const char *value, size_t len);

#endif
