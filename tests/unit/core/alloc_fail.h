/* SPDX-License-Identifier: MPL-2.0
 *
 * alloc_fail.h - makes the n-th allocation of the code under test fail.
 *
 * Place:   tests that are linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc; code in
 *          shared libraries is not touched.
 */
#ifndef TESTS_UNIT_CORE_ALLOC_FAIL_H
#define TESTS_UNIT_CORE_ALLOC_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/* Allocation number `index` (from 0) after this call fails, the others work. */
void alloc_fail_at(unsigned index);
/* Back to normal; true when an allocation was made to fail. */
bool alloc_fail_stop(void);

/* jansson's allocations count, too: once per program, before its first use. Only for texts whose
 * strings and numbers are shorter than 16 bytes: jansson 2.14 does not notice when it cannot hold a
 * longer one. */
void alloc_fail_hook_jansson(void);

#endif
