/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/check.h"

#define HUGE_PAGE ((size_t)2 << 20)

int shard_region_open(struct shard_region *region, size_t size)
{
    *region = (struct shard_region){.size = size};
    if (size == 0)
        return 0;
    size_t slack = size >= HUGE_PAGE ? HUGE_PAGE : 0;
    void *map = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    region->map = map;
    region->map_size = size + slack;
    region->base = map;
    if (slack != 0) {
        region->base = (char *)map + (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE) % HUGE_PAGE;
        (void)madvise(region->base, size, MADV_HUGEPAGE); /* a wish; small pages do too */
    }
    return 0;
}

void shard_region_close(struct shard_region *region)
{
    if (region->map != NULL)
        munmap(region->map, region->map_size);
    *region = (struct shard_region){0};
}

void shard_arena_init(struct shard_arena *arena, void *base, size_t size)
{
    *arena = (struct shard_arena){.base = base, .size = size};
}

static size_t size_class(size_t len)
{
    size_t steps = (len + ARENA_STEP - 1) / ARENA_STEP;
    CHECK(steps >= 1 && steps <= ARENA_CLASSES);
    return steps;
}

char *shard_arena_get(struct shard_arena *arena, size_t len)
{
    size_t steps = size_class(len);
    uint32_t *head = &arena->free_heads[steps];
    if (*head != 0) {
        char *block = arena->base + (size_t)(*head - 1) * ARENA_STEP;
        memcpy(head, block, sizeof(*head));
        return block;
    }
    if (arena->size - arena->used < steps * ARENA_STEP)
        return NULL;
    char *block = arena->base + arena->used;
    arena->used += steps * ARENA_STEP;
    return block;
}

void shard_arena_put(struct shard_arena *arena, const char *block, size_t len)
{
    uint32_t *head = &arena->free_heads[size_class(len)];
    size_t at = (size_t)(block - arena->base);
    memcpy(arena->base + at, head, sizeof(*head));
    *head = (uint32_t)(at / ARENA_STEP) + 1;
}
