/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/fires.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_words(const void *left, const void *right)
{
    const struct fire *a = left;
    const struct fire *b = right;

    return a->word < b->word ? -1 : a->word > b->word;
}

static int reserve(struct fires *fires, size_t more)
{
    size_t capacity = fires->capacity ? fires->capacity : 256;
    struct fire *items;

    while (capacity < fires->count + more)
        capacity *= 2;
    if (capacity == fires->capacity)
        return 0;
    if (capacity > UINT32_MAX / 2)
        return -ENOMEM;
    items = realloc(fires->items, capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    fires->items = items;
    fires->capacity = (uint32_t)capacity;
    return 0;
}

int fires_init(struct fires *fires)
{
    *fires = (struct fires){0};
    if (reserve(fires, 1) < 0)
        return -ENOMEM;
    fires->items[fires->count++] = (struct fire){0, 0};
    return 0;
}

/* The items from `first` to the end become one list. */
static struct fire_list close_list(struct fires *fires, uint32_t first)
{
    struct fire *items = fires->items + first;
    uint32_t count = fires->count - first;
    uint32_t kept = 0;

    if (count == 0)
        return (struct fire_list){0, 0};
    if (count > 1)
        qsort(items, count, sizeof *items, compare_words);
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && items[kept - 1].word == items[i].word)
            items[kept - 1].bits |= items[i].bits;
        else
            items[kept++] = items[i];
    }
    fires->count = first + kept;
    return (struct fire_list){first, kept};
}

int fires_add(struct fires *fires, const struct fire *items, size_t count, struct fire_list *list)
{
    uint32_t first = fires->count;

    if (reserve(fires, count) < 0)
        return -ENOMEM;
    if (count > 0)
        memcpy(fires->items + first, items, count * sizeof *items);
    fires->count += (uint32_t)count;
    *list = close_list(fires, first);
    return 0;
}

int fires_merge(struct fires *fires, const struct fire_list *lists, size_t count,
                struct fire_list *list)
{
    uint32_t first = fires->count;

    for (size_t i = 0; i < count; i++) {
        if (reserve(fires, lists[i].count) < 0)
            return -ENOMEM;
        memcpy(fires->items + fires->count, fires->items + lists[i].first,
               lists[i].count * sizeof *fires->items);
        fires->count += lists[i].count;
    }
    *list = close_list(fires, first);
    return 0;
}

void fires_fini(struct fires *fires)
{
    free(fires->items);
    *fires = (struct fires){0};
}
