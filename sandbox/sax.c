/* SPDX-License-Identifier: MPL-2.0
 *
 * sax.c - the module sax: a series of numbers as a short word.
 *
 * A word has a letter for each frame of the series: the mean of its values, normalised by mean and
 * deviation of the series, among ranges that are equally likely in a normal distribution; '#' for a
 * frame without numbers.
 *
 * Source:  lua_sandbox: functions. Lin et al., A Symbolic Representation of Time Series (2003).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "sandbox/userdata.h"

enum { VALUES_MAX = 1 << 20, LETTERS_MIN = 2, LETTERS_MAX = 26, NO_NUMBER = '#' };
#define FLAT_DEVIATION 1e-8 /* below it, a series is a line: all frames are at its mean */

struct sax_word {
    uint32_t values, frames, letters; /* values: 0 when made of a text */
    char text[];                      /* frames + NUL */
};

struct sax_window {
    uint32_t values, frames, letters, next; /* next: index of the oldest value */
    double ring[];
};

/* ---- words of values ---- */

/* Upper end of the i-th of n ranges (from 1), by bisection of the normal distribution. */
static double breakpoint(uint32_t i, uint32_t n)
{
    double low = -10, high = 10, wanted = (double)i / n;
    for (int step = 0; step < 60; step++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < wanted)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static char letter_of(double mean, uint32_t letters)
{
    uint32_t i = 0;
    if (isnan(mean))
        return NO_NUMBER;
    while (i + 1 < letters && mean >= breakpoint(i + 1, letters) - DBL_EPSILON)
        i++;
    return (char)('A' + i);
}

struct series {
    const double *ring;
    uint32_t count, first;
    double mean, deviation;
};

static double series_value(const struct series *series, uint32_t i)
{
    return series->ring[(series->first + i) % series->count];
}

static void measure(struct series *series)
{
    double sum = 0, squares = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < series->count; i++) {
        if (isfinite(series->ring[i])) {
            sum += series->ring[i];
            count++;
        }
    }
    series->mean = count > 0 ? sum / count : 0;
    for (uint32_t i = 0; i < series->count; i++) {
        double distance = series->ring[i] - series->mean;
        if (isfinite(distance))
            squares += distance * distance;
    }
    series->deviation = count > 0 ? sqrt(squares / count) : 0;
}

static double frame_mean(const struct series *series, uint32_t frame, uint32_t size)
{
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < size; i++) {
        double value = series_value(series, frame * size + i);
        if (isnan(value))
            continue;
        bool is_flat = series->deviation < FLAT_DEVIATION && isfinite(value);
        sum += is_flat ? 0 : (value - series->mean) / fmax(series->deviation, DBL_MIN);
        count++;
    }
    return count > 0 ? sum / count : NAN;
}

static void write_word(lua_State *lua, struct series *series, uint32_t frames, uint32_t letters,
                       char *text)
{
    limits_charge(lua, series->count + (uint64_t)frames * letters * 60);
    measure(series);
    for (uint32_t i = 0; i < frames; i++)
        text[i] = letter_of(frame_mean(series, i, series->count / frames), letters);
    text[frames] = '\0';
}

/* ---- objects ---- */

static struct sax_word *push_word(lua_State *lua, uint32_t values, uint32_t frames,
                                  uint32_t letters)
{
    struct sax_word *word = userdata_new(lua, &sax_word_class, sizeof(*word) + frames + 1);
    word->values = values;
    word->frames = frames;
    word->letters = letters;
    return word;
}

static struct sax_window *push_window(lua_State *lua, uint32_t values, uint32_t frames,
                                      uint32_t letters)
{
    struct sax_window *window =
        userdata_new(lua, &sax_window_class, sizeof(*window) + values * sizeof(double));
    window->values = values;
    window->frames = frames;
    window->letters = letters;
    for (uint32_t i = 0; i < values; i++)
        window->ring[i] = NAN;
    return window;
}

static uint32_t check_letters(lua_State *lua, int index)
{
    lua_Number letters = luaL_checknumber(lua, index);
    luaL_argcheck(lua, letters >= LETTERS_MIN && letters <= LETTERS_MAX, index,
                  "cardinality is out of range");
    return (uint32_t)letters;
}

static uint32_t check_frames(lua_State *lua, int index, uint32_t values)
{
    lua_Number frames = luaL_checknumber(lua, index);
    luaL_argcheck(lua, frames >= 2 && frames <= values, index, "frames are out of range");
    luaL_argcheck(lua, values % (uint32_t)frames == 0, index,
                  "the number of values must be a multiple of the frames");
    return (uint32_t)frames;
}

