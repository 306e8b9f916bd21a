/* SPDX-License-Identifier: MPL-2.0
 *
 * message_template.h - message_fields: a copy of a message with some members set from texts with
 * %Name% in them.
 *
 * Place:   payload_regex.c, scribble_decoder.c.
 * Threads: a template is immutable and may be shared.
 * Memory:  message_template_new() allocates, writing does not.
 * Failure: DECODE_E_PID, DECODE_E_SEVERITY, DECODE_E_UUID, DECODE_E_ROOM.
 * Source:  Heka 0.11. Logger, Type, Payload, Hostname, Pid, Severity and Uuid are members of the
 *          message; any other key, "name" or "name|representation", appends a string field. Pid may
 *          have a fraction, which is cut off. A %Name% that nothing is known of becomes <Name>.
 */
#ifndef CODEC_MESSAGE_TEMPLATE_H
#define CODEC_MESSAGE_TEMPLATE_H

#include "core/buffer.h"
#include "core/captures.h"
#include "core/conf.h"

struct message_template;

/* `table` may be NULL (no changes). `names` NULL: texts are taken as they are. A name that is equal
 * to `consumed` (may be NULL) counts as unknown. Borrows nothing. 0, or -1 after adding to err. */
int message_template_new(const struct conf_node *table, const struct capture_names *names,
                         const char *consumed, struct message_template **out, struct err *err);
void message_template_free(struct message_template *template);

/* Decimal digits with or without a sign, within 32 bits. */
bool message_template_number(const char *text, size_t len, int32_t *number);

struct message_changes { /* beside those of the template */
    int64_t timestamp_ns;
    int32_t severity; /* unless the template has one */
    bool has_severity;
};

/* Writes `message` with the changes. `values`: one for each name. 0, or DECODE_E_* and a text in
 * `reason` unless that is NULL. */
int message_template_write(const struct message_template *template, const struct msg_view *message,
                           const struct msg_slice *values, const struct message_changes *changes,
                           struct msg_builder *builder, struct buffer *reason);

#endif
