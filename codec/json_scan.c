/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTES(c)  ((uint64_t)(c)*0x0101010101010101u)
#define EXACT_MAX (UINT64_C(1) << 53) /* integers up to here are doubles */

enum { POWERS = 23, WORD = 8, EXPONENT_MAX = 100000 };

/* ---- strings ---- */

/* High bits of the bytes that end a run of plain characters; the lowest is right. */
static inline uint64_t special_bytes(uint64_t word)
{
    uint64_t quote = word ^ BYTES('"');
    uint64_t backslash = word ^ BYTES('\\');
    return (((word - BYTES(0x20)) & ~word) | ((quote - BYTES(1)) & ~quote) |
            ((backslash - BYTES(1)) & ~backslash) | word) &
           BYTES(0x80);
}

static const char *skip_plain(const char *at, const char *end)
{
    while (end - at >= WORD) {
        uint64_t word;
        memcpy(&word, at, WORD);
        uint64_t special = special_bytes(word);
        if (special != 0)
            return at + (unsigned)__builtin_ctzll(special) / 8;
        at += WORD;
    }
    while (at < end && (uint8_t)*at >= 0x20 && (uint8_t)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at `at`, which is not ASCII; 0: it is none. */
static unsigned utf8_len(const char *at, const char *end)
{
    const uint8_t *b = (const uint8_t *)at;
    size_t left = (size_t)(end - at);
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    if (b[0] < 0xe0)
        return left >= 2 && is_tail(b[1]) ? 2 : 0;
    if (left < 3 || !is_tail(b[1]) || !is_tail(b[2]))
        return 0;
    if (b[0] < 0xf0)
        return (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ? 0 : 3;
    if (left < 4 || !is_tail(b[3]))
        return 0;
    return (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f) ? 0 : 4;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        char low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + (low - 'a' + 10);
        else
            return -1;
    }
    return value;
}

struct escape {
    unsigned size;  /* of its text; 0: it is none */
    uint32_t point; /* of Unicode */
};

static struct escape long_escape(const char *at, const char *end)
{
    int32_t high = hex4(at + 2, end);
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
        return (struct escape){0, 0};
    if (high < 0xd800 || high > 0xdfff)
        return (struct escape){6, (uint32_t)high};
    int32_t low = end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8, end) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return (struct escape){0, 0};
    return (struct escape){12,
                           0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00)};
}

/* At a backslash. */
static struct escape read_escape(const char *at, const char *end)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2)
        return (struct escape){0, 0};
    if (at[1] == 'u')
        return long_escape(at, end);
    const char *name = memchr(names, at[1], sizeof(names) - 1);
    if (name == NULL)
        return (struct escape){0, 0};
    return (struct escape){2, (uint8_t)meanings[name - names]};
}

static unsigned point_len(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static unsigned put_point(uint32_t point, uint8_t *bytes)
{
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    unsigned len = point_len(point);
    for (unsigned i = len - 1; i > 0; i--, point >>= 6)
        bytes[i] = (uint8_t)(0x80 | (point & 0x3f));
    bytes[0] = (uint8_t)(leads[len] | point);
    return len;
}

static int fail(struct json_text *text, const char *at, const char **fault, const char *what)
{
    text->at = at;
    *fault = what;
    return JSON_E_SYNTAX;
}

int json_take_string(struct json_text *text, struct json_string *string, const char **fault)
{
    const char *start = text->at + 1;
    const char *at = start;
    size_t saved = 0; /* by writing escapes out */
    for (;;) {
        at = skip_plain(at, text->end);
        if (at == text->end)
            return fail(text, at, fault, "the string does not end");
        if (*at == '"')
            break;
        if (*at == '\\') {
            struct escape escape = read_escape(at, text->end);
            if (escape.size == 0)
                return fail(text, at, fault, "bad escape");
            saved += escape.size - point_len(escape.point);
            at += escape.size;
        } else {
            unsigned len = (uint8_t)*at < 0x20 ? 0 : utf8_len(at, text->end);
            if (len == 0)
                return fail(text, at, fault,
                            (uint8_t)*at < 0x20 ? "control character in a string" : "not UTF-8");
            at += len;
        }
    }
    string->raw = (struct msg_slice){start, (uint32_t)(at - start)};
    string->len = string->raw.len - (uint32_t)saved;
    text->at = at + 1;
    return 0;
}

void json_string_write(const struct json_string *string, void *bytes)
{
    const char *at = string->raw.ptr;
    const char *end = at + string->raw.len;
    uint8_t *out = bytes;
    while (at < end) {
        const char *backslash =
            string->len < string->raw.len ? memchr(at, '\\', (size_t)(end - at)) : NULL;
        size_t plain = (size_t)((backslash != NULL ? backslash : end) - at);
        memcpy(out, at, plain);
        at += plain;
        out += plain;
        if (at < end) {
            struct escape escape = read_escape(at, end);
            at += escape.size;
            out += put_point(escape.point, out);
        }
    }
}

/* ---- numbers ---- */

struct digits { /* of a number, as an integer times a power of ten */
    uint64_t mantissa;
    int64_t exponent;
    bool is_negative, is_integer;
    bool is_cut; /* the mantissa has not all digits */
};

/* At least one digit. */
static bool take_digits(struct json_text *text, struct digits *digits, bool is_fraction)
{
    const char *start = text->at;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        uint64_t digit = (uint64_t)(*text->at - '0');
        uint64_t next;
        if (digits->is_cut || __builtin_mul_overflow(digits->mantissa, 10, &next) ||
            __builtin_add_overflow(next, digit, &next)) {
            digits->is_cut = true;
        } else {
            digits->mantissa = next;
            digits->exponent -= is_fraction;
        }
    }
    return text->at > start;
}

