/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_set.h - many expressions with captures: which match a text, and what they cut out.
 *
 * Place:   behind PayloadRegexDecoder and MultiDecoder. One Hyperscan pass finds out which
 *          expressions can match (by a rare literal of each, where there is one); those are then
 *          tried one by one, each along its first choices (capture_path.c), by PCRE2-JIT when that
 *          is not enough, and without backtracking (capture_run.c) when PCRE2 reaches its limits.
 *          docs/formats/capture.md has the arguments and the figures.
 * Threads: a compiled set is immutable and shared; a scratch belongs to one thread.
 * Memory:  adding, compiling and scratch allocate, matching does not, but see regex_match.h.
 * Failure: capture_set_match() says -E2BIG, and counts it, when no engine came to an answer.
 */
#ifndef MATCHER_CAPTURE_SET_H
#define MATCHER_CAPTURE_SET_H

#include "core/buffer.h"
#include "core/captures.h"
#include "matcher/regex.h"
#include "matcher/scan_db.h"

enum {
    CAPTURE_SET_MAX = 4096, /* expressions of one set */
    CAPTURE_SCAN_MIN = 3,   /* fewer are tried without a pass before */
    CAPTURE_SHARED_MAX = 8  /* literals of more expressions do not tell much */
};

struct capture_set;
struct capture_scratch;

int capture_set_new(struct capture_set **out);
void capture_set_free(struct capture_set *set);

/* The number of the new expression; -EINVAL with *fault filled (RE2 refuses it, or too large),
 * -E2BIG: CAPTURE_SET_MAX, -ENOMEM. Not after capture_set_compile(). */
int64_t capture_set_add(struct capture_set *set, const char *text, size_t len,
                        struct regex_fault *fault);

/* Groups of an expression; count 0 when it has none. Valid as long as the set. */
struct capture_names capture_set_names(const struct capture_set *set, uint32_t index);

/* Compiles, or takes what capture_set_save() wrote for the same expressions from `saved` (may be
 * NULL). 0, -ENOMEM, -E2BIG (too much together), -EPROTO: `saved` is not that, or of another
 * machine. */
int capture_set_compile(struct capture_set *set, struct scan_reader *saved);
int capture_set_save(const struct capture_set *set, struct buffer *out);

int capture_scratch_new(const struct capture_set *set, struct capture_scratch **out);
void capture_scratch_free(struct capture_scratch *scratch);

/* What the scratch knows of a text (by its place in memory) is kept for the next call, so that many
 * expressions on one text need one pass. Call this when the memory may hold another text. */
void capture_scratch_forget(struct capture_scratch *scratch);

/* One expression: 1 and `*values` (one for each group; valid until the next match), 0, or
 * -E2BIG. */
int capture_set_match(const struct capture_set *set, struct capture_scratch *scratch,
                      uint32_t index, struct msg_slice text, const struct msg_slice **values);

/* The first expression from `from` on that may match, or -1 when there is none. */
int64_t capture_set_next(const struct capture_set *set, struct capture_scratch *scratch,
                         uint32_t from, struct msg_slice text);

struct capture_stats { /* of one scratch, since it was made */
    uint64_t scans;
    uint64_t paths, pcres, runs; /* answers by each engine */
    uint64_t limits;             /* no answer */
};
struct capture_stats capture_scratch_stats(const struct capture_scratch *scratch);

#endif