static int new_window(lua_State *lua)
{
    userdata_check_count(lua, 3, 3);
    lua_Number values = luaL_checknumber(lua, 1);
    luaL_argcheck(lua, values >= 2 && values <= VALUES_MAX, 1, "values are out of range");
    uint32_t frames = check_frames(lua, 2, (uint32_t)values);
    push_window(lua, (uint32_t)values, frames, check_letters(lua, 3));
    return 1;
}

static int new_word_of_values(lua_State *lua)
{
    size_t count = lua_objlen(lua, 1);
    luaL_argcheck(lua, count >= 2 && count <= VALUES_MAX, 1, "values are out of range");
    uint32_t frames = check_frames(lua, 2, (uint32_t)count), letters = check_letters(lua, 3);
    double *values = lua_newuserdata(lua, count * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(lua, 1, (int)i + 1);
        luaL_argcheck(lua, lua_type(lua, -1) == LUA_TNUMBER, 1, "values must be numbers");
        values[i] = lua_tonumber(lua, -1);
        lua_pop(lua, 1);
    }
    struct series series = {.ring = values, .count = (uint32_t)count};
    struct sax_word *word = push_word(lua, (uint32_t)count, frames, letters);
    write_word(lua, &series, frames, letters, word->text);
    return 1;
}

static int new_word(lua_State *lua)
{
    size_t size;
    if (lua_istable(lua, 1)) {
        userdata_check_count(lua, 3, 3);
        return new_word_of_values(lua);
    }
    userdata_check_count(lua, 2, 2);
    const char *text = luaL_checklstring(lua, 1, &size);
    uint32_t letters = check_letters(lua, 2);
    luaL_argcheck(lua, size >= 1 && size <= VALUES_MAX, 1, "the word is too short or too long");
    for (size_t i = 0; i < size; i++)
        luaL_argcheck(lua, text[i] == NO_NUMBER || (text[i] >= 'A' && text[i] < 'A' + (int)letters),
                      1, "the word has other letters");
    memcpy(push_word(lua, 0, (uint32_t)size, letters)->text, text, size);
    return 1;
}

/* ---- methods ---- */

/* Values, or tables of them. */
static int window_add(lua_State *lua)
{
    struct sax_window *window = userdata_check(lua, 1, &sax_window_class);
    int args = lua_gettop(lua);
    userdata_check_count(lua, 2, INT32_MAX);
    for (int i = 2; i <= args; i++) {
        double value = luaL_checknumber(lua, i);
        window->ring[window->next] = value;
        window->next = (window->next + 1) % window->values;
    }
    return 0;
}

static int window_clear(lua_State *lua)
{
    struct sax_window *window = userdata_check(lua, 1, &sax_window_class);
    for (uint32_t i = 0; i < window->values; i++)
        window->ring[i] = NAN;
    window->next = 0;
    return 0;
}

/* Pushes the word that an object is, or has now. */
static const struct sax_word *word_at(lua_State *lua, int index)
{
    const struct userdata_class *class = userdata_class_of(lua, index);
    if (class == &sax_word_class) {
        lua_pushvalue(lua, index);
        return lua_touserdata(lua, -1);
    }
    struct sax_window *window = userdata_check(lua, index, &sax_window_class);
    struct series series = {.ring = window->ring, .count = window->values, .first = window->next};
    struct sax_word *word = push_word(lua, window->values, window->frames, window->letters);
    write_word(lua, &series, window->frames, window->letters, word->text);
    return word;
}

static int window_get_word(lua_State *lua)
{
    userdata_check(lua, 1, &sax_window_class);
    word_at(lua, 1);
    return 1;
}

static int to_text(lua_State *lua)
{
    lua_pushstring(lua, word_at(lua, 1)->text);
    return 1;
}

static int is_equal(lua_State *lua)
{
    const struct sax_word *a = word_at(lua, 1), *b = word_at(lua, 2);
    lua_pushboolean(lua, a->letters == b->letters && a->frames == b->frames &&
                             strcmp(a->text, b->text) == 0);
    return 1;
}

/* The least distance that two series with these words can have. */
static int min_distance(lua_State *lua)
{
    userdata_check_count(lua, 2, 2);
    const struct sax_word *a = word_at(lua, 1), *b = word_at(lua, 2);
    double sum = 0;
    if (a->letters != b->letters || a->frames != b->frames)
        return luaL_error(lua, "mindist() the words are of different shape");
    uint32_t values = a->values > b->values ? a->values : b->values;
    limits_charge(lua, (uint64_t)a->frames * 120);
    for (uint32_t i = 0; i < a->frames; i++) {
        char low = a->text[i] < b->text[i] ? a->text[i] : b->text[i];
        char high = a->text[i] < b->text[i] ? b->text[i] : a->text[i];
        if (low == NO_NUMBER || high - low < 2)
            continue;
        double distance = breakpoint((uint32_t)(high - 'A'), a->letters) -
                          breakpoint((uint32_t)(low - 'A') + 1, a->letters);
        sum += distance * distance;
    }
    lua_pushnumber(lua, sqrt((double)(values > 0 ? values : a->frames) / a->frames * sum));
    return 1;
}

