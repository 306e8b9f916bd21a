/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/lane_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

struct lane_entry *lane_table_add(struct lane_table *table, struct attachment *attachment,
                                  const char *name, const char *folder, struct err *err)
{
    struct lane_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL || table->count == LANE_TABLE_MAX) {
        err_add(err, "'%s': %s", name, entry == NULL ? "out of memory" : "too many unread lanes");
        free(entry);
        return NULL;
    }
    entry->attachment = attachment_get(attachment);
    entry->own_slot = ATTACHMENT_NO_CONSUMER;
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    if (folder != NULL)
        snprintf(entry->folder, sizeof(entry->folder), "%s", folder);
    table->entries[table->count++] = entry;
    return entry;
}

static void remove_at(struct lane_table *table, unsigned index)
{
    attachment_put(table->entries[index]->attachment);
    free(table->entries[index]);
    table->count--;
    for (unsigned i = index; i < table->count; i++)
        table->entries[i] = table->entries[i + 1];
}

struct lane_entry *lane_table_find(struct lane_table *table, const struct attachment *attachment)
{
    for (unsigned i = 0; i < table->count; i++)
        if (table->entries[i]->attachment == attachment)
            return table->entries[i];
    return NULL;
}

void lane_entry_want(struct lane_entry *entry, unsigned slot, unsigned generation)
{
    if (slot == entry->own_slot)
        return;
    entry->wanted[slot / 64] |= UINT64_C(1) << (slot % 64);
    entry->generation[slot] = generation;
}

void lane_table_forget(struct lane_table *table, unsigned slot)
{
    for (unsigned i = 0; i < table->count; i++)
        table->entries[i]->wanted[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* True when each of its producers has the consumer in its plan. One that the segment never had is
 * at its end at once, whichever way. */
static bool is_admitted(const struct lane_entry *entry, unsigned slot)
{
    const struct segment *segment = &entry->attachment->segment;
    uint32_t index = entry->attachment->consumer_map[slot];
    if (index == ATTACHMENT_NO_CONSUMER || attachment_is_final(entry->attachment))
        return true;
    for (unsigned lane = 0; lane < segment->header->lane_count; lane++) {
        uint64_t admitted = atomic_load_explicit(&segment_consumer(segment, lane, index)->admitted,
                                                 memory_order_acquire);
        if (admitted == 0 || admitted < entry->generation[slot])
            return false;
    }
    return true;
}

static void attach_wanted(struct lane_entry *entry, lane_attach_fn attach, void *arg)
{
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++) {
        for (uint64_t bits = entry->wanted[w]; bits != 0; bits &= bits - 1) {
            unsigned slot = w * 64 + (unsigned)__builtin_ctzll(bits);
            if (is_admitted(entry, slot) &&
                attach(arg, slot, entry->attachment, entry->generation[slot]) != -EAGAIN)
                entry->wanted[w] &= ~(UINT64_C(1) << (slot % 64));
        }
    }
}

static bool is_wanted_by_any(const struct lane_entry *entry)
{
    uint64_t any = 0;
    for (unsigned w = 0; w < RECORD_MASK_WORDS; w++)
        any |= entry->wanted[w];
    return any != 0;
}

/* Only the table's own reference is left, and nobody is to get another one. */
static bool is_unread(const struct lane_entry *entry)
{
    return attachment_is_final(entry->attachment) && !is_wanted_by_any(entry) &&
           atomic_load_explicit(&entry->attachment->references, memory_order_acquire) == 1;
}

void lane_table_step(struct lane_table *table, lane_attach_fn attach, void *arg)
{
    unsigned i = 0;
    while (i < table->count) {
        struct lane_entry *entry = table->entries[i];
        attach_wanted(entry, attach, arg);
        if (!is_unread(entry)) {
            i++;
            continue;
        }
        if (entry->folder[0] != '\0')
            producer_folder_delete(entry->folder);
        remove_at(table, i);
    }
}

unsigned lane_table_fini(struct lane_table *table)
{
    unsigned kept = 0;
    while (table->count > 0) {
        const struct lane_entry *entry = table->entries[0];
        bool is_drained = producer_folder_is_drained(&entry->attachment->segment);
        if (entry->folder[0] != '\0' && is_drained)
            producer_folder_delete(entry->folder);
        else if (entry->folder[0] != '\0')
            kept++;
        remove_at(table, 0);
    }
    return kept;
}
