/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/severity_map.h"

#include <stdlib.h>
#include <string.h>

#include "codec/message_template.h"

struct severity_name {
    const char *name; /* in the configuration */
    size_t len;
    int32_t severity;
};

static int compare_names(const void *left, const void *right)
{
    const struct severity_name *a = left, *b = right;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->name, b->name, a->len);
}

static int add_severity(struct severity_map *map, const struct conf_node *entry, struct err *err)
{
    if (entry->type != CONF_INT || entry->i < INT32_MIN || entry->i > INT32_MAX)
        return err_at(err, entry->file, entry->line,
                      "severity_map: %s: expected an integer of 32 bits", entry->key);
    map->items[map->count++] =
        (struct severity_name){entry->key, strlen(entry->key), (int32_t)entry->i};
    return 0;
}

int severity_map_init(struct severity_map *map, const struct conf_node *table, struct err *err)
{
    int rc = 0;
    if (table == NULL)
        return 0;
    if (table->type != CONF_TABLE)
        return err_at(err, table->file, table->line, "severity_map: expected a table, found %s",
                      conf_type_name(table->type));
    map->items = calloc(table->count + 1, sizeof(*map->items));
    if (map->items == NULL)
        return err_add(err, "severity_map: out of memory");
    for (const struct conf_node *entry = table->first; entry != NULL; entry = entry->next)
        rc |= add_severity(map, entry, err);
    qsort(map->items, map->count, sizeof(*map->items), compare_names);
    return rc;
}

void severity_map_fini(struct severity_map *map)
{
    free(map->items);
    *map = (struct severity_map){0};
}

bool severity_map_find(const struct severity_map *map, struct msg_slice text, int32_t *severity)
{
    struct severity_name key = {.name = text.len > 0 ? text.ptr : "", .len = text.len};
    const struct severity_name *found = NULL;
    if (map->count > 0)
        found = bsearch(&key, map->items, map->count, sizeof(key), compare_names);
    if (found != NULL)
        *severity = found->severity;
    return found != NULL || message_template_number(text.ptr, text.len, severity);
}
