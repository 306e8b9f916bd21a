/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/split_regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/capture_runner.h"
#include "matcher/regex_assert.h"
#include "matcher/utf8_text.h"

struct split_regex {
    struct capture_tree *tree;
    struct capture_program *program;
    char *text;
    bool looks_ahead; /* at the character behind: $ \z \b */
    bool has_starts;  /* a match begins with a byte of `starts` */
    int only_start;   /* the one there is, or -1 */
    bool starts[256];
};

struct search {
    uint32_t before; /* the last character */
    bool is_begun, has_match;
    uint8_t now; /* which of the two lists */
    uint64_t position;
    uint32_t counts[2]; /* of the lists */
    uint32_t cells[];   /* the runner's memory, then the positions found */
};
_Static_assert(offsetof(struct search, counts) == SPLIT_SEARCH_HEAD, "what zeros make new");

/* ---- what an expression can begin with ---- */

static bool looks_ahead(const struct program_step *step)
{
    return step->op == PROGRAM_ASSERT && step->a != REGEX_BEGIN_TEXT && step->a != REGEX_BEGIN_LINE;
}

static void add_starts(struct split_regex *regex, const struct code_range *range)
{
    for (uint32_t point = range->low; point <= range->high && point < 0x80; point++)
        regex->starts[point] = true;
    if (range->high >= 0x80)
        memset(regex->starts + 0x80, true, 0x80);
}

/* Follows all ways to the first character, taking assertions for true. */
static int find_starts(struct split_regex *regex)
{
    const struct capture_program *program = regex->program;
    uint32_t *stack = calloc(2 * program->count + 2, sizeof(*stack));
    bool *seen = calloc(program->count, sizeof(*seen));
    uint32_t depth = 0;
    regex->has_starts = stack != NULL && seen != NULL;
    if (regex->has_starts)
        stack[depth++] = 0;
    while (depth > 0) {
        uint32_t at = stack[--depth];
        const struct program_step *step = &program->steps[at];
        if (seen[at])
            continue;
        seen[at] = true;
        if (step->op == PROGRAM_CLASS) {
            for (uint32_t i = 0; i < step->b; i++)
                add_starts(regex, &program->tree->classes->pool.ranges[step->a + i]);
        } else if (step->op == PROGRAM_MATCH) {
            regex->has_starts = false;
        } else if (step->op == PROGRAM_SPLIT) {
            stack[depth++] = step->b;
            stack[depth++] = step->a;
        } else {
            stack[depth++] = step->op == PROGRAM_JUMP ? step->a : at + 1;
        }
    }
    int rc = stack != NULL && seen != NULL ? 0 : -1;
    free(stack);
    free(seen);
    return rc;
}

static void set_only_start(struct split_regex *regex)
{
    unsigned count = 0;
    regex->only_start = -1;
    for (int i = 0; i < 256; i++) {
        if (regex->starts[i]) {
            regex->only_start = i;
            count++;
        }
    }
    if (count != 1)
        regex->only_start = -1;
}

/* ---- searching ---- */

/* The character at *at, and *at behind it; false when bytes of it may be missing. */
static bool read_point(struct msg_slice bytes, bool is_end, size_t *at, uint32_t *point)
{
    uint8_t lead = (uint8_t)bytes.ptr[*at];
    size_t size = lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    size_t there = bytes.len - *at;
    if (!is_end && there < size) {
        bool goes_on = true;
        for (size_t i = 1; i < there; i++)
            goes_on &= ((uint8_t)bytes.ptr[*at + i] & 0xC0) == 0x80;
        if (goes_on)
            return false;
    }
    *point = utf8_decode(bytes.ptr, bytes.len, at);
    return true;
}

/* On to the next place where a match can begin. */
static void skip(const struct split_regex *regex, struct search *search, struct msg_slice bytes)
{
    size_t at = search->position;
    if (regex->only_start >= 0) {
        const char *found = memchr(bytes.ptr + at, regex->only_start, bytes.len - at);
        at = found != NULL ? (size_t)(found - bytes.ptr) : bytes.len;
    } else {
        while (at < bytes.len && !regex->starts[(uint8_t)bytes.ptr[at]])
            at++;
    }
    if (at == search->position)
        return;
    uint8_t last = (uint8_t)bytes.ptr[at - 1];
    search->before = last < 0x80 ? last : UTF8_INVALID; /* no character beyond ASCII matters */
    search->position = at;
}

/* With no more bytes: whether the preferred of all threads has matched, so that none can change
 * it. */
static bool is_decided(const struct capture_runner *runner, const struct search *search,
                       uint32_t *found)
{
    const struct capture_program *program = runner->program;
    for (uint32_t i = 0; i < runner->now->count; i++) {
        const struct program_step *step = &program->steps[runner->now->dense[i]];
        if (step->op == PROGRAM_CLASS && step->b > 0)
            return false;
        if (step->op == PROGRAM_MATCH) {
            memcpy(found, runner->now->slots + (size_t)i * program->slot_count,
                   program->slot_count * sizeof(*found));
            found[1] = (uint32_t)search->position;
            return true;
        }
    }
    return search->has_match;
}

