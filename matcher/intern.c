/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The slot of `bytes`, or the free one where they belong. */
static uint32_t *find_slot(const struct intern *table, const void *bytes, size_t size)
{
    uint32_t at = (uint32_t)XXH3_64bits(bytes, size) & (table->slot_count - 1);

    while (table->slots[at]) {
        const struct intern_key *key = &table->keys[table->slots[at] - 1];

        if (key->size == size && memcmp(key->bytes, bytes, size) == 0)
            break;
        at = (at + 1) & (table->slot_count - 1);
    }
    return &table->slots[at];
}

static int grow(struct intern *table)
{
    uint32_t capacity = table->key_capacity ? table->key_capacity * 2 : 32;
    struct intern_key *keys = realloc(table->keys, capacity * sizeof *keys);
    uint32_t *slots;

    if (!keys)
        return -ENOMEM;
    table->keys = keys;
    slots = calloc((size_t)capacity * 2, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    free(table->slots);
    table->slots = slots;
    table->slot_count = capacity * 2;
    table->key_capacity = capacity;
    for (uint32_t i = 0; i < table->count; i++)
        *find_slot(table, keys[i].bytes, keys[i].size) = i + 1;
    return 0;
}

int64_t intern_put(struct intern *table, const void *bytes, size_t size, bool *fresh)
{
    uint32_t *slot;
    char *copy;

    *fresh = false;
    if (table->count == table->key_capacity && grow(table) < 0)
        return -ENOMEM;
    slot = find_slot(table, bytes, size);
    if (*slot)
        return *slot - 1;
    copy = malloc(size + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    table->keys[table->count] = (struct intern_key){copy, size};
    *slot = ++table->count;
    *fresh = true;
    return table->count - 1;
}

void intern_fini(struct intern *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        free(table->keys[i].bytes);
    free(table->keys);
    free(table->slots);
    *table = (struct intern){0};
}
