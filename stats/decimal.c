/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/decimal.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum { FRACTION_DIGITS = 6, MILLION = 1000000, MANTISSA_BITS = 52, EXPONENT_BIAS = 1075 };

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static size_t put_uint64(char *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, digit_pairs + value * 2, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(text, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

size_t decimal_put_int64(char text[DECIMAL_MAX], int64_t value)
{
    size_t size = 0;
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        text[size++] = '-';
        magnitude = 0 - magnitude;
    }
    return size + put_uint64(text + size, magnitude);
}

/* fraction / 2^shift in millionths, rounded half to even: 0 to a million. fraction < 2^53, shift 0
 * to 107. (Whole units are an even number of millionths, so they do not matter for "even".) */
static uint32_t to_millionths(uint64_t fraction, unsigned shift)
{
    unsigned __int128 scaled = (unsigned __int128)fraction * MILLION;
    unsigned __int128 unit = (unsigned __int128)1 << shift;
    uint32_t millionths = (uint32_t)(scaled >> shift);
    unsigned __int128 rest = scaled & (unit - 1);
    unsigned __int128 half = unit >> 1;
    bool up = rest > half || (rest == half && (millionths & 1) != 0);
    return millionths + (shift > 0 && up);
}

static size_t put_fraction(char *text, uint32_t millionths)
{
    text[0] = '.';
    memcpy(text + 1, digit_pairs + millionths / 10000 * 2, 2);
    memcpy(text + 3, digit_pairs + millionths / 100 % 100 * 2, 2);
    memcpy(text + 5, digit_pairs + millionths % 100 * 2, 2);
    return 1 + FRACTION_DIGITS;
}

/* 2^53 and above: an integer, so there is no decimal point that a locale could choose. */
static size_t put_large(char *text, double value)
{
    char digits[DECIMAL_MAX];
    int len = snprintf(digits, sizeof(digits), "%.0f", value);
    CHECK(len > 0 && len + 1 + FRACTION_DIGITS <= DECIMAL_MAX);
    memcpy(text, digits, (size_t)len);
    return (size_t)len + put_fraction(text + len, 0);
}

size_t decimal_put_fixed6(char text[DECIMAL_MAX], double value)
{
    uint64_t bits;
    size_t size = 0;
    CHECK(isfinite(value));
    memcpy(&bits, &value, sizeof(bits));
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & 0x7ff;
    if (exponent > EXPONENT_BIAS)
        return put_large(text, value);
    if (exponent != 0)
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    unsigned shift = EXPONENT_BIAS - (exponent != 0 ? exponent : 1);
    if (bits >> 63 != 0)
        text[size++] = '-';
    uint64_t whole = shift < 64 ? mantissa >> shift : 0;
    uint64_t fraction = shift < 64 ? mantissa & ((UINT64_C(1) << shift) - 1) : mantissa;
    /* Below 2^-54 it is nearer to 0 than to a millionth; that also keeps the shift in range. */
    uint32_t millionths = shift <= 107 ? to_millionths(fraction, shift) : 0;
    whole += millionths == MILLION;
    size += put_uint64(text + size, whole);
    return size + put_fraction(text + size, millionths % MILLION);
}

/* ---- shortest ---- */

struct scientific { /* 0.DIGITS times 10^point */
    char digits[20];
    int count, point;
};

enum { FEW_DECIMALS = 6, DIGITS_SURE = 15, DIGITS_MAX = 17 };

/* What has few decimals is a whole number over a power of ten: both are exact, so the quotient is
 * what the text reads back as. That is 20 times as fast as the general way. */
static bool few_decimals(double value, struct scientific *number)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    for (int i = 1; i <= FEW_DECIMALS && value < 0x1p53 / powers[i]; i++) {
        double scaled = rint(value * powers[i]);
        if (scaled / powers[i] != value)
            continue;
        number->count = (int)put_uint64(number->digits, (uint64_t)scaled);
        number->point = number->count - i;
        return true;
    }
    return false;
}

/* Every text of 15 digits reads back as itself, so when fewer do, the rest of the 15 is zeros; but
 * not of numbers below DBL_MIN, which have fewer bits. The point may be the locale's. */
static struct scientific shortest_digits(double value)
{
    struct scientific number = {0};
    char text[40];
    if (few_decimals(value, &number))
        return number;
    int digits = value < DBL_MIN ? 1 : DIGITS_SURE;
    do
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
    while (digits++ < DIGITS_MAX && strtod(text, NULL) != value);
    const char *exponent = strchr(text, 'e');
    for (const char *at = text; at < exponent; at++)
        if (*at >= '0' && *at <= '9')
            number.digits[number.count++] = *at;
    while (number.count > 1 && number.digits[number.count - 1] == '0')
        number.count--;
    number.point = (int)strtol(exponent + 1, NULL, 10) + 1;
    return number;
}

static size_t put_char(char *text, char c, int times)
{
    if (times <= 0)
        return 0;
    memset(text, c, (size_t)times);
    return (size_t)times;
}

static size_t put_scientific(char *text, const struct scientific *number)
{
    size_t size = 0;
    text[size++] = number->digits[0];
    if (number->count > 1) {
        text[size++] = '.';
        memcpy(text + size, number->digits + 1, (size_t)number->count - 1);
        size += (size_t)number->count - 1;
    }
    int exponent = number->point - 1;
    text[size++] = 'e';
    text[size++] = exponent < 0 ? '-' : '+';
    return size + put_uint64(text + size, (uint64_t)(exponent < 0 ? -exponent : exponent));
}

static size_t put_plain(char *text, const struct scientific *number)
{
    int whole = number->point < number->count ? number->point : number->count;
    size_t size = 0;
    if (number->point <= 0) {
        memcpy(text, "0.", 2);
        size = 2 + put_char(text + 2, '0', -number->point);
        whole = 0;
    }
    memcpy(text + size, number->digits, (size_t)whole);
    size += (size_t)whole + put_char(text + size + whole, '0', number->point - number->count);
    if (number->point > 0 && number->point < number->count)
        text[size++] = '.';
    memcpy(text + size, number->digits + whole, (size_t)(number->count - whole));
    return size + (size_t)(number->count - whole);
}

size_t decimal_put_shortest(char text[DECIMAL_MAX], double value)
{
    CHECK(isfinite(value));
    if (fabs(value) < 0x1p53 && value == trunc(value))
        return decimal_put_int64(text, (int64_t)value);
    size_t size = 0;
    if (value < 0)
        text[size++] = '-';
    struct scientific number = shortest_digits(fabs(value));
    bool is_plain = number.point > -6 && number.point <= 21;
    return size +
           (is_plain ? put_plain(text + size, &number) : put_scientific(text + size, &number));
}
