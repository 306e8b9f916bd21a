/* SPDX-License-Identifier: MPL-2.0
 *
 * message_revise.h - a message with other members and the fields that it had.
 *
 * Place:   decoders that find members in a payload: syslog_decoder.c, json_decoder.c;
 *          message_template.c writes fields with it.
 * Threads: no state outside the caller's.
 * Memory:  slices are borrowed; nothing allocates.
 * Failure: the builder's: it runs out of room.
 */
#ifndef CODEC_MESSAGE_REVISE_H
#define CODEC_MESSAGE_REVISE_H

#include "core/message.h"

struct message_members { /* a slice without ptr: the message has none */
    const uint8_t *uuid;
    int64_t timestamp_ns;
    struct msg_slice type, logger, payload, env_version, hostname;
    int32_t severity, pid;
    bool has_severity, has_pid;
};

/* Those of `message`. */
struct message_members message_members_of(const struct msg_view *message);

/* A configured text as the slice that sets a member; "" leaves `old`. */
struct msg_slice message_member_text(const char *text, struct msg_slice old);

/* In the order of message.proto. */
void message_members_write(const struct message_members *members, struct msg_builder *builder);

/* All fields of `message` as they are. */
void message_fields_copy(const struct msg_view *message, struct msg_builder *builder);

#endif
