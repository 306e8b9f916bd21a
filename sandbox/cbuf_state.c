/* SPDX-License-Identifier: MPL-2.0
 *
 * cbuf_state.c - circular buffers as bytes and back.
 */
#include <string.h>

#include "sandbox/cbuf.h"

struct saved { /* then headers, values, and of each changed row its time and changes */
    int64_t time;
    uint32_t rows, columns, seconds, row;
    uint32_t has_delta, is_delta_format, delta_rows, is_dirty;
};

static int save_deltas(lua_State *lua, const struct cbuf *cbuf, int deltas, const double *times,
                       struct buffer *out)
{
    struct saved saved = {.time = cbuf->time,
                          .rows = cbuf->rows,
                          .columns = cbuf->columns,
                          .seconds = cbuf->seconds,
                          .row = cbuf->row,
                          .has_delta = cbuf->has_delta,
                          .is_delta_format = cbuf->is_delta_format,
                          .is_dirty = cbuf->is_dirty};
    size_t cells = (size_t)cbuf->rows * cbuf->columns;
    while (times[saved.delta_rows] >= 0)
        saved.delta_rows++;
    int rc = buffer_append(out, &saved, sizeof(saved));
    if (rc == 0)
        rc = buffer_append(out, cbuf->headers, cbuf->columns * sizeof(*cbuf->headers));
    if (rc == 0)
        rc = buffer_append(out, cbuf->values, cells * sizeof(*cbuf->values));
    for (uint32_t i = 0; rc == 0 && i < saved.delta_rows; i++) {
        rc = buffer_append(out, &times[i], sizeof(times[i]));
        for (uint32_t column = 0; rc == 0 && column < cbuf->columns; column++) {
            const struct cbuf_delta *delta = cbuf_find_delta(lua, deltas, times[i]) + column;
            uint8_t is_set = delta->is_set;
            rc = buffer_append(out, &is_set, sizeof(is_set));
            if (rc == 0)
                rc = buffer_append(out, &delta->value, sizeof(delta->value));
        }
    }
    return rc;
}

int cbuf_save(lua_State *lua, int index, struct buffer *out)
{
    double *times;
    luaL_checkstack(lua, 10, "circular_buffer");
    lua_getfenv(lua, index);
    int deltas = lua_gettop(lua);
    size_t count = cbuf_push_times(lua, deltas, &times);
    times[count] = -1;
    int rc = save_deltas(lua, lua_touserdata(lua, index), deltas, times, out);
    lua_settop(lua, deltas - 1);
    return rc;
}

static bool load_headers(struct cbuf *cbuf, const uint8_t *state)
{
    memcpy(cbuf->headers, state, cbuf->columns * sizeof(*cbuf->headers));
    for (uint32_t i = 0; i < cbuf->columns; i++) {
        struct cbuf_header *header = &cbuf->headers[i];
        char name[CBUF_NAME_SIZE], unit[CBUF_UNIT_SIZE];
        if (header->aggregation > CBUF_NONE)
            return false;
        header->name[CBUF_NAME_SIZE - 1] = '\0';
        header->unit[CBUF_UNIT_SIZE - 1] = '\0';
        cbuf_copy_word(name, sizeof(name), header->name, "");
        cbuf_copy_word(unit, sizeof(unit), header->unit, "/*");
        memcpy(header->name, name, sizeof(name));
        memcpy(header->unit, unit, sizeof(unit));
    }
    return true;
}

/* The object is at stack position 1, as cbuf_add_delta() wants it. */
static void load_deltas(lua_State *lua, struct cbuf *cbuf, const uint8_t *state, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        double time, value;
        memcpy(&time, state, sizeof(time));
        state += sizeof(time);
        int64_t row = cbuf_row_time(cbuf, time * 1e9);
        for (uint32_t column = 0; column < cbuf->columns; column++) {
            memcpy(&value, state + 1, sizeof(value));
            if (*state != 0 && row >= 0)
                cbuf_add_delta(lua, cbuf, row, column, value);
            state += 1 + sizeof(value);
        }
    }
}

