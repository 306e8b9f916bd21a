/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_match.h - one expression against one value, with an answer in bounded time.
 *
 * Place:   evaluate.c for every expression, scan_db.c for those that Hyperscan does not answer
 *          alone. PCRE2-JIT has the first try; what reaches its limits goes to regex_run.c.
 * Threads: a matcher is immutable and shared; a scratch belongs to one thread.
 * Memory:  regex_match() allocates only to repair a value over REGEX_REPAIR_SIZE bytes that is not
 *          UTF-8 for an expression that needs it.
 * Failure: regex_match() counts what even regex_run() gave up, and says "no match".
 */
#ifndef MATCHER_REGEX_MATCH_H
#define MATCHER_REGEX_MATCH_H

#include "matcher/regex_pcre.h"
#include "matcher/regex_run.h"

enum { REGEX_REPAIR_SIZE = 64 * 1024 };

struct regex_matcher;

struct regex_match_scratch {
    struct regex_pcre_scratch *pcre;
    struct regex_run_scratch run;
    char *repaired;
    size_t repaired_size;
    uint64_t limits; /* values given up */
};

int regex_matcher_new(const struct regex_span *span, struct regex_matcher **out);
void regex_matcher_free(struct regex_matcher *matcher);

/* Zeroed scratch; fini is fine after a failure. */
int regex_match_scratch_init(struct regex_match_scratch *scratch);
int regex_match_scratch_fit(struct regex_match_scratch *scratch,
                            const struct regex_matcher *matcher);
void regex_match_scratch_fini(struct regex_match_scratch *scratch);

/* Puts a copy in the scratch in place of a value that is not UTF-8. False when memory is out, which
 * is counted. */
bool regex_match_repair(struct regex_match_scratch *scratch, const char **value, size_t *len);

bool regex_match(const struct regex_matcher *matcher, struct regex_match_scratch *scratch,
                 const char *value, size_t len);

#endif
