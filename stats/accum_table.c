/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/name_hash.h"

enum { BLOCK_SIZE = 256 << 10, FIRST_CAPACITY = 1024 };

struct accum_name_block {
    struct accum_name_block *next;
    size_t used;
    char data[BLOCK_SIZE - sizeof(void *) - sizeof(size_t)];
};

static void free_blocks(struct accum_name_block *block)
{
    while (block != NULL) {
        struct accum_name_block *next = block->next;
        free(block);
        block = next;
    }
}

void accum_table_fini(struct accum_table *table)
{
    free(table->series);
    free(table->slots);
    free_blocks(table->blocks);
    free_blocks(table->spares);
    *table = (struct accum_table){0};
}

void accum_table_clear(struct accum_table *table)
{
    while (table->blocks != NULL) {
        struct accum_name_block *block = table->blocks;
        table->blocks = block->next;
        block->next = table->spares;
        table->spares = block;
    }
    table->count = 0;
    if (table->slot_count > 0)
        memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
}

static bool add_block(struct accum_table *table)
{
    struct accum_name_block *block = table->spares;
    if (block != NULL) {
        table->spares = block->next;
    } else {
        block = malloc(sizeof(*block));
        if (block == NULL)
            return false;
        table->bytes += sizeof(*block);
    }
    block->used = 0;
    block->next = table->blocks;
    table->blocks = block;
    return true;
}

static const char *copy_name(struct accum_table *table, const char *name, size_t len)
{
    struct accum_name_block *block = table->blocks;
    if (block == NULL || sizeof(block->data) - block->used < len) {
        if (!add_block(table))
            return NULL;
        block = table->blocks;
    }
    char *copy = block->data + block->used;
    memcpy(copy, name, len);
    block->used += len;
    return copy;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static void put_slot(struct accum_table *table, uint64_t hash, uint32_t ref)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (table->slots[at].ref != 0)
        at = (at + 1) & mask;
    table->slots[at] = (struct accum_slot){.tag = tag_of(hash), .ref = ref};
}

/* Slots are at most half full. */
static bool grow_slots(struct accum_table *table)
{
    if (table->slot_count / 2 > table->count)
        return true;
    uint32_t count = table->slot_count == 0 ? 2 * FIRST_CAPACITY : 2 * table->slot_count;
    struct accum_slot *slots = calloc(count, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(table->slots);
    table->bytes += (count - table->slot_count) * sizeof(*slots);
    table->slots = slots;
    table->slot_count = count;
    for (uint32_t i = 0; i < table->count; i++)
        put_slot(table, table->series[i].hash, i + 1);
    return true;
}

static bool grow_series(struct accum_table *table)
{
    if (table->count < table->capacity)
        return true;
    uint32_t capacity = table->capacity == 0 ? FIRST_CAPACITY : 2 * table->capacity;
    struct accum_series *series = realloc(table->series, capacity * sizeof(*series));
    if (series == NULL)
        return false;
    table->bytes += (capacity - table->capacity) * sizeof(*series);
    table->series = series;
    table->capacity = capacity;
    return true;
}

static struct accum_series *find(const struct accum_table *table, const struct accum_key *key)
{
    if (table->slot_count == 0)
        return NULL;
    uint32_t mask = table->slot_count - 1;
    for (uint32_t at = (uint32_t)key->hash & mask; table->slots[at].ref != 0;
         at = (at + 1) & mask) {
        if (table->slots[at].tag != tag_of(key->hash))
            continue;
        struct accum_series *series = &table->series[table->slots[at].ref - 1];
        if (series->hash == key->hash && series->name_len == key->name_len &&
            series->tags_len == key->tags_len && name_equal(series->name, key->name, key->name_len))
            return series;
    }
    return NULL;
}

struct accum_series *accum_table_get(struct accum_table *table, const struct accum_key *key,
                                     uint32_t count_max)
{
    struct accum_series *series = find(table, key);
    if (series != NULL || table->count >= count_max)
        return series;
    if (!grow_slots(table) || !grow_series(table))
        return NULL;
    const char *name = copy_name(table, key->name, key->name_len);
    if (name == NULL)
        return NULL;
    series = &table->series[table->count++];
    *series = (struct accum_series){
        .hash = key->hash, .name = name, .name_len = key->name_len, .tags_len = key->tags_len};
    put_slot(table, key->hash, table->count);
    return series;
}

static uint32_t count_kept(const struct accum_table *table, accum_keep_fn keep, void *arg)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++)
        kept += keep(arg, &table->series[i]);
    return kept;
}

/* The names are copied too, so that those of series which come and go leave no memory behind. */
static bool copy_kept(const struct accum_table *table, struct accum_table *to, accum_keep_fn keep,
                      void *arg)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct accum_series *from = &table->series[i];
        const struct accum_key key = {from->name, from->name_len, from->tags_len, from->hash};
        if (!keep(arg, from))
            continue;
        struct accum_series *series = accum_table_get(to, &key, UINT32_MAX);
        if (series == NULL)
            return false;
        const char *name = series->name;
        *series = *from;
        series->name = name;
    }
    return true;
}

bool accum_table_retain(struct accum_table *table, accum_keep_fn keep, void *arg)
{
    struct accum_table kept = {0};
    uint32_t count = count_kept(table, keep, arg);
    if (count == table->count)
        return true;
    if (count == 0) {
        accum_table_clear(table);
        return true;
    }
    if (!copy_kept(table, &kept, keep, arg)) {
        accum_table_fini(&kept);
        return false;
    }
    accum_table_fini(table);
    *table = kept;
    return true;
}
