/* SPDX-License-Identifier: MPL-2.0
 *
 * circular_buffer.c - the module circular_buffer: columns of numbers over a sliding window of time.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/cbuf.h"

const char *const cbuf_aggregations[] = {"sum", "min", "max", "none", NULL};

struct cbuf *cbuf_check(lua_State *lua, int least, int most)
{
    struct cbuf *cbuf = userdata_check(lua, 1, &cbuf_class);
    userdata_check_count(lua, least, most);
    return cbuf;
}

uint32_t cbuf_check_column(lua_State *lua, const struct cbuf *cbuf, int index)
{
    lua_Number column = luaL_checknumber(lua, index);
    luaL_argcheck(lua, column >= 1 && column < (lua_Number)cbuf->columns + 1, index,
                  "column out of range");
    return (uint32_t)column - 1;
}

/* ---- creation ---- */

void cbuf_set_time(struct cbuf *cbuf, int64_t time, uint32_t row)
{
    cbuf->time = time;
    cbuf->slot = time / cbuf->seconds;
    cbuf->slot_row = cbuf->slot % cbuf->rows;
    cbuf->row = row;
}

struct cbuf *cbuf_push(lua_State *lua, uint32_t rows, uint32_t columns, uint32_t seconds)
{
    uint64_t cells = (uint64_t)rows * columns;
    if (cells > SIZE_MAX / 16)
        cells = SIZE_MAX / 16;
    size_t size =
        sizeof(struct cbuf) + cells * sizeof(double) + columns * sizeof(struct cbuf_header);
    struct cbuf *cbuf = userdata_new(lua, &cbuf_class, size);
    cbuf->values = (double *)(cbuf + 1);
    cbuf->headers = (struct cbuf_header *)(cbuf->values + cells);
    cbuf->rows = rows;
    cbuf->columns = columns;
    cbuf->seconds = seconds;
    cbuf_set_time(cbuf, (int64_t)seconds * (rows - 1), rows - 1);
    for (uint64_t i = 0; i < cells; i++)
        cbuf->values[i] = NAN;
    for (uint32_t i = 0; i < columns; i++) {
        snprintf(cbuf->headers[i].name, CBUF_NAME_SIZE, "Column_%u", (unsigned)(i + 1) % 100000000);
        memcpy(cbuf->headers[i].unit, "count", 6);
    }
    return cbuf;
}

static uint32_t check_dimension(lua_State *lua, int index, int least, const char *error)
{
    lua_Number number = luaL_checknumber(lua, index);
    luaL_argcheck(lua, number >= least && number <= INT32_MAX, index, error);
    return (uint32_t)number;
}

/* An environment of its own, so that it is not the module's. */
void cbuf_clear_deltas(lua_State *lua)
{
    lua_newtable(lua);
    lua_setfenv(lua, -2);
}

static int new_cbuf(lua_State *lua)
{
    userdata_check_count(lua, 3, 4);
    uint32_t rows = check_dimension(lua, 1, 2, "rows must be > 1");
    uint32_t columns = check_dimension(lua, 2, 1, "columns must be > 0");
    uint32_t seconds = check_dimension(lua, 3, 1, "seconds_per_row is out of range");
    bool has_delta = lua_toboolean(lua, 4);
    struct cbuf *cbuf = cbuf_push(lua, rows, columns, seconds);
    cbuf->has_delta = has_delta;
    cbuf_clear_deltas(lua);
    return 1;
}

/* ---- rows ---- */

static void clear_rows(struct cbuf *cbuf, int64_t count)
{
    if (count > cbuf->rows)
        count = cbuf->rows;
    for (uint32_t row = cbuf->row; count > 0; count--) {
        row = row + 1 < cbuf->rows ? row + 1 : 0;
        for (uint32_t column = 0; column < cbuf->columns; column++)
            cbuf->values[(size_t)row * cbuf->columns + column] = NAN;
    }
}

/* Whole seconds, or CBUF_OUTSIDE. */
static int64_t seconds_of(double ns)
{
    double seconds = ns / 1e9;
    if (!(seconds >= 0 && seconds < (double)CBUF_TIME_MAX))
        return CBUF_OUTSIDE;
    return (int64_t)seconds;
}

int64_t cbuf_row_time(const struct cbuf *cbuf, double ns)
{
    int64_t time = seconds_of(ns);
    return time >= 0 ? time - time % cbuf->seconds : time;
}

