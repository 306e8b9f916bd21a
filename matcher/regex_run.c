/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/regex_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/regex_assert.h"
#include "matcher/utf8_text.h"

enum run_op { RUN_CLASS, RUN_SPLIT, RUN_JUMP, RUN_ASSERT, RUN_MATCH };

struct run_instruction {
    enum run_op op;
    uint32_t a; /* CLASS: first range; SPLIT, JUMP: target; ASSERT: enum regex_op */
    uint32_t b; /* CLASS: ranges; SPLIT: second target */
};

struct regex_program {
    struct run_instruction *code;
    uint32_t count;
    uint32_t capacity;
    struct code_range *ranges; /* own copy */
};

/* Threads at one position: a sparse set of instructions. */
struct run_set {
    uint32_t *dense;
    uint32_t *sparse;
    uint32_t count;
};

struct runner {
    const struct regex_program *program;
    uint32_t *stack;
    uint32_t before, after; /* characters around the position; REGEX_EDGE at the ends */
    uint64_t steps;
    bool matched;
};

static int64_t emit(struct regex_program *program, enum run_op op, uint32_t a, uint32_t b)
{
    if (program->count == program->capacity) {
        uint32_t capacity = program->capacity ? program->capacity * 2 : 16;
        struct run_instruction *code = realloc(program->code, capacity * sizeof *code);

        if (!code)
            return -ENOMEM;
        program->code = code;
        program->capacity = capacity;
    }
    program->code[program->count] = (struct run_instruction){op, a, b};
    return program->count++;
}

static int write_node(struct regex_program *program, const struct regex *regex, uint32_t index);

static int write_alternatives(struct regex_program *program, const struct regex *regex,
                              uint32_t child)
{
    int64_t split = 0;
    int64_t jump;
    int rc;

    if (regex->nodes[child].next == 0)
        return write_node(program, regex, child);
    split = emit(program, RUN_SPLIT, program->count + 1, 0);
    rc = split < 0 ? (int)split : write_node(program, regex, child);
    jump = rc < 0 ? rc : emit(program, RUN_JUMP, 0, 0);
    if (jump < 0)
        return (int)jump;
    program->code[split].b = program->count;
    rc = write_alternatives(program, regex, regex->nodes[child].next);
    program->code[jump].a = program->count;
    return rc;
}

/* Any number of times more. */
static int write_loop(struct regex_program *program, const struct regex *regex, uint32_t child)
{
    int64_t split = emit(program, RUN_SPLIT, program->count + 1, 0);
    int rc = split < 0 ? (int)split : write_node(program, regex, child);
    int64_t jump = rc < 0 ? rc : emit(program, RUN_JUMP, (uint32_t)split, 0);

    if (jump < 0)
        return (int)jump;
    program->code[split].b = program->count;
    return 0;
}

static int write_repeat(struct regex_program *program, const struct regex *regex,
                        const struct regex_node *node)
{
    uint32_t optional = node->max == REGEX_INFINITE ? 0 : node->max - node->min;
    int rc = 0;

    for (uint32_t i = 0; i < node->min && rc == 0; i++)
        rc = write_node(program, regex, node->child);
    if (rc == 0 && node->max == REGEX_INFINITE)
        rc = write_loop(program, regex, node->child);
    for (uint32_t i = 0; i < optional && rc == 0; i++) {
        int64_t split = emit(program, RUN_SPLIT, program->count + 1, 0);

        rc = split < 0 ? (int)split : write_node(program, regex, node->child);
        if (rc == 0)
            program->code[split].b = program->count; /* skips this one only: the same language */
    }
    return rc;
}

static int write_node(struct regex_program *program, const struct regex *regex, uint32_t index)
{
    const struct regex_node *node = &regex->nodes[index];
    int64_t rc = 0;

    switch (node->op) {
    case REGEX_EMPTY:
        return 0;
    case REGEX_CLASS:
        rc = emit(program, RUN_CLASS, node->range_first, node->range_count);
        break;
    case REGEX_CONCAT:
        for (uint32_t at = node->child; at && rc == 0; at = regex->nodes[at].next)
            rc = write_node(program, regex, at);
        break;
    case REGEX_ALTERNATE:
        return write_alternatives(program, regex, node->child);
    case REGEX_REPEAT:
        return write_repeat(program, regex, node);
    default:
        rc = emit(program, RUN_ASSERT, (uint32_t)node->op, 0);
    }
    return rc < 0 ? (int)rc : 0;
}

