/* SPDX-License-Identifier: MPL-2.0
 *
 * message_read.h - messages that people write: the JSON of message_json.h, and KEY=VALUE.
 *
 * Place:   `hekad explain`, tests; cold paths.
 * Threads: any, no state.
 * Memory:  allocates while it runs; the message is appended to `out`, whose limit is the message's.
 * Failure: a text in err that says where and what is allowed; then `out` is as it was.
 */
#ifndef CODEC_MESSAGE_READ_H
#define CODEC_MESSAGE_READ_H

#include "core/buffer.h"
#include "core/err.h"

enum { MESSAGE_READ_DEPTH_MAX = 32 }; /* objects and arrays within each other */

/* Takes the first JSON object of `text` and appends its message as protobuf. *used is set to the
 * bytes that were read; call again behind them. 1: a message; 0: nothing but blanks is left, or the
 * object was no message but the ledger that `heka-dataplane --replay` ends with; -1: an error.
 * Members are those of message_json.h, in any order, all of them optional: the Uuid is then zero,
 * and so is the Timestamp. The line of `--replay`, which has the message in its member "message",
 * is taken, too. A double that is null becomes NaN. */
int message_read_json(const char *text, size_t len, size_t *used, struct buffer *out,
                      struct err *err);

/* One message from texts "Type=x", "Severity=3", "Fields[name]=value". What a field's value is, its
 * form says, as in a rule: TRUE and FALSE are booleans, 200 and 1.5 numbers, '200' and anything
 * else a text. A name that comes again is another field of that name; a member must not come
 * again. 0 or -1. */
int message_read_pairs(const char *const *pairs, size_t count, struct buffer *out,
                       struct err *err);

#endif
