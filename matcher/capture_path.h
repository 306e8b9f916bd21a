/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_path.h - captures in one pass, along the first choices.
 *
 * Place:   capture_set.c, before any other engine. Log lines are separators with fields between,
 *          and their expressions say so: at nearly each place the next byte tells how it goes on. A
 *          path is the expression as a list of steps, each of which takes as much as the expression
 *          prefers (`[^"]*` to the quote, 32 bytes at a time). When all steps succeed, the way was
 *          the one that is preferred to all others, which is what leftmost-first means; when one
 *          fails and some step before had another way to go, the answer is left to the other
 *          engines.
 * Threads: a path is immutable and shared.
 * Memory:  building allocates, matching does not.
 * Failure: matching says CAPTURE_PATH_UNKNOWN; building gives NULL for what is not of that kind.
 */
#ifndef MATCHER_CAPTURE_PATH_H
#define MATCHER_CAPTURE_PATH_H

#include "matcher/capture_tree.h"

enum { CAPTURE_PATH_STEPS_MAX = 1024, CAPTURE_PATH_NODES_MAX = 1000 };

enum { CAPTURE_PATH_NO = 0, CAPTURE_PATH_MATCH = 1, CAPTURE_PATH_UNKNOWN = 2 };

struct capture_path;

/* 0 and a path, or NULL when the expression has none; -ENOMEM. */
int capture_path_new(const struct capture_tree *tree, struct capture_path **out);
void capture_path_free(struct capture_path *path);

/* True when the path is for texts of ASCII only. The others take any bytes. */
bool capture_path_wants_ascii(const struct capture_path *path);

/* One of the results above; on a match `slots` are filled as capture_run() does. */
int capture_path_match(const struct capture_path *path, const char *text, size_t len,
                       uint32_t *slots);

#endif
