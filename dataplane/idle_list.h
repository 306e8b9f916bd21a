/* SPDX-License-Identifier: MPL-2.0
 *
 * idle_list.h - entries of an array in the order in which they were touched last.
 *
 * Place:   streams.c has one for streams that see pauses.
 * Threads: the owner's.
 * Memory:  allocated by idle_list_init().
 * Failure: none after that; every call takes constant time.
 */
#ifndef DATAPLANE_IDLE_LIST_H
#define DATAPLANE_IDLE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define IDLE_LIST_NONE UINT32_MAX

struct idle_entry {
    uint32_t next, previous;
    bool is_linked;
    uint64_t touched_ns;
};

struct idle_list {
    struct idle_entry *entries;
    uint32_t first, last; /* the first was touched before all others */
};

/* Nothing is in it. 0 or -ENOMEM. */
int idle_list_init(struct idle_list *list, uint32_t entry_count);
void idle_list_fini(struct idle_list *list); /* zeroed is fine */

void idle_list_touch(struct idle_list *list, uint32_t index, uint64_t now_ns);
void idle_list_remove(struct idle_list *list, uint32_t index); /* fine when it is not in it */
/* Removes the first one that nobody has touched for `idle_ns`; IDLE_LIST_NONE: there is none. */
uint32_t idle_list_take(struct idle_list *list, uint64_t now_ns, uint64_t idle_ns);

#endif
