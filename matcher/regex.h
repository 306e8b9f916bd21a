/* SPDX-License-Identifier: MPL-2.0
 *
 * regex.h - regular expressions in RE2's syntax as a tree.
 *
 * Place:   rule_parse.c parses; regex_emit.c writes the tree for PCRE2 and Hyperscan, regex_run.c
 *          runs it directly, regex_form.c finds out whether it is a plain string test.
 * Threads: a parsed tree is immutable and may be shared.
 * Memory:  regex_parse() allocates the whole tree, regex_free() frees it.
 * Failure: what RE2 refuses is refused (look-around, back references, possessive and atomic groups,
 *          unknown escapes, repeats over 1000), with the byte position and what was expected.
 * Source:  RE2's syntax as Go's regexp/syntax has it (Perl flags), which Heka used.
 *          Greediness, capture groups and order of alternatives do not matter to a yes-or-no match
 *          and are checked but not kept.
 */
#ifndef MATCHER_REGEX_H
#define MATCHER_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "matcher/code_points.h"

enum {
    REGEX_LEN_MAX = 8192,
    REGEX_DEPTH_MAX = 100,    /* nested groups */
    REGEX_REPEAT_MAX = 1000,  /* n and m of {n,m}, and the product of nested ones */
    REGEX_WEIGHT_MAX = 20000, /* nodes after writing out {n,m}; bounds compile time and matching */
    REGEX_RANGES_MAX = 65536, /* of all character classes together */
    REGEX_INFINITE = UINT32_MAX /* max of * + {n,} */
};

enum regex_op {
    REGEX_EMPTY,
    REGEX_CLASS, /* one character out of ranges[range_first ..+ range_count]; 0 ranges: never */
    REGEX_CONCAT,
    REGEX_ALTERNATE,
    REGEX_REPEAT, /* child min..max times */
    REGEX_BEGIN_TEXT,
    REGEX_END_TEXT,
    REGEX_BEGIN_LINE,
    REGEX_END_LINE,
    REGEX_WORD_BOUNDARY, /* ASCII words */
    REGEX_NO_WORD_BOUNDARY
};

struct regex_node {
    enum regex_op op;
    uint32_t child; /* first child, 0: none */
    uint32_t next;  /* next sibling, 0: none */
    uint32_t min, max;
    uint32_t range_first, range_count;
    uint32_t product; /* of nested {n,m} */
    uint32_t weight;  /* nodes after writing out {n,m} */
    bool nullable;    /* matches the empty string, looking at no assertion */
    bool asserts;     /* has ^ $ \A \z \b \B inside */
};

struct regex {
    struct regex_node *nodes; /* nodes[0] is unused */
    uint32_t node_count;
    uint32_t root;
    struct code_points pool; /* ranges of all classes, each class sorted */
    char *text;              /* as given, NUL-terminated */
    size_t text_len;
};

/* Neighbours in a tree, one behind the other: the root, or some children of a REGEX_CONCAT. */
struct regex_span {
    const struct regex *regex;
    uint32_t first; /* node */
    uint32_t count;
};

static inline struct regex_span regex_whole(const struct regex *regex)
{
    return (struct regex_span){regex, regex->root, 1};
}

struct regex_fault {
    size_t position; /* byte in the text */
    char text[120];
};

/* Returns 0, -EINVAL with *fault filled, or -ENOMEM. */
int regex_parse(const char *text, size_t len, struct regex **out, struct regex_fault *fault);
void regex_free(struct regex *regex);

#endif
