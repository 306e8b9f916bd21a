/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/capture_steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/utf8_text.h"

/* What this file calls "first" is the set of bytes that a match of a node can begin with, and the
 * end of the text when nothing needs to come. It may hold too much, never too little: two ways
 * whose sets have nothing in common exclude each other. */

enum {
    LITERAL_MAX = 64,
    NO_PATH = 1 /* result of the writers: the expression is not of that kind */
};

/* What comes behind a node: the siblings from `next` on, then what comes behind their parent. NULL
 * is the end of the expression, where anything may follow. */
struct rest {
    uint32_t next;
    const struct path_class *first; /* instead, in repetitions: all that is known */
    const struct rest *up;
};

struct path_writer {
    const struct capture_tree *tree;
    struct capture_path *path;
    uint32_t step_capacity;
    uint32_t class_capacity;
    uint32_t pending_save; /* goes into the next step; slot_count: none */
    uint32_t barrier;      /* a jump goes to the place before this step: nothing joins across it */
};

struct literal {
    uint8_t bytes[LITERAL_MAX];
    uint32_t len;
};

static int write_node(struct path_writer *writer, uint32_t index, const struct rest *rest);

/* ---- sets ---- */

static void class_add(struct path_class *class, const struct path_class *other)
{
    for (unsigned i = 0; i < 256; i++)
        class->has[i] |= other->has[i];
    class->has_end |= other->has_end;
}

static bool class_meets(const struct path_class *a, const struct path_class *b)
{
    for (unsigned i = 0; i < 256; i++) {
        if (a->has[i] && b->has[i])
            return true;
    }
    return a->has_end && b->has_end;
}

static void class_fill(struct path_class *class)
{
    *class = (struct path_class){.has_end = true};
    memset(class->has, 1, sizeof class->has);
}

enum high { HIGH_NONE, HIGH_SOME, HIGH_ALL };

/* Which characters beyond ASCII are in the class; surrogates do not count. */
static enum high high_of(const struct code_range *ranges, uint32_t count)
{
    uint32_t covered = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t low = ranges[i].low < 0x80 ? 0x80 : ranges[i].low;

        if (ranges[i].high < 0x80)
            continue;
        covered += ranges[i].high - low + 1;
        if (low <= 0xDFFF && ranges[i].high >= 0xD800) {
            uint32_t from = low < 0xD800 ? 0xD800 : low;
            uint32_t to = ranges[i].high > 0xDFFF ? 0xDFFF : ranges[i].high;

            covered -= to - from + 1;
        }
    }
    if (covered == 0)
        return HIGH_NONE;
    return covered == CODE_POINT_MAX + 1 - 0x80 - 0x800 ? HIGH_ALL : HIGH_SOME;
}

/* The bytes that a character of the class begins with. */
static void class_of(const struct capture_tree *tree, const struct capture_node *node,
                     struct path_class *class)
{
    const struct code_range *ranges = capture_ranges(tree, node);

    *class = (struct path_class){0};
    for (uint32_t i = 0; i < node->range_count; i++) {
        for (uint32_t c = ranges[i].low; c <= ranges[i].high && c < 0x80; c++)
            class->has[c] = 1;
    }
    if (high_of(ranges, node->range_count) != HIGH_NONE)
        memset(class->has + 0x80, 1, 0x80);
}

/* The one character of a class, when its bytes in a text can only be that character. */
static bool single_point(const struct capture_tree *tree, const struct capture_node *node,
                         uint32_t *point)
{
    const struct code_range *ranges = capture_ranges(tree, node);

    if (node->op != CAPTURE_CLASS || node->range_count != 1 || ranges->low != ranges->high)
        return false;
    *point = ranges->low;
    return *point != UTF8_INVALID;
}

/* ---- what comes first ---- */

static void first_of_node(const struct capture_tree *tree, uint32_t index,
                          struct path_class *behind);

/* `behind` is what comes behind the siblings, and becomes what comes first. */
static void first_of_chain(const struct capture_tree *tree, uint32_t index,
                           struct path_class *behind)
{
    if (index == 0)
        return;
    first_of_chain(tree, tree->nodes[index].next, behind);
    first_of_node(tree, index, behind);
}

static void first_of_assertion(enum regex_op assertion, struct path_class *behind)
{
    if (assertion != REGEX_END_TEXT && assertion != REGEX_END_LINE)
        return;
    *behind = (struct path_class){.has_end = true};
    behind->has['\n'] = assertion == REGEX_END_LINE;
}

