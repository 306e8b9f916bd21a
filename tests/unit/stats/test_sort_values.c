/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sort_values.c - sort_values() against qsort().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "stats/sort_values.h"
#include "tests/support/chance.h"

enum { COUNT_MAX = 5000 };

static uint64_t chance = 1;

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* In its own allocation, where ASan sees what is read or written behind it. */
static void check(const double *values, size_t count)
{
    double *sorted = malloc((count + 1) * sizeof(*sorted));
    double *scratch = malloc((count + 1) * sizeof(*scratch));
    double *expected = malloc((count + 1) * sizeof(*expected));
    assert_true(sorted != NULL && scratch != NULL && expected != NULL);
    memcpy(sorted, values, count * sizeof(*values));
    memcpy(expected, values, count * sizeof(*values));
    qsort(expected, count, sizeof(*expected), compare);
    double *result = sort_values(sorted, scratch, count);
    assert_true(result == sorted || result == scratch);
    assert_memory_equal(result, expected, count * sizeof(*expected));
    free(sorted);
    free(scratch);
    free(expected);
}

static double whole(void)
{
    return (double)(chance_next(&chance) % 1000);
}

static double with_sign(void)
{
    return (double)(int64_t)chance_next(&chance) / 1e6;
}

static double of_any_size(void)
{
    double value = 1 + (double)(chance_next(&chance) % 1000);
    for (uint64_t i = chance_next(&chance) % 90; i > 0; i--)
        value *= 1e3;
    return chance_next(&chance) % 2 == 0 ? value : -1 / value;
}

static double same(void)
{
    return 42.5;
}

static double extreme(void)
{
    static const double values[] = {-DBL_MAX, DBL_MAX, 0, DBL_MIN, -DBL_MIN, DBL_TRUE_MIN, 1, -1};
    return values[chance_next(&chance) % 8];
}

static void test_kinds_and_counts(void **state)
{
    static double (*const kinds[])(void) = {whole, with_sign, of_any_size, same, extreme};
    static const size_t counts[] = {0, 1, 2, 23, 24, 25, 48, 199, 200, 201, 1000, COUNT_MAX};
    static double values[COUNT_MAX];
    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            for (size_t at = 0; at < counts[i]; at++)
                values[at] = kinds[kind]();
            check(values, counts[i]);
        }
}

static void test_sorted_already(void **state)
{
    static double values[COUNT_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = (double)i;
    check(values, COUNT_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++)
        values[i] = -(double)i - 1;
    check(values, COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_and_counts),
        cmocka_unit_test(test_sorted_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
