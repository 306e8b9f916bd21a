/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_memory.h - a shard's memory: address ranges that cost nothing until used, and long names.
 *
 * Place:   stats/shard.c.
 * Threads: a region is made and closed by one thread; an arena is the worker's.
 * Memory:  mmap without reservation; large regions ask for huge pages.
 * Failure: shard_region_open() returns -ENOMEM; shard_arena_get() returns NULL when full.
 */
#ifndef STATS_SHARD_MEMORY_H
#define STATS_SHARD_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct shard_region {
    void *base;  /* zeroed, aligned to 4 KiB, or 2 MiB when at least as large */
    size_t size; /* as asked for */
    void *map;
    size_t map_size;
};

int shard_region_open(struct shard_region *region, size_t size); /* size 0 is a region of nothing */
void shard_region_close(struct shard_region *region);            /* fine on zeroed state */

/* Blocks of 64 to 1024 bytes in steps of 64, with a list of free ones for each size. */
enum { ARENA_STEP = 64, ARENA_CLASSES = 16 };

struct shard_arena {
    char *base;
    size_t size;
    size_t used;
    uint32_t free_heads[ARENA_CLASSES + 1]; /* number of the block's first step + 1 */
};

void shard_arena_init(struct shard_arena *arena, void *base, size_t size);
char *shard_arena_get(struct shard_arena *arena, size_t len); /* len 1 to 1024 */
void shard_arena_put(struct shard_arena *arena, const char *block, size_t len);

#endif
