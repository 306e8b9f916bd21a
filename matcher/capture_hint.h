/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_hint.h - the part of an expression that tells best whether it can match at all.
 *
 * Place:   capture_set.c, when it compiles: looking for one literal of each expression costs the
 *          pass over a text a fraction of what looking for whole expressions does.
 * Threads: any, no state.
 * Memory:  allocates for its own use.
 * Failure: -ENOMEM.
 */
#ifndef MATCHER_CAPTURE_HINT_H
#define MATCHER_CAPTURE_HINT_H

#include "matcher/regex.h"

enum {
    CAPTURE_HINT_LETTERS_MIN = 2, /* shorter literals are everywhere */
    CAPTURE_HINT_LETTER_MAX = 3   /* characters in one place: "k" of (?i) has three */
};

/* For each expression a part of its concatenation that every match contains: the literal that the
 * fewest other expressions have, and of those the longest; the whole expression when the literal is
 * one of many; count 0 when looking for it is not worth it. */
int capture_hints(const struct regex *const *expressions, uint32_t count, struct regex_span *hints);

/* True when a text that is not valid UTF-8 has to be repaired before the hint is looked for. */
bool capture_hint_wants_utf8(const struct regex_span *hint);

#endif
