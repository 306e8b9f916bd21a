/* SPDX-License-Identifier: MPL-2.0
 *
 * message_write.h - what write_message of a sandbox does, without Lua.
 *
 * Place:   the host of decoders and encoders in sandboxes.
 * Threads: no state outside the caller's.
 * Memory:  nothing allocates; arguments must not point into the message.
 * Failure: a negative code and a reason for the log; the message is as it was.
 * Source:  Heka 0.11 write_message. A field of type INTEGER takes whole numbers and one of BYTES
 *          takes strings, which Heka refused.
 */
#ifndef CODEC_MESSAGE_WRITE_H
#define CODEC_MESSAGE_WRITE_H

#include "codec/time_parser.h"
#include "core/msg_edit.h"

enum message_write_kind { WRITE_NIL, WRITE_STRING, WRITE_NUMBER, WRITE_BOOL };

struct message_write {     /* the arguments */
    struct msg_slice name; /* "Type", "Fields[name]", ... */
    enum message_write_kind kind;
    struct msg_slice string;
    double number;
    bool boolean;
    struct msg_slice representation; /* "" when it was not given */
    uint32_t field_index, value_index;
    bool has_value_index; /* nil deletes a value, not the field */
};

/* `times` reads a Timestamp that is no integer (NULL: none is taken); `now_ns` completes its date.
 * 0, or negative and *reason is a text. */
int message_write(struct msg_edit *edit, const struct message_write *write,
                  const struct time_parser *times, int64_t now_ns, const char **reason);

#endif