static void first_of_alternatives(const struct capture_tree *tree, uint32_t child,
                                  struct path_class *behind)
{
    struct path_class all = {0};

    for (; child; child = tree->nodes[child].next) {
        struct path_class one = *behind;

        first_of_node(tree, child, &one);
        class_add(&all, &one);
    }
    *behind = all;
}

/* `behind` is what comes behind the node, and becomes what comes first. */
static void first_of_node(const struct capture_tree *tree, uint32_t index,
                          struct path_class *behind)
{
    const struct capture_node *node = &tree->nodes[index];
    struct path_class one;
    uint32_t point;

    switch (node->op) {
    case CAPTURE_EMPTY:
        break;
    case CAPTURE_CLASS:
        class_of(tree, node, behind);
        if (single_point(tree, node, &point)) {
            char text[UTF8_MAX];

            utf8_encode(point, text);
            *behind = (struct path_class){0};
            behind->has[(uint8_t)text[0]] = 1;
        }
        break;
    case CAPTURE_ASSERT:
        first_of_assertion(node->assertion, behind);
        break;
    case CAPTURE_CONCAT:
        first_of_chain(tree, node->child, behind);
        break;
    case CAPTURE_ALTERNATE:
        first_of_alternatives(tree, node->child, behind);
        break;
    case CAPTURE_REPEAT:
        one = *behind;
        if (node->max > 0)
            first_of_node(tree, node->child, &one);
        if (node->min > 0)
            *behind = one;
        else
            class_add(behind, &one);
        break;
    case CAPTURE_GROUP:
        first_of_node(tree, node->child, behind);
        break;
    }
}

static void first_of_rest(const struct capture_tree *tree, const struct rest *rest,
                          struct path_class *first)
{
    if (!rest) {
        class_fill(first);
    } else if (rest->first) {
        *first = *rest->first;
    } else {
        first_of_rest(tree, rest->up, first);
        first_of_chain(tree, rest->next, first);
    }
}

/* True when the match is complete whatever follows. */
static bool accepts(const struct rest *rest)
{
    return !rest || (!rest->first && rest->next == 0 && accepts(rest->up));
}

/* Adds the characters that a match of the node has to begin with; true when they are all of it. */
static bool literal_of_node(const struct capture_tree *tree, uint32_t index,
                            struct literal *literal)
{
    const struct capture_node *node = &tree->nodes[index];
    uint32_t point;

    if (node->op == CAPTURE_GROUP)
        return literal_of_node(tree, node->child, literal);
    if (node->op == CAPTURE_CONCAT) {
        for (uint32_t at = node->child; at; at = tree->nodes[at].next) {
            if (!literal_of_node(tree, at, literal))
                return false;
        }
        return true;
    }
    if (!single_point(tree, node, &point) || literal->len > LITERAL_MAX - UTF8_MAX)
        return false;
    literal->len += (uint32_t)utf8_encode(point, (char *)literal->bytes + literal->len);
    return true;
}

static void literal_of_rest(const struct capture_tree *tree, const struct rest *rest,
                            struct literal *literal)
{
    for (; rest && !rest->first; rest = rest->up) {
        for (uint32_t at = rest->next; at; at = tree->nodes[at].next) {
            if (!literal_of_node(tree, at, literal))
                return;
        }
    }
}

/* ---- steps ---- */

static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    uint32_t larger = *capacity ? *capacity * 2 : 32;
    void *grown;

    if (count < *capacity)
        return items;
    grown = realloc(items, larger * size);
    if (grown)
        *capacity = larger;
    return grown;
}

static int put_step(struct path_writer *writer, const struct path_step *step)
{
    struct capture_path *path = writer->path;
    struct path_step *steps;

    if (path->step_count == CAPTURE_PATH_STEPS_MAX)
        return NO_PATH;
    steps = grow(path->steps, path->step_count, &writer->step_capacity, sizeof *steps);
    if (!steps)
        return -ENOMEM;
    path->steps = steps;
    steps[path->step_count] = *step;
    steps[path->step_count].save_before = (uint16_t)writer->pending_save;
    steps[path->step_count].save_after = (uint16_t)path->slot_count;
    writer->pending_save = path->slot_count;
    path->step_count++;
    return 0;
}

