/* SPDX-License-Identifier: MPL-2.0
 *
 * conf_build.h - how a parser makes the tree of core/conf.h.
 *
 * Place:   toml.c, json.c and schema.c; nobody else. Implemented in conf.c.
 * Threads: one owner until the document is handed out.
 * Failure: NULL with doc->failure set (memory or a CONF_*_MAX limit); the parser reports it once.
 */
#ifndef CORE_CONF_BUILD_H
#define CORE_CONF_BUILD_H

#include "core/arena.h"
#include "core/buffer.h"
#include "core/conf.h"

struct conf_doc {
    struct arena arena;
    struct conf_node *root;
    const char *file;
    unsigned node_count;
    const char *failure; /* text of the first limit that was hit, NULL when none */
};

/* A document with an empty root table; NULL when memory is out. `file` is copied. */
struct conf_doc *conf_doc_new(const char *file);

/* A zeroed node without key. */
struct conf_node *conf_node_new(struct conf_doc *doc, enum conf_type type, unsigned line);
void conf_node_append(struct conf_node *parent, struct conf_node *child);

/* Zeroed memory, and NUL-ended copies, that live as long as the document. */
void *conf_alloc(struct conf_doc *doc, size_t size);
char *conf_text(struct conf_doc *doc, const char *text, size_t len);

/* Reads at most CONF_TEXT_MAX bytes of a file into an empty buffer; -1 after adding to `err`. */
int conf_file_read(const char *path, struct buffer *text, struct err *err);

#endif
