/* SPDX-License-Identifier: MPL-2.0
 *
 * failing_calloc.h - lets the n-th calloc() of our code fail; for programs linked with
 *                    -Wl,--wrap=calloc.
 */
#ifndef TESTS_UNIT_DATAPLANE_FAILING_CALLOC_H
#define TESTS_UNIT_DATAPLANE_FAILING_CALLOC_H

#include <limits.h>
#include <stddef.h>

static unsigned failing_calloc_left = UINT_MAX;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    if (failing_calloc_left == 0)
        return NULL;
    failing_calloc_left--;
    return __real_calloc(count, size);
}

/* `count` calls still succeed, and none after them. */
static inline void failing_calloc_after(unsigned count)
{
    failing_calloc_left = count;
}

static inline void failing_calloc_never(void)
{
    failing_calloc_left = UINT_MAX;
}

#endif
