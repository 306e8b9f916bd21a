/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_runner.h - the machine behind capture_run.h, step by step.
 *
 * Place:   private to capture_run.c, and split_regex.c, which stops and goes on.
 * Threads: a runner belongs to one thread.
 * Memory:  the caller's, capture_program_cells() words.
 */
#ifndef MATCHER_CAPTURE_RUNNER_H
#define MATCHER_CAPTURE_RUNNER_H

#include "matcher/capture_run.h"

enum program_op {
    PROGRAM_CLASS,
    PROGRAM_SPLIT, /* `a` is preferred to `b` */
    PROGRAM_JUMP,
    PROGRAM_ASSERT,
    PROGRAM_SAVE,
    PROGRAM_MATCH
};

struct program_step {
    enum program_op op;
    uint32_t a; /* CLASS: first range; SPLIT, JUMP: target; ASSERT: enum regex_op; SAVE: slot */
    uint32_t b; /* CLASS: ranges; SPLIT: second target */
};

struct capture_program {
    const struct capture_tree *tree;
    struct program_step *steps;
    uint32_t count;
    uint32_t capacity;
    uint32_t slot_count;
};

/* Threads at one position, the preferred first: a sparse set of steps, each with its positions. */
struct thread_list {
    uint32_t *dense;
    uint32_t *sparse;
    uint32_t *slots; /* of dense[i]: slots + i * slot_count */
    uint32_t count;
};

struct pending {   /* one entry of the stack */
    uint32_t step; /* or a mark: take back a position */
    uint32_t slot;
    uint32_t position;
};

struct capture_runner {
    const struct capture_program *program;
    const struct code_range *ranges;
    struct thread_list *now;
    struct thread_list *then;
    uint32_t *current; /* positions of the thread that is being added */
    struct pending *stack;
    uint32_t before, after; /* characters around the position; REGEX_EDGE at the ends */
    uint64_t steps;
};

size_t capture_program_cells(const struct capture_program *program);

/* A runner in `memory`, without threads. It points to `lists`. */
struct capture_runner capture_runner_of(const struct capture_program *program, uint32_t *memory,
                                        struct thread_list lists[2]);

/* A new thread at the first step, with all that it reaches without a character. */
void capture_runner_start(struct capture_runner *runner, uint32_t position);

/* Moves the threads of `now` over the character `point` from `position` to `end`, into `then`.
 * Stops at the first that matches before it: true, and its positions in `found`. */
bool capture_runner_step(struct capture_runner *runner, uint32_t point, uint32_t position,
                         uint32_t end, uint32_t *found);

#endif
