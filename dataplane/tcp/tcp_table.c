/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/tcp/tcp_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum { NO_ENTRY = UINT32_MAX, FLOW_WORDS = sizeof(struct tcp_flow) / 8 };

int tcp_table_init(struct tcp_table *table, const void *entries, size_t entry_size,
                   unsigned entries_max, const uint8_t *secret)
{
    uint32_t count = 4;
    uint64_t halves[2];
    while (count < 2 * entries_max)
        count *= 2;
    table->slots = malloc(count * sizeof(table->slots[0]));
    if (table->slots == NULL)
        return -ENOMEM;
    memset(table->slots, 0xff, count * sizeof(table->slots[0]));
    table->mask = count - 1;
    table->entries = entries;
    table->entry_size = entry_size;
    memcpy(halves, secret, sizeof(halves));
    for (unsigned i = 0; i < 6; i++) { /* odd multiples of the secret's sums */
        halves[0] = (halves[0] ^ (halves[1] >> 29)) * UINT64_C(0x9E3779B97F4A7C15) + i;
        halves[1] = (halves[1] ^ (halves[0] >> 31)) * UINT64_C(0xBF58476D1CE4E5B9) + halves[0];
        table->keys[i] = halves[0] ^ halves[1];
    }
    return 0;
}

void tcp_table_fini(struct tcp_table *table)
{
    free(table->slots);
    *table = (struct tcp_table){0};
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_of(const struct tcp_table *table, const struct tcp_flow *flow)
{
    uint64_t words[FLOW_WORDS + 1] = {0};
    memcpy(words, flow, sizeof(*flow));
    uint64_t hash = mix(words[0] ^ table->keys[0], words[1] ^ table->keys[1]) ^
                    mix(words[2] ^ table->keys[2], words[3] ^ table->keys[3]);
    return (uint32_t)mix(hash ^ table->keys[4], words[4] ^ table->keys[5]);
}

static const struct tcp_flow *flow_of(const struct tcp_table *table, uint32_t entry)
{
    return (const void *)(table->entries + entry * table->entry_size);
}

uint32_t tcp_table_prefetch(const struct tcp_table *table, const struct tcp_flow *flow)
{
    uint32_t hash = hash_of(table, flow);
    __builtin_prefetch(&table->slots[hash & table->mask]);
    return hash;
}

uint32_t tcp_table_look(const struct tcp_table *table, uint32_t hash)
{
    return table->slots[hash & table->mask].entry;
}

uint32_t tcp_table_find(const struct tcp_table *table, const struct tcp_flow *flow)
{
    uint32_t hash = hash_of(table, flow);
    for (uint32_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        const struct tcp_table_slot *slot = &table->slots[at];
        if (slot->entry == NO_ENTRY)
            return NO_ENTRY;
        if (slot->hash == hash && memcmp(flow_of(table, slot->entry), flow, sizeof(*flow)) == 0)
            return slot->entry;
    }
}

void tcp_table_add(struct tcp_table *table, uint32_t entry)
{
    uint32_t hash = hash_of(table, flow_of(table, entry));
    uint32_t at = hash & table->mask;
    while (table->slots[at].entry != NO_ENTRY)
        at = (at + 1) & table->mask;
    table->slots[at] = (struct tcp_table_slot){hash, entry};
}

/* Later entries of the run move up, so that no mark is needed for what was removed. */
static void close_gap(struct tcp_table *table, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & table->mask; table->slots[at].entry != NO_ENTRY;
         at = (at + 1) & table->mask) {
        uint32_t home = table->slots[at].hash & table->mask;
        if (((at - home) & table->mask) < ((at - gap) & table->mask))
            continue; /* it would come to lie before its home */
        table->slots[gap] = table->slots[at];
        gap = at;
    }
    table->slots[gap].entry = NO_ENTRY;
}

void tcp_table_remove(struct tcp_table *table, uint32_t entry)
{
    uint32_t at = hash_of(table, flow_of(table, entry)) & table->mask;
    while (table->slots[at].entry != entry) {
        CHECK(table->slots[at].entry != NO_ENTRY);
        at = (at + 1) & table->mask;
    }
    close_gap(table, at);
}
