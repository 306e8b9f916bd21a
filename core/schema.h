/* SPDX-License-Identifier: MPL-2.0
 *
 * schema.h - what a configuration table may hold, as a table; fills structs, finds all errors.
 *
 * Place:   plugins, core map and NIC profiles declare a `struct schema`; the parser, `hekad -check`,
 *          the error texts and the manual (schema_print_markdown) all come from it.
 * Threads: cold path, any one thread.
 * Memory:  strings and arrays that schema_apply() stores point into the conf document or into
 *          the schema's own defaults: the document must outlive the struct.
 * Failure: each error is "FILE:LINE: KEY: what was found, what is allowed"; all are reported.
 */
#ifndef CORE_SCHEMA_H
#define CORE_SCHEMA_H

#include "core/conf.h"

enum schema_type {
    SCHEMA_STRING,   /* const char * */
    SCHEMA_INT,      /* int64_t, within [min, max] */
    SCHEMA_FLOAT,    /* double (an integer is accepted), within [min, max] */
    SCHEMA_BOOL,     /* bool */
    SCHEMA_DURATION, /* int64_t nanoseconds from a Go duration string ("250ms"), within [min, max] */
    SCHEMA_CHOICE,   /* int: index into `choices` */
    SCHEMA_STRINGS,  /* struct schema_list of const char * */
    SCHEMA_INTS,     /* struct schema_list of int64_t */
    SCHEMA_TABLE,    /* fixed sub-table: `sub` is applied to the struct at offset */
    SCHEMA_NODE      /* const struct conf_node *: free form, checked by the caller */
};

enum {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_AUTO = 1 << 1, /* SCHEMA_INT: the string "auto" is accepted and stored as SCHEMA_AUTO_VALUE */
    SCHEMA_EXACT = 1 << 2 /* the key's case matters (default: exact first, then without case) */
};
#define SCHEMA_AUTO_VALUE INT64_MIN

struct schema_list {
    const void *items; /* array of `count` elements, in the document's arena; NULL when empty */
    size_t count;
};

struct schema_key {
    const char *key;
    enum schema_type type;
    unsigned flags;
    size_t offset;              /* of the member in the struct */
    double min, max;            /* INT, FLOAT, DURATION (ns); both 0 = no limit */
    const char *def;            /* default as text ("10", "true", "250ms", "auto"); NULL = zero/none */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const struct schema *sub;   /* TABLE */
    const char *unit;           /* "s", "bytes", "" */
    const char *help;           /* one sentence for the manual */
};

struct schema {
    const char *name;              /* for error texts and the manual */
    const struct schema_key *keys; /* ended by key == NULL */
};

/* Applies defaults, then the values of `table` (NULL: defaults only, and required keys are errors).
 * A key of `table` that no schema of `also` (NULL-terminated list, may be NULL) knows is an error:
 * "unknown config setting for '<section>': <key>". Returns 0, or -1 after adding to `err`. */
int schema_apply(const struct schema *schema, const struct conf_node *table, const char *section,
                 const struct schema *const *also, struct conf_doc *doc, void *dst,
                 struct err *err);

/* Go duration text ("1h2m", "250ms", "1.5s", "0") to nanoseconds; 0 or -1. */
int schema_duration(const char *text, int64_t *ns);

void schema_print_markdown(const struct schema *schema, FILE *out);

#endif
