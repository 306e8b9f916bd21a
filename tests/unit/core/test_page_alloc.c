/* SPDX-License-Identifier: MPL-2.0
 *
 * test_page_alloc.c - zeroed and aligned, small and large, also where the allocator has used the
 *                     pages before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/page_alloc.h"

enum { CACHE_LINE = 64, ROUNDS = 4 };

static const size_t sizes[] = {1, 100, 4096, 1 << 20, (1 << 20) + 1, (4 << 20) + 5};

static void test_zeroed(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            uint8_t *memory = page_alloc(sizes[i], 3);
            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % CACHE_LINE, 0);
            for (size_t at = 0; at < 3 * sizes[i]; at++)
                if (memory[at] != 0)
                    fail_msg("%zu bytes: not zero at %zu", 3 * sizes[i], at);
            memset(memory, 0xff, 3 * sizes[i]);
            free(memory);
        }
}

static void test_too_much(void **state)
{
    (void)state;
    assert_null(page_alloc(SIZE_MAX, 2));
    assert_null(page_alloc(SIZE_MAX / 2, 3));
    assert_null(page_alloc(SIZE_MAX - 1, 1));
    free(page_alloc(0, 8)); /* whatever it is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
