/* SPDX-License-Identifier: MPL-2.0 */
#include "core/toml_table.h"

#include <stdlib.h>
#include <string.h>

enum { TOML_SLOTS_MIN = 64 };

struct toml_slot { /* of an open-addressing hash table; free when node is NULL */
    const struct conf_node *parent;
    struct conf_node *node;
    bool is_defined; /* a table with a header of its own */
};

static size_t hash_key(const struct conf_node *parent, const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uintptr_t)parent; /* FNV-1a */
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot that holds the key, or the free one where it belongs. Needs one free slot. */
static struct toml_slot *find_slot(const struct toml *toml, const struct conf_node *parent,
                                   const char *key)
{
    size_t mask = toml->slot_capacity - 1;
    size_t index = hash_key(parent, key) & mask;
    for (;; index = (index + 1) & mask) {
        struct toml_slot *slot = &toml->slots[index];
        if (slot->node == NULL)
            return slot;
        if (slot->parent == parent && strcmp(slot->node->key, key) == 0)
            return slot;
    }
}

static int grow_slots(struct toml *toml)
{
    struct toml old = *toml;
    size_t capacity = old.slot_capacity != 0 ? old.slot_capacity * 2 : TOML_SLOTS_MIN;
    struct toml_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL) {
        toml->doc->failure = "out of memory";
        return -1;
    }
    toml->slots = slots;
    toml->slot_capacity = capacity;
    for (size_t i = 0; i < old.slot_capacity; i++) {
        struct toml_slot *slot = &old.slots[i];
        if (slot->node != NULL)
            *find_slot(toml, slot->parent, slot->node->key) = *slot;
    }
    free(old.slots);
    return 0;
}

static struct toml_slot *get_slot(struct toml *toml, const struct conf_node *parent,
                                  const char *key)
{
    if (toml->slot_count >= toml->slot_capacity / 2 && grow_slots(toml) != 0)
        return NULL;
    return find_slot(toml, parent, key);
}

static void put_node(struct toml *toml, struct toml_slot *slot, struct conf_node *parent,
                     struct conf_node *node)
{
    conf_node_append(parent, node);
    slot->parent = parent;
    slot->node = node;
    toml->slot_count++;
}

static struct conf_node *enter_known(struct toml *toml, struct toml_slot *slot, bool is_last)
{
    struct conf_node *node = slot->node;
    int names_len = (int)(toml->pos - 1 - toml->header_start);
    const char *names = toml->text + toml->header_start;
    if (node->type != CONF_TABLE) {
        toml_fail(toml, "table [%.*s]: '%s' is no table, it got a value in line %u", names_len,
                  names, node->key, node->line);
        return NULL;
    }
    if (is_last && slot->is_defined) {
        toml_fail(toml, "table [%.*s] is defined twice, first in line %u", names_len, names,
                  node->line);
        return NULL;
    }
    if (is_last) {
        slot->is_defined = true;
        node->line = toml->line;
    }
    return node;
}

struct conf_node *toml_table_enter(struct toml *toml, struct conf_node *parent, const char *name,
                                   bool is_last)
{
    struct toml_slot *slot = get_slot(toml, parent, name);
    if (slot == NULL)
        return NULL;
    if (slot->node != NULL)
        return enter_known(toml, slot, is_last);
    struct conf_node *node = conf_node_new(toml->doc, CONF_TABLE, toml->line);
    if (node == NULL)
        return NULL;
    node->key = name;
    put_node(toml, slot, parent, node);
    slot->is_defined = is_last;
    return node;
}

int toml_table_add(struct toml *toml, struct conf_node *table, const char *key,
                   struct conf_node *value)
{
    struct toml_slot *slot = get_slot(toml, table, key);
    if (slot == NULL)
        return -1;
    if (slot->node != NULL)
        return toml_fail(toml, "key '%s' is given twice, first in line %u", key, slot->node->line);
    value->key = key;
    put_node(toml, slot, table, value);
    return 0;
}

void toml_table_fini(struct toml *toml)
{
    free(toml->slots);
    toml->slots = NULL;
    toml->slot_count = toml->slot_capacity = 0;
}
