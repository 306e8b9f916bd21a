/* SPDX-License-Identifier: MPL-2.0
 *
 * toml_text.h - place in a TOML text: characters, lines, errors and how to go on after one.
 *
 * Place:   toml.c, toml_value.c, toml_table.c.
 * Threads: one owner.
 * Failure: toml_fail*() report at most one error a line, so that one mistake is one error.
 */
#ifndef CORE_TOML_TEXT_H
#define CORE_TOML_TEXT_H

#include "core/conf_build.h"
#include "core/toml_env.h"

struct toml_slot;

struct toml {
    const char *text;
    size_t len;
    size_t pos;
    unsigned line;                     /* of pos, in the file */
    const struct toml_env_span *spans; /* newlines in there do not count */
    size_t span_count, span_index;
    struct conf_doc *doc;
    struct conf_node *table; /* takes the keys that come */
    size_t header_start;     /* of the names of the last header */
    struct toml_slot *slots; /* toml_table.c */
    size_t slot_count, slot_capacity;
    unsigned failed_line; /* of the last error */
    bool failed;
    bool in_array;     /* the error, if any, was inside [ ] of a value */
    bool is_next_line; /* the error was found at the start of a line that is still to be read */
    struct err *err;
};

enum { TOML_END = -1 }; /* toml_peek() at the end of the text */

static inline bool toml_is_blank(int c)
{
    return c == ' ' || c == '\t';
}

static inline bool toml_is_line_end(int c)
{
    return c == '\n' || c == '\r' || c == TOML_END;
}

/* Line ends are none; a tab is none either. */
static inline bool toml_is_control(int c)
{
    return (c >= 0 && c < ' ' && c != '\t' && !toml_is_line_end(c)) || c == 0x7f;
}

static inline int toml_peek(const struct toml *toml)
{
    return toml->pos < toml->len ? (unsigned char)toml->text[toml->pos] : TOML_END;
}

/* Steps over one byte (not at the end), counting lines. */
void toml_next(struct toml *toml);
void toml_skip_blanks(struct toml *toml);
/* To the line end, which stays. */
void toml_skip_line(struct toml *toml);
/* After an error in an array: also over the following lines that can only belong to it. */
void toml_skip_array(struct toml *toml);

/* True when a line whose text begins at pos is a key or a header, not the item of an array. */
bool toml_at_statement(const struct toml *toml);

/* Copy in the document, or NULL with doc->failure set. */
const char *toml_copy(struct toml *toml, const char *text, size_t len);

/* Both return -1. The second says "expected WHAT, found" and what stands at pos. */
int toml_fail(struct toml *toml, const char *format, ...) __attribute__((format(printf, 2, 3)));
int toml_fail_found(struct toml *toml, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
