/* SPDX-License-Identifier: MPL-2.0
 *
 * splitter_expression.h - what the splitters that work with expressions share.
 *
 * Place:   regex_splitter.c and pattern_splitter.c.
 * Threads: no state outside the caller's.
 */
#ifndef CODEC_SPLITTER_EXPRESSION_H
#define CODEC_SPLITTER_EXPRESSION_H

#include <string.h>

#include "codec/splitter.h"
#include "core/check.h"

enum { SPLIT_DELIMITER_MAX = 1024 }; /* bytes of a delimiter behind the largest record */

static inline int split_compile(const struct splitter_host *host, const char *key,
                                const char *regex, struct split_expression *expression,
                                struct err *err)
{
    struct err reason = {0};
    if (host->compile == NULL)
        return err_add(err, "%s: no expressions here", key);
    if (host->compile(host->context, regex, expression, &reason) != 0)
        return err_add(err, "%s: %s", key, reason.texts[0]);
    CHECK(expression->search_size >= SPLIT_SEARCH_HEAD && expression->search_size % 16 == 0);
    return 0;
}

static inline int split_find(const struct split_expression *expression, void *search,
                             struct msg_slice bytes, bool is_end, struct split_match *match)
{
    return expression->find(expression->context, search, bytes, is_end, match);
}

static inline void split_search_again(void *search)
{
    memset(search, 0, SPLIT_SEARCH_HEAD);
}

#endif
