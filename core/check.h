/* SPDX-License-Identifier: MPL-2.0
 *
 * check.h - assertions that stay on in release: a broken invariant is a bug, not an error.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
