/* SPDX-License-Identifier: MPL-2.0
 *
 * cjson_decode.c - cjson.decode.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/cjson.h"

enum token_kind {
    TOKEN_OBJECT_BEGIN,
    TOKEN_OBJECT_END,
    TOKEN_ARRAY_BEGIN,
    TOKEN_ARRAY_END,
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_BOOLEAN,
    TOKEN_NULL,
    TOKEN_COLON,
    TOKEN_COMMA,
    TOKEN_END,
    TOKEN_ERROR
};

static const char *const token_names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
                                          "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
                                          "T_COLON",     "T_COMMA",   "T_END"};

struct decoder {
    lua_State *lua;
    struct sandbox *sandbox;
    const char *text, *at;
    unsigned depth;
    /* the token */
    enum token_kind kind;
    const char *token;  /* where it begins */
    const char *string; /* its text, in `at` itself or in the scratch */
    size_t string_size;
    lua_Number number;
    bool boolean;
    const char *error;
};

enum { TABLE_STEPS = 8 };

static void decode_value(struct decoder *d);

/* ---- errors ---- */

static void fail(const struct decoder *d, const char *expected)
{
    luaL_error(d->lua, "Expected %s but found %s at character %d", expected,
               d->kind == TOKEN_ERROR ? d->error : token_names[d->kind],
               (int)(d->token - d->text) + 1);
}

static void set_error(struct decoder *d, const char *at, const char *error)
{
    d->kind = TOKEN_ERROR;
    d->token = at;
    d->error = error;
}

/* ---- strings ---- */

static int hex_value(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char)at[i]))
            return -1;
        int digit = at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10;
        value = value << 4 | digit;
    }
    return value;
}

static size_t put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* \uXXXX, or two of them for one character, at `at`. Bytes read, or 0: none. */
static size_t read_unicode(const char *at, char *out, size_t *out_size)
{
    int code = hex_value(at + 2), low;
    if (code < 0)
        return 0;
    if ((code & 0xF800) != 0xD800) {
        *out_size = put_utf8(out, (unsigned)code);
        return 6;
    }
    if ((code & 0x400) != 0 || at[6] != '\\' || at[7] != 'u')
        return 0;
    low = hex_value(at + 8);
    if (low < 0 || (low & 0xFC00) != 0xDC00)
        return 0;
    *out_size = put_utf8(out, 0x10000 + (((unsigned)code & 0x3FF) << 10 | ((unsigned)low & 0x3FF)));
    return 12;
}

/* What stands behind a backslash, or 0. */
static char simple_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'f':
        return '\f';
    case 'r':
        return '\r';
    default:
        return '\0';
    }
}

/* The escape at d->at; appended to the scratch. False: an error is set. */
static bool read_escape(struct decoder *d)
{
    char out[4];
    size_t size = 1, read = 2;
    if (d->at[1] == 'u') {
        read = read_unicode(d->at, out, &size);
        if (read == 0) {
            set_error(d, d->at, "invalid unicode escape code");
            return false;
        }
    } else {
        out[0] = simple_escape(d->at[1]);
        if (out[0] == '\0') {
            set_error(d, d->at, "invalid escape code");
            return false;
        }
    }
    d->at += read;
    if (buffer_append(&d->sandbox->scratch, out, size) != 0)
        luaL_error(d->lua, "not enough memory");
    return true;
}

/* A string with escapes; d->at is at its first one. */
static void read_escaped(struct decoder *d, const char *start)
{
    struct buffer *scratch = &d->sandbox->scratch;
    size_t base = scratch->size;
    const char *from = start;
    for (;;) {
        while (*d->at != '"' && *d->at != '\\' && *d->at != '\0')
            d->at++;
        if (buffer_append(scratch, from, (size_t)(d->at - from)) != 0)
            luaL_error(d->lua, "not enough memory");
        if (*d->at != '\\')
            break;
        if (!read_escape(d)) {
            scratch->size = base;
            return;
        }
        from = d->at;
    }
    d->string = scratch->size > base ? scratch->data + base : "";
    d->string_size = scratch->size - base;
    scratch->size = base; /* the next token is read when this one was used */
}

/* d->at is behind the quote. */
static void read_string(struct decoder *d)
{
    const char *start = d->at;
    d->kind = TOKEN_STRING;
    while (*d->at != '"' && *d->at != '\\' && *d->at != '\0')
        d->at++;
    d->string = start;
    d->string_size = (size_t)(d->at - start);
    if (*d->at == '\\')
        read_escaped(d, start);
    if (d->kind == TOKEN_ERROR)
        return;
    if (*d->at == '\0')
        set_error(d, d->at, "unexpected end of string");
    else
        d->at++;
}

/* ---- other tokens ---- */

/* What strtod() takes and JSON has not: hexadecimals, leading zeros, a plus, inf and nan. */
static bool is_invalid_number(const char *at)
{
    if (*at == '+')
        return true;
    if (*at == '-')
        at++;
    if (*at == '0')
        return (at[1] | 0x20) == 'x' || isdigit((unsigned char)at[1]);
    if (isdigit((unsigned char)*at))
        return false;
    return strncasecmp(at, "inf", 3) == 0 || strncasecmp(at, "nan", 3) == 0;
}

