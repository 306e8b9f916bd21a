/* SPDX-License-Identifier: MPL-2.0
 *
 * cbuf_text.c - the text forms of circular buffers, and fromstring().
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/cbuf.h"

int cbuf_format(lua_State *lua)
{
    static const char *const formats[] = {"cbuf", "cbufd", NULL};
    struct cbuf *cbuf = cbuf_check(lua, 2, 2);
    cbuf->is_delta_format = luaL_checkoption(lua, 2, NULL, formats) == 1;
    lua_settop(lua, 1);
    return 1;
}

static int append_head(const struct cbuf *cbuf, struct buffer *out)
{
    int rc = buffer_printf(
        out, "{\"time\":%lld,\"rows\":%u,\"columns\":%u,\"seconds_per_row\":%u,\"column_info\":[",
        (long long)(cbuf->time - (int64_t)cbuf->seconds * (cbuf->rows - 1)), cbuf->rows,
        cbuf->columns, cbuf->seconds);
    for (uint32_t i = 0; rc == 0 && i < cbuf->columns; i++) {
        const struct cbuf_header *header = &cbuf->headers[i];
        rc = buffer_printf(out, "%s{\"name\":\"%s\",\"unit\":\"%s\",\"aggregation\":\"%s\"}",
                           i > 0 ? "," : "", header->name, header->unit,
                           cbuf_aggregations[header->aggregation]);
    }
    return rc == 0 ? buffer_append(out, "]}\n", 3) : rc;
}

static int append_rows(lua_State *lua, const struct cbuf *cbuf, struct buffer *out)
{
    int rc = 0;
    for (uint32_t i = 1; rc == 0 && i <= cbuf->rows; i++) {
        size_t row = ((size_t)cbuf->row + i) % cbuf->rows;
        limits_charge(lua, cbuf->columns);
        for (uint32_t column = 0; rc == 0 && column < cbuf->columns; column++) {
            if (column > 0)
                rc = buffer_append(out, "\t", 1);
            if (rc == 0)
                rc = api_append_number(out, cbuf->values[row * cbuf->columns + column]);
        }
        if (rc == 0)
            rc = buffer_append(out, "\n", 1);
    }
    return rc;
}

static int append_delta(const struct cbuf *cbuf, double time, const struct cbuf_delta *delta,
                        struct buffer *out)
{
    int rc = api_append_number(out, time);
    for (uint32_t column = 0; rc == 0 && column < cbuf->columns; column++) {
        rc = buffer_append(out, "\t", 1);
        if (rc == 0)
            rc = api_append_number(out, delta[column].is_set ? delta[column].value : NAN);
    }
    return rc == 0 ? buffer_append(out, "\n", 1) : rc;
}

static int append_deltas(lua_State *lua, const struct cbuf *cbuf, int index, struct buffer *out)
{
    double *times;
    int rc = 0;
    lua_getfenv(lua, index);
    int deltas = lua_gettop(lua);
    size_t count = cbuf_push_times(lua, deltas, &times);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        limits_charge(lua, cbuf->columns);
        rc = append_delta(cbuf, times[i], cbuf_find_delta(lua, deltas, times[i]), out);
    }
    lua_settop(lua, deltas - 1);
    return rc;
}

/* The text in the format that format() chose. A cbufd text is only given once. */
int cbuf_output(lua_State *lua, int index, struct buffer *out)
{
    struct cbuf *cbuf = lua_touserdata(lua, index);
    if (cbuf->is_delta_format && !cbuf->is_dirty)
        return 0;
    luaL_checkstack(lua, 10, "circular_buffer");
    int rc = append_head(cbuf, out);
    if (rc != 0)
        return rc;
    if (!cbuf->is_delta_format)
        return append_rows(lua, cbuf, out);
    rc = append_deltas(lua, cbuf, index, out);
    if (rc != 0)
        return rc;
    lua_newtable(lua);
    lua_setfenv(lua, index);
    cbuf->is_dirty = false;
    return 0;
}

/* ---- from text ---- */

/* The next number of a list with white space between; "nan" is one. False: there is none. */
static bool read_number(const char **text, double *number)
{
    while (isspace((unsigned char)**text))
        ++*text;
    if (**text == '\0')
        return false;
    if (**text == 'n') {
        if (strncmp(*text, "nan", 3) != 0)
            return false;
        *text += 3;
        *number = NAN;
        return true;
    }
    char *end;
    *number = strtod(*text, &end);
    bool is_number = end != *text;
    *text = end;
    return is_number;
}

static void read_deltas(lua_State *lua, struct cbuf *cbuf, const char **text)
{
    double number;
    while (read_number(text, &number)) {
        int64_t time = cbuf_row_time(cbuf, number * 1e9);
        limits_charge(lua, cbuf->columns);
        for (uint32_t column = 0; column < cbuf->columns; column++) {
            double value = 0;
            if (!read_number(text, &value))
                luaL_error(lua, "fromstring() invalid delta");
            if (time >= 0)
                cbuf_add_delta(lua, cbuf, time, column, value);
        }
    }
}

/* Time and index of the current row. */
static void read_position(lua_State *lua, struct cbuf *cbuf, const char **text)
{
    double time = 0, row = 0;
    bool is_there = read_number(text, &time) && read_number(text, &row);
    if (!is_there)
        return;
    if (!(time >= 0 && time < (double)CBUF_TIME_MAX && row >= 0 && row < cbuf->rows))
        luaL_error(lua, "fromstring() invalid time or row");
    cbuf_set_time(cbuf, (int64_t)time, (uint32_t)row);
}

int cbuf_from_string(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 2, INT32_MAX);
    const char *text = luaL_checkstring(lua, 2);
    size_t count = (size_t)cbuf->rows * cbuf->columns, i = 0;
    double number;
    limits_charge(lua, count);
    read_position(lua, cbuf, &text);
    while (i < count && read_number(&text, &number))
        cbuf->values[i++] = number;
    if (i < count)
        return luaL_error(lua, "fromstring() too few values: %d, expected %d", (int)i, (int)count);
    if (cbuf->has_delta)
        read_deltas(lua, cbuf, &text);
    if (read_number(&text, &number))
        return luaL_error(lua, "fromstring() too many values, more than: %d", (int)count);
    return 0;
}
