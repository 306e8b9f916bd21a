/* SPDX-License-Identifier: MPL-2.0
 *
 * json_scan.h - strings, numbers and words of JSON, read in place.
 *
 * Place:   json_fields.c. jansson, which reads JSON elsewhere, builds a tree with allocations for
 *          each value: docs/decisions has the figures.
 * Threads: any, no state.
 * Memory:  nothing allocates; what is found points into the text.
 * Failure: negative, and a text that says what is wrong; the place is where it was found.
 * Source:  RFC 8259. Strings have to be UTF-8, and \u escapes of surrogates have to be pairs.
 */
#ifndef CODEC_JSON_SCAN_H
#define CODEC_JSON_SCAN_H

#include "core/message.h"

enum { JSON_NUMBER_MAX = 1024 }; /* characters of a number that is rounded */

struct json_text {
    const char *at;
    const char *end;
};

struct json_string {
    struct msg_slice raw; /* between the quotation marks */
    uint32_t len;         /* without escapes */
};

enum json_kind { JSON_IS_NULL, JSON_IS_BOOL, JSON_IS_INTEGER, JSON_IS_DOUBLE, JSON_IS_STRING };

struct json_value { /* a scalar */
    enum json_kind kind;
    struct msg_slice text; /* as it is written; not of a string */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct json_string string;
    };
};

static inline void json_skip_blanks(struct json_text *text)
{
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\n' || *text->at == '\t' || *text->at == '\r'))
        text->at++;
}

static inline bool json_take(struct json_text *text, char c)
{
    bool is_there = text->at < text->end && *text->at == c;
    text->at += is_there;
    return is_there;
}

enum json_fault { /* negative results */
                  JSON_E_SYNTAX = -1,
                  JSON_E_LIMIT = -2 /* a number of more than JSON_NUMBER_MAX characters */
};

/* A string at its quotation mark. 0 or JSON_E_*. */
int json_take_string(struct json_text *text, struct json_string *string, const char **fault);

/* Writes string->len bytes. */
void json_string_write(const struct json_string *string, void *bytes);

/* A string, a number, true, false or null. Integers of 64 bits are exact; all other numbers are
 * rounded to the nearest double, and one beyond the largest is a fault. 0 or JSON_E_*. */
int json_take_scalar(struct json_text *text, struct json_value *value, const char **fault);

#endif
