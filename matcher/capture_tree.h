/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_tree.h - an expression in RE2's syntax with all that captures depend on: groups, the
 *                  order
 * of alternatives, greediness.
 *
 * Place:   capture_set.c parses; capture_pcre.c, capture_run.c and capture_path.c are built from
 *          it. regex.h has the tree for yes-or-no matching, and decides what is an expression at
 *          all.
 * Threads: a parsed tree is immutable and may be shared.
 * Memory:  capture_tree_new() allocates the whole tree, capture_tree_free() frees it.
 * Failure: -EINVAL with the position and what was expected, -ENOMEM.
 */
#ifndef MATCHER_CAPTURE_TREE_H
#define MATCHER_CAPTURE_TREE_H

#include "core/captures.h"
#include "matcher/regex.h"

enum {
    CAPTURE_WEIGHT_MAX = 2 * REGEX_WEIGHT_MAX,
    CAPTURE_SLOTS_MAX = 2 * (CAPTURES_MAX + 1) + 1 /* room for the slots of any expression */
};

#define CAPTURE_UNSET UINT32_MAX /* slot of a group that took no part */

enum capture_op {
    CAPTURE_EMPTY,
    CAPTURE_CLASS,
    CAPTURE_ASSERT,
    CAPTURE_CONCAT,
    CAPTURE_ALTERNATE, /* earlier ones are preferred */
    CAPTURE_REPEAT,    /* child min..max times, more are preferred unless `lazy` */
    CAPTURE_GROUP      /* child, and where it begins and ends */
};

struct capture_node {
    enum capture_op op;
    enum regex_op assertion; /* CAPTURE_ASSERT */
    uint32_t child;          /* first child, 0: none */
    uint32_t next;           /* next sibling, 0: none */
    uint32_t min, max;       /* REGEX_INFINITE: no limit */
    uint32_t range_first, range_count;
    uint32_t group;  /* from 1 */
    uint32_t weight; /* nodes after writing out {n,m} */
    bool lazy;
    bool nullable; /* matches the empty string, looking at no assertion */
};

struct capture_tree {
    struct capture_node *nodes; /* nodes[0] is unused */
    uint32_t node_count;
    uint32_t root;
    struct regex *classes; /* owner of the ranges; regex.h's tree of the same text */
    struct regex *regex;   /* the whole expression, for yes-or-no matching */
    uint32_t group_count;
    char *names[CAPTURES_MAX];
    bool is_anchored; /* matches at the begin of the text only */
    bool
        has_nullable_loop; /* an endless repetition of what may be empty: engines differ on those */
};

/* 0, -EINVAL with *fault filled, or -ENOMEM. */
int capture_tree_new(const char *text, size_t len, struct capture_tree **out,
                     struct regex_fault *fault);
void capture_tree_free(struct capture_tree *tree);

/* NULL when there are none. */
static inline const struct code_range *capture_ranges(const struct capture_tree *tree,
                                                      const struct capture_node *node)
{
    return node->range_count > 0 ? tree->classes->pool.ranges + node->range_first : NULL;
}

#endif