/* Writes a pending save out, so that a place to jump to lies behind it. */
static int flush_save(struct path_writer *writer)
{
    struct path_step step = {.code = PATH_SAVE};

    return writer->pending_save == writer->path->slot_count ? 0 : put_step(writer, &step);
}

/* The place of the next step becomes one that jumps go to. */
static int put_label(struct path_writer *writer, uint32_t *label)
{
    int rc = flush_save(writer);

    writer->barrier = writer->path->step_count;
    *label = writer->barrier;
    return rc;
}

/* The last step when it may be changed: no jump goes to what is behind it. */
static struct path_step *last_step(struct path_writer *writer)
{
    struct capture_path *path = writer->path;

    if (path->step_count == 0 || writer->barrier == path->step_count ||
        writer->pending_save != path->slot_count)
        return NULL;
    return &path->steps[path->step_count - 1];
}

static int put_save(struct path_writer *writer, uint32_t slot)
{
    struct path_step *last = last_step(writer);
    bool takes_bytes = last && last->code >= PATH_LITERAL && last->code <= PATH_UNTIL_LAST;
    int rc;

    if (takes_bytes && last->save_after == writer->path->slot_count) {
        last->save_after = (uint16_t)slot;
        return 0;
    }
    rc = flush_save(writer);
    writer->pending_save = slot;
    return rc;
}

static int put_literal_bytes(struct path_writer *writer, const uint8_t *bytes, uint32_t len,
                             struct path_step *step)
{
    struct capture_path *path = writer->path;
    uint8_t *grown = realloc(path->literals, path->literals_size + len);

    if (!grown)
        return -ENOMEM;
    path->literals = grown;
    memcpy(grown + path->literals_size, bytes, len);
    path->literals_size += len;
    step->literal = path->literals_size - len;
    step->literal_len = len;
    return 0;
}

/* One more character: of the literal before, or of a new one. */
static int put_point(struct path_writer *writer, uint32_t point)
{
    struct path_step *last = last_step(writer);
    struct path_step step = {.code = PATH_LITERAL};
    bool joins = last && last->code == PATH_LITERAL && last->save_after == writer->path->slot_count;
    char text[UTF8_MAX];
    uint32_t len = (uint32_t)utf8_encode(point, text);
    int rc = put_literal_bytes(writer, (const uint8_t *)text, len, &step);

    if (rc < 0 || !joins)
        return rc < 0 ? rc : put_step(writer, &step);
    last->literal_len += len; /* its bytes are the last ones */
    return 0;
}

static int64_t put_class(struct path_writer *writer, const struct path_class *class)
{
    struct capture_path *path = writer->path;
    struct path_class *classes;

    for (uint32_t i = 0; i < path->class_count; i++) {
        if (memcmp(path->classes[i].has, class->has, sizeof class->has) == 0 &&
            path->classes[i].has_end == class->has_end)
            return i;
    }
    classes = grow(path->classes, path->class_count, &writer->class_capacity, sizeof *classes);
    if (!classes)
        return -ENOMEM;
    path->classes = classes;
    classes[path->class_count] = *class;
    for (unsigned i = 0; i < 0x80; i++)
        classes[path->class_count].rows[i % 16] |= (uint8_t)(class->has[i] << i / 16);
    classes[path->class_count].has_high = class->has[0x80] != 0;
    return path->class_count++;
}

static int put_class_step(struct path_writer *writer, const struct path_class *class,
                          struct path_step *step)
{
    int64_t index = put_class(writer, class);

    if (index < 0)
        return (int)index;
    step->class = (uint16_t)index;
    return put_step(writer, step);
}

static void set_target(struct path_writer *writer, uint32_t step, uint32_t target)
{
    writer->path->steps[step].target = (uint16_t)target;
}

/* ---- repetitions of one class ---- */

/* Any number of bytes is any number of characters only for a class with all characters beyond
 * ASCII, or none, and for numbers 0, 1 and endless. Else the path is for ASCII. */
static void restrict_class(struct path_writer *writer, const struct capture_node *class_node,
                           uint32_t min, uint32_t max, struct path_class *class)
{
    enum high high = high_of(capture_ranges(writer->tree, class_node), class_node->range_count);

    class_of(writer->tree, class_node, class);
    if (high == HIGH_NONE || (high == HIGH_ALL && min <= 1 && max == REGEX_INFINITE))
        return;
    memset(class->has + 0x80, 0, 0x80);
    writer->path->wants_ascii = true;
}

