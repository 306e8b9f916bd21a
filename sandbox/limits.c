/* SPDX-License-Identifier: MPL-2.0 */
#include "sandbox/sandbox_internal.h"

#include <errno.h>

struct sandbox *sandbox_of(lua_State *lua)
{
    void *sandbox;
    lua_getallocf(lua, &sandbox);
    return sandbox;
}

/* ---- memory ---- */

/* LuaJIT's own allocator with a bound: one of malloc's may return addresses that LuaJIT cannot use
 * on arm64. */
static void *allocate(void *ud, void *old, size_t old_size, size_t new_size)
{
    struct sandbox *sandbox = ud;
    size_t used = sandbox->usage.memory_bytes;
    if (new_size > old_size && sandbox->memory_limit != 0 &&
        (used >= sandbox->memory_limit || new_size - old_size > sandbox->memory_limit - used))
        return NULL;
    void *block = sandbox->alloc(sandbox->alloc_ud, old, old_size, new_size);
    if (block == NULL && new_size > 0)
        return NULL;
    used = used - old_size + new_size;
    sandbox->usage.memory_bytes = used;
    if (used > sandbox->usage.memory_max_bytes)
        sandbox->usage.memory_max_bytes = used;
    return block;
}

int limits_open(struct sandbox *sandbox)
{
    sandbox->lua = luaL_newstate();
    if (sandbox->lua == NULL)
        return -ENOMEM;
    sandbox->alloc = lua_getallocf(sandbox->lua, &sandbox->alloc_ud);
    lua_setallocf(sandbox->lua, allocate, sandbox);
    sandbox->usage.memory_bytes = (size_t)lua_gc(sandbox->lua, LUA_GCCOUNT, 0) * 1024 +
                                  (size_t)lua_gc(sandbox->lua, LUA_GCCOUNTB, 0);
    return 0;
}

/* Only now: LuaJIT does not survive an allocation that fails while its libraries are opened. */
void limits_arm_memory(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    size_t limit = sandbox->config.limits.memory_limit;
    if (sandbox->usage.memory_bytes > limit) {
        lua_pushliteral(lua, "not enough memory");
        lua_error(lua);
    }
    sandbox->memory_limit = limit;
    sandbox->usage.memory_max_bytes = sandbox->usage.memory_bytes;
}

void limits_close(struct sandbox *sandbox)
{
    if (sandbox->lua == NULL)
        return;
    lua_sethook(sandbox->lua, NULL, 0, 0);
    lua_setallocf(sandbox->lua, sandbox->alloc, sandbox->alloc_ud);
    lua_close(sandbox->lua);
    sandbox->lua = NULL;
}

/* ---- instructions, C stack, watchdog ---- */

static void on_hook(lua_State *lua, lua_Debug *debug);

const char *limits_trip_text(enum sandbox_trip trip)
{
    switch (trip) {
    case TRIP_INSTRUCTIONS:
        return "instruction_limit exceeded";
    case TRIP_C_STACK:
        return "C stack overflow";
    case TRIP_WATCHDOG:
        return "stopped by the watchdog";
    default:
        return "";
    }
}

static bool is_stopped(struct sandbox *sandbox)
{
    /* W1 pairs with W2 in sandbox_stop(): only the number is handed over. */
    uint64_t stop = atomic_load_explicit(&sandbox->stop_serial, memory_order_relaxed);
    return stop != 0 && stop == atomic_load_explicit(&sandbox->serial, memory_order_relaxed);
}

static uint64_t instructions_of(const struct sandbox *sandbox)
{
    return sandbox->steps_used + sandbox->pattern_steps / SANDBOX_PATTERN_STEPS;
}