static int write_program(struct regex_program *program, const struct regex_span *span)
{
    const struct code_points *pool = &span->regex->pool;
    uint32_t node = span->first;
    int64_t rc = 0;

    program->ranges = malloc((pool->count + 1) * sizeof *program->ranges);
    if (!program->ranges)
        return -ENOMEM;
    if (pool->count)
        memcpy(program->ranges, pool->ranges, pool->count * sizeof *program->ranges);
    for (uint32_t i = 0; i < span->count && rc == 0; i++) {
        rc = write_node(program, span->regex, node);
        node = span->regex->nodes[node].next;
    }
    if (rc == 0)
        rc = emit(program, RUN_MATCH, 0, 0);
    return rc < 0 ? (int)rc : 0;
}

int regex_program_new(const struct regex_span *span, struct regex_program **out)
{
    struct regex_program *program = calloc(1, sizeof *program);
    int rc = program ? write_program(program, span) : -ENOMEM;

    if (rc < 0)
        regex_program_free(program);
    else
        *out = program;
    return rc;
}

void regex_program_free(struct regex_program *program)
{
    if (!program)
        return;
    free(program->code);
    free(program->ranges);
    free(program);
}

int regex_run_scratch_fit(struct regex_run_scratch *scratch, const struct regex_program *program)
{
    uint32_t *memory;

    if (program->count <= scratch->capacity)
        return 0;
    /* two sets of two arrays, and a stack on which each instruction is at most once for each
     * SPLIT */
    memory = calloc((size_t)program->count * 6, sizeof *memory);
    if (!memory)
        return -ENOMEM;
    free(scratch->memory);
    scratch->memory = memory;
    scratch->capacity = program->count;
    return 0;
}

void regex_run_scratch_fini(struct regex_run_scratch *scratch)
{
    free(scratch->memory);
    *scratch = (struct regex_run_scratch){0};
}

static bool put_thread(struct run_set *set, uint32_t at)
{
    uint32_t index = set->sparse[at];

    if (index < set->count && set->dense[index] == at)
        return false;
    set->sparse[at] = set->count;
    set->dense[set->count++] = at;
    return true;
}

/* Adds the thread at `start` and all that it reaches without a character. */
static void add_thread(struct runner *runner, struct run_set *set, uint32_t start)
{
    uint32_t depth = 0;

    runner->stack[depth++] = start;
    while (depth > 0) {
        uint32_t at = runner->stack[--depth];
        const struct run_instruction *step = &runner->program->code[at];

        if (!put_thread(set, at))
            continue;
        runner->steps++;
        if (step->op == RUN_MATCH) {
            runner->matched = true;
        } else if (step->op == RUN_SPLIT) {
            runner->stack[depth++] = step->b;
            runner->stack[depth++] = step->a;
        } else if (step->op == RUN_JUMP) {
            runner->stack[depth++] = step->a;
        } else if (step->op == RUN_ASSERT &&
                   regex_assertion_holds((enum regex_op)step->a, runner->before, runner->after)) {
            runner->stack[depth++] = at + 1;
        }
    }
}

/* Moves all threads over the character `point`. */
static void step_threads(struct runner *runner, const struct run_set *from, struct run_set *to,
                         uint32_t point)
{
    const struct regex_program *program = runner->program;

    to->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct run_instruction *step = &program->code[from->dense[i]];

        runner->steps++;
        if (step->op == RUN_CLASS && code_points_contain(program->ranges + step->a, step->b, point))
            add_thread(runner, to, from->dense[i] + 1);
    }
}

static uint32_t next_point(const char *value, size_t len, size_t *at)
{
    return *at < len ? utf8_decode(value, len, at) : REGEX_EDGE;
}

int regex_run(const struct regex_program *program, struct regex_run_scratch *scratch,
              const char *value, size_t len)
{
    size_t n = scratch->capacity;
    struct run_set sets[2] = {{scratch->memory, scratch->memory + n, 0},
                              {scratch->memory + 2 * n, scratch->memory + 3 * n, 0}};
    struct runner runner = {.program = program, .stack = scratch->memory + 4 * n};
    struct run_set *now = &sets[0];
    struct run_set *then = &sets[1];
    size_t at = 0;

    runner.before = REGEX_EDGE;
    runner.after = next_point(value, len, &at);
    for (;;) {
        uint32_t point = runner.after;
        struct run_set *swap = now;

        add_thread(&runner, now, 0);
        if (runner.matched)
            return 1;
        if (point == REGEX_EDGE)
            return 0;
        if (runner.steps > REGEX_RUN_STEPS_MAX)
            return -E2BIG;
        runner.before = point;
        runner.after = next_point(value, len, &at);
        step_threads(&runner, now, then, point);
        if (runner.matched)
            return 1;
        now = then;
        then = swap;
    }
}
