/* SPDX-License-Identifier: MPL-2.0
 *
 * cbuf_compute.c - sums, means, deviations and extremes of a column, and the Mann-Whitney test.
 */
#include <math.h>
#include <stdlib.h>

#include "sandbox/cbuf.h"

struct range { /* of a column, first to last row, which may be before it */
    const struct cbuf *cbuf;
    uint32_t column, first, count;
};

static double range_value(const struct range *range, uint32_t i)
{
    uint32_t row = (uint32_t)(((uint64_t)range->first + i) % range->cbuf->rows);
    return range->cbuf->values[(size_t)row * range->cbuf->columns + range->column];
}

/* False: not within the buffer. */
static bool find_range(lua_State *lua, struct cbuf *cbuf, double start, double end,
                       struct range *range)
{
    int64_t first = cbuf_find_row(lua, cbuf, start, false),
            last = cbuf_find_row(lua, cbuf, end, false);
    if (first < 0 || last < 0)
        return false;
    range->cbuf = cbuf;
    range->first = (uint32_t)first;
    range->count = (uint32_t)((last - first + cbuf->rows) % cbuf->rows) + 1;
    limits_charge(lua, range->count);
    return true;
}

enum function { SUM, AVG, SD, MIN, MAX, VARIANCE };

static double variance_of(const struct range *range, double mean, uint32_t active)
{
    double sum = 0;
    for (uint32_t i = 0; i < range->count; i++) {
        double value = range_value(range, i);
        if (!isnan(value))
            sum += (value - mean) * (value - mean);
    }
    return sum / active;
}

static double compute_range(const struct range *range, enum function function, uint32_t *active)
{
    double sum = 0, least = NAN, most = NAN;
    for (uint32_t i = 0; i < range->count; i++) {
        double value = range_value(range, i);
        if (isnan(value))
            continue;
        ++*active;
        sum += value;
        least = isnan(least) || value < least ? value : least;
        most = isnan(most) || value > most ? value : most;
    }
    switch (function) {
    case SUM:
        return sum;
    case AVG:
        return *active > 0 ? sum / *active : NAN;
    case MIN:
        return least;
    case MAX:
        return most;
    default:
        break;
    }
    double variance = *active > 0 ? variance_of(range, sum / *active, *active) : NAN;
    return function == SD ? sqrt(variance) : variance;
}

int cbuf_compute(lua_State *lua)
{
    static const char *const names[] = {"sum", "avg", "sd", "min", "max", "variance", NULL};
    struct cbuf *cbuf = cbuf_check(lua, 3, INT32_MAX);
    enum function function = (enum function)luaL_checkoption(lua, 2, NULL, names);
    struct range range = {.column = cbuf_check_column(lua, cbuf, 3)};
    int64_t oldest = cbuf->time - (int64_t)cbuf->seconds * (cbuf->rows - 1);
    double start = luaL_optnumber(lua, 4, (lua_Number)oldest * 1e9);
    double end = luaL_optnumber(lua, 5, (lua_Number)cbuf->time * 1e9);
    uint32_t active = 0;
    luaL_argcheck(lua, end >= start, 5, "end must be >= start");
    if (find_range(lua, cbuf, start, end, &range))
        lua_pushnumber(lua, compute_range(&range, function, &active));
    else
        lua_pushnil(lua);
    lua_pushnumber(lua, active);
    return 2;
}

/* ---- Mann-Whitney U ---- */

struct ranked {
    double value, rank;
    bool is_first; /* of the two samples */
};

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

/* Ranks of sorted values; equal ones share theirs. Returns what corrects the deviation for that,
 * 0 when all are equal. */
static double rank_values(struct ranked *values, size_t count)
{
    double ties = 0, n = (double)count;
    for (size_t i = 0, next; i < count; i = next) {
        next = i + 1;
        while (next < count && compare_ranked(&values[i], &values[next]) == 0)
            next++;
        double tied = (double)(next - i);
        ties += tied * tied * tied - tied;
        for (size_t j = i; j < next; j++)
            values[j].rank = (double)(i + 1 + next) / 2;
    }
    return 1 - ties / (n * n * n - n);
}

static int push_u(lua_State *lua, const struct range *x, const struct range *y, bool is_continuous)
{
    size_t count = (size_t)x->count + y->count;
    double n1 = x->count, n2 = y->count, sum = 0;
    limits_charge(lua, count * 16);
    struct ranked *values = lua_newuserdata(lua, count * sizeof(*values));
    for (uint32_t i = 0; i < count; i++) {
        bool is_first = i < x->count;
        values[i].is_first = is_first;
        values[i].value = is_first ? range_value(x, i) : range_value(y, i - x->count);
    }
    qsort(values, count, sizeof(*values), compare_ranked);
    double correction = rank_values(values, count);
    if (correction == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i].is_first ? values[i].rank : 0;
    double u1 = sum - n1 * (n1 + 1) / 2, u2 = n1 * n2 - u1;
    double deviation = sqrt(correction * n1 * n2 * (n1 + n2 + 1) / 12);
    double z = fabs(((u1 > u2 ? u1 : u2) - (is_continuous ? 0.5 : 0) - n1 * n2 / 2) / deviation);
    lua_pushnumber(lua, u1);
    lua_pushnumber(lua, erfc(z / sqrt(2)) / 2);
    return 2;
}

int cbuf_mann_whitney_u(lua_State *lua)
{
    struct cbuf *cbuf = cbuf_check(lua, 6, INT32_MAX);
    luaL_argcheck(lua, lua_gettop(lua) <= 7, 0, "too many arguments");
    struct range x = {.column = cbuf_check_column(lua, cbuf, 2)}, y = x;
    double start_1 = luaL_checknumber(lua, 3), end_1 = luaL_checknumber(lua, 4);
    luaL_argcheck(lua, end_1 >= start_1, 4, "end_1 must be >= start_1");
    double start_2 = luaL_checknumber(lua, 5), end_2 = luaL_checknumber(lua, 6);
    luaL_argcheck(lua, end_2 >= start_2, 6, "end_2 must be >= start_2");
    luaL_argcheck(lua, end_1 < start_2 || end_2 < start_1, 4, "ranges must not overlap");
    bool is_continuous = true;
    if (lua_gettop(lua) == 7) {
        luaL_argcheck(lua, lua_isboolean(lua, 7), 7, "use_continuity must be a boolean");
        is_continuous = lua_toboolean(lua, 7);
    }
    if (!find_range(lua, cbuf, start_1, end_1, &x) || !find_range(lua, cbuf, start_2, end_2, &y))
        return 0;
    return push_u(lua, &x, &y, is_continuous);
}
