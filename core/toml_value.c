/* SPDX-License-Identifier: MPL-2.0 */
#include "core/toml_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

/* ---- strings ---- */

/* Bytes up to the closing quote, or -1. */
static ssize_t string_len(const struct toml *toml, int quote)
{
    for (size_t i = toml->pos; i < toml->len; i++) {
        int c = (unsigned char)toml->text[i];
        if (c == quote)
            return (ssize_t)(i - toml->pos);
        if (toml_is_line_end(c))
            return -1;
        if (c == '\\' && quote == '"' && i + 1 < toml->len && toml->text[i + 1] == quote)
            i++;
        else if (c == '\\' && quote == '"' && i + 1 < toml->len && toml->text[i + 1] == '\\')
            i++;
    }
    return -1;
}

static size_t put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | (code >> 6));
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | (code >> 12));
    out[1] = (char)(0x80 | ((code >> 6) & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

/* XXXX of a \u escape: its value, or -1. */
static int hex_code(const char *digits, size_t len)
{
    int code = 0;
    if (len < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        static const char hex[] = "0123456789abcdef";
        const char *digit = memchr(hex, digits[i] | 0x20, sizeof(hex) - 1);
        if (digit == NULL || digits[i] < '0')
            return -1;
        code = code * 16 + (int)(digit - hex);
    }
    return code;
}

static size_t put_unicode(struct toml *toml, const char *digits, size_t len, char *out,
                          size_t *out_len)
{
    int code = hex_code(digits, len);
    if (code < 0) {
        toml_fail(toml, "found '\\u%.*s' in a string, expected four hexadecimal digits after \\u",
                  (int)(len < 4 ? len : 4), digits);
        return 0;
    }
    if (code >= 0xd800 && code <= 0xdfff)
        toml_fail(toml,
                  "found '\\u%.4s' in a string, which is half a character: write the "
                  "character itself",
                  digits);
    *out_len += put_utf8(out + *out_len, (unsigned)code);
    return 4;
}

/* One escape; `from` is after the backslash. Returns the bytes used. */
static size_t put_escape(struct toml *toml, const char *from, size_t len, char *out,
                         size_t *out_len)
{
    static const char names[] = "btnfr\"/\\";
    static const char bytes[] = "\b\t\n\f\r\"/\\";
    if (*from == 'u')
        return 1 + put_unicode(toml, from + 1, len - 1, out, out_len);
    const char *name = memchr(names, *from, sizeof(names) - 1);
    if (name != NULL)
        out[(*out_len)++] = bytes[name - names];
    else
        toml_fail(toml,
                  "found '\\%c' in a string, expected one of \\b \\t \\n \\f \\r \\\" \\/ "
                  "\\\\ \\uXXXX, or '...' for text as it stands",
                  *from > ' ' && *from < 0x7f ? *from : '?');
    return 1;
}

/* Text between the quotes to `out`, which has room for `len`; returns the length. */
static size_t decode_string(struct toml *toml, size_t len, bool is_raw, char *out)
{
    const char *from = toml->text + toml->pos;
    size_t out_len = 0;
    for (size_t i = 0; i < len;) {
        int c = (unsigned char)from[i++];
        if (toml_is_control(c))
            toml_fail(toml, "found the byte 0x%02x in a string, expected text (or \\u%04x)",
                      (unsigned)c, (unsigned)c);
        if (c == '\\' && !is_raw)
            i += put_escape(toml, from + i, len - i, out, &out_len);
        else
            out[out_len++] = (char)c;
    }
    return out_len;
}

static struct conf_node *parse_string(struct toml *toml, int quote)
{
    toml_next(toml); /* the quote */
    ssize_t len = string_len(toml, quote);
    if (len < 0) {
        toml_fail(toml, "found a string without its closing %c in the same line", quote);
        return NULL;
    }
    if (len == 0 && toml->pos + 1 < toml->len && toml->text[toml->pos + 1] == quote) {
        toml_fail(toml, "found %c%c%c: strings of several lines do not exist here", quote, quote,
                  quote);
        return NULL;
    }
    char *text = conf_alloc(toml->doc, (size_t)len + 1);
    struct conf_node *node = conf_node_new(toml->doc, CONF_STRING, toml->line);
    if (text == NULL || node == NULL)
        return NULL;
    node->str = text;
    node->str_len = decode_string(toml, (size_t)len, quote == '\'', text);
    for (ssize_t i = 0; i <= len; i++)
        toml_next(toml);
    return node;
}

/* ---- words: numbers, dates, booleans ---- */

static size_t digits_len(const char *text)
{
    return strspn(text, "0123456789");
}

static bool is_integer(const char *word)
{
    const char *digits = word + (*word == '-');
    size_t len = digits_len(digits);
    return len > 0 && digits[len] == '\0';
}

static bool is_float(const char *word)
{
    const char *digits = word + (*word == '-');
    size_t len = digits_len(digits);
    if (len == 0 || digits[len] != '.')
        return false;
    const char *fraction = digits + len + 1;
    size_t fraction_len = digits_len(fraction);
    return fraction_len > 0 && fraction[fraction_len] == '\0';
}

static bool is_date(const char *word)
{
    static const char pattern[] = "0000-00-00T00:00:00Z";
    size_t i = 0;
    for (; pattern[i] != '\0' && word[i] != '\0'; i++) {
        bool is_digit = word[i] >= '0' && word[i] <= '9';
        if (pattern[i] == '0' ? !is_digit : word[i] != pattern[i])
            return false;
    }
    return pattern[i] == word[i];
}

static int number_at(const char *digits, size_t len)
{
    int number = 0;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (digits[i] - '0');
    return number;
}

/* timegm() makes a date that does not exist one that does: all parts must come back the same. */
static int date_ns(const char *word, int64_t *ns)
{
    struct tm tm = {.tm_year = number_at(word, 4) - 1900,
                    .tm_mon = number_at(word + 5, 2) - 1,
                    .tm_mday = number_at(word + 8, 2),
                    .tm_hour = number_at(word + 11, 2),
                    .tm_min = number_at(word + 14, 2),
                    .tm_sec = number_at(word + 17, 2)};
    struct tm asked = tm;
    int64_t seconds = timegm(&tm);
    if (tm.tm_mon != asked.tm_mon || tm.tm_mday != asked.tm_mday || tm.tm_hour != asked.tm_hour ||
        tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec)
        return -1;
    return __builtin_mul_overflow(seconds, (int64_t)CLOCK_NS_PER_S, ns) ? -1 : 0;
}

static void set_integer(struct toml *toml, struct conf_node *node, const char *word)
{
    errno = 0;
    node->type = CONF_INT;
    node->i = strtoll(word, NULL, 10);
    if (errno == ERANGE)
        toml_fail(toml, "found %.40s, expected an integer from -2^63 to 2^63-1", word);
}

static void set_float(struct toml *toml, struct conf_node *node, const char *word)
{
    node->type = CONF_FLOAT;
    node->d = strtod(word, NULL);
    if (!isfinite(node->d))
        toml_fail(toml, "found %.40s, expected a float of 64 bits", word);
}

static void set_date(struct toml *toml, struct conf_node *node, const char *word)
{
    node->type = CONF_DATE;
    if (date_ns(word, &node->i) != 0)
        toml_fail(toml, "found %s, expected a date that exists, from 1678 to 2261", word);
}

static void set_other(struct toml *toml, struct conf_node *node, const char *word)
{
    node->type = CONF_BOOL;
    node->b = strcmp(word, "true") == 0;
    if (node->b || strcmp(word, "false") == 0)
        return;
    if (strchr("+-.0123456789", word[0]) != NULL)
        toml_fail(toml,
                  "found %.40s, expected a number (digits, with - before and .digits after "
                  "if need be) or a date as 2006-01-02T15:04:05Z",
                  word);
    else
        toml_fail(toml,
                  "found %.40s, expected a value: \"text\", 'text', a number, true, false, "
                  "a date or [ ]",
                  word);
}

static bool is_word_char(int c)
{
    return !toml_is_line_end(c) && !toml_is_blank(c) && !toml_is_control(c) &&
           strchr(",]#", c) == NULL;
}

static struct conf_node *parse_word(struct toml *toml)
{
    size_t start = toml->pos;
    while (is_word_char(toml_peek(toml)))
        toml_next(toml);
    if (toml->pos == start) {
        toml_fail_found(toml, "a value");
        return NULL;
    }
    const char *word = toml_copy(toml, toml->text + start, toml->pos - start);
    struct conf_node *node = conf_node_new(toml->doc, CONF_BOOL, toml->line);
    if (word == NULL || node == NULL)
        return NULL;
    if (is_integer(word))
        set_integer(toml, node, word);
    else if (is_float(word))
        set_float(toml, node, word);
    else if (is_date(word))
        set_date(toml, node, word);
    else
        set_other(toml, node, word);
    return node;
}

/* ---- arrays ---- */

static void skip_between_items(struct toml *toml)
{
    for (;;) {
        int c = toml_peek(toml);
        if (c == '#')
            toml_skip_line(toml);
        else if (c == TOML_END || !(toml_is_blank(c) || toml_is_line_end(c)))
            return;
        else
            toml_next(toml);
    }
}

/* An item that was reported is left out: it has no type that the others could differ from. */
static int add_item(struct toml *toml, struct conf_node *array, unsigned depth)
{
    bool failed_before = toml->failed;
    toml->failed = false;
    struct conf_node *item = toml_value_parse(toml, depth);
    bool is_good = !toml->failed;
    toml->failed = failed_before || !is_good;
    if (item == NULL || !is_good)
        return item != NULL ? 0 : -1;
    if (array->first != NULL && item->type != array->first->type)
        toml_fail(toml,
                  "found an item of type %s in an array that begins with type %s: all must "
                  "be of one type",
                  conf_type_name(item->type), conf_type_name(array->first->type));
    conf_node_append(array, item);
    return 0;
}

/* To the next item or ']'. An array that lost its ']' ends where a line is clearly none of it. */
static int find_item(struct toml *toml, const struct conf_node *array, unsigned *checked_line)
{
    skip_between_items(toml);
    if (toml_peek(toml) == TOML_END)
        return toml_fail_found(toml, "']' for the '[' of line %u", array->line);
    if (toml->line == *checked_line)
        return 0;
    *checked_line = toml->line;
    if (!toml_at_statement(toml))
        return 0;
    toml->is_next_line = true;
    return toml_fail_found(toml, "']' for the '[' of line %u", array->line);
}

static int parse_items(struct toml *toml, struct conf_node *array, unsigned depth)
{
    unsigned checked_line = array->line;
    for (;;) {
        if (find_item(toml, array, &checked_line) != 0)
            return -1;
        if (toml_peek(toml) == ']')
            break;
        if (add_item(toml, array, depth + 1) != 0 || find_item(toml, array, &checked_line) != 0)
            return -1;
        if (toml_peek(toml) == ']')
            break;
        if (toml_peek(toml) != ',')
            return toml_fail_found(toml, "',' or ']' in the array of line %u", array->line);
        toml_next(toml);
    }
    toml_next(toml); /* ']' */
    return 0;
}

static struct conf_node *parse_array(struct toml *toml, unsigned depth)
{
    if (depth >= CONF_DEPTH_MAX) {
        toml_fail(toml, "found more than %d arrays within each other", CONF_DEPTH_MAX);
        return NULL;
    }
    struct conf_node *array = conf_node_new(toml->doc, CONF_ARRAY, toml->line);
    if (array == NULL)
        return NULL;
    toml->in_array = true;
    toml_next(toml); /* '[' */
    if (parse_items(toml, array, depth) != 0)
        return NULL;
    toml->in_array = depth > 0;
    return array;
}

struct conf_node *toml_value_parse(struct toml *toml, unsigned depth)
{
    toml_skip_blanks(toml);
    int c = toml_peek(toml);
    if (c == '"' || c == '\'')
        return parse_string(toml, c);
    if (c == '[')
        return parse_array(toml, depth);
    if (c == '{') {
        toml_fail(toml,
                  "found '{': inline tables do not exist here, expected a [table] of its own");
        return NULL;
    }
    if (toml_is_line_end(c) || c == ',' || c == ']' || c == '#') {
        toml_fail_found(toml, "a value");
        return NULL;
    }
    return parse_word(toml);
}
