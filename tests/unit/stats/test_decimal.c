/* SPDX-License-Identifier: MPL-2.0
 *
 * test_decimal.c - "%f" and "%d" as the C library writes them, and the numbers of statsd lines as
 *                  strtod and strtoll read them.
 */
#include "stats/decimal.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "stats/statsd_number.h"
#include "tests/unit/stats/stats_model.h"

static void check_real(double value)
{
    char text[DECIMAL_MAX], expected[400];
    size_t len = decimal_put_fixed6(text, value);
    assert_int_equal(len, snprintf(expected, sizeof(expected), "%f", value));
    assert_memory_equal(text, expected, len);
}

static void check_both_signs(double value)
{
    check_real(value);
    check_real(-value);
}

static void test_edges(void **state)
{
    (void)state;
    const double values[] = {0,
                             0.5,
                             1,
                             0.1,
                             9.9999994,
                             9.9999995,
                             9.9999996,
                             0.0000005,
                             0.000001,
                             0.0000015,
                             0.0000025,
                             1.5e-6,
                             99.999999,
                             999999,
                             123456.789,
                             DBL_MIN,
                             DBL_MAX,
                             DBL_TRUE_MIN,
                             0x1p52,
                             0x1p53,
                             0x1p63,
                             0x1p64,
                             1e22,
                             1e300,
                             0x1p-53,
                             0x1p-54,
                             0x1p-55,
                             0x1p-107,
                             0x1p-108,
                             4503599627370495.5,
                             0x1.fffffffffffffp52};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        check_both_signs(values[i]);
        check_both_signs(nextafter(values[i], INFINITY) < INFINITY ? nextafter(values[i], INFINITY)
                                                                   : values[i]);
        check_both_signs(nextafter(values[i], 0));
    }
    for (int halves = 0; halves < 64; halves++) /* exact ties */
        check_both_signs((double)halves * 0.5 + 0x1p-7);
}

static void test_random_reals(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t bits = model_random(&seed);
        double value;
        if (i % 2 == 0) /* the range that is used: 2^-40 to 2^70 */
            bits = (bits & UINT64_C(0x800fffffffffffff)) | (983 + (bits >> 53) % 110) << 52;
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value))
            check_real(value);
        check_real((double)(bits >> 40) / 1000);
        check_real((double)(int64_t)(bits >> 30) / 64);
    }
}

static void check_integer(int64_t value)
{
    char text[DECIMAL_MAX], expected[40];
    size_t len = decimal_put_int64(text, value);
    assert_int_equal(len, snprintf(expected, sizeof(expected), "%" PRId64, value));
    assert_memory_equal(text, expected, len);
}

static void test_integers(void **state)
{
    (void)state;
    uint64_t seed = 6;
    check_integer(INT64_MIN);
    check_integer(INT64_MAX);
    for (int64_t i = -1100; i <= 1100; i++)
        check_integer(i);
    for (unsigned i = 0; i < 100000; i++)
        check_integer((int64_t)(model_random(&seed) >> (i % 64)) * (i % 3 == 0 ? -1 : 1));
}

/* ---- reading ---- */

static void check_parse(const char *text)
{
    struct statsd_number number;
    int64_t integer;
    assert_true(statsd_number_parse(text, strlen(text), &number));
    double value = statsd_number_double(&number), expected = strtod(text, NULL) + 0.0;
    assert_memory_equal(&value, &expected, sizeof(value));
    if (strpbrk(text, ".eE") != NULL) {
        assert_false(statsd_number_int64(&number, &integer));
        return;
    }
    errno = 0;
    long long expected_integer = strtoll(text, NULL, 10);
    assert_int_equal(statsd_number_int64(&number, &integer), errno == 0);
    if (errno == 0)
        assert_int_equal(integer, expected_integer);
}

static void put_digits(char *text, size_t size, unsigned count, uint64_t *seed)
{
    size_t at = strlen(text);
    for (unsigned i = 0; i < count && at + 1 < size; i++)
        text[at++] = (char)('0' + (model_random(seed) % 4 == 0 ? 0 : model_random(seed) % 10));
    text[at] = '\0';
}

