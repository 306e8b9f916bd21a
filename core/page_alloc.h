/* SPDX-License-Identifier: MPL-2.0
 *
 * page_alloc.h - memory for large tables that are read all over: in transparent huge pages where
 *                the system gives them.
 *
 * Place:   tables of the data plane's TCP: with small pages each look-up misses the TLB as well.
 * Threads: any; at start.
 * Memory:  pages come when they are touched. free() gives it back.
 * Failure: NULL. Without huge pages it is ordinary memory.
 */
#ifndef CORE_PAGE_ALLOC_H
#define CORE_PAGE_ALLOC_H

#include <stddef.h>

/* `count` x `size` bytes, zeroed, aligned to a cache line at least. */
void *page_alloc(size_t count, size_t size);

#endif
