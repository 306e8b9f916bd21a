/* SPDX-License-Identifier: MPL-2.0
 *
 * lua_heap.c - puts the Lua heap of sandboxes into malloc's, where AddressSanitizer sees what is
 *              written beyond an object of a module.
 *
 * Place:   fuzz targets and tests of sandbox/, linked with --wrap=lua_getallocf: the engine asks
 *          for LuaJIT's allocator and gets ours. Blocks that LuaJIT had before stay its own. On
 *          x86-64 only: elsewhere LuaJIT cannot use malloc's addresses.
 * Threads: one.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum { SLOTS = 1 << 21 };

/* The linker's --wrap names; C has no others for them. */
lua_Alloc __real_lua_getallocf(lua_State *lua, void **ud);
lua_Alloc __wrap_lua_getallocf(lua_State *lua, void **ud);

static lua_Alloc original;
static void *blocks[SLOTS]; /* ours; open addressing */

static size_t slot_of(const void *block)
{
    return ((uintptr_t)block >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 43;
}

static void **find_block(const void *block)
{
    for (size_t i = slot_of(block);; i = (i + 1) % SLOTS) {
        if (blocks[i] == block)
            return &blocks[i];
        if (blocks[i] == NULL)
            return NULL;
    }
}

static void add_block(void *block)
{
    size_t i = slot_of(block);
    for (size_t tries = 0; blocks[i] != NULL; tries++) {
        CHECK(tries < SLOTS / 2);
        i = (i + 1) % SLOTS;
    }
    blocks[i] = block;
}

/* What stands behind it and belongs before it moves up. */
static void remove_block(void **slot)
{
    size_t hole = (size_t)(slot - blocks);
    for (size_t i = (hole + 1) % SLOTS; blocks[i] != NULL; i = (i + 1) % SLOTS) {
        size_t home = slot_of(blocks[i]);
        if ((i - home) % SLOTS < (i - hole) % SLOTS)
            continue;
        blocks[hole] = blocks[i];
        hole = i;
    }
    blocks[hole] = NULL;
}

static void *allocate(void *ud, void *old, size_t old_size, size_t new_size)
{
    void **slot = old != NULL ? find_block(old) : NULL;
    if (old != NULL && slot == NULL && new_size == 0)
        return original(ud, old, old_size, 0);
    void *block = new_size > 0 ? malloc(new_size) : NULL;
    if (block == NULL && new_size > 0)
        return NULL;
    if (old != NULL && block != NULL)
        memcpy(block, old, old_size < new_size ? old_size : new_size);
    if (slot != NULL) {
        remove_block(slot);
        free(old);
    } else if (old != NULL) {
        original(ud, old, old_size, 0);
    }
    if (block != NULL)
        add_block(block);
    return block;
}

lua_Alloc __wrap_lua_getallocf(lua_State *lua, void **ud)
{
    if (original == NULL) {
        void *own;
        lua_State *sample = luaL_newstate();
        CHECK(sample != NULL);
        original = __real_lua_getallocf(sample, &own);
        lua_close(sample);
    }
    lua_Alloc found = __real_lua_getallocf(lua, ud);
#ifdef __x86_64__
    return found == original ? allocate : found;
#else
    return found;
#endif
}
