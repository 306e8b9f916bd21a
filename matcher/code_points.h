/* SPDX-License-Identifier: MPL-2.0
 *
 * code_points.h - sets of Unicode code points as sorted ranges.
 *
 * Place:   regex_parse.c builds one for each character class; regex_emit.c and regex_run.c read
 *          them.
 * Threads: a set belongs to one thread; code_points_property() and code_points_fold() may be called
 *          from any thread (their tables are built once, under a lock).
 * Memory:  a set grows on the heap; code_points_fini() frees it. The property tables stay until
 *          exit.
 * Failure: -ENOMEM; -ENOENT for a property that does not exist.
 */
#ifndef MATCHER_CODE_POINTS_H
#define MATCHER_CODE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CODE_POINT_MAX = 0x10FFFF };

struct code_range {
    uint32_t low;
    uint32_t high; /* inclusive */
};

/* Zero-initialise. */
struct code_points {
    struct code_range *ranges;
    uint32_t count;
    uint32_t capacity;
};

void code_points_fini(struct code_points *set);

int code_points_add(struct code_points *set, uint32_t low, uint32_t high);
int code_points_add_all(struct code_points *set, const struct code_points *other);

/* Sorts, joins neighbours. Everything below expects a set in this form and leaves it so. */
void code_points_normalise(struct code_points *set);
int code_points_negate(struct code_points *set);
bool code_points_contain(const struct code_range *ranges, uint32_t count, uint32_t code);

/* Adds every code point that differs from a member only by (simple) case folding, as (?i) does: k
 * adds K and U+212A. */
int code_points_fold(struct code_points *set);

/* Adds the code points of a general category ("L", "Lu") or script ("Greek") by the names that RE2
 * accepts, or of "Any". */
int code_points_property(struct code_points *set, const char *name, size_t name_len);

#endif
