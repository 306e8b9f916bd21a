/* SPDX-License-Identifier: MPL-2.0 */
#include "core/toml_text.h"

#include <string.h>

enum { TOML_FOUND_MAX = 32 }; /* bytes of the text that an error shows */

static bool in_environment(struct toml *toml)
{
    while (toml->span_index < toml->span_count && toml->spans[toml->span_index].end <= toml->pos)
        toml->span_index++;
    return toml->span_index < toml->span_count && toml->spans[toml->span_index].start <= toml->pos;
}

void toml_next(struct toml *toml)
{
    int c = toml_peek(toml);
    bool ends_line = c == '\n';
    if (c == '\r')
        ends_line = toml->pos + 1 >= toml->len || toml->text[toml->pos + 1] != '\n';
    if (ends_line && !in_environment(toml))
        toml->line++;
    toml->pos++;
}

void toml_skip_blanks(struct toml *toml)
{
    while (toml_is_blank(toml_peek(toml)))
        toml_next(toml);
}

void toml_skip_line(struct toml *toml)
{
    while (!toml_is_line_end(toml_peek(toml)))
        toml_next(toml);
}

const char *toml_copy(struct toml *toml, const char *text, size_t len)
{
    return conf_text(toml->doc, text, len);
}

/* ---- errors ---- */

static int fail_args(struct toml *toml, const char *format, va_list args)
{
    if (toml->failed_line != toml->line) {
        char text[ERR_TEXT_SIZE];
        vsnprintf(text, sizeof(text), format, args);
        err_at(toml->err, toml->doc->file, toml->line, "%s", text);
    }
    toml->failed = true;
    toml->failed_line = toml->line;
    return -1;
}

int toml_fail(struct toml *toml, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_args(toml, format, args);
    va_end(args);
    return -1;
}

/* What stands at pos: the end, an invisible byte, or a word. */
static void describe_found(const struct toml *toml, char *found, size_t size)
{
    int c = toml_peek(toml);
    size_t len = 0;
    while (toml->pos + len < toml->len && len < TOML_FOUND_MAX) {
        int next = (unsigned char)toml->text[toml->pos + len];
        if (toml_is_blank(next) || toml_is_line_end(next) || toml_is_control(next))
            break;
        len++;
    }
    while (toml->pos + len < toml->len && (toml->text[toml->pos + len] & 0xc0) == 0x80 && len > 1)
        len--; /* not in the middle of a character */
    if (c == TOML_END)
        snprintf(found, size, "the end of the file");
    else if (toml_is_line_end(c))
        snprintf(found, size, "the end of the line");
    else if (toml_is_control(c))
        snprintf(found, size, "the byte 0x%02x", (unsigned)c);
    else
        snprintf(found, size, "'%.*s'", (int)len, toml->text + toml->pos);
}

int toml_fail_found(struct toml *toml, const char *format, ...)
{
    char expected[ERR_TEXT_SIZE / 2];
    char found[TOML_FOUND_MAX + 8];
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof(expected), format, args);
    va_end(args);
    describe_found(toml, found, sizeof(found));
    return toml_fail(toml, "expected %s, found %s", expected, found);
}

/* ---- recovery ---- */

/* True when the line at pos has '=' outside of strings and comments: a key, no array item. */
static bool is_assignment(const struct toml *toml)
{
    int quote = 0;
    for (size_t i = toml->pos; i < toml->len && !toml_is_line_end((unsigned char)toml->text[i]);
         i++) {
        int c = (unsigned char)toml->text[i];
        if (quote == '"' && c == '\\')
            i++;
        else if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '=' || c == '#')
            return c == '=';
    }
    return false;
}

/* True when the line at pos, which begins with '[', can be a header and no nested array. */
static bool is_header(const struct toml *toml)
{
    const char *from = toml->text + toml->pos + 1;
    size_t left = toml->len - toml->pos - 1;
    size_t len = 0;
    if (left == 0 || strchr("-0123456789", from[0]) != NULL)
        return false;
    while (len < left && strchr("[],\"'\r\n", from[len]) == NULL)
        len++;
    if (len == 0 || len == left || from[len] != ']')
        return false;
    bool is_word =
        (len == 4 && memcmp(from, "true", 4) == 0) || (len == 5 && memcmp(from, "false", 5) == 0);
    return !is_word;
}

bool toml_at_statement(const struct toml *toml)
{
    return toml_peek(toml) == '[' ? is_header(toml) : is_assignment(toml);
}

enum array_line { ARRAY_ITEMS, ARRAY_END, ARRAY_OTHER };

static enum array_line classify_array_line(const struct toml *toml)
{
    int c = toml_peek(toml);
    if (c == ']')
        return ARRAY_END;
    if (c == '\n' || c == '\r' || c == '#')
        return ARRAY_ITEMS;
    if (c == TOML_END || c == 0 || strchr("[\"'-,0123456789", c) == NULL)
        return ARRAY_OTHER;
    return toml_at_statement(toml) ? ARRAY_OTHER : ARRAY_ITEMS;
}

void toml_skip_array(struct toml *toml)
{
    toml_skip_line(toml);
    while (toml->pos < toml->len) {
        struct toml before = *toml;
        toml_next(toml); /* the line end */
        toml_skip_blanks(toml);
        enum array_line line = classify_array_line(toml);
        if (line == ARRAY_OTHER)
            *toml = before;
        else
            toml_skip_line(toml);
        if (line != ARRAY_ITEMS)
            return;
    }
}
