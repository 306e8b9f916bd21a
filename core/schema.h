/* SPDX-License-Identifier: MPL-2.0
 *
 * schema.h - what a configuration table may hold, as a table; fills structs, finds all errors.
 *
 * Place:   plugins, core map and NIC profiles declare a `struct schema`; the parser, the check,
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
    SCHEMA_STRING,   /* const char *; a NUL inside is refused (SCHEMA_NODE takes it) */
    SCHEMA_INT,      /* int64_t, within [min, max] */
    SCHEMA_FLOAT,    /* double (an integer is accepted), within [min, max] */
    SCHEMA_BOOL,     /* bool; with SCHEMA_AUTO: int, SCHEMA_AUTO_BOOL for "auto" */
    SCHEMA_DURATION, /* int64_t ns from a Go duration string ("250ms"), within [min, max] */
    SCHEMA_CHOICE,   /* int: index into `choices` */
    SCHEMA_STRINGS,  /* struct schema_list of const char * */
    SCHEMA_INTS,     /* struct schema_list of int64_t, each in [min, max]; with SCHEMA_AUTO: empty
                      * for "auto", and [] is refused */
    SCHEMA_TABLE,    /* fixed sub-table: `sub` is applied to the struct at offset */
    SCHEMA_NODE      /* const struct conf_node *: free form, the caller checks; NULL if absent */
};

enum {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_AUTO = 1 << 1, /* the string "auto" is accepted; SCHEMA_INT stores SCHEMA_AUTO_VALUE */
    SCHEMA_EXACT = 1 << 2 /* the key's case matters (default: exact first, then without case) */
};
#define SCHEMA_AUTO_VALUE INT64_MIN
#define SCHEMA_AUTO_BOOL  (-1)

struct schema_list {
    const void *items; /* array of `count` elements, in the document's arena; NULL when empty */
    size_t count;
};

struct schema_key {
    const char *key;
    enum schema_type type;
    unsigned flags;
    size_t offset;              /* of the member in the struct */
    double min, max;            /* INT, INTS, FLOAT, DURATION (ns); both 0 = no limit; beyond
                                 * 9e18 (INFINITY, too) a side is open */
    const char *def;            /* default as text ("10", "true", "250ms", "auto", a list as "a,b");
                                 * NULL = zero/none */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const struct schema *sub;   /* TABLE */
    const char *unit;           /* "s", "bytes", ""; of a NODE: what it may be, "a list of ports" */
    const char *help;           /* one sentence for the manual */
};

struct schema {
    const char *name;              /* for error texts and the manual */
    const struct schema_key *keys; /* ended by key == NULL */
};

/* Applies defaults, then the values of `table` (NULL: defaults only, and required keys are errors).
 * A key of `table` that neither this schema nor one of `also` (NULL-terminated list, may be NULL)
 * knows is an error, "unknown config setting for '<section>': <key>", reported once even when
 * each of several schemas is applied to the table with the others as `also`. `doc` gives the memory
 * of lists; it may be NULL when `table` is and no default is a list. An absent sub-table
 * gets its defaults, and misses nothing unless it is required itself.
 * Returns 0, or -1 after adding to `err`; `dst` is then filled as far as the values were good. */
int schema_apply(const struct schema *schema, const struct conf_node *table, const char *section,
                 const struct schema *const *also, struct conf_doc *doc, void *dst,
                 struct err *err);

/* Go duration text ("1h2m", "250ms", "1.5s", "0") to nanoseconds; 0 or -1. */
int schema_duration(const char *text, int64_t *ns);

/* What a key may hold, as error texts say it: "1 to 86400 s". Cut to `size`. */
void schema_allowed(const struct schema_key *key, char *text, size_t size);
/* What stands in a node, as error texts say it: 1000, "text", an array. Cut to `size`. */
void schema_found(const struct conf_node *node, char *text, size_t size);

void schema_print_markdown(const struct schema *schema, FILE *out);
/* JSON Schema (2020-12) of a document, for editors and other tools. */
void schema_print_json(const struct schema *schema, const char *title, FILE *out);

#endif
