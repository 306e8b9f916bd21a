/* SPDX-License-Identifier: MPL-2.0
 *
 * intern.h - byte strings to small numbers, equal strings to the same one.
 *
 * Place:   while a rule set is compiled: atoms.c, match_plan.c.
 * Threads: one owner.
 * Memory:  keeps copies; a pointer from intern_key() stays valid until intern_fini().
 * Failure: -ENOMEM.
 */
#ifndef MATCHER_INTERN_H
#define MATCHER_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_key {
    char *bytes;
    size_t size;
};

/* Zero-initialise. */
struct intern {
    struct intern_key *keys;
    uint32_t count;
    uint32_t key_capacity;
    uint32_t *slots; /* index + 1, 0: free */
    uint32_t slot_count;
};

/* The number of these bytes, from 0 in the order of first appearance; *fresh says whether it is
 * new. */
int64_t intern_put(struct intern *table, const void *bytes, size_t size, bool *fresh);
void intern_fini(struct intern *table);

#endif
