/* SPDX-License-Identifier: MPL-2.0
 *
 * text.h - appending to a buffer with one error check at the end.
 *
 * Place:   encoders and message_json.c.
 * Threads: one owner.
 * Failure: after the first error nothing more is appended; text_finish() takes back what was and
 *          returns that error.
 */
#ifndef CODEC_TEXT_H
#define CODEC_TEXT_H

#include "core/buffer.h"
#include "core/message.h"

struct text {
    struct buffer *out;
    size_t start; /* size of `out` at the beginning */
    int rc;
};

static inline struct text text_start(struct buffer *out)
{
    return (struct text){out, out->size, 0};
}

void text_bytes(struct text *text, const void *bytes, size_t size);
void text_string(struct text *text, const char *string);
void text_slice(struct text *text, struct msg_slice slice);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Standard alphabet with padding (RFC 4648 section 4). */
void text_base64(struct text *text, struct msg_slice bytes);
/* A JSON string with its quotes. Any bytes: one that is not part of valid UTF-8 becomes U+FFFD. */
void text_json_string(struct text *text, struct msg_slice string);
/* The same with all escapes as \u00xx, as Heka's Elasticsearch documents have them. */
void text_json_string_hex(struct text *text, struct msg_slice string);

/* An integer, double or bool; a double with the fewest digits that read back as the same. */
void text_number(struct text *text, const struct msg_value *value);
/* All values of a field by `put`, with commas between. */
void text_values(struct text *text, const struct msg_field *field,
                 void (*put)(struct text *text, const struct msg_value *value));

/* 0, or the first error (-ENOSPC, -ENOMEM) and `out` as it was. */
int text_finish(struct text *text);

#endif
