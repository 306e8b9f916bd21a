/* SPDX-License-Identifier: MPL-2.0 */
#include "core/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_CHUNK_MIN = 4096, ARENA_CHUNK_MAX = 1 << 20, ARENA_ALIGN = alignof(max_align_t) };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    size_t used;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

void arena_fini(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    arena_init(arena, arena->limit_bytes);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t capacity = arena->chunks != NULL ? arena->chunks->size * 2 : ARENA_CHUNK_MIN;
    if (capacity > ARENA_CHUNK_MAX)
        capacity = ARENA_CHUNK_MAX;
    if (capacity < size)
        capacity = size;
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->size = capacity;
    chunk->used = 0;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->limit_bytes)
        return NULL;
    size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (rounded > arena->limit_bytes - arena->used_bytes)
        return NULL;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || rounded > chunk->size - chunk->used)
        chunk = add_chunk(arena, rounded);
    if (chunk == NULL)
        return NULL;
    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    return memset(memory, 0, rounded);
}

char *arena_text(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, text, len);
    return copy;
}
