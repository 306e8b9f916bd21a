/* SPDX-License-Identifier: MPL-2.0
 *
 * rule_store.h - the matchers of all filters and outputs, compiled once for both processes.
 *
 * Place:   plan_writer.c writes it beside the plan for the data plane, producer_plan.c gives it to
 *          hekad's own producers. Bytes: docs/formats/matcher.md.
 * Threads: open and write [main]; the rule set is immutable, references [any].
 * Memory:  counted references; the instances that it was made for keep one.
 * Failure: a cached set that is not as it should be is compiled anew; compiling says which plugin's
 *          matcher is bad, with file and line.
 */
#ifndef CONTROL_RULE_STORE_H
#define CONTROL_RULE_STORE_H

#include "matcher/database.h"

struct instances;
struct rule_store;

enum { RULE_STORE_NAME_SIZE = 64 };

struct rule_store_status {
    unsigned rules; /* with those of free slots */
    size_t bytes;   /* saved */
    enum ruleset_origin origin;
    uint64_t ready_ns;    /* time that compiling or loading took */
    uint64_t compilations, cache_hits, unsaved; /* of this process, over all stores */
    uint64_t files_written; /* databases for the data plane */
    uint64_t files_again;   /* of these, in place of one that was gone or not as it should be */
};

/* Makes the folder of the cache in base_dir, for an ordinary start. -check leaves it alone. 0, or
 * -1: there is no cache, which is logged. */
int rule_store_make_cache(const char *base_dir);

/* A reference to the set of the instances' matchers at their slots. The same one as long as no slot
 * changes. 0, or -1 after adding to `err`. */
int rule_store_open(const struct instances *instances, struct rule_store **out, struct err *err);
struct rule_store *rule_store_get(struct rule_store *store);
void rule_store_put(struct rule_store *store); /* NULL is fine */

/* The instances keep theirs no longer: another generation is in force. */
void rule_store_forget(const struct instances *instances);

const struct ruleset *rule_store_rules(const struct rule_store *store);
/* Name of its file in a run directory, and ruleset_digest() of what is in it. */
const char *rule_store_file(const struct rule_store *store);
const char *rule_store_digest(const struct rule_store *store);

/* Sees to it that the file is in `dir` with the right bytes. 0, or -1 after adding to `err`. */
int rule_store_write(struct rule_store *store, const char *dir, struct err *err);
/* Removes databases in `dir` but that of `keep` (NULL: all). */
void rule_store_sweep(const char *dir, const struct rule_store *keep);

void rule_store_status(const struct rule_store *store, struct rule_store_status *status);

#endif
