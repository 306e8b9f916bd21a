/* SPDX-License-Identifier: MPL-2.0
 *
 * arena.h - bump allocator with a limit; everything is freed at once.
 *
 * Place:   documents of core/conf.h; cold paths only.
 * Threads: one owner.
 * Memory:  chunks from malloc, each larger than the one before, freed by arena_fini() only.
 * Failure: NULL when the limit would be passed or memory is out; the arena stays usable.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used_bytes;          /* of all chunks together */
    size_t limit_bytes;
};

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_fini(struct arena *arena); /* zeroed is fine */

/* Zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);

/* Copy of `len` bytes with a NUL after them. */
char *arena_text(struct arena *arena, const char *text, size_t len);

#endif
