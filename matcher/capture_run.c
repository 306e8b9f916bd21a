/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/capture_runner.h"
#include "matcher/regex_assert.h"
#include "matcher/utf8_text.h"

/* ---- building ---- */

static int64_t emit(struct capture_program *program, enum program_op op, uint32_t a, uint32_t b)
{
    if (program->count == program->capacity) {
        uint32_t capacity = program->capacity ? program->capacity * 2 : 64;
        struct program_step *steps = realloc(program->steps, capacity * sizeof *steps);

        if (!steps)
            return -ENOMEM;
        program->steps = steps;
        program->capacity = capacity;
    }
    program->steps[program->count] = (struct program_step){op, a, b};
    return program->count++;
}

static int write_node(struct capture_program *program, uint32_t index);

/* A choice between what comes next and a place that set_other() tells later. */
static int64_t emit_choice(struct capture_program *program, bool prefers_next)
{
    uint32_t next = program->count + 1;

    return prefers_next ? emit(program, PROGRAM_SPLIT, next, 0)
                        : emit(program, PROGRAM_SPLIT, 0, next);
}

static void set_other(struct capture_program *program, int64_t choice, bool prefers_next,
                      uint32_t target)
{
    if (prefers_next)
        program->steps[choice].b = target;
    else
        program->steps[choice].a = target;
}

static int write_alternatives(struct capture_program *program, uint32_t child)
{
    const struct capture_node *nodes = program->tree->nodes;
    int64_t choice;
    int64_t jump;
    int rc;

    if (nodes[child].next == 0)
        return write_node(program, child);
    choice = emit_choice(program, true);
    rc = choice < 0 ? (int)choice : write_node(program, child);
    jump = rc < 0 ? rc : emit(program, PROGRAM_JUMP, 0, 0);
    if (jump < 0)
        return (int)jump;
    set_other(program, choice, true, program->count);
    rc = write_alternatives(program, nodes[child].next);
    program->steps[jump].a = program->count;
    return rc;
}

/* x+: once, and any number of times more. */
static int write_plus(struct capture_program *program, const struct capture_node *node)
{
    uint32_t start = program->count;
    int rc = write_node(program, node->child);
    int64_t choice = rc < 0 ? rc : emit_choice(program, node->lazy);

    if (choice < 0)
        return (int)choice;
    set_other(program, choice, node->lazy, start);
    return 0;
}

/* x*. What may be empty is tried once in any case, as (x+)? (RE2). */
static int write_star(struct capture_program *program, const struct capture_node *node)
{
    bool is_nullable = program->tree->nodes[node->child].nullable;
    int64_t choice = emit_choice(program, !node->lazy);
    int64_t jump = 0;
    int rc = choice < 0 ? (int)choice : 0;

    if (rc == 0 && is_nullable)
        rc = write_plus(program, node);
    else if (rc == 0)
        rc = write_node(program, node->child);
    if (rc == 0 && !is_nullable)
        jump = emit(program, PROGRAM_JUMP, (uint32_t)choice, 0);
    if (rc < 0 || jump < 0)
        return rc < 0 ? rc : (int)jump;
    set_other(program, choice, !node->lazy, program->count);
    return 0;
}

/* x{0,count} as (x(x(x)?)?)?. */
static int write_optional(struct capture_program *program, const struct capture_node *node,
                          uint32_t count)
{
    int64_t choice;
    int rc;

    if (count == 0)
        return 0;
    choice = emit_choice(program, !node->lazy);
    rc = choice < 0 ? (int)choice : write_node(program, node->child);
    if (rc == 0)
        rc = write_optional(program, node, count - 1);
    if (rc == 0)
        set_other(program, choice, !node->lazy, program->count);
    return rc;
}

static int write_repeat(struct capture_program *program, const struct capture_node *node)
{
    bool endless = node->max == REGEX_INFINITE;
    uint32_t copies = endless && node->min ? node->min - 1 : node->min;
    int rc = 0;

    for (uint32_t i = 0; i < copies && rc == 0; i++)
        rc = write_node(program, node->child);
    if (rc < 0)
        return rc;
    if (!endless)
        return write_optional(program, node, node->max - node->min);
    return node->min ? write_plus(program, node) : write_star(program, node);
}

