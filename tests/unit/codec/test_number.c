/* SPDX-License-Identifier: MPL-2.0
 *
 * test_number.c - shortest text of doubles.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/number.h"
#include "core/check.h"

/* Made by Go's strconv.FormatFloat(x, 'g', -1, 64). */
static const struct {
    double value;
    const char *text;
} vectors[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1, "1"},
    {-2.5, "-2.5"},
    {0.1, "0.1"},
    {0.3, "0.3"},
    {0.1 + 0.2, "0.30000000000000004"},
    {100000, "100000"},
    {999999, "999999"},
    {1e6, "1e+06"},
    {1234567, "1.234567e+06"},
    {123456.789, "123456.789"},
    {0.0001, "0.0001"},
    {0.00001, "1e-05"},
    {0.00012345, "0.00012345"},
    {345.6789, "345.6789"},
    {139847987987987.878732819, "1.3984798798798788e+14"},
    {1e21, "1e+21"},
    {1e22, "1e+22"},
    {1e23, "1e+23"},
    {9007199254740993.0, "9.007199254740992e+15"},
    {1.0 / 3, "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666"},
    {0x1p-1074, "5e-324"},
    {0x1.ffffffffffffep-1023, "2.225073858507201e-308"},
    {0x1p-1022, "2.2250738585072014e-308"},
    {0x1.fffffffffffffp+1023, "1.7976931348623157e+308"},
    {0x1p-44, "5.684341886080802e-14"},
    {0x1p-1017, "7.120236347223045e-307"}, /* not the nearest text of 16 digits */
    {0x1p-1007, "7.291122019556398e-304"},
    {0x1p-907, "9.242595204427927e-274"},
    {0x1p+120, "1.329227995784916e+36"},
    {1700000000123456789.0, "1.7000000001234568e+18"},
    {INFINITY, "+Inf"},
    {-INFINITY, "-Inf"},
    {NAN, "NaN"},
};

static void test_known_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        char text[NUMBER_TEXT_SIZE];
        size_t len = number_format_double(vectors[i].value, text);
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static size_t count_digits(const char *text)
{
    size_t count = 0;
    size_t zeros = 0; /* that may be behind the last digit */
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (count == 0 && *text == '0'))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count++;
    }
    return count - zeros;
}

/* The text reads back as the same, and no rounding to fewer digits does. */
static void check_shortest(double value)
{
    char text[NUMBER_TEXT_SIZE];
    number_format_double(value, text);
    double back = strtod(text, NULL);
    assert_memory_equal(&back, &value, sizeof(value));
    size_t digits = count_digits(text);
    assert_true(digits <= 17);
    for (size_t fewer = 1; fewer < digits; fewer++) {
        char shorter[64];
        snprintf(shorter, sizeof(shorter), "%.*e", (int)fewer - 1, value);
        assert_true(strtod(shorter, NULL) != value);
    }
}

static void test_random_numbers(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u; /* xorshift */
    for (unsigned i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint64_t bits = i % 4 == 0 ? x >> 12 : x; /* some subnormal */
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value))
            check_shortest(value);
        check_shortest((double)(x % 1000000) / 1000);
    }
}

static void test_powers_of_two(void **state)
{
    (void)state;
    for (int exponent = -1074; exponent <= 1023; exponent++) {
        check_shortest(ldexp(1, exponent));
        check_shortest(-nextafter(ldexp(1, exponent), 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_powers_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