/* True when some byte (or the end) that `first` has stops the run. */
static bool run_can_end(const struct path_class *class, const struct path_class *first)
{
    for (unsigned i = 0; i < 256; i++) {
        if (!class->has[i] && first->has[i])
            return true;
    }
    return first->has_end;
}

static int put_until(struct path_writer *writer, const struct path_class *class,
                     struct path_step *step, const struct rest *rest)
{
    struct literal literal = {.len = 0};
    int rc;

    literal_of_rest(writer->tree, rest, &literal);
    if (literal.len == 0 || step->max != REGEX_INFINITE)
        return NO_PATH;
    step->is_guess = true;
    rc = put_literal_bytes(writer, literal.bytes, literal.len, step);
    return rc < 0 ? rc : put_class_step(writer, class, step);
}

/* As few as possible, where what comes next could be of the class, too. */
static int put_lazy_run(struct path_writer *writer, const struct path_class *class,
                        const struct path_class *behind, struct path_step step,
                        const struct rest *rest)
{
    struct path_class rare = *class;
    struct path_step least = step;
    int rc;

    if (accepts(rest)) {
        step.is_guess = false;
        step.max = step.min;
        writer->path->wants_ascii |= class->has[0x80] && step.min > 0;
        return put_class_step(writer, class, &step);
    }
    step.code = PATH_UNTIL_FIRST;
    rc = put_until(writer, class, &step, rest);
    if (rc != NO_PATH)
        return rc;
    if (rare.has[0x80]) { /* it could end within a character */
        memset(rare.has + 0x80, 0, 0x80);
        writer->path->wants_ascii = true;
    }
    least.max = least.min;
    step.code = PATH_RUN;
    step.max -= step.max == REGEX_INFINITE ? 0 : step.min;
    step.min = 0;
    for (unsigned i = 0; i < 256; i++)
        rare.has[i] &= !behind->has[i];
    rc = least.min ? put_class_step(writer, class, &least) : 0;
    return rc != 0 ? rc : put_class_step(writer, &rare, &step);
}

static int write_run(struct path_writer *writer, const struct capture_node *node,
                     const struct rest *rest)
{
    const struct capture_node *class_node = &writer->tree->nodes[node->child];
    struct path_step step = {.code = PATH_RUN, .min = node->min, .max = node->max};
    struct path_class class;
    struct path_class behind;

    restrict_class(writer, class_node, node->min, node->max, &class);
    first_of_rest(writer->tree, rest, &behind);
    step.is_guess = node->min != node->max && class_meets(&class, &behind);
    if (step.is_guess && node->lazy)
        return put_lazy_run(writer, &class, &behind, step, rest);
    if (step.is_guess && accepts(rest))
        step.is_guess = false;
    else if (step.is_guess && node->max == REGEX_INFINITE && !run_can_end(&class, &behind)) {
        step.code = PATH_UNTIL_LAST;
        return put_until(writer, &class, &step, rest);
    }
    return put_class_step(writer, &class, &step);
}

/* ---- choices ---- */

/* A step that goes elsewhere (set_target() says where) unless the node can match here. */
static int put_guard(struct path_writer *writer, uint32_t node, const struct path_class *first,
                     bool is_guess, uint32_t *step_index)
{
    struct path_step step = {.code = PATH_TRY_CLASS, .is_guess = is_guess};
    struct literal literal = {.len = 0};
    int rc = flush_save(writer);

    literal_of_node(writer->tree, node, &literal);
    *step_index = writer->path->step_count;
    if (rc != 0 || literal.len < 2)
        return rc != 0 ? rc : put_class_step(writer, first, &step);
    step.code = PATH_TRY_LITERAL;
    rc = put_literal_bytes(writer, literal.bytes, literal.len, &step);
    return rc < 0 ? rc : put_step(writer, &step);
}

/* True when the text at one place may begin both. */
static bool can_both_match(const struct capture_tree *tree, uint32_t a, uint32_t b,
                           const struct path_class *behind)
{
    struct literal literals[2] = {{.len = 0}, {.len = 0}};
    struct path_class first_a = *behind;
    struct path_class first_b = *behind;
    uint32_t shared;

    literal_of_node(tree, a, &literals[0]);
    literal_of_node(tree, b, &literals[1]);
    shared = literals[0].len < literals[1].len ? literals[0].len : literals[1].len;
    if (memcmp(literals[0].bytes, literals[1].bytes, shared) != 0)
        return false;
    first_of_node(tree, a, &first_a);
    first_of_node(tree, b, &first_b);
    return class_meets(&first_a, &first_b);
}

