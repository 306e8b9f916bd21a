/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/stats/golden_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *golden_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    long end = ftell(file);
    rewind(file);
    char *data = calloc(1, (size_t)(end < 0 ? 0 : end) + 1);
    *size = data == NULL ? 0 : fread(data, 1, (size_t)end, file);
    fclose(file);
    return data;
}

struct out {
    char *bytes;
    size_t size, used;
};

static int put(struct out *out, const char *bytes, size_t len)
{
    if (out->size - out->used < len)
        return -1;
    memcpy(out->bytes + out->used, bytes, len);
    out->used += len;
    return 0;
}

/* Behind "\{". Returns the text behind "}", or NULL. */
static const char *put_repeated(struct out *out, const char *text)
{
    char *colon;
    unsigned long times = strtoul(text, &colon, 10);
    const char *end = strchr(colon, '}');
    if (*colon != ':' || end == NULL)
        return NULL;
    for (unsigned long i = 0; i < times; i++) {
        if (put(out, colon + 1, (size_t)(end - colon - 1)) != 0)
            return NULL;
    }
    return end + 1;
}

/* Behind a "\". Returns the text behind the escape, or NULL. */
static const char *put_escape(struct out *out, const char *text)
{
    static const char names[] = "trn\\", values[] = "\t\r\n\\";
    if (*text == '{')
        return put_repeated(out, text + 1);
    if (*text == 'x') {
        const char hex[3] = {text[1], text[1] == '\0' ? '\0' : text[2], '\0'};
        char byte = (char)strtoul(hex, NULL, 16);
        return strlen(hex) == 2 && put(out, &byte, 1) == 0 ? text + 3 : NULL;
    }
    const char *name = *text == '\0' ? NULL : strchr(names, *text);
    return name != NULL && put(out, &values[name - names], 1) == 0 ? text + 1 : NULL;
}

long golden_unescape(const char *text, char *bytes, size_t size)
{
    struct out out = {bytes, size, 0};
    while (text != NULL && *text != '\0') {
        if (*text == '\\')
            text = put_escape(&out, text + 1);
        else if (put(&out, text, 1) == 0)
            text++;
        else
            text = NULL;
    }
    return text == NULL ? -1 : (long)out.used;
}

void golden_escape(const char *bytes, size_t len, char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < len && at + 5 < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c > 0x7e || c == '\\')
            at += (size_t)snprintf(text + at, size - at, "\\x%02x", c);
        else
            text[at++] = (char)c;
    }
    text[at] = '\0';
}
