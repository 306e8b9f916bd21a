/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_assert.h - whether ^ $ \A \z \b \B hold between two characters.
 *
 * Place:   regex_run.c, capture_run.c; capture_path.c has its own for bytes.
 * Threads: no state.
 * Source:  RE2: \b knows ASCII words only.
 */
#ifndef MATCHER_REGEX_ASSERT_H
#define MATCHER_REGEX_ASSERT_H

#include "matcher/regex.h"

enum { REGEX_EDGE = CODE_POINT_MAX + 1 }; /* "the character" at either end of the text */

static inline bool regex_is_word(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
           (point >= 'a' && point <= 'z') || point == '_';
}

static inline bool regex_assertion_holds(enum regex_op assertion, uint32_t before, uint32_t after)
{
    bool is_boundary = regex_is_word(before) != regex_is_word(after);

    switch (assertion) {
    case REGEX_BEGIN_TEXT:
        return before == REGEX_EDGE;
    case REGEX_END_TEXT:
        return after == REGEX_EDGE;
    case REGEX_BEGIN_LINE:
        return before == REGEX_EDGE || before == '\n';
    case REGEX_END_LINE:
        return after == REGEX_EDGE || after == '\n';
    case REGEX_WORD_BOUNDARY:
        return is_boundary;
    default:
        return !is_boundary;
    }
}

#endif
