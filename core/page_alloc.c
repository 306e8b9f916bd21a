/* SPDX-License-Identifier: MPL-2.0 */
#include "core/page_alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20 };

static void *map_huge(size_t size)
{
    void *base = aligned_alloc(HUGE_PAGE, size);
    if (base == NULL)
        return NULL;
    (void)madvise(base, size, MADV_HUGEPAGE); /* a wish */
    /* Drops what is there: the allocator may have used the pages before. */
    if (madvise(base, size, MADV_DONTNEED) != 0)
        memset(base, 0, size);
    return base;
}

void *page_alloc(size_t count, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(count, size, &all) || all > SIZE_MAX / 2)
        return NULL;
    if (all >= HUGE_PAGE / 2)
        return map_huge((all + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    all = (all + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *base = aligned_alloc(CACHE_LINE, all > 0 ? all : CACHE_LINE);
    if (base != NULL)
        memset(base, 0, all);
    return base;
}
