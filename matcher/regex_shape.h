/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_shape.h - what kind of pattern an expression needs.
 *
 * Place:   regex_emit.c, regex_pcre.c, gate_expr.c and scan_db.c decide by it how to write a
 *          pattern. docs/formats/matcher.md has the arguments.
 * Threads: any, no state.
 */
#ifndef MATCHER_REGEX_SHAPE_H
#define MATCHER_REGEX_SHAPE_H

#include "matcher/regex.h"

enum {
    REGEX_SPELLED_MAX = 8, /* characters beyond ASCII that a byte pattern spells out in one class */
    REGEX_ROUGH_REPEAT_MAX = 4
};

struct regex_class_shape {
    uint32_t high_count; /* members beyond ASCII */
    bool has_ascii;
    bool has_replacement; /* U+FFFD, which invalid bytes read as */
    bool is_wide;         /* all characters beyond ASCII */
};

struct regex_class_shape regex_class_shape_of(const struct regex *regex,
                                              const struct regex_node *node);

struct regex_shape {
    /* Matching byte by byte gives the same answer as character by character, for every value, valid
     * UTF-8 or not. */
    bool is_byte_safe;
    /* A pattern of bytes can say the same for values that are valid UTF-8. */
    bool is_scannable;
    /* \A only in front and \z only at the end, so that a separator can stand for them. */
    bool is_batchable;
    uint32_t exact_weight; /* parts of the pattern for Hyperscan, with {n,m} written out */
    uint32_t rough_weight; /* the same for REGEX_ROUGHLY */
};

struct regex_shape regex_shape_of(const struct regex_span *span);

#endif
