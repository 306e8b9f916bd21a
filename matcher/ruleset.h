/* SPDX-License-Identifier: MPL-2.0
 *
 * ruleset.h - the message matchers of all filters and outputs, answered together.
 *
 * Place:   hekad checks and compiles rules; every producer of messages matches once, at the lane.
 * Threads: a rule set is immutable after compiling and shared; a scratch belongs to one thread.
 * Memory:  compile and scratch allocate; matching does not, except for values over 64 KiB that are
 *          not UTF-8 (regex_match.h).
 * Failure: a rule that does not parse is an error with position and what was expected; nothing of
 *          the set is usable then.
 * Source:  Heka 0.11 message_matcher (docs/formats/matcher.md).
 */
#ifndef MATCHER_RULESET_H
#define MATCHER_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/message.h"

struct rule_text {
    const char *name;   /* the plugin, for error texts */
    const char *text;   /* message_matcher */
    const char *signer; /* message_signer, or NULL: any */
};

enum { RULESET_RULES_MAX = 16384 };

struct ruleset;
struct ruleset_scratch;

int ruleset_compile(const struct rule_text *rules, size_t count, struct ruleset **out,
                    struct err *err);
void ruleset_free(struct ruleset *set);
size_t ruleset_count(const struct ruleset *set);

/* What Heka passes over in silence in a rule, and this program follows
 * (docs/decisions/0004-matcher-quirks.md): for the log, and for `hekad -check`. */
struct ruleset_note {
    const char *name;  /* of the rule */
    uint32_t position; /* byte of its text, from 0 */
    const char *text;
};
size_t ruleset_notes(const struct ruleset *set, const struct ruleset_note **notes);

int ruleset_scratch_new(const struct ruleset *set, struct ruleset_scratch **out);
void ruleset_scratch_free(struct ruleset_scratch *scratch);

/* Expressions that were given up at a limit so far (they count as not matching); 0 in good
 * health. */
uint64_t ruleset_scratch_limits(const struct ruleset_scratch *scratch);

/* Which rules accept which messages: bit r of masks[m * mask_words + r / 64] is set when rule r
 * accepts messages[m]. mask_words is at least (rules + 63) / 64; all words are written.
 * `signers[m]` is the authenticated signer's name or NULL; `signers` itself may be NULL. */
void ruleset_match(const struct ruleset *set, struct ruleset_scratch *scratch,
                   const struct msg_view *messages, const char *const *signers, unsigned count,
                   uint64_t *masks, size_t mask_words);

#endif