int64_t cbuf_find_row(lua_State *lua, struct cbuf *cbuf, double ns, bool is_moved)
{
    int64_t time = seconds_of(ns);
    if (time < 0)
        return CBUF_OUTSIDE;
    int64_t since = time - cbuf->slot * cbuf->seconds;
    if (since >= 0 && since < cbuf->seconds) /* mostly it is now */
        return cbuf->slot_row;
    int64_t slot = time / cbuf->seconds, distance = slot - cbuf->slot;
    int64_t row = slot % cbuf->rows;
    if (distance > 0 && is_moved) {
        limits_charge(lua, distance < cbuf->rows ? (uint64_t)distance : cbuf->rows);
        clear_rows(cbuf, distance);
        cbuf_set_time(cbuf, slot * cbuf->seconds, (uint32_t)row);
    } else if (distance > 0 || -distance >= (int64_t)cbuf->rows) {
        return CBUF_OUTSIDE;
    }
    return row;
}

/* ---- changes ---- */

/* The changes of the row of that time: made when there are none. */
static struct cbuf_delta *get_delta(lua_State *lua, struct cbuf *cbuf, int64_t time)
{
    lua_getfenv(lua, 1);
    lua_pushnumber(lua, (lua_Number)time);
    lua_rawget(lua, -2);
    struct cbuf_delta *delta = lua_touserdata(lua, -1);
    if (delta == NULL) {
        size_t size = cbuf->columns * sizeof(*delta);
        lua_pop(lua, 1);
        lua_pushnumber(lua, (lua_Number)time);
        delta = lua_newuserdata(lua, size);
        memset(delta, 0, size);
        lua_rawset(lua, -3);
    } else {
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    cbuf->is_dirty = true;
    return delta;
}

void cbuf_add_delta(lua_State *lua, struct cbuf *cbuf, int64_t time, uint32_t column, double value)
{
    if (!cbuf->has_delta)
        return;
    struct cbuf_delta *delta = get_delta(lua, cbuf, time) + column;
    delta->value = delta->is_set ? delta->value + value : value;
    delta->is_set = true;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Pushes the times of the changed rows, ascending, as a userdata. Returns their number. */
size_t cbuf_push_times(lua_State *lua, int deltas, double **times)
{
    size_t count = 0, i = 0;
    lua_pushnil(lua);
    while (lua_next(lua, deltas) != 0) {
        lua_pop(lua, 1);
        count++;
    }
    limits_charge(lua, count * 16 + 1);
    *times = lua_newuserdata(lua, (count + 1) * sizeof(**times));
    lua_pushnil(lua);
    while (lua_next(lua, deltas) != 0) {
        lua_pop(lua, 1);
        (*times)[i++] = lua_tonumber(lua, -1);
    }
    qsort(*times, count, sizeof(**times), compare_times);
    return count;
}

const struct cbuf_delta *cbuf_find_delta(lua_State *lua, int deltas, double time)
{
    lua_pushnumber(lua, time);
    lua_rawget(lua, deltas);
    const struct cbuf_delta *delta = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return delta;
}

/* ---- cells ---- */

struct cell { /* that add() and set() are about */
    struct cbuf *cbuf;
    uint32_t column;
    double ns, value; /* arguments */
    double *at;       /* NULL: outside */
};

static struct cell check_cell(lua_State *lua)
{
    struct cell cell = {.cbuf = cbuf_check(lua, 4, INT32_MAX)};
    cell.ns = luaL_checknumber(lua, 2);
    cell.column = cbuf_check_column(lua, cell.cbuf, 3);
    cell.value = luaL_checknumber(lua, 4);
    int64_t row = cbuf_find_row(lua, cell.cbuf, cell.ns, true);
    if (row >= 0)
        cell.at = &cell.cbuf->values[(size_t)row * cell.cbuf->columns + cell.column];
    return cell;
}

static void add_change(lua_State *lua, const struct cell *cell, double value)
{
    if (cell->cbuf->has_delta)
        cbuf_add_delta(lua, cell->cbuf, cbuf_row_time(cell->cbuf, cell->ns), cell->column, value);
}

static int push_cell(lua_State *lua, const double *at)
{
    if (at == NULL)
        lua_pushnil(lua);
    else
        lua_pushnumber(lua, *at);
    return 1;
}

static int add(lua_State *lua)
{
    struct cell cell = check_cell(lua);
    if (cell.at == NULL)
        return push_cell(lua, NULL);
    bool is_sum = cell.cbuf->headers[cell.column].aggregation == CBUF_SUM;
    *cell.at = isnan(*cell.at) ? cell.value : *cell.at + cell.value;
    if (cell.value != 0)
        add_change(lua, &cell, is_sum ? cell.value : *cell.at);
    return push_cell(lua, cell.at);
}

/* Whether set() overwrites `old`. */
static bool is_replaced(const struct cbuf_header *header, double old, double value)
{
    if (isnan(old))
        return true;
    if (header->aggregation == CBUF_MIN)
        return value < old;
    return header->aggregation != CBUF_MAX || value > old;
}

static int set(lua_State *lua)
{
    struct cell cell = check_cell(lua);
    if (cell.at == NULL)
        return push_cell(lua, NULL);
    const struct cbuf_header *header = &cell.cbuf->headers[cell.column];
    double old = *cell.at;
    if (is_replaced(header, old, cell.value) && cell.value != old) {
        bool is_extreme = header->aggregation == CBUF_MIN || header->aggregation == CBUF_MAX;
        *cell.at = cell.value;
        add_change(lua, &cell, is_extreme || isnan(old) ? cell.value : cell.value - old);
    }
    return push_cell(lua, cell.at);
}

static int get(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 3, INT32_MAX);
    double ns = luaL_checknumber(lua, 2);
    uint32_t column = cbuf_check_column(lua, cbuf, 3);
    int64_t row = cbuf_find_row(lua, cbuf, ns, false);
    return push_cell(lua, row < 0 ? NULL : &cbuf->values[(size_t)row * cbuf->columns + column]);
}

/* ---- headers ---- */

void cbuf_copy_word(char *to, size_t size, const char *from, const char *others)
{
    size_t i;
    memset(to, 0, size);
    for (i = 0; i + 1 < size && from[i] != '\0'; i++) {
        bool is_kept = isalnum((unsigned char)from[i]) || strchr(others, from[i]) != NULL;
        to[i] = is_kept ? from[i] : '_';
    }
}

static int set_header(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 3, INT32_MAX);
    uint32_t column = cbuf_check_column(lua, cbuf, 2);
    const char *name = luaL_checkstring(lua, 3);
    const char *unit = luaL_optstring(lua, 4, "count");
    struct cbuf_header *header = &cbuf->headers[column];
    header->aggregation = (uint32_t)luaL_checkoption(lua, 5, "sum", cbuf_aggregations);
    cbuf_copy_word(header->name, sizeof(header->name), name, "");
    cbuf_copy_word(header->unit, sizeof(header->unit), unit, "/*");
    lua_pushnumber(lua, column + 1);
    return 1;
}