static int write_group(struct capture_program *program, const struct capture_node *node)
{
    int64_t saved = emit(program, PROGRAM_SAVE, 2 * node->group, 0);
    int rc = saved < 0 ? (int)saved : write_node(program, node->child);

    saved = rc < 0 ? rc : emit(program, PROGRAM_SAVE, 2 * node->group + 1, 0);
    return saved < 0 ? (int)saved : 0;
}

static int write_node(struct capture_program *program, uint32_t index)
{
    const struct capture_node *node = &program->tree->nodes[index];
    int64_t rc = 0;

    switch (node->op) {
    case CAPTURE_EMPTY:
        return 0;
    case CAPTURE_CLASS:
        rc = emit(program, PROGRAM_CLASS, node->range_first, node->range_count);
        break;
    case CAPTURE_ASSERT:
        rc = emit(program, PROGRAM_ASSERT, (uint32_t)node->assertion, 0);
        break;
    case CAPTURE_CONCAT:
        for (uint32_t at = node->child; at && rc >= 0; at = program->tree->nodes[at].next)
            rc = write_node(program, at);
        break;
    case CAPTURE_ALTERNATE:
        return write_alternatives(program, node->child);
    case CAPTURE_REPEAT:
        return write_repeat(program, node);
    case CAPTURE_GROUP:
        return write_group(program, node);
    }
    return rc < 0 ? (int)rc : 0;
}

/* Two sets of threads with their positions, the found positions, and a stack on which each step is
 * at most once for each choice, and once to take back a position. */
size_t capture_program_cells(const struct capture_program *program)
{
    return (size_t)program->count * (2 * (2 + (size_t)program->slot_count) + 6) +
           program->slot_count + 4;
}

int capture_program_new(const struct capture_tree *tree, struct capture_program **out)
{
    struct capture_program *program = calloc(1, sizeof *program);
    int rc = -ENOMEM;
    int64_t last;

    if (!program)
        return rc;
    program->tree = tree;
    program->slot_count = 2 * (tree->group_count + 1);
    rc = write_node(program, tree->root);
    last = rc < 0 ? rc : emit(program, PROGRAM_MATCH, 0, 0);
    rc = last < 0 ? (int)last : 0;
    if (rc == 0 && capture_program_cells(program) > CAPTURE_RUN_CELLS_MAX)
        rc = -E2BIG;
    if (rc < 0)
        capture_program_free(program);
    else
        *out = program;
    return rc;
}

void capture_program_free(struct capture_program *program)
{
    if (!program)
        return;
    free(program->steps);
    free(program);
}

int capture_run_scratch_fit(struct capture_run_scratch *scratch,
                            const struct capture_program *program)
{
    size_t cells = capture_program_cells(program);
    uint32_t *memory;

    if (cells <= scratch->cells)
        return 0;
    memory = calloc(cells, sizeof *memory);
    if (!memory)
        return -ENOMEM;
    free(scratch->memory);
    scratch->memory = memory;
    scratch->cells = cells;
    return 0;
}

void capture_run_scratch_fini(struct capture_run_scratch *scratch)
{
    free(scratch->memory);
    *scratch = (struct capture_run_scratch){0};
}

/* ---- running ---- */

#define PENDING_RESTORE UINT32_MAX

/* Where the positions of a new thread go, or NULL when one is at that step already. */
static uint32_t *put_thread(const struct capture_runner *runner, struct thread_list *list,
                            uint32_t step)
{
    uint32_t index = list->sparse[step];

    if (index < list->count && list->dense[index] == step)
        return NULL;
    list->sparse[step] = list->count;
    list->dense[list->count] = step;
    return list->slots + (size_t)list->count++ * runner->program->slot_count;
}

/* Adds the thread at `start`, with runner->current, and all that it reaches without a character. */
static void add_thread(struct capture_runner *runner, struct thread_list *list, uint32_t start,
                       uint32_t position)
{
    size_t slots_size = runner->program->slot_count * sizeof *runner->current;
    uint32_t depth = 0;

    runner->stack[depth++] = (struct pending){start, 0, 0};
    while (depth > 0) {
        struct pending top = runner->stack[--depth];
        const struct program_step *step = runner->program->steps + top.step;
        uint32_t *slots;

        if (top.step == PENDING_RESTORE) {
            runner->current[top.slot] = top.position;
            continue;
        }
        slots = put_thread(runner, list, top.step);
        if (!slots)
            continue;
        runner->steps++;
        if (step->op == PROGRAM_SPLIT) {
            runner->stack[depth++] = (struct pending){step->b, 0, 0};
            runner->stack[depth++] = (struct pending){step->a, 0, 0};
        } else if (step->op == PROGRAM_JUMP) {
            runner->stack[depth++] = (struct pending){step->a, 0, 0};
        } else if (step->op == PROGRAM_SAVE) {
            runner->stack[depth++] =
                (struct pending){PENDING_RESTORE, step->a, runner->current[step->a]};
            runner->stack[depth++] = (struct pending){top.step + 1, 0, 0};
            runner->current[step->a] = position;
        } else if (step->op == PROGRAM_ASSERT) {
            if (regex_assertion_holds((enum regex_op)step->a, runner->before, runner->after))
                runner->stack[depth++] = (struct pending){top.step + 1, 0, 0};
        } else {
            memcpy(slots, runner->current, slots_size);
        }
    }
}

