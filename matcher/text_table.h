/* SPDX-License-Identifier: MPL-2.0
 *
 * text_table.h - which of many texts a value equals: one hash, one comparison.
 *
 * Place:   one for each variable of a rule set that is compared with ==.
 * Threads: immutable after text_table_init().
 * Memory:  slots on the heap; the texts are borrowed.
 * Failure: -ENOMEM.
 */
#ifndef MATCHER_TEXT_TABLE_H
#define MATCHER_TEXT_TABLE_H

#include <stdbool.h>
#include <string.h>

#include "matcher/fires.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct text_entry {
    const char *text;
    size_t len;
    struct fire_list fires;
};

struct text_slot {
    const char *text; /* NULL: free */
    uint32_t len;
    uint32_t hash;
    struct fire_list fires;
};

/* Zeroed is an empty table. */
struct text_table {
    struct text_slot *slots;
    uint32_t mask;
    uint64_t lens; /* bit len % 64 is set when there is a text of that length */
};

/* Texts are different from each other. */
int text_table_init(struct text_table *table, const struct text_entry *entries, size_t count);
void text_table_fini(struct text_table *table);

static inline uint64_t text_load(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* memcmp() of texts that are mostly 8 to 16 bytes long, without the call. */
static inline bool text_equal(const char *a, const char *b, size_t len)
{
    if (len < 8 || len > 16)
        return memcmp(a, b, len) == 0;
    return text_load(a) == text_load(b) && text_load(a + len - 8) == text_load(b + len - 8);
}

static inline const struct text_slot *text_table_find(const struct text_table *table,
                                                      const char *text, size_t len)
{
    uint32_t hash;

    if (!(table->lens >> (len & 63) & 1))
        return NULL;
    hash = (uint32_t)XXH3_64bits(text, len);
    for (uint32_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        const struct text_slot *slot = &table->slots[at];

        if (!slot->text)
            return NULL;
        if (slot->hash == hash && slot->len == len && text_equal(slot->text, text, len))
            return slot;
    }
}

#endif