static void test_random_numbers(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (unsigned i = 0; i < 200000; i++) {
        char text[1100] = "";
        unsigned shape = (unsigned)(model_random(&seed) % 64);
        unsigned most = i % 500 == 0 ? 900 : i % 7 == 0 ? 40 : 20;
        if (shape & 1)
            text[0] = shape & 2 ? '-' : '+';
        put_digits(text, sizeof(text), 1 + (unsigned)(model_random(&seed) % most), &seed);
        if (shape & 4)
            text[strlen(text)] = '.';
        if (shape & 8 && shape & 4)
            put_digits(text, 1000, (unsigned)(model_random(&seed) % most), &seed);
        if (shape & 16) {
            size_t at = strlen(text);
            snprintf(text + at, sizeof(text) - at, "%c%d", shape & 32 ? 'e' : 'E',
                     (int)(model_random(&seed) % 700) - 350);
        }
        check_parse(text);
    }
}

/* Every double comes back from 17 digits, and from its neighbours' midpoints as strtod has it. */
static void test_doubles_come_back(void **state)
{
    (void)state;
    uint64_t seed = 10;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t bits = model_random(&seed);
        double value;
        char text[1100];
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof(text), "%.17g", value);
        check_parse(text);
        snprintf(text, sizeof(text), "%.*f", (int)(i % 20), (double)(bits >> 30) / 1e6);
        check_parse(text);
    }
}

static void test_no_numbers(void **state)
{
    (void)state;
    const char *const texts[] = {"",      "+",     "-",        ".",   "e",   "e1",  ".e1",
                                 "1e",    "1e+",   "1x",       "1 ",  " 1",  "--1", "1-",
                                 "1..",   "1.2.3", "nan",      "inf", "0x1", "1_0", "1e1.5",
                                 "1e1e1", "1,5",   "infinity", "+-1"};
    struct statsd_number number;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(statsd_number_parse(texts[i], strlen(texts[i]), &number));
    char long_text[STATSD_NUMBER_MAX + 1];
    memset(long_text, '1', sizeof(long_text));
    assert_true(statsd_number_parse(long_text, STATSD_NUMBER_MAX, &number));
    assert_false(statsd_number_parse(long_text, STATSD_NUMBER_MAX + 1, &number));
}

/* ---- shortest ---- */

static void expect_shortest(double value, const char *expected)
{
    char text[DECIMAL_MAX];
    size_t len = decimal_put_shortest(text, value);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

/* As node prints them. */
static void test_shortest(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {100, "100"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {1e-6, "0.000001"},
        {-1.25e-6, "-0.00000125"},
        {1e-7, "1e-7"},
        {1.5e-9, "1.5e-9"},
        {5e-324, "5e-324"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740992.0, "9007199254740992"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {-1.2345e25, "-1.2345e+25"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {4503599627370495.5, "4503599627370495.5"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_shortest(cases[i].value, cases[i].text);
}

static void test_shortest_reads_back(void **state)
{
    (void)state;
    uint64_t seed = 21;
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t bits = model_random(&seed);
        char text[DECIMAL_MAX + 1], shorter[40];
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 2 == 0)
            value = (double)(int64_t)bits / 4096 / (double)(1 + i % 1000000);
        if (!isfinite(value))
            continue;
        text[decimal_put_shortest(text, value)] = '\0';
        assert_true(strtod(text, NULL) == value);
        int digits = 0;
        for (const char *at = text; *at != '\0' && *at != 'e'; at++)
            digits += (*at >= '1' && *at <= '9') || (*at == '0' && digits > 0);
        if (value == trunc(value)) /* whole numbers show zeros that are no digits */
            continue;
        snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
        assert_true(digits < 2 || strtod(shorter, NULL) != value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_random_reals),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_doubles_come_back),
        cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_shortest),
        cmocka_unit_test(test_shortest_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
