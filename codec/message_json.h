/* SPDX-License-Identifier: MPL-2.0
 *
 * message_json.h - a message as one line of JSON, for people, tests and `--replay`.
 *
 * Place:   heka-dataplane --replay, tools, golden tests. Text: docs/formats/message.md.
 * Threads: any.
 */
#ifndef CODEC_MESSAGE_JSON_H
#define CODEC_MESSAGE_JSON_H

#include "core/buffer.h"
#include "core/message.h"

/* Appends one JSON object without a newline, inside or at the end. Members in this order, those
 * that the message does not have are left out: Uuid (text), Timestamp (ns), Type, Logger, Severity,
 * Payload, EnvVersion, Pid, Hostname, Fields:
 * [{"name":..,"type":"string|bytes|integer|double|bool","representation":..,"values":[..]}]
 * Strings: a byte that is not valid UTF-8 becomes U+FFFD; bytes: base64; doubles: shortest text
 * that reads back the same, null for infinities and NaN. 0, or -ENOSPC / -ENOMEM and `out` as it
 * was. */
int message_json(const struct msg_view *message, struct buffer *out);

#endif