static bool is_saved(const struct saved *saved, size_t size)
{
    if (saved->rows < 2 || saved->rows > INT32_MAX || saved->columns < 1 ||
        saved->columns > INT32_MAX || saved->seconds < 1 || saved->seconds > INT32_MAX ||
        saved->row >= saved->rows || saved->time < 0 || saved->time >= CBUF_TIME_MAX)
        return false;
    uint64_t row = (uint64_t)saved->columns * (1 + sizeof(double)) + sizeof(double);
    uint64_t rest = size - sizeof(*saved), head = saved->columns * sizeof(struct cbuf_header);
    if (head > rest || (rest - head) / sizeof(double) / saved->columns < saved->rows)
        return false;
    rest -= head + (uint64_t)saved->columns * saved->rows * sizeof(double);
    return rest % row == 0 && rest / row == saved->delta_rows;
}

/* The object is at stack position 1; all but its shape is replaced. */
static bool fill(lua_State *lua, struct cbuf *cbuf, const struct saved *saved, const uint8_t *state)
{
    size_t cells = (size_t)saved->rows * saved->columns;
    lua_settop(lua, 1);
    cbuf_clear_deltas(lua);
    state += sizeof(*saved);
    if (!load_headers(cbuf, state))
        return false;
    state += saved->columns * sizeof(struct cbuf_header);
    memcpy(cbuf->values, state, cells * sizeof(double));
    cbuf_set_time(cbuf, saved->time, saved->row);
    cbuf->has_delta = saved->has_delta != 0;
    cbuf->is_delta_format = saved->is_delta_format != 0;
    load_deltas(lua, cbuf, state + cells * sizeof(double), saved->delta_rows);
    cbuf->is_dirty = saved->is_dirty != 0;
    return true;
}

/* In functions of their own, so that the object is at stack position 1. */
static int load_protected(lua_State *lua)
{
    const uint8_t *state = lua_touserdata(lua, 1);
    struct saved saved;
    memcpy(&saved, state, sizeof(saved));
    lua_settop(lua, 0);
    struct cbuf *cbuf = cbuf_push(lua, saved.rows, saved.columns, saved.seconds);
    if (!fill(lua, cbuf, &saved, state))
        lua_pushnil(lua);
    return 1;
}

static int adopt_protected(lua_State *lua)
{
    const uint8_t *state = lua_touserdata(lua, 2);
    struct saved saved;
    memcpy(&saved, state, sizeof(saved));
    lua_pushboolean(lua, fill(lua, lua_touserdata(lua, 1), &saved, state));
    return 1;
}

/* False: not what cbuf_save() makes. */
static bool take_saved(const uint8_t *state, size_t size, struct saved *saved)
{
    if (size < sizeof(*saved))
        return false;
    memcpy(saved, state, sizeof(*saved));
    return is_saved(saved, size);
}

bool cbuf_load(lua_State *lua, const uint8_t *state, size_t size)
{
    struct saved saved;
    if (!take_saved(state, size, &saved))
        return false;
    luaL_checkstack(lua, 10, "circular_buffer");
    lua_pushcfunction(lua, load_protected);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)state);
    lua_call(lua, 1, 1);
    if (!lua_isnil(lua, -1))
        return true;
    lua_pop(lua, 1);
    return false;
}

bool cbuf_adopt(lua_State *lua, int index, const uint8_t *state, size_t size)
{
    struct saved saved;
    const struct cbuf *cbuf = lua_touserdata(lua, index);
    if (!take_saved(state, size, &saved) || saved.rows != cbuf->rows ||
        saved.columns != cbuf->columns || saved.seconds != cbuf->seconds)
        return false;
    luaL_checkstack(lua, 10, "circular_buffer");
    lua_pushcfunction(lua, adopt_protected);
    lua_pushvalue(lua, index);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)state);
    lua_call(lua, 2, 1);
    bool ok = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return ok;
}
