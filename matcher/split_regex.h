/* SPDX-License-Identifier: MPL-2.0
 *
 * split_regex.h - expressions for splitters: the first match in a stream that comes in pieces.
 *
 * Place:   hosts of codec/splitter.h give split_regexes_compile() as their hook.
 * Threads: expressions are immutable once compiled, and shared; a search belongs to one thread.
 * Memory:  compiling allocates, searching does not.
 * Failure: compiling adds to err: RE2 refuses the expression, or it is too large for a stream.
 * Source:  RE2's and Go's meaning of a match, by the machine of capture_run.h, which stops where
 *          the bytes end and goes on there: a search looks at no byte twice, whatever it is for.
 */
#ifndef MATCHER_SPLIT_REGEX_H
#define MATCHER_SPLIT_REGEX_H

#include "core/err.h"
#include "core/split_expression.h"

enum {
    SPLIT_REGEX_STEPS_MAX = 2048, /* bounds the time for a byte */
    SPLIT_REGEX_CELLS_MAX = 65536 /* words of a search's state */
};

struct split_regexes { /* of one host; zero-initialise */
    struct split_regex **items;
    uint32_t count;
};

/* `regexes` is a struct split_regexes. The same text again gives the same expression. 0, or -1
 * after adding to err. */
int split_regexes_compile(void *regexes, const char *text, struct split_expression *expression,
                          struct err *err);
void split_regexes_fini(struct split_regexes *regexes); /* zeroed is fine */

#endif
