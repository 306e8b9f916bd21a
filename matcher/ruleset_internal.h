/* SPDX-License-Identifier: MPL-2.0
 *
 * ruleset_internal.h - what a rule set consists of.
 *
 * Place:   ruleset.c compiles, ruleset_match.c matches, database.c and database_file.c save.
 * Threads: struct ruleset is immutable; a scratch belongs to one thread.
 * Memory:  as ruleset.h says.
 */
#ifndef MATCHER_RULESET_INTERNAL_H
#define MATCHER_RULESET_INTERNAL_H

#include "core/buffer.h"
#include "matcher/match_plan.h"
#include "matcher/ruleset.h"

struct ruleset {
    size_t count;
    struct rule_text *texts; /* own copies */
    struct gates gates;      /* the plan borrows texts from it */
    struct match_plan *plan;
    struct ruleset_note *notes;
    size_t note_count;
};

enum { RULESET_BURST = SCAN_BATCH_MAX /* messages that are matched together */ };

/* What is known about one message of a burst. */
struct ruleset_message {
    uint64_t *state;
    struct msg_slice *values; /* for each scan; ptr NULL: absent */
    char uuid[MSG_UUID_TEXT_LEN];
};

struct ruleset_scratch {
    const struct match_plan *plan;
    struct scan_scratch *scan;
    struct scan_batch_scratch *batch;
    uint32_t *seen; /* for each field name: fields with it so far, of the message at hand */
    uint64_t *states;
    struct msg_slice *values;
    struct ruleset_message messages[RULESET_BURST];
};

/* ruleset_compile(); the databases come from `saved` unless NULL (-EPROTO when they do not fit). */
int ruleset_build(const struct rule_text *rules, size_t count, struct scan_reader *saved,
                  struct ruleset **out, struct err *err);

/* Name, text and signer of each rule, as they are saved. */
int ruleset_append_texts(struct buffer *out, const struct rule_text *rules, size_t count);

#endif