bool capture_runner_step(struct capture_runner *runner, uint32_t point, uint32_t position,
                         uint32_t end, uint32_t *found)
{
    const struct capture_program *program = runner->program;
    size_t slots_size = program->slot_count * sizeof *found;

    runner->then->count = 0;
    for (uint32_t i = 0; i < runner->now->count; i++) {
        const struct program_step *step = &program->steps[runner->now->dense[i]];
        const uint32_t *slots = runner->now->slots + (size_t)i * program->slot_count;

        runner->steps++;
        if (step->op == PROGRAM_MATCH) {
            memcpy(found, slots, slots_size);
            found[1] = position;
            return true;
        }
        if (step->op != PROGRAM_CLASS || step->b == 0 || point == REGEX_EDGE ||
            !code_points_contain(runner->ranges + step->a, step->b, point))
            continue;
        memcpy(runner->current, slots, slots_size);
        add_thread(runner, runner->then, runner->now->dense[i] + 1, end);
    }
    return false;
}

static uint32_t next_point(const char *text, size_t len, size_t *at)
{
    return *at < len ? utf8_decode(text, len, at) : REGEX_EDGE;
}

void capture_runner_start(struct capture_runner *runner, uint32_t position)
{
    for (uint32_t i = 0; i < runner->program->slot_count; i++)
        runner->current[i] = CAPTURE_UNSET;
    runner->current[0] = position;
    add_thread(runner, runner->now, 0, position);
}

static int run(struct capture_runner *runner, const char *text, size_t len, uint32_t *found)
{
    size_t at = 0; /* behind runner->after */
    size_t position = 0;
    bool has_match = false;

    runner->before = REGEX_EDGE;
    runner->after = next_point(text, len, &at);
    for (;;) {
        uint32_t point = runner->after;
        struct thread_list *swap = runner->now;
        size_t end = at;

        if (!has_match && (position == 0 || !runner->program->tree->is_anchored))
            capture_runner_start(runner, (uint32_t)position);
        if (runner->now->count == 0)
            return has_match;
        /* What comes behind the character is looked at by the threads that it lets through. */
        runner->before = point;
        runner->after = next_point(text, len, &at);
        has_match |= capture_runner_step(runner, point, (uint32_t)position, (uint32_t)end, found);
        if (point == REGEX_EDGE)
            return has_match;
        if (runner->steps > REGEX_RUN_STEPS_MAX)
            return -E2BIG;
        runner->now = runner->then;
        runner->then = swap;
        position = end;
    }
}

struct capture_runner capture_runner_of(const struct capture_program *program, uint32_t *memory,
                                        struct thread_list lists[2])
{
    size_t n = program->count;
    size_t thread_cells = n * program->slot_count;
    uint32_t *current = memory + 4 * n + 2 * thread_cells;

    lists[0] = (struct thread_list){memory, memory + n, memory + 2 * n, 0};
    lists[1] = (struct thread_list){memory + 2 * n + thread_cells, memory + 3 * n + thread_cells,
                                    memory + 4 * n + thread_cells, 0};
    return (struct capture_runner){
        .program = program,
        .ranges = program->tree->classes->pool.ranges,
        .now = &lists[0],
        .then = &lists[1],
        .current = current,
        .stack = (struct pending *)(current + program->slot_count),
    };
}

int capture_run(const struct capture_program *program, struct capture_run_scratch *scratch,
                const char *text, size_t len, uint32_t *slots)
{
    struct thread_list lists[2];
    struct capture_runner runner = capture_runner_of(program, scratch->memory, lists);

    CHECK(len < UINT32_MAX);
    return run(&runner, text, len, slots);
}