static int get_header(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 2, INT32_MAX);
    const struct cbuf_header *header = &cbuf->headers[cbuf_check_column(lua, cbuf, 2)];
    lua_pushstring(lua, header->name);
    lua_pushstring(lua, header->unit);
    lua_pushstring(lua, cbuf_aggregations[header->aggregation]);
    return 3;
}

static int get_configuration(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 1, INT32_MAX);
    lua_pushnumber(lua, cbuf->rows);
    lua_pushnumber(lua, cbuf->columns);
    lua_pushnumber(lua, cbuf->seconds);
    return 3;
}

static int current_time(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 1, INT32_MAX);
    lua_pushnumber(lua, (lua_Number)cbuf->time * 1e9);
    return 1;
}

/* ---- the module ---- */

static const luaL_Reg methods[] = {{"add", add},
                                   {"get", get},
                                   {"set", set},
                                   {"get_configuration", get_configuration},
                                   {"set_header", set_header},
                                   {"get_header", get_header},
                                   {"compute", cbuf_compute},
                                   {"mannwhitneyu", cbuf_mann_whitney_u},
                                   {"current_time", current_time},
                                   {"format", cbuf_format},
                                   {"fromstring", cbuf_from_string},
                                   {NULL, NULL}};

const struct userdata_class cbuf_class = {.id = USERDATA_CBUF,
                                          .name = "lsb.circular_buffer",

                                          .methods = methods,
                                          .output = cbuf_output,
                                          .save = cbuf_save,
                                          .load = cbuf_load,
                                          .adopt = cbuf_adopt};

void cbuf_open(lua_State *lua)
{
    userdata_open_module(lua, new_cbuf);
}