static int output(lua_State *lua, int index, struct buffer *out)
{
    luaL_checkstack(lua, 8, "sax");
    int rc = buffer_append_text(out, word_at(lua, index)->text);
    lua_pop(lua, 1);
    return rc;
}

/* ---- state: the object as it is ---- */

static int save_word(lua_State *lua, int index, struct buffer *out)
{
    const struct sax_word *word = lua_touserdata(lua, index);
    return buffer_append(out, word, sizeof(*word) + word->frames);
}

static bool load_word(lua_State *lua, const uint8_t *state, size_t size)
{
    struct sax_word word;
    if (size < sizeof(word))
        return false;
    memcpy(&word, state, sizeof(word));
    if (size != sizeof(word) + word.frames || word.values > VALUES_MAX ||
        word.letters < LETTERS_MIN || word.letters > LETTERS_MAX || word.frames < 1)
        return false;
    char *text = push_word(lua, word.values, word.frames, word.letters)->text;
    memcpy(text, state + sizeof(word), word.frames);
    for (uint32_t i = 0; i < word.frames; i++) {
        if (text[i] != NO_NUMBER && (text[i] < 'A' || text[i] >= 'A' + (int)word.letters)) {
            lua_pop(lua, 1);
            return false;
        }
    }
    return true;
}

static int save_window(lua_State *lua, int index, struct buffer *out)
{
    const struct sax_window *window = lua_touserdata(lua, index);
    return buffer_append(out, window, sizeof(*window) + window->values * sizeof(double));
}

/* False: not what save_window() makes. */
static bool take_window(const uint8_t *state, size_t size, struct sax_window *window)
{
    if (size < sizeof(*window))
        return false;
    memcpy(window, state, sizeof(*window));
    return window->values >= 2 && window->values <= VALUES_MAX && window->frames >= 2 &&
           window->values % window->frames == 0 && window->letters >= LETTERS_MIN &&
           window->letters <= LETTERS_MAX && window->next < window->values &&
           size == sizeof(*window) + window->values * sizeof(double);
}

static bool adopt_window(lua_State *lua, int index, const uint8_t *state, size_t size)
{
    struct sax_window *window = lua_touserdata(lua, index), saved;
    if (!take_window(state, size, &saved) || saved.values != window->values ||
        saved.frames != window->frames || saved.letters != window->letters)
        return false;
    memcpy(window, state, size);
    return true;
}

static bool load_window(lua_State *lua, const uint8_t *state, size_t size)
{
    struct sax_window saved;
    if (!take_window(state, size, &saved))
        return false;
    push_window(lua, saved.values, saved.frames, saved.letters);
    return adopt_window(lua, lua_gettop(lua), state, size);
}

/* ---- the module ---- */

static const luaL_Reg word_methods[] = {{"__tostring", to_text}, {"__eq", is_equal}, {NULL, NULL}};
static const luaL_Reg window_methods[] = {
    {"add", window_add},     {"clear", window_clear}, {"get_word", window_get_word},
    {"__tostring", to_text}, {"__eq", is_equal},      {NULL, NULL}};

const struct userdata_class sax_word_class = {.id = USERDATA_SAX_WORD,
                                              .name = "mozsvc.sax.word",
                                              .methods = word_methods,
                                              .output = output,
                                              .save = save_word,
                                              .load = load_word};
const struct userdata_class sax_window_class = {.id = USERDATA_SAX_WINDOW,
                                                .name = "mozsvc.sax.window",
                                                .methods = window_methods,
                                                .output = output,
                                                .save = save_window,
                                                .load = load_window,
                                                .adopt = adopt_window};

static void set_constructor(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_newtable(lua);
    lua_pushcfunction(lua, function);
    lua_setfield(lua, -2, "new");
    lua_setfield(lua, -2, name);
}

/* Words and windows are compared with each other, too: Lua wants one function for both. */
static void share_equality(lua_State *lua)
{
    userdata_push_metatable(lua, &sax_word_class);
    userdata_push_metatable(lua, &sax_window_class);
    lua_getfield(lua, -2, "__eq");
    lua_setfield(lua, -2, "__eq");
    lua_pop(lua, 2);
}

void sax_open(lua_State *lua)
{
    share_equality(lua);
    lua_newtable(lua);
    set_constructor(lua, "word", new_word);
    set_constructor(lua, "window", new_window);
    lua_pushcfunction(lua, min_distance);
    lua_setfield(lua, -2, "mindist");
}
