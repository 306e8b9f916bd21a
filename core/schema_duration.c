/* SPDX-License-Identifier: MPL-2.0
 *
 * schema_duration.c - Go's duration texts.
 */
#include "core/schema.h"

#include <string.h>

#include "core/check.h"
#include "core/clock.h"

enum { FRACTION_DIGITS_MAX = 18 }; /* more do not change the nanoseconds */

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},
    {"\xce\xbcs", 1000},
    {"ms", 1000000},
    {"s", INT64_C(1000000000)},
    {"m", INT64_C(60000000000)},
    {"h", INT64_C(3600000000000)},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits before the point, and those after it as fraction/scale. Returns the digits seen, or -1. */
static int parse_number(const char **text, int64_t *whole, int64_t *fraction, int64_t *scale)
{
    int count = 0;
    *whole = *fraction = 0;
    *scale = 1;
    for (; is_digit(**text); (*text)++, count++)
        if (__builtin_mul_overflow(*whole, 10, whole) ||
            __builtin_add_overflow(*whole, **text - '0', whole))
            return -1;
    if (**text != '.')
        return count;
    (*text)++;
    for (int digits = 0; is_digit(**text); (*text)++, count++, digits++) {
        if (digits >= FRACTION_DIGITS_MAX)
            continue;
        *fraction = *fraction * 10 + (**text - '0');
        *scale *= 10;
    }
    return count;
}

static int64_t parse_unit(const char **text)
{
    size_t len = 0;
    while ((*text)[len] != '\0' && (*text)[len] != '.' && !is_digit((*text)[len]))
        len++;
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *text, len) == 0) {
            *text += len;
            return units[i].ns;
        }
    }
    return -1;
}

/* "1.5h" is added to *sum. */
static int parse_part(const char **text, int64_t *sum)
{
    int64_t whole, fraction, scale;
    if (parse_number(text, &whole, &fraction, &scale) <= 0)
        return -1;
    int64_t unit = parse_unit(text);
    if (unit < 0 || __builtin_mul_overflow(whole, unit, &whole))
        return -1;
    int64_t rest = (int64_t)((__int128)fraction * unit / scale);
    if (__builtin_add_overflow(whole, rest, &whole))
        return -1;
    return __builtin_add_overflow(*sum, whole, sum) ? -1 : 0;
}

int schema_duration(const char *text, int64_t *ns)
{
    bool is_negative = *text == '-';
    int64_t sum = 0;
    if (*text == '-' || *text == '+')
        text++;
    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return 0;
    }
    if (*text == '\0')
        return -1;
    while (*text != '\0')
        if (parse_part(&text, &sum) != 0)
            return -1;
    *ns = is_negative ? -sum : sum;
    return 0;
}
