/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/number.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 17 };

struct decimal { /* 0.DIGITS * 10^point */
    char digits[DIGITS_MAX + 1];
    int count;
    int point;
};

static void read_digits(const char *text, struct decimal *decimal)
{
    decimal->count = 0;
    for (const char *at = text; *at != 'e'; at++) {
        if (*at != '.')
            decimal->digits[decimal->count++] = *at;
    }
    decimal->point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
}

/* Digits of `value` rounded to `count` of them; true when they read back as the same. Below a power
 * of two doubles are twice as close as above it, so there the second nearest text may do when the
 * nearest, which is lower, does not. (With a last digit of 9 it would be a shorter text.) */
static bool round_to(double value, int count, struct decimal *decimal)
{
    char text[NUMBER_TEXT_SIZE];
    snprintf(text, sizeof(text), "%.*e", count - 1, value);
    bool same = strtod(text, NULL) == value;
    char *last = strchr(text, 'e') - 1;
    if (!same && count == DBL_DIG + 1 && *last < '9') {
        ++*last;
        same = strtod(text, NULL) == value;
    }
    read_digits(text, decimal);
    return same;
}

/* 15 digits always survive the way through a normal double, so a shorter text shows itself there by
 * its zeros; subnormal numbers have fewer digits to begin with. */
static void shortest(double value, struct decimal *decimal)
{
    int count = value < DBL_MIN ? 1 : DBL_DIG;
    while (!round_to(value, count, decimal) && count < DIGITS_MAX)
        count++;
}

static int put_exponent_form(const struct decimal *decimal, char *text, size_t size)
{
    int exponent = decimal->point - 1;
    return snprintf(text, size, "%c%s%.*se%c%02d", decimal->digits[0],
                    decimal->count > 1 ? "." : "", decimal->count - 1, decimal->digits + 1,
                    exponent < 0 ? '-' : '+', abs(exponent));
}

static int put_plain_form(const struct decimal *decimal, char *text, size_t size)
{
    int point = decimal->point;
    if (point <= 0)
        return snprintf(text, size, "0.%.*s%.*s", -point, "0000", decimal->count, decimal->digits);
    if (point >= decimal->count)
        return snprintf(text, size, "%.*s%.*s", decimal->count, decimal->digits,
                        point - decimal->count, "000000");
    return snprintf(text, size, "%.*s.%.*s", point, decimal->digits, decimal->count - point,
                    decimal->digits + point);
}

size_t number_format_double(double value, char text[NUMBER_TEXT_SIZE])
{
    const char *sign = signbit(value) ? "-" : "";
    if (isnan(value))
        return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "NaN");
    if (isinf(value))
        return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "%sInf", *sign != '\0' ? sign : "+");
    if (value == 0)
        return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "%s0", sign);
    struct decimal decimal = {0};
    shortest(fabs(value), &decimal);
    size_t start = *sign != '\0' ? 1 : 0;
    text[0] = '-';
    bool plain = decimal.point - 1 >= -4 && decimal.point - 1 < 6;
    int len = plain ? put_plain_form(&decimal, text + start, NUMBER_TEXT_SIZE - start)
                    : put_exponent_form(&decimal, text + start, NUMBER_TEXT_SIZE - start);
    return start + (size_t)len;
}
