/* SPDX-License-Identifier: MPL-2.0
 *
 * cbuf.h - a circular buffer, for the files that make up the module circular_buffer.
 *
 * Place:   private to sandbox/. circular_buffer.c has rows, cells and the module, cbuf_compute.c
 *          what is computed of a column, cbuf_text.c the text forms, cbuf_state.c the state.
 * Threads: the instance's.
 * Memory:  one userdata. Changes since the last cbufd output are in its environment: a table from
 *          a row's time to a userdata of its columns.
 * Failure: Lua errors.
 * Source:  lua_sandbox: methods, error texts, the text forms cbuf and cbufd.
 */
#ifndef SANDBOX_CBUF_H
#define SANDBOX_CBUF_H

#include "sandbox/userdata.h"

enum { CBUF_NAME_SIZE = 16, CBUF_UNIT_SIZE = 8, CBUF_OUTSIDE = -1 };

/* Seconds of row times stay far from where doubles or int64_t end. */
#define CBUF_TIME_MAX INT64_C(9000000000000)

enum cbuf_aggregation { CBUF_SUM, CBUF_MIN, CBUF_MAX, CBUF_NONE };
extern const char *const cbuf_aggregations[];

struct cbuf_header {
    char name[CBUF_NAME_SIZE], unit[CBUF_UNIT_SIZE];
    uint32_t aggregation;
};

struct cbuf {
    int64_t time;     /* of the current row */
    int64_t slot;     /* time / seconds */
    int64_t slot_row; /* slot % rows: where cells of that time are */
    uint32_t rows, columns, seconds, row;
    bool has_delta, is_dirty, is_delta_format;
    double *values;              /* rows in the order of their times modulo the number of rows */
    struct cbuf_header *headers; /* both behind the struct */
};

struct cbuf_delta { /* of a cell */
    double value;
    bool is_set;
};

/* The object at stack position 1, with so many arguments, itself included. */
struct cbuf *cbuf_check(lua_State *lua, int least, int most);
uint32_t cbuf_check_column(lua_State *lua, const struct cbuf *cbuf, int index);
/* A new one on top, all cells unset. */
struct cbuf *cbuf_push(lua_State *lua, uint32_t rows, uint32_t columns, uint32_t seconds);
/* Makes the row of that time, and of that index, the current one. */
void cbuf_set_time(struct cbuf *cbuf, int64_t time, uint32_t row);
/* The object on top forgets its changes. */
void cbuf_clear_deltas(lua_State *lua);
/* Time of the row that nanoseconds are in, or CBUF_OUTSIDE. */
int64_t cbuf_row_time(const struct cbuf *cbuf, double ns);
/* The row of a time, or CBUF_OUTSIDE. Later times make the window move, if `is_moved`. */
int64_t cbuf_find_row(lua_State *lua, struct cbuf *cbuf, double ns, bool is_moved);
/* Of the object at stack position 1. */
void cbuf_add_delta(lua_State *lua, struct cbuf *cbuf, int64_t time, uint32_t column, double value);
/* Changes of a row, in the table at `deltas`. */
const struct cbuf_delta *cbuf_find_delta(lua_State *lua, int deltas, double time);
/* Pushes the times of the changed rows, ascending, as a userdata with room for one more. */
size_t cbuf_push_times(lua_State *lua, int deltas, double **times);
/* A name or unit: what is no letter, digit or one of `others` becomes _. */
void cbuf_copy_word(char *to, size_t size, const char *from, const char *others);

int cbuf_compute(lua_State *lua);
int cbuf_mann_whitney_u(lua_State *lua);
int cbuf_format(lua_State *lua);
int cbuf_from_string(lua_State *lua);
int cbuf_output(lua_State *lua, int index, struct buffer *out);
int cbuf_save(lua_State *lua, int index, struct buffer *out);
bool cbuf_load(lua_State *lua, const uint8_t *state, size_t size);
bool cbuf_adopt(lua_State *lua, int index, const uint8_t *state, size_t size);

#endif
