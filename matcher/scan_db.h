/* SPDX-License-Identifier: MPL-2.0
 *
 * scan_db.h - which of many expressions match a value: one pass with Hyperscan.
 *
 * Place:   one for each variable of a rule set that expressions look at. An expression that
 *          Hyperscan takes only roughly (prefilter) is confirmed by PCRE2-JIT when it hits; one
 *          that it does not take at all is run by PCRE2-JIT on every value.
 * Threads: a database is immutable and shared; a scratch belongs to one thread.
 * Memory:  scan_db_run() allocates nothing, but see regex_match.h.
 * Failure: -ENOMEM, -E2BIG (too much for one variable). While matching, an expression that finds
 *          no answer within its limits counts as "does not match" and in the scratch.
 */
#ifndef MATCHER_SCAN_DB_H
#define MATCHER_SCAN_DB_H

#include <stdbool.h>

#include "core/buffer.h"
#include "matcher/fires.h"
#include "matcher/regex.h"

/* Parts of patterns, with {n,m} written out: Hyperscan's time to compile grows with them. A larger
 * expression is scanned for roughly, or not at all. */
enum {
    SCAN_WEIGHT_MAX = 300,    /* of one expression */
    SCAN_WEIGHTS_MAX = 200000 /* of all expressions on one variable */
};

struct scan_source {
    struct regex_span span;
    bool utf8; /* needs values that are valid UTF-8 */
    struct fire_list fires;
};

struct scan_db;
struct scan_scratch;

/* Serialised databases, read one after the other. */
struct scan_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* Compiles, or takes what scan_db_save() wrote for the same sources from `saved` (may be NULL).
 * -EPROTO: not that, or for another processor or version of Hyperscan. */
int scan_db_new(const struct scan_source *sources, uint32_t count, struct scan_reader *saved,
                struct scan_db **out);
void scan_db_free(struct scan_db *db);
int scan_db_save(const struct scan_db *db, struct buffer *out);

enum scan_engine {
    SCAN_EXACT,   /* Hyperscan */
    SCAN_CONFIRM, /* Hyperscan, and PCRE2 when that hits */
    SCAN_ALWAYS,  /* PCRE2 */
    SCAN_ENGINES
};
enum scan_engine scan_db_engine(const struct scan_db *db, uint32_t index);

int scan_scratch_new(struct scan_scratch **out);
void scan_scratch_free(struct scan_scratch *scratch);
/* Makes the scratch fit for `db`; call it once for each database. */
int scan_scratch_fit(struct scan_scratch *scratch, const struct scan_db *db);
uint64_t scan_scratch_limits(const struct scan_scratch *scratch);

/* Sets the bits of every expression that matches the value. */
void scan_db_run(const struct scan_db *db, struct scan_scratch *scratch, const char *text,
                 size_t len, const struct fire *fires, uint64_t *words);

/* One expression of SCAN_CONFIRM or SCAN_ALWAYS by PCRE2. */
void scan_db_confirm(const struct scan_db *db, struct scan_scratch *scratch, uint32_t index,
                     const char *text, size_t len, const struct fire *fires, uint64_t *words);

#endif