/* Over one character. False when bytes are missing. */
static bool step(const struct split_regex *regex, struct search *search, struct msg_slice bytes,
                 bool is_end, struct capture_runner *runner, uint32_t *found)
{
    size_t at = search->position, end = at;
    uint32_t point = REGEX_EDGE, after = REGEX_EDGE;
    if (at < bytes.len ? !read_point(bytes, is_end, &end, &point) : !is_end)
        return false;
    size_t beyond = end;
    if (regex->looks_ahead && point != REGEX_EDGE &&
        (end < bytes.len ? !read_point(bytes, is_end, &beyond, &after) : !is_end))
        return false;
    runner->before = search->before;
    runner->after = point;
    if (!search->has_match && (at == 0 || !regex->tree->is_anchored))
        capture_runner_start(runner, (uint32_t)at);
    runner->before = point;
    runner->after = after;
    search->has_match |= capture_runner_step(runner, point, (uint32_t)at, (uint32_t)end, found);
    struct thread_list *swap = runner->now;
    runner->now = runner->then;
    runner->then = swap;
    search->now ^= 1;
    search->before = point;
    search->position = end;
    return true;
}

/* Until there is an answer, or no more bytes. */
static bool run(const struct split_regex *regex, struct search *search, struct msg_slice bytes,
                bool is_end, struct capture_runner *runner, uint32_t *found)
{
    bool at_end = false;
    while (!at_end) {
        if (runner->now->count == 0) {
            if (search->has_match)
                return true;
            if (regex->has_starts && !regex->tree->is_anchored)
                skip(regex, search, bytes);
        }
        at_end = search->position == bytes.len;
        if (!step(regex, search, bytes, is_end, runner, found))
            return is_decided(runner, search, found);
    }
    return search->has_match;
}

static size_t slot_of(const uint32_t *found, unsigned slot, unsigned slot_count)
{
    return slot < slot_count && found[slot] != CAPTURE_UNSET ? found[slot] : SIZE_MAX;
}

static int find(const void *context, void *memory, struct msg_slice bytes, bool is_end,
                struct split_match *match)
{
    const struct split_regex *regex = context;
    const struct capture_program *program = regex->program;
    struct search *search = memory;
    struct thread_list lists[2];
    if (!search->is_begun)
        *search = (struct search){.before = REGEX_EDGE, .is_begun = true};
    struct capture_runner runner = capture_runner_of(program, search->cells, lists);
    uint32_t *found = search->cells + capture_program_cells(program);
    lists[0].count = search->counts[0];
    lists[1].count = search->counts[1];
    runner.now = &lists[search->now];
    runner.then = &lists[search->now ^ 1];
    bool has_answer = run(regex, search, bytes, is_end, &runner, found);
    search->counts[0] = lists[0].count;
    search->counts[1] = lists[1].count;
    if (!has_answer)
        return 0;
    *match = (struct split_match){
        .start = found[0],
        .end = found[1],
        .capture_start = slot_of(found, 2, program->slot_count),
        .capture_end = slot_of(found, 3, program->slot_count),
    };
    return 1;
}

/* ---- compiling ---- */

static void regex_free_parts(struct split_regex *regex)
{
    if (regex == NULL)
        return;
    capture_program_free(regex->program);
    capture_tree_free(regex->tree);
    free(regex->text);
    free(regex);
}

static int compile(struct split_regex *regex, const char *text, struct err *err)
{
    struct regex_fault fault = {0};
    int rc = capture_tree_new(text, strlen(text), &regex->tree, &fault);
    if (rc == -EINVAL)
        return err_add(err, "%s: position %zu: %s", text, fault.position, fault.text);
    if (rc == 0)
        rc = capture_program_new(regex->tree, &regex->program);
    if (rc == 0 && (regex->program->count > SPLIT_REGEX_STEPS_MAX ||
                    capture_program_cells(regex->program) > SPLIT_REGEX_CELLS_MAX))
        rc = -E2BIG;
    if (rc == -E2BIG)
        return err_add(err, "%.100s: too large an expression for a stream", text);
    regex->text = strdup(text);
    if (rc != 0 || regex->text == NULL || find_starts(regex) != 0)
        return err_add(err, "out of memory");
    for (uint32_t i = 0; i < regex->program->count; i++)
        regex->looks_ahead |= looks_ahead(&regex->program->steps[i]);
    set_only_start(regex);
    return 0;
}

static struct split_regex *get(struct split_regexes *regexes, const char *text, struct err *err)
{
    for (uint32_t i = 0; i < regexes->count; i++) {
        if (strcmp(regexes->items[i]->text, text) == 0)
            return regexes->items[i];
    }
    struct split_regex **items =
        realloc(regexes->items, (regexes->count + 1) * sizeof(struct split_regex *));
    if (items != NULL)
        regexes->items = items;
    struct split_regex *regex = items != NULL ? calloc(1, sizeof(*regex)) : NULL;
    if (regex == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    if (compile(regex, text, err) != 0) {
        regex_free_parts(regex);
        return NULL;
    }
    regexes->items[regexes->count++] = regex;
    return regex;
}

int split_regexes_compile(void *regexes, const char *text, struct split_expression *expression,
                          struct err *err)
{
    const struct split_regex *regex = get(regexes, text, err);
    if (regex == NULL)
        return -1;
    size_t words = capture_program_cells(regex->program) + regex->program->slot_count;
    size_t size = sizeof(struct search) + words * sizeof(uint32_t);
    *expression = (struct split_expression){
        .context = regex,
        .group_count = regex->tree->group_count,
        .matches_empty = regex->tree->nodes[regex->tree->root].nullable,
        .search_size = (size + 15) & ~(size_t)15,
        .find = find,
    };
    return 0;
}

void split_regexes_fini(struct split_regexes *regexes)
{
    for (uint32_t i = 0; i < regexes->count; i++)
        regex_free_parts(regexes->items[i]);
    free(regexes->items);
    *regexes = (struct split_regexes){0};
}
