/* SPDX-License-Identifier: MPL-2.0
 *
 * explain.h - why a rule accepts a message or not: every test with the value that it saw.
 *
 * Place:   `hekad explain RULE MESSAGE`, the dashboard; cold paths.
 * Threads: any, no state.
 * Memory:  allocates while it runs; what the callback gets is valid during the call.
 * Failure: -EINVAL with a text in err when the rule does not parse, -ENOMEM, the buffer's errors.
 */
#ifndef MATCHER_EXPLAIN_H
#define MATCHER_EXPLAIN_H

#include "core/buffer.h"
#include "core/err.h"
#include "core/message.h"
#include "matcher/rule_parse.h"
#include "matcher/rule_value.h"

enum explain_outcome {
    EXPLAIN_FALSE,
    EXPLAIN_TRUE,
    EXPLAIN_UNUSED /* decided before; `result` says what it would have been */
};

struct explain_test {
    const char *text; /* as in the rule, not NUL-terminated */
    size_t len;
    enum explain_outcome outcome;
    bool result;
    const struct rule_test *test;
    const struct rule_value *value; /* of the variable */
};

typedef void explain_fn(void *context, const struct explain_test *test);

/* Calls `each` for every test in the order of the text; *matches gets the answer of the rule. */
int explain_rule(const char *rule, const struct msg_view *message, explain_fn *each, void *context,
                 bool *matches, struct err *err);

/* The same as lines of text, with what Heka would have passed over in silence, and the answer. */
int explain_text(const char *rule, const struct msg_view *message, struct buffer *out,
                 struct err *err);

#endif
