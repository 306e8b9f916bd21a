/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/number.h"

void text_bytes(struct text *text, const void *bytes, size_t size)
{
    if (text->rc == 0)
        text->rc = buffer_append(text->out, bytes, size);
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_slice(struct text *text, struct msg_slice slice)
{
    text_bytes(text, slice.ptr, slice.len);
}

void text_printf(struct text *text, const char *format, ...)
{
    char line[128]; /* for numbers and their like */
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(line))
        text->rc = text->rc != 0 ? text->rc : -EMSGSIZE;
    else
        text_bytes(text, line, (size_t)len);
}

void text_number(struct text *text, const struct msg_value *value)
{
    char number[NUMBER_TEXT_SIZE];
    if (value->type == MSG_INTEGER)
        text_printf(text, "%" PRId64, value->integer);
    else if (value->type == MSG_DOUBLE)
        text_bytes(text, number, number_format_double(value->number, number));
    else
        text_string(text, value->boolean ? "true" : "false");
}

void text_values(struct text *text, const struct msg_field *field,
                 void (*put)(struct text *text, const struct msg_value *value))
{
    struct msg_values values;
    struct msg_value value;
    msg_values_init(&values, field);
    for (const char *comma = ""; msg_values_next(&values, &value); comma = ",") {
        text_string(text, comma);
        put(text, &value);
    }
}

int text_finish(struct text *text)
{
    if (text->rc != 0)
        text->out->size = text->start;
    return text->rc;
}

/* ---- base64 ---- */

void text_base64(struct text *text, struct msg_slice bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    for (size_t left = bytes.len; left > 0;) {
        size_t size = left < 3 ? left : 3;
        uint32_t group =
            (uint32_t)at[0] << 16 | (size > 1 ? (uint32_t)at[1] << 8 : 0) | (size > 2 ? at[2] : 0);
        char quad[4];
        for (unsigned i = 0; i < 4; i++)
            quad[i] = i <= size ? alphabet[group >> (18 - 6 * i) & 63] : '=';
        text_bytes(text, quad, sizeof(quad));
        at += size;
        left -= size;
    }
}

/* ---- JSON strings ---- */

/* Bytes of the character that begins here, 0 when it is not valid UTF-8 (RFC 3629: shortest form,
 * no surrogates, up to U+10FFFF). */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    if (at[0] < 0x80)
        return 1;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

static void put_hex_escape(struct text *text, uint8_t byte)
{
    if (byte < 0x80)
        text_printf(text, "\\u%04x", byte);
    else
        text_string(text, "\xef\xbf\xbd"); /* U+FFFD */
}

static void put_escape(struct text *text, uint8_t byte)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *form = short_forms; *form != '\0'; form += 2) {
        if ((uint8_t)form[0] == byte) {
            const char escape[2] = {'\\', form[1]};
            text_bytes(text, escape, sizeof(escape));
            return;
        }
    }
    put_hex_escape(text, byte);
}

static void put_string(struct text *text, struct msg_slice string,
                       void (*escape)(struct text *text, uint8_t byte))
{
    const uint8_t *at = (const uint8_t *)string.ptr;
    size_t done = 0; /* bytes that are in the text */
    text_string(text, "\"");
    for (size_t i = 0; i < string.len;) {
        size_t size = utf8_size(at + i, string.len - i);
        if (size > 0 && at[i] >= 0x20 && at[i] != '"' && at[i] != '\\') {
            i += size;
            continue;
        }
        text_bytes(text, at + done, i - done);
        escape(text, at[i]);
        done = ++i;
    }
    if (string.len > done)
        text_bytes(text, at + done, string.len - done);
    text_string(text, "\"");
}

void text_json_string(struct text *text, struct msg_slice string)
{
    put_string(text, string, put_escape);
}

void text_json_string_hex(struct text *text, struct msg_slice string)
{
    put_string(text, string, put_hex_escape);
}
