/* SPDX-License-Identifier: MPL-2.0
 *
 * mail_text.h - a mail as text: headers with an encoded subject, body in base64.
 *
 * Place:   smtp_output.c.
 * Threads: no state.
 * Failure: -ENOMEM, -ENOSPC from the buffer.
 * Source:  RFC 5322, RFC 2045, RFC 2047; the layout is Heka 0.11's, with a To header and a correct
 *          Q encoding.
 */
#ifndef CONTROL_OUTPUTS_MAIL_TEXT_H
#define CONTROL_OUTPUTS_MAIL_TEXT_H

#include "core/buffer.h"

struct mail_head {
    const char *sender, *subject;
    const char *const *receivers;
    size_t receiver_count;
};

/* All headers and the empty line behind them. */
int mail_append_head(struct buffer *out, const struct mail_head *head);

/* "Subject: ..." without a line end; encoded when it is not printable ASCII or too long. */
int mail_append_subject(struct buffer *out, const char *subject);

/* The body: base64 in lines of 76 characters, CR LF between them. */
int mail_append_body(struct buffer *out, const void *bytes, size_t size);

#endif
