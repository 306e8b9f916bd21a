/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_run.h - captures without backtracking: time is at most text length times expression size.
 *
 * Place:   capture_set.c, for what PCRE2 gives up or understands differently (endless repetitions
 *          of what may be empty; bytes that are not UTF-8); the tests, as the measure of every
 *          engine.
 * Threads: a program is immutable and shared; a scratch belongs to one thread.
 * Memory:  building and fitting allocate, running does not.
 * Failure: capture_run() returns -E2BIG after REGEX_RUN_STEPS_MAX steps.
 * Source:  RE2's and Go's meaning: leftmost, and of those the one that a backtracking search would
 *          find first. R. Pike's virtual machine with threads in order of preference.
 */
#ifndef MATCHER_CAPTURE_RUN_H
#define MATCHER_CAPTURE_RUN_H

#include "matcher/capture_tree.h"
#include "matcher/regex_run.h"

enum { CAPTURE_RUN_CELLS_MAX = 4 << 20 }; /* instructions times positions kept for each */

struct capture_program;

struct capture_run_scratch { /* zero-initialise */
    uint32_t *memory;
    size_t cells;
};

/* 0, -ENOMEM, or -E2BIG: too many groups for an expression of this size. Borrows `tree`. */
int capture_program_new(const struct capture_tree *tree, struct capture_program **out);
void capture_program_free(struct capture_program *program);

int capture_run_scratch_fit(struct capture_run_scratch *scratch,
                            const struct capture_program *program);
void capture_run_scratch_fini(struct capture_run_scratch *scratch);

/* 1 match, 0 no match, -E2BIG. Fills `slots` (room for CAPTURE_SLOTS_MAX): two positions for the
 * match and for each group. The text may be any bytes; invalid UTF-8 reads as U+FFFD. */
int capture_run(const struct capture_program *program, struct capture_run_scratch *scratch,
                const char *text, size_t len, uint32_t *slots);

#endif
