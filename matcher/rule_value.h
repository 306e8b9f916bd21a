/* SPDX-License-Identifier: MPL-2.0
 *
 * rule_value.h - what a variable of a rule is in a message.
 *
 * Place:   evaluate.c and explain.c, test by test. ruleset_match.c reads each message once instead.
 * Threads: any, no state.
 * Memory:  a value borrows the message; the text of a Uuid is inside the value.
 */
#ifndef MATCHER_RULE_VALUE_H
#define MATCHER_RULE_VALUE_H

#include "core/message.h"
#include "matcher/rule_parse.h"

enum rule_value_kind {
    RULE_VALUE_ABSENT, /* no such field, or no such value in it */
    RULE_VALUE_STRING, /* header string, string or bytes field */
    RULE_VALUE_NUMBER,
    RULE_VALUE_BOOLEAN
};

struct rule_value {
    enum rule_value_kind kind;
    const char *text; /* RULE_VALUE_STRING; never NULL then */
    size_t len;
    double number;
    bool boolean;
    char uuid[MSG_UUID_TEXT_LEN];
};

/* Unset header strings are "", Timestamp and Pid 0, Severity 7. */
void rule_value_get(const struct rule_test *test, const struct msg_view *message,
                    struct rule_value *value);

#endif
