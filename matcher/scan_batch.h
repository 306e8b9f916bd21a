/* SPDX-License-Identifier: MPL-2.0
 *
 * scan_batch.h - one pass of Hyperscan over many short values.
 *
 * Place:   ruleset_match.c, for the values of one variable in a burst of messages. A scan costs
 *          about 40 ns before it looks at the first byte; of values of 120 bytes against 376
 *          expressions one took 87 ns alone and 37 ns in a batch of 32 (Hyperscan 5.4, AVX-512).
 *          The values stand in one text, each between two bytes that UTF-8 does not have; patterns
 *          say those where expressions say \A and \z.
 * Threads: a batch is immutable and shared; a scratch belongs to one thread.
 * Memory:  running does not allocate.
 * Failure: -ENOMEM; those of scan_db_new() for saved bytes.
 */
#ifndef MATCHER_SCAN_BATCH_H
#define MATCHER_SCAN_BATCH_H

#include "matcher/scan_db.h"

enum {
    SCAN_BATCH_MAX = 32,       /* values of one pass */
    SCAN_BATCH_VALUE_MAX = 512 /* bytes; longer values gain nothing */
};

struct scan_value {
    const char *text;
    size_t len;
    uint64_t *words; /* where its bits are set */
};

struct scan_batch;
struct scan_batch_scratch;

/* For a database of the same sources. *out is NULL when they cannot be scanned so: an expression
 * that has \A or \z inside, or that Hyperscan does not take. `saved` as in scan_db_new(). */
int scan_batch_new(const struct scan_source *sources, uint32_t count, const struct scan_db *db,
                   struct scan_reader *saved, struct scan_batch **out);
void scan_batch_free(struct scan_batch *batch);
int scan_batch_save(const struct scan_batch *batch, struct buffer *out); /* NULL is fine */

int scan_batch_scratch_new(struct scan_batch_scratch **out);
void scan_batch_scratch_free(struct scan_batch_scratch *scratch);
int scan_batch_scratch_fit(struct scan_batch_scratch *scratch, const struct scan_batch *batch);

/* As scan_db_run() for each value; at most SCAN_BATCH_MAX of them. `batch` may be NULL. */
void scan_batch_run(const struct scan_batch *batch, struct scan_batch_scratch *scratch,
                    const struct scan_db *db, struct scan_scratch *single,
                    const struct scan_value *values, unsigned count, const struct fire *fires);

#endif
