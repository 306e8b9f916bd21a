/* SPDX-License-Identifier: MPL-2.0
 *
 * fires.h - lists of bits to set when a fact about a message becomes known.
 *
 * Place:   match_plan.c builds them, every table of the matcher (text_table, text_trie, thresholds,
 *          scan_db) hands them out, ruleset_match.c sets them.
 * Threads: lists are immutable once the plan is built.
 * Memory:  all lists of a plan lie in one array.
 * Failure: -ENOMEM.
 */
#ifndef MATCHER_FIRES_H
#define MATCHER_FIRES_H

#include <stddef.h>
#include <stdint.h>

struct fire {
    uint64_t bits;
    uint32_t word; /* of the message's state */
};

/* items[first ..+ count]. */
struct fire_list {
    uint32_t first;
    uint32_t count;
};

struct fires {
    struct fire *items;
    uint32_t count;
    uint32_t capacity;
};

/* Once, before everything else: from then on `items` is not NULL, so empty lists are {0, 0}. */
int fires_init(struct fires *fires);

/* Keeps a copy of `items`, sorted and with one entry for each word. */
int fires_add(struct fires *fires, const struct fire *items, size_t count, struct fire_list *list);

/* One list that does what all of `lists` do. */
int fires_merge(struct fires *fires, const struct fire_list *lists, size_t count,
                struct fire_list *list);
void fires_fini(struct fires *fires);

static inline void fires_set(const struct fire *items, struct fire_list list, uint64_t *words)
{
    for (const struct fire *at = items + list.first, *end = at + list.count; at < end; at++)
        words[at->word] |= at->bits;
}

#endif
