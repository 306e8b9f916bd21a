/* SPDX-License-Identifier: MPL-2.0
 *
 * match_random.h - random rules and messages out of small vocabularies, so that they often meet.
 *
 * Place:   tests/unit/matcher and tests/fuzz/fuzz_match.c. All randomness comes from a seed or from
 *          bytes.
 * Threads: one owner.
 */
#ifndef TESTS_MATCH_RANDOM_H
#define TESTS_MATCH_RANDOM_H

#include "tests/unit/matcher/match_messages.h"

enum { MATCH_RULE_SIZE = 4096 };

struct match_random {
    uint64_t state;
    const uint8_t *bytes; /* used first, while there are any */
    size_t size;
};

uint32_t match_random_below(struct match_random *random, uint32_t limit);

/* A rule that parses. */
void match_random_rule(struct match_random *random, char text[MATCH_RULE_SIZE]);

/* An expression in RE2's syntax without slashes. */
void match_random_regex(struct match_random *random, char *text, size_t size);

/* A value for it: few letters, some UTF-8, some bytes that are not. Returns its length. */
size_t match_random_value(struct match_random *random, char *text, size_t size);
void match_random_message(struct match_random *random, struct match_message *message);

#endif
