/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/idle_list.h"

#include <errno.h>
#include <stdlib.h>

int idle_list_init(struct idle_list *list, uint32_t entry_count)
{
    list->entries = calloc(entry_count, sizeof(*list->entries));
    list->first = list->last = IDLE_LIST_NONE;
    return list->entries != NULL ? 0 : -ENOMEM;
}

void idle_list_fini(struct idle_list *list)
{
    free(list->entries);
    list->entries = NULL;
}

static void append(struct idle_list *list, uint32_t index)
{
    struct idle_entry *entry = &list->entries[index];
    entry->is_linked = true;
    entry->next = IDLE_LIST_NONE;
    entry->previous = list->last;
    if (list->last != IDLE_LIST_NONE)
        list->entries[list->last].next = index;
    else
        list->first = index;
    list->last = index;
}

void idle_list_remove(struct idle_list *list, uint32_t index)
{
    struct idle_entry *entry = &list->entries[index];
    if (!entry->is_linked)
        return;
    entry->is_linked = false;
    if (entry->next != IDLE_LIST_NONE)
        list->entries[entry->next].previous = entry->previous;
    else
        list->last = entry->previous;
    if (entry->previous != IDLE_LIST_NONE)
        list->entries[entry->previous].next = entry->next;
    else
        list->first = entry->next;
}

void idle_list_touch(struct idle_list *list, uint32_t index, uint64_t now_ns)
{
    idle_list_remove(list, index);
    list->entries[index].touched_ns = now_ns;
    append(list, index);
}

uint32_t idle_list_take(struct idle_list *list, uint64_t now_ns, uint64_t idle_ns)
{
    uint32_t index = list->first;
    if (index == IDLE_LIST_NONE || now_ns - list->entries[index].touched_ns < idle_ns)
        return IDLE_LIST_NONE;
    idle_list_remove(list, index);
    return index;
}
