/* SPDX-License-Identifier: MPL-2.0
 *
 * split_expression.h - where an expression matches in a stream, for those who know no engine.
 *
 * Place:   matcher/split_regex.c fills it in, codec's splitters use it; whoever owns both
 *          (dataplane, control) hands it from one to the other.
 * Threads: an expression is immutable and shared; a search belongs to one thread.
 * Memory:  a search's state is the caller's.
 */
#ifndef CORE_SPLIT_EXPRESSION_H
#define CORE_SPLIT_EXPRESSION_H

#include "core/message.h"

struct split_match { /* positions in the bytes that were searched */
    size_t start, end;
    size_t capture_start, capture_end; /* of group 1; SIZE_MAX when it took no part */
};

enum { SPLIT_SEARCH_HEAD = 16 }; /* a new search's state begins with that many zeros */

struct split_expression { /* compiled */
    const void *context;
    unsigned group_count;
    bool matches_empty; /* can match without taking a character */
    size_t search_size; /* of a search's state, a multiple of 16 */
    /* The first match in `bytes`: 1, or 0 when there is none, which without `is_end` is: yet, the
     * next call brings the same bytes and more. A match is given only when no byte behind these
     * could change it. All calls of one search together take time linear in the bytes. Behind a
     * match the state is of no use but to be made a new one. */
    int (*find)(const void *context, void *search, struct msg_slice bytes, bool is_end,
                struct split_match *match);
};

#endif
