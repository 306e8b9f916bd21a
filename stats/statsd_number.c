/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_number.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MANTISSA_DIGITS = 19,   /* always fit into 64 bits */
    EXPONENT_MAX = 100000,  /* far beyond any double with STATSD_NUMBER_MAX digits */
    DIGITS_EXACT_MAX = 800, /* more than the 767 that can decide a double's rounding */
    TEXT_MAX = DIGITS_EXACT_MAX + 32
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* Adds one digit in front of or behind the point. */
static void take_digit(struct statsd_number *number, unsigned *used, char c, bool fraction)
{
    if (*used == MANTISSA_DIGITS) {
        number->truncated = true;
        number->exponent += fraction ? 0 : 1;
        return;
    }
    number->mantissa = number->mantissa * 10 + (uint64_t)(c - '0');
    *used += number->mantissa != 0;
    number->exponent -= fraction ? 1 : 0;
}

static bool parse_exponent(const char *at, const char *end, struct statsd_number *number)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return false;
    int exponent = 0;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*at - '0');
    }
    number->exponent += negative ? -exponent : exponent;
    return true;
}

bool statsd_number_parse(const char *text, size_t len, struct statsd_number *number)
{
    const char *at = text, *end = text + len;
    unsigned used = 0;
    size_t digit_count = 0;
    bool point = false;
    *number = (struct statsd_number){.integer = true};
    if (len == 0 || len > STATSD_NUMBER_MAX)
        return false;
    number->negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    number->digits = at;
    for (; at < end; at++) {
        if (is_digit(*at)) {
            take_digit(number, &used, *at, point);
            digit_count++;
        } else if (*at == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    number->digits_len = (size_t)(at - number->digits);
    number->integer = !point && at == end;
    if (digit_count == 0)
        return false;
    if (at == end)
        return true;
    return (*at == 'e' || *at == 'E') && parse_exponent(at + 1, end, number);
}

/* strtod on "DIGITSeEXPONENT", which has no decimal point for a locale to change. */
static double exact_double(const struct statsd_number *number)
{
    char text[TEXT_MAX];
    size_t size = 0, used = 0;
    int exponent = number->exponent;
    bool sticky = false;
    for (size_t i = 0; i < number->digits_len; i++) {
        char c = number->digits[i];
        if (c == '.' || (c == '0' && used == 0))
            continue;
        used++;
        if (size < DIGITS_EXACT_MAX)
            text[size++] = c;
        else
            sticky |= c != '0';
    }
    /* number->exponent counts from the 19th digit; the text holds more of them. */
    size_t kept = used < MANTISSA_DIGITS ? used : MANTISSA_DIGITS;
    exponent -= (int)(size - kept);
    if (sticky) { /* one more digit says "a little above": it decides ties and nothing else */
        text[size++] = '1';
        exponent--;
    }
    snprintf(text + size, sizeof(text) - size, "e%d", exponent);
    return strtod(text, NULL);
}

double statsd_number_double(const struct statsd_number *number)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int exponent = number->exponent;
    double value;
    if (number->mantissa == 0)
        return 0;
    /* Both operands are exact and there is one rounding (Clinger 1990). */
    if (number->mantissa <= UINT64_C(1) << 53 && !number->truncated && exponent >= -22 &&
        exponent <= 22)
        value = exponent < 0 ? (double)number->mantissa / tens[-exponent]
                             : (double)number->mantissa * tens[exponent];
    else
        value = exact_double(number);
    if (value == 0)
        return 0;
    return number->negative ? -value : value;
}

bool statsd_number_int64(const struct statsd_number *number, int64_t *value)
{
    uint64_t limit = (uint64_t)INT64_MAX + (number->negative ? 1 : 0);
    if (!number->integer || number->truncated || number->mantissa > limit)
        return false;
    *value = number->negative ? (int64_t)(0 - number->mantissa) : (int64_t)number->mantissa;
    return true;
}
