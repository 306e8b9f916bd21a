/* SPDX-License-Identifier: MPL-2.0
 *
 * captures.h - what a regular expression cut out of a text, for those who know no engine.
 *
 * Place:   matcher/capture_set.c fills them in, codec/payload_regex.c turns them into a message;
 *          whoever owns both (dataplane, control) hands a capture_source from one to the other.
 * Threads: a source belongs to one thread, as the scratch behind its context does.
 * Memory:  names belong to the expression and live as long; values point into the text that was
 *          matched, and the array is valid until the next match of the same thread.
 */
#ifndef CORE_CAPTURES_H
#define CORE_CAPTURES_H

#include "core/message.h"

enum { CAPTURES_MAX = 128 }; /* groups of one expression */

/* Groups in the order of their opening brackets; one without a name is called by its number from 1,
 * as Heka does ("1", "2"). */
struct capture_names {
    const char *const *items;
    uint32_t count;
};

/* 1 and `*values` (one for each name; ptr NULL and len 0 for a group that took no part), 0 when
 * `text` does not match, -E2BIG when no answer was found within the limits. Never blocks. */
typedef int (*capture_match_fn)(void *context, struct msg_slice text,
                                const struct msg_slice **values);

/* The number of the first expression from `from` on that may match `text`, or -1. */
typedef int64_t (*capture_next_fn)(void *set_context, uint32_t from, struct msg_slice text);

struct capture_source { /* one expression */
    struct capture_names names;
    capture_match_fn match;
    void *context;
    /* Its place among others that are looked for in one pass. NULL: stands alone. */
    capture_next_fn next;
    void *set_context;
    uint32_t index;
};

#endif
