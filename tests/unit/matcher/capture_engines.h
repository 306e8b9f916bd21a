/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_engines.h - one expression on every engine that gives captures.
 *
 * Place:   tests/unit/matcher and tests/fuzz/fuzz_capture.c.
 * Threads: one owner.
 */
#ifndef TESTS_CAPTURE_ENGINES_H
#define TESTS_CAPTURE_ENGINES_H

#include "core/buffer.h"
#include "matcher/capture_path.h"
#include "matcher/capture_pcre.h"
#include "matcher/capture_run.h"
#include "matcher/capture_set.h"

struct capture_engines { /* zero-initialise */
    struct capture_tree *tree;
    struct capture_path *path;
    struct capture_pcre *ascii_pcre, *utf8_pcre; /* NULL when it may not be asked */
    struct capture_pcre_scratch *pcre_scratch;
    struct capture_program *program;
    struct capture_run_scratch run_scratch;
    struct capture_set *set; /* of this expression alone */
    struct capture_scratch *scratch;
};

enum { CAPTURE_NO_ANSWER = 3 };

/* 0 or a negative error of capture_tree_new(). */
int capture_engines_init(struct capture_engines *engines, const char *text, size_t len,
                         struct regex_fault *fault);
void capture_engines_fini(struct capture_engines *engines);

/* 1, 0 or CAPTURE_NO_ANSWER (limit, or not for this text). */
int capture_by_path(struct capture_engines *engines, const char *text, size_t len, uint32_t *slots);
int capture_by_pcre(struct capture_engines *engines, bool utf8, const char *text, size_t len,
                    uint32_t *slots);
int capture_by_run(struct capture_engines *engines, const char *text, size_t len, uint32_t *slots);
int capture_by_set(struct capture_engines *engines, const char *text, size_t len, uint32_t *slots);

/* All engines agree with capture_by_run(), as far as they answer; else false and the name of the
 * first that does not. Counts the answers of paths. */
bool capture_engines_agree(struct capture_engines *engines, const char *text, size_t len,
                           const char **culprit, uint64_t *path_answers);

/* "-" or "0,5,-1,-1". */
void capture_slots_text(int result, const uint32_t *slots, uint32_t count, struct buffer *out);

#endif
