/* SPDX-License-Identifier: MPL-2.0
 *
 * conf.h - configuration text as a tree that knows the file and line of each value.
 *
 * Place:   toml.c and json.c build it; schema.c checks it and fills structs from it.
 * Threads: a document is immutable after parsing.
 * Memory:  one arena per document; nodes and strings live until conf_doc_free().
 * Failure: parsers add every error they can find to `err` (FILE:LINE: text) and return -1.
 * Bounds:  text size, nesting depth and node count are limited (CONF_*_MAX); beyond is an error.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"

enum {
    CONF_TEXT_MAX = 16 << 20, /* bytes of one file */
    CONF_DEPTH_MAX = 32,      /* tables and arrays within each other */
    CONF_NODES_MAX = 1 << 20  /* nodes of one document */
};

enum conf_type {
    CONF_TABLE,
    CONF_ARRAY,
    CONF_STRING,
    CONF_INT,
    CONF_FLOAT,
    CONF_BOOL,
    CONF_DATE /* TOML only: nanoseconds since the epoch in `i` */
};

struct conf_node {
    enum conf_type type;
    unsigned line;           /* of the key, or of the value in an array; from 1 */
    const char *file;        /* as given to the parser */
    const char *key;         /* NULL in an array and at the root */
    struct conf_node *next;  /* sibling, in the order of the text */
    struct conf_node *first; /* CONF_TABLE, CONF_ARRAY: first child or NULL */
    struct conf_node *last;  /* CONF_TABLE, CONF_ARRAY: last child or NULL */
    unsigned count;          /* CONF_TABLE, CONF_ARRAY: children */
    union {
        struct {
            const char *str; /* NUL-terminated; may hold NUL bytes before str_len */
            size_t str_len;
        };
        int64_t i; /* CONF_INT, CONF_DATE */
        double d;  /* CONF_FLOAT */
        bool b;    /* CONF_BOOL */
    };
};

struct conf_doc; /* owns the arena */

const struct conf_node *conf_root(const struct conf_doc *doc); /* a CONF_TABLE */
void conf_doc_free(struct conf_doc *doc);                      /* NULL is fine */

/* Finds a child by key, exact case first, then without case (Heka's option matching); else NULL. */
const struct conf_node *conf_get(const struct conf_node *table, const char *key);
/* Same types, keys and values, in the same order; NULL only equals NULL. */
bool conf_equal(const struct conf_node *a, const struct conf_node *b);
const char *conf_type_name(enum conf_type type); /* "table", "array", "string", ... */

/* Heka's TOML dialect (TOML 0.2 level; the facts are in docs/formats/toml.md). %ENV[NAME] is
 * substituted first when `environment` is not NULL: it is called with NAME and returns the value
 * or NULL for empty text. `file` is copied. */
typedef const char *(*conf_environment_fn)(const char *name);
int toml_parse(const char *text, size_t text_len, const char *file, conf_environment_fn environment,
               struct conf_doc **out, struct err *err);

/* JSON by jansson (duplicate keys refused), with lines found by a second walk over the text. */
int json_parse(const char *text, size_t text_len, const char *file, struct conf_doc **out,
               struct err *err);

/* Reads a whole file (bounded by CONF_TEXT_MAX) and parses it by one of the two. */
int toml_load(const char *path, conf_environment_fn environment, struct conf_doc **out,
              struct err *err);
/* `text` in quotation marks; it has no control characters. */
void json_print_text(const char *text, FILE *out);
int json_load(const char *path, struct conf_doc **out, struct err *err);

#endif