static bool leaves_others_out(const struct capture_tree *tree, uint32_t child,
                              const struct path_class *behind)
{
    for (uint32_t other = tree->nodes[child].next; other; other = tree->nodes[other].next) {
        if (can_both_match(tree, child, other, behind))
            return true;
    }
    return false;
}

/* The alternatives from `child` on. */
static int write_alternatives(struct path_writer *writer, uint32_t child, const struct rest *rest,
                              const struct path_class *behind)
{
    struct path_step jump = {.code = PATH_JUMP};
    struct path_class first = *behind;
    uint32_t guard;
    uint32_t jump_index;
    uint32_t label;
    int rc;

    if (writer->tree->nodes[child].next == 0)
        return write_node(writer, child, rest);
    first_of_node(writer->tree, child, &first);
    rc = put_guard(writer, child, &first, leaves_others_out(writer->tree, child, behind), &guard);
    if (rc == 0)
        rc = write_node(writer, child, rest);
    if (rc == 0)
        rc = flush_save(writer);
    jump_index = writer->path->step_count;
    if (rc == 0)
        rc = put_step(writer, &jump);
    if (rc == 0)
        rc = put_label(writer, &label);
    if (rc != 0)
        return rc;
    set_target(writer, guard, label);
    rc = write_alternatives(writer, writer->tree->nodes[child].next, rest, behind);
    if (rc == 0)
        rc = put_label(writer, &label);
    if (rc == 0)
        set_target(writer, jump_index, label);
    return rc;
}

struct loop {
    uint32_t child;
    struct path_class first;  /* of the child */
    struct path_class around; /* behind one round: another, or what comes then */
    bool is_guess;            /* one round more, where going on might do */
};

static int write_optional(struct path_writer *writer, const struct loop *loop, uint32_t count)
{
    struct rest rest = {.first = &loop->around};
    uint32_t guard;
    uint32_t label;
    int rc;

    if (count == 0)
        return 0;
    rc = put_guard(writer, loop->child, &loop->first, loop->is_guess, &guard);
    if (rc == 0)
        rc = write_node(writer, loop->child, &rest);
    if (rc == 0)
        rc = write_optional(writer, loop, count - 1);
    if (rc == 0)
        rc = put_label(writer, &label);
    if (rc == 0)
        set_target(writer, guard, label);
    return rc;
}

static int write_endless(struct path_writer *writer, const struct loop *loop)
{
    struct path_step jump = {.code = PATH_JUMP};
    struct rest rest = {.first = &loop->around};
    uint32_t guard;
    uint32_t head;
    uint32_t label;
    int rc = put_label(writer, &head);

    if (rc == 0)
        rc = put_guard(writer, loop->child, &loop->first, loop->is_guess, &guard);
    if (rc == 0)
        rc = write_node(writer, loop->child, &rest);
    if (rc == 0)
        rc = flush_save(writer);
    jump.target = (uint16_t)head;
    if (rc == 0)
        rc = put_step(writer, &jump);
    if (rc == 0)
        rc = put_label(writer, &label);
    if (rc == 0)
        set_target(writer, guard, label);
    return rc;
}

static int write_repeat(struct path_writer *writer, const struct capture_node *node,
                        const struct rest *rest)
{
    const struct capture_tree *tree = writer->tree;
    bool endless = node->max == REGEX_INFINITE;
    struct path_class behind;
    struct loop loop = {.child = node->child};
    struct rest inner = {.first = &loop.around};
    int rc = 0;

    if (tree->nodes[node->child].op == CAPTURE_CLASS)
        return write_run(writer, node, rest);
    if (endless && tree->nodes[node->child].nullable)
        return NO_PATH;
    first_of_rest(tree, rest, &behind);
    loop.first = behind;
    first_of_node(tree, node->child, &loop.first);
    loop.around = loop.first;
    class_add(&loop.around, &behind);
    loop.is_guess = class_meets(&loop.first, &behind);
    if (node->lazy && loop.is_guess && node->min != node->max)
        return NO_PATH;
    for (uint32_t i = 0; i < node->min && rc == 0; i++)
        rc = write_node(writer, node->child, &inner);
    if (rc != 0)
        return rc;
    return endless ? write_endless(writer, &loop)
                   : write_optional(writer, &loop, node->max - node->min);
}

