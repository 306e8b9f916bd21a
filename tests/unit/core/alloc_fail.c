/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/core/alloc_fail.h"

#include <jansson.h>
#include <stdlib.h>

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);

static bool is_armed, has_failed;
static unsigned left;

static bool must_fail(void)
{
    if (!is_armed || has_failed)
        return false;
    has_failed = left == 0;
    left--;
    return has_failed;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return must_fail() ? NULL : __real_realloc(memory, size);
}

void alloc_fail_at(unsigned index)
{
    left = index;
    has_failed = false;
    is_armed = true;
}

bool alloc_fail_stop(void)
{
    is_armed = false;
    return has_failed;
}

void alloc_fail_hook_jansson(void)
{
    json_set_alloc_funcs(__wrap_malloc, free);
}