static void read_number(struct decoder *d)
{
    char *end;
    d->kind = TOKEN_NUMBER;
    d->number = strtod(d->at, &end);
    if (end == d->at)
        set_error(d, d->at, "invalid number");
    else
        d->at = end;
}

static bool read_word(struct decoder *d, const char *word, enum token_kind kind)
{
    size_t size = strlen(word);
    if (strncmp(d->at, word, size) != 0)
        return false;
    d->at += size;
    d->kind = kind;
    return true;
}

static void read_other(struct decoder *d)
{
    bool takes_invalid = d->sandbox->cjson.decodes_invalid;
    if (*d->at == '-' || isdigit((unsigned char)*d->at)) {
        if (!takes_invalid && is_invalid_number(d->at))
            set_error(d, d->at, "invalid number");
        else
            read_number(d);
        return;
    }
    d->boolean = *d->at == 't';
    if (read_word(d, "true", TOKEN_BOOLEAN) || read_word(d, "false", TOKEN_BOOLEAN) ||
        read_word(d, "null", TOKEN_NULL))
        return;
    if (takes_invalid && is_invalid_number(d->at))
        read_number(d);
    else
        set_error(d, d->at, "invalid token");
}

static void next_token(struct decoder *d)
{
    static const char signs[] = "{}[]:,";
    static const enum token_kind kinds[] = {TOKEN_OBJECT_BEGIN, TOKEN_OBJECT_END, TOKEN_ARRAY_BEGIN,
                                            TOKEN_ARRAY_END,    TOKEN_COLON,      TOKEN_COMMA};
    const char *start = d->at;
    while (*d->at == ' ' || *d->at == '\t' || *d->at == '\n' || *d->at == '\r')
        d->at++;
    d->token = d->at;
    if (*d->at == '\0') {
        d->kind = TOKEN_END;
    } else if (*d->at == '"') {
        d->at++;
        read_string(d);
    } else {
        const char *sign = strchr(signs, *d->at);
        if (sign != NULL) {
            d->kind = kinds[sign - signs];
            d->at++;
        } else {
            read_other(d);
        }
    }
    limits_charge(d->lua, (uint64_t)(d->at - start) / 16 + 1);
}

/* ---- values ---- */

static void descend(struct decoder *d, int slots)
{
    if (++d->depth > CJSON_DEPTH_MAX || !lua_checkstack(d->lua, slots))
        luaL_error(d->lua, "Found too many nested data structures (%d) at character %d",
                   (int)d->depth, (int)(d->at - d->text));
    limits_charge(d->lua, TABLE_STEPS);
}

static void decode_object(struct decoder *d)
{
    descend(d, 8);
    lua_newtable(d->lua);
    next_token(d);
    while (d->kind != TOKEN_OBJECT_END) {
        if (d->kind != TOKEN_STRING)
            fail(d, "object key string");
        lua_pushlstring(d->lua, d->string, d->string_size);
        next_token(d);
        if (d->kind != TOKEN_COLON)
            fail(d, "colon");
        next_token(d);
        decode_value(d);
        lua_rawset(d->lua, -3);
        next_token(d);
        if (d->kind == TOKEN_OBJECT_END)
            break;
        if (d->kind != TOKEN_COMMA)
            fail(d, "comma or object end");
        next_token(d);
        if (d->kind == TOKEN_OBJECT_END)
            fail(d, "object key string");
    }
    d->depth--;
}

static void decode_array(struct decoder *d)
{
    descend(d, 8);
    lua_newtable(d->lua);
    next_token(d);
    for (int i = 1; d->kind != TOKEN_ARRAY_END; i++) {
        decode_value(d);
        lua_rawseti(d->lua, -2, i);
        next_token(d);
        if (d->kind == TOKEN_ARRAY_END)
            break;
        if (d->kind != TOKEN_COMMA)
            fail(d, "comma or array end");
        next_token(d);
        if (d->kind == TOKEN_ARRAY_END)
            fail(d, "value");
    }
    d->depth--;
}

/* Pushes the value that the token begins. */
static void decode_value(struct decoder *d)
{
    switch (d->kind) {
    case TOKEN_STRING:
        lua_pushlstring(d->lua, d->string, d->string_size);
        break;
    case TOKEN_NUMBER:
        lua_pushnumber(d->lua, d->number);
        break;
    case TOKEN_BOOLEAN:
        lua_pushboolean(d->lua, d->boolean);
        break;
    case TOKEN_OBJECT_BEGIN:
        decode_object(d);
        break;
    case TOKEN_ARRAY_BEGIN:
        decode_array(d);
        break;
    case TOKEN_NULL:
        if (d->sandbox->cjson.decodes_null)
            lua_pushlightuserdata(d->lua, NULL);
        else
            lua_pushnil(d->lua);
        break;
    default:
        fail(d, "value");
    }
}

int cjson_decode(lua_State *lua)
{
    size_t size;
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    const char *text = luaL_checklstring(lua, 1, &size);
    struct decoder d = {.lua = lua, .sandbox = sandbox_of(lua), .text = text, .at = text};
    if (size >= 2 && (text[0] == '\0' || text[1] == '\0'))
        return luaL_error(lua, "JSON parser does not support UTF-16 or UTF-32");
    next_token(&d);
    decode_value(&d);
    next_token(&d);
    if (d.kind != TOKEN_END)
        fail(&d, "the end");
    return 1;
}