/* ---- the others ---- */

static int write_class(struct path_writer *writer, const struct capture_node *node)
{
    struct path_step step = {.code = PATH_ONE, .min = 1, .max = 1};
    struct path_class class;
    uint32_t point;

    if (single_point(writer->tree, node, &point))
        return put_point(writer, point);
    restrict_class(writer, node, 1, 1, &class);
    return put_class_step(writer, &class, &step);
}

static int write_group(struct path_writer *writer, const struct capture_node *node,
                       const struct rest *rest)
{
    int rc = put_save(writer, 2 * node->group);

    if (rc == 0)
        rc = write_node(writer, node->child, rest);
    return rc != 0 ? rc : put_save(writer, 2 * node->group + 1);
}

static int write_node(struct path_writer *writer, uint32_t index, const struct rest *rest)
{
    const struct capture_node *node = &writer->tree->nodes[index];
    struct path_step assertion = {.code = PATH_ASSERT};
    struct path_class behind;
    int rc = 0;

    switch (node->op) {
    case CAPTURE_EMPTY:
        return 0;
    case CAPTURE_CLASS:
        return write_class(writer, node);
    case CAPTURE_ASSERT:
        assertion.assertion = (uint16_t)node->assertion;
        return put_step(writer, &assertion);
    case CAPTURE_CONCAT:
        for (uint32_t at = node->child; at && rc == 0; at = writer->tree->nodes[at].next) {
            struct rest here = {.next = writer->tree->nodes[at].next, .up = rest};

            rc = write_node(writer, at, &here);
        }
        return rc;
    case CAPTURE_ALTERNATE:
        first_of_rest(writer->tree, rest, &behind);
        return write_alternatives(writer, node->child, rest, &behind);
    case CAPTURE_REPEAT:
        return write_repeat(writer, node, rest);
    case CAPTURE_GROUP:
        return write_group(writer, node, rest);
    }
    return NO_PATH;
}

/* ---- the whole ---- */

static void fill_words(struct capture_path *path)
{
    for (uint32_t i = 0; i < path->step_count; i++) {
        struct path_step *step = &path->steps[i];

        if (step->literal_len == 0 || step->literal_len > sizeof step->word)
            continue;
        memcpy(&step->word, path->literals + step->literal, step->literal_len);
        memset(&step->mask, 0xFF, step->literal_len);
    }
}

/* A match may begin only where an ASCII character of a set is, if that is so. */
static int put_starts(struct path_writer *writer)
{
    struct path_class first;
    int64_t index;

    class_fill(&first);
    first_of_node(writer->tree, writer->tree->root, &first);
    for (unsigned i = 0x80; i < 256; i++) {
        if (first.has[i])
            return 0;
    }
    if (first.has_end)
        return 0;
    index = put_class(writer, &first);
    writer->path->has_starts = index >= 0;
    writer->path->starts = (uint16_t)index;
    return index < 0 ? (int)index : 0;
}

static int write_all(struct path_writer *writer)
{
    struct path_step match = {.code = PATH_MATCH};
    int rc = write_node(writer, writer->tree->root, NULL);

    if (rc == 0)
        rc = flush_save(writer);
    if (rc == 0)
        rc = put_step(writer, &match);
    if (rc == 0)
        rc = put_starts(writer);
    if (rc == 0)
        fill_words(writer->path);
    return rc;
}

int capture_path_new(const struct capture_tree *tree, struct capture_path **out)
{
    struct path_writer writer = {.tree = tree, .path = calloc(1, sizeof *writer.path)};
    int rc = writer.path ? 0 : -ENOMEM;

    if (rc == 0) {
        writer.path->slot_count = 2 * (tree->group_count + 1);
        writer.path->is_anchored = tree->is_anchored;
        writer.pending_save = writer.path->slot_count;
        rc = tree->node_count <= CAPTURE_PATH_NODES_MAX ? write_all(&writer) : NO_PATH;
    }
    if (rc != 0) {
        capture_path_free(writer.path);
        writer.path = NULL;
    }
    *out = writer.path;
    return rc < 0 ? rc : 0;
}

void capture_path_free(struct capture_path *path)
{
    if (!path)
        return;
    free(path->steps);
    free(path->classes);
    free(path->literals);
    free(path);
}
