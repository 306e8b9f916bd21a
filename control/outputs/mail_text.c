/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/mail_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    LINE_LEN_MAX = 78,   /* RFC 5322 2.1.1 */
    WORD_TEXT_MAX = 63,  /* of 75 characters, RFC 2047 2 */
    BODY_LINE_BYTES = 57 /* 76 characters */
};
static const char name[] = "Subject";
static const char word_head[] = " =?utf-8?", word_end[] = "?=";

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_group(char out[4], const uint8_t *bytes, size_t size)
{
    uint32_t bits = (uint32_t)bytes[0] << 16 | (size > 1 ? (uint32_t)bytes[1] << 8 : 0) |
                    (size > 2 ? bytes[2] : 0);
    out[0] = base64_digits[bits >> 18];
    out[1] = base64_digits[bits >> 12 & 63];
    out[2] = size > 1 ? base64_digits[bits >> 6 & 63] : '=';
    out[3] = size > 2 ? base64_digits[bits & 63] : '=';
}

static int append_base64(struct buffer *out, const uint8_t *bytes, size_t size)
{
    int rc = buffer_reserve(out, (size + 2) / 3 * 4);
    if (rc != 0)
        return rc;
    for (size_t at = 0; at < size; at += 3, out->size += 4)
        base64_group(out->data + out->size, bytes + at, size - at);
    return 0;
}

int mail_append_body(struct buffer *out, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    int rc = 0;
    for (size_t done = 0; done < size && rc == 0; done += BODY_LINE_BYTES) {
        size_t line = size - done < BODY_LINE_BYTES ? size - done : BODY_LINE_BYTES;
        if (done > 0)
            rc = buffer_append(out, "\r\n", 2);
        if (rc == 0)
            rc = append_base64(out, at + done, line);
    }
    return rc;
}

/* ---- the subject ---- */

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xC0) == 0x80;
}

/* Bytes of the character at `text`; a byte that begins none is one of its own. */
static size_t character_size(const char *text, size_t len)
{
    size_t size = 1;
    if (((uint8_t)text[0] & 0xC0) != 0xC0)
        return 1;
    while (size < len && size < 4 && is_continuation(text[size]))
        size++;
    return size;
}

/* How many bytes of whole characters fit into `limit` digits of base64. */
static size_t fit_base64(const char *text, size_t len, size_t limit)
{
    size_t room = limit / 4 * 3, at = 0, size;
    while (at < len && at + (size = character_size(text + at, len - at)) <= room)
        at += size;
    return at;
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '=' && c != '?' && c != '_';
}

static size_t fit_quoted(const char *text, size_t len, size_t limit)
{
    size_t at = 0, used = 0;
    while (at < len) {
        size_t size = character_size(text + at, len - at);
        size_t needed = is_plain(text[at]) ? 1 : size * 3;
        if (used + needed > limit)
            break;
        used += needed;
        at += size;
    }
    return at;
}

static int append_quoted(struct buffer *out, const char *text, size_t len)
{
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++) {
        if (text[i] == ' ')
            rc = buffer_append(out, "_", 1);
        else if (is_plain(text[i]))
            rc = buffer_append(out, &text[i], 1);
        else
            rc = buffer_printf(out, "=%02X", (unsigned)(uint8_t)text[i]);
    }
    return rc;
}

/* One encoded word, of the encoding that takes more of the text. */
static int append_word(struct buffer *out, const char *text, size_t len, size_t limit,
                       size_t *taken)
{
    size_t in_base64 = fit_base64(text, len, limit), quoted = fit_quoted(text, len, limit);
    bool is_quoted = quoted >= in_base64;
    *taken = is_quoted ? quoted : in_base64;
    int rc = buffer_printf(out, "%s%s?", word_head, is_quoted ? "Q" : "B");
    if (rc == 0)
        rc = is_quoted ? append_quoted(out, text, quoted)
                       : append_base64(out, (const uint8_t *)text, in_base64);
    return rc == 0 ? buffer_append_text(out, word_end) : rc;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

int mail_append_subject(struct buffer *out, const char *subject)
{
    size_t len = strlen(subject), head_len = strlen(name) + 1, done = 0, taken;
    if (len + head_len + 1 <= LINE_LEN_MAX && is_printable(subject))
        return buffer_printf(out, "%s: %s", name, subject);
    int rc = buffer_printf(out, "%s:", name);
    while (rc == 0 && done < len) {
        size_t limit = LINE_LEN_MAX - head_len - strlen(word_head) - 2 - strlen(word_end);
        limit = limit < WORD_TEXT_MAX ? limit : WORD_TEXT_MAX;
        if (done > 0)
            rc = buffer_append_text(out, "\r\n");
        if (rc == 0)
            rc = append_word(out, subject + done, len - done, limit, &taken);
        done += rc == 0 ? taken : 0;
        head_len = 0;
    }
    return rc;
}

int mail_append_head(struct buffer *out, const struct mail_head *head)
{
    int rc = buffer_printf(out, "From: %s\r\nTo: ", head->sender);
    for (size_t i = 0; i < head->receiver_count && rc == 0; i++)
        rc = buffer_printf(out, "%s%s", i > 0 ? ",\r\n " : "", head->receivers[i]);
    if (rc == 0)
        rc = buffer_append_text(out, "\r\n");
    if (rc == 0)
        rc = mail_append_subject(out, head->subject);
    if (rc == 0)
        rc = buffer_append_text(out, "\r\nMIME-Version: 1.0\r\n"
                                     "Content-Type: text/plain; charset=\"utf-8\"\r\n"
                                     "Content-Transfer-Encoding: base64\r\n\r\n");
    return rc;
}