static bool take_exponent(struct json_text *text, struct digits *digits)
{
    int64_t exponent = 0;
    bool is_negative = false;
    if (text->at == text->end || (*text->at != 'e' && *text->at != 'E'))
        return true;
    text->at++;
    digits->is_integer = false;
    if (!json_take(text, '+'))
        is_negative = json_take(text, '-');
    const char *start = text->at;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*text->at - '0');
    }
    digits->exponent += is_negative ? -exponent : exponent;
    return text->at > start;
}

static bool take_number(struct json_text *text, struct digits *digits)
{
    *digits = (struct digits){.is_integer = true};
    digits->is_negative = json_take(text, '-');
    const char *start = text->at;
    if (!take_digits(text, digits, false) || (*start == '0' && text->at > start + 1))
        return false;
    if (json_take(text, '.')) {
        digits->is_integer = false;
        if (!take_digits(text, digits, true))
            return false;
    }
    return take_exponent(text, digits);
}

/* A product or quotient of two numbers that are doubles is rounded once, so it is right (W. D.
 * Clinger, "How to read floating point numbers accurately", 1990). */
static bool round_fast(const struct digits *digits, double *number)
{
    static const double powers[POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (digits->is_cut || digits->mantissa > EXACT_MAX || digits->exponent <= -POWERS ||
        digits->exponent >= POWERS)
        return false;
    double mantissa = (double)digits->mantissa;
    *number = digits->exponent < 0 ? mantissa / powers[-digits->exponent]
                                   : mantissa * powers[digits->exponent];
    if (digits->is_negative)
        *number = -*number;
    return true;
}

static int round_number(struct msg_slice text, double *number, const char **fault)
{
    char copy[JSON_NUMBER_MAX + 1];
    if (text.len > JSON_NUMBER_MAX) {
        *fault = "the number is too long";
        return JSON_E_LIMIT;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *number = strtod(copy, NULL);
    if (isfinite(*number))
        return 0;
    *fault = "the number is too large";
    return JSON_E_SYNTAX;
}

static int read_number(struct json_text *text, struct json_value *value, const char **fault)
{
    const char *start = text->at;
    struct digits digits;
    if (!take_number(text, &digits))
        return fail(text, text->at, fault, "bad number");
    value->text = (struct msg_slice){start, (uint32_t)(text->at - start)};
    uint64_t limit = (uint64_t)INT64_MAX + digits.is_negative;
    if (digits.is_integer && !digits.is_cut && digits.mantissa <= limit) {
        value->kind = JSON_IS_INTEGER;
        value->integer = (int64_t)(digits.is_negative ? 0 - digits.mantissa : digits.mantissa);
        return 0;
    }
    value->kind = JSON_IS_DOUBLE;
    return round_fast(&digits, &value->number) ? 0
                                               : round_number(value->text, &value->number, fault);
}

/* ---- words ---- */

static bool take_word(struct json_text *text, const char *word, struct json_value *value)
{
    size_t len = strlen(word);
    if ((size_t)(text->end - text->at) < len || memcmp(text->at, word, len) != 0)
        return false;
    value->text = (struct msg_slice){text->at, (uint32_t)len};
    text->at += len;
    return true;
}

int json_take_scalar(struct json_text *text, struct json_value *value, const char **fault)
{
    char first = text->at < text->end ? *text->at : '\0';
    if (first == '"') {
        value->kind = JSON_IS_STRING;
        return json_take_string(text, &value->string, fault);
    }
    if (first == '-' || (first >= '0' && first <= '9'))
        return read_number(text, value, fault);
    if (take_word(text, "true", value) || take_word(text, "false", value)) {
        value->kind = JSON_IS_BOOL;
        value->boolean = first == 't';
        return 0;
    }
    value->kind = JSON_IS_NULL;
    return take_word(text, "null", value) ? 0 : fail(text, text->at, fault, "a value is missing");
}
