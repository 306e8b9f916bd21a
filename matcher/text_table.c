/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/text_table.h"

#include <errno.h>
#include <stdlib.h>

int text_table_init(struct text_table *table, const struct text_entry *entries, size_t count)
{
    size_t slot_count = 4;

    *table = (struct text_table){0};
    if (count == 0)
        return 0;
    while (slot_count < count * 2)
        slot_count *= 2;
    table->slots = calloc(slot_count, sizeof *table->slots);
    if (!table->slots)
        return -ENOMEM;
    table->mask = (uint32_t)slot_count - 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t hash = (uint32_t)XXH3_64bits(entries[i].text, entries[i].len);
        uint32_t at = hash & table->mask;

        while (table->slots[at].text)
            at = (at + 1) & table->mask;
        table->slots[at] =
            (struct text_slot){entries[i].text, (uint32_t)entries[i].len, hash, entries[i].fires};
        table->lens |= (uint64_t)1 << (entries[i].len & 63);
    }
    return 0;
}

void text_table_fini(struct text_table *table)
{
    free(table->slots);
    *table = (struct text_table){0};
}