static enum sandbox_trip find_trip(struct sandbox *sandbox)
{
    uint64_t limit = sandbox->config.limits.instruction_limit;
    if (is_stopped(sandbox))
        return TRIP_WATCHDOG;
    if (limit != 0 && instructions_of(sandbox) >= limit)
        return TRIP_INSTRUCTIONS;
    if ((uintptr_t)__builtin_frame_address(0) < sandbox->stack_limit)
        return TRIP_C_STACK;
    return TRIP_NONE;
}

void limits_check(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    if (sandbox->trip == TRIP_NONE) {
        sandbox->trip = find_trip(sandbox);
        if (sandbox->trip == TRIP_NONE)
            return;
        /* What catches the error gets the next one with its next instruction. */
        lua_sethook(lua, on_hook, LUA_MASKCOUNT | LUA_MASKCALL, 1);
    }
    lua_pushstring(lua, limits_trip_text(sandbox->trip));
    lua_error(lua);
}

/* The hook again, in time for what is left of the limit. Compiled code does not call it. */
static void arm(struct sandbox *sandbox, lua_State *lua)
{
    if (sandbox->config.jit)
        return;
    uint64_t limit = sandbox->config.limits.instruction_limit, used = instructions_of(sandbox);
    sandbox->step = SANDBOX_COUNT_STEP;
    if (limit != 0 && limit - used < SANDBOX_COUNT_STEP)
        sandbox->step = (uint32_t)(limit - used);
    lua_sethook(lua, on_hook, LUA_MASKCOUNT, (int)sandbox->step);
}

static void on_hook(lua_State *lua, lua_Debug *debug)
{
    struct sandbox *sandbox = sandbox_of(lua);
    uint64_t limit = sandbox->config.limits.instruction_limit;
    if (debug->event == LUA_HOOKCOUNT)
        sandbox->steps_used += sandbox->step;
    limits_check(lua);
    if (debug->event != LUA_HOOKCOUNT || /* somebody escalated an earlier call */
        (limit != 0 && limit - instructions_of(sandbox) < sandbox->step))
        arm(sandbox, lua);
}

void limits_charge(lua_State *lua, uint64_t steps)
{
    struct sandbox *sandbox = sandbox_of(lua);
    sandbox->pattern_steps += steps;
    limits_check(lua);
}

/* One writer. */
static void next_serial(struct sandbox *sandbox)
{
    uint64_t serial = atomic_load_explicit(&sandbox->serial, memory_order_relaxed);
    atomic_store_explicit(&sandbox->serial, serial + 1, memory_order_relaxed);
}

void limits_begin(struct sandbox *sandbox, const void *base)
{
    uintptr_t here = (uintptr_t)base;
    sandbox->stack_limit = here > SANDBOX_C_STACK_SIZE ? here - SANDBOX_C_STACK_SIZE : 0;
    sandbox->steps_used = 0;
    sandbox->pattern_steps = 0;
    sandbox->scratch.size = 0;
    next_serial(sandbox);
    arm(sandbox, sandbox->lua);
}

void limits_end(struct sandbox *sandbox)
{
    next_serial(sandbox);
    sandbox->usage.instructions = instructions_of(sandbox);
    if (sandbox->usage.instructions > sandbox->usage.instructions_max)
        sandbox->usage.instructions_max = sandbox->usage.instructions;
}

/* ---- other threads ---- */

uint64_t sandbox_call_serial(const struct sandbox *sandbox)
{
    return atomic_load_explicit(&sandbox->serial, memory_order_relaxed);
}

void sandbox_stop(struct sandbox *sandbox, uint64_t serial)
{
    /* W2 pairs with W1 in is_stopped(). */
    atomic_store_explicit(&sandbox->stop_serial, serial, memory_order_relaxed);
}

void sandbox_escalate(struct sandbox *sandbox, uint64_t serial)
{
    sandbox_stop(sandbox, serial);
    if (sandbox_call_serial(sandbox) == serial)
        lua_sethook(sandbox->lua, on_hook, LUA_MASKCOUNT | LUA_MASKCALL | LUA_MASKRET, 1);
}
