/* SPDX-License-Identifier: MPL-2.0 */
#include "core/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/conf_build.h"

enum {
    CONF_ARENA_MAX = 256 << 20, /* CONF_NODES_MAX nodes and CONF_TEXT_MAX bytes of text fit */
    CONF_READ_SIZE = 64 << 10
};

struct conf_doc *conf_doc_new(const char *file)
{
    struct conf_doc *doc = calloc(1, sizeof(*doc));
    if (doc == NULL)
        return NULL;
    arena_init(&doc->arena, CONF_ARENA_MAX);
    doc->file = conf_text(doc, file, strlen(file));
    if (doc->file != NULL)
        doc->root = conf_node_new(doc, CONF_TABLE, 1);
    if (doc->root != NULL)
        return doc;
    conf_doc_free(doc);
    return NULL;
}

void conf_doc_free(struct conf_doc *doc)
{
    if (doc == NULL)
        return;
    arena_fini(&doc->arena);
    free(doc);
}

const struct conf_node *conf_root(const struct conf_doc *doc)
{
    return doc->root;
}

void *conf_alloc(struct conf_doc *doc, size_t size)
{
    void *memory = arena_alloc(&doc->arena, size);
    if (memory == NULL && doc->failure == NULL)
        doc->failure = "out of memory";
    return memory;
}

char *conf_text(struct conf_doc *doc, const char *text, size_t len)
{
    char *copy = arena_text(&doc->arena, text, len);
    if (copy == NULL && doc->failure == NULL)
        doc->failure = "out of memory";
    return copy;
}

struct conf_node *conf_node_new(struct conf_doc *doc, enum conf_type type, unsigned line)
{
    if (doc->node_count >= CONF_NODES_MAX) {
        if (doc->failure == NULL)
            doc->failure = "too many values, allowed are 1048576";
        return NULL;
    }
    struct conf_node *node = conf_alloc(doc, sizeof(*node));
    if (node == NULL)
        return NULL;
    doc->node_count++;
    node->type = type;
    node->line = line;
    node->file = doc->file;
    return node;
}

void conf_node_append(struct conf_node *parent, struct conf_node *child)
{
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

const struct conf_node *conf_get(const struct conf_node *table, const char *key)
{
    const struct conf_node *close = NULL;
    if (table == NULL || table->type != CONF_TABLE)
        return NULL;
    for (const struct conf_node *node = table->first; node != NULL; node = node->next) {
        if (strcmp(node->key, key) == 0)
            return node;
        if (close == NULL && strcasecmp(node->key, key) == 0)
            close = node;
    }
    return close;
}

const char *conf_type_name(enum conf_type type)
{
    static const char *const names[] = {
        [CONF_TABLE] = "table", [CONF_ARRAY] = "array", [CONF_STRING] = "string",
        [CONF_INT] = "integer", [CONF_FLOAT] = "float", [CONF_BOOL] = "boolean",
        [CONF_DATE] = "date",
    };
    return names[type];
}

static int read_all(int fd, const char *path, struct buffer *text, struct err *err)
{
    for (;;) {
        int rc = buffer_reserve(text, CONF_READ_SIZE);
        if (rc == -ENOSPC)
            return err_at(err, path, 0, "longer than %d bytes", CONF_TEXT_MAX);
        if (rc != 0)
            return err_at(err, path, 0, "out of memory");
        ssize_t got = read(fd, text->data + text->size, CONF_READ_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_at(err, path, 0, "cannot be read: %s", strerror(errno));
        if (got == 0)
            break;
        text->size += (size_t)got;
    }
    return 0;
}

int conf_file_read(const char *path, struct buffer *text, struct err *err)
{
    text->max_size = CONF_TEXT_MAX + CONF_READ_SIZE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_at(err, path, 0, "cannot be opened: %s", strerror(errno));
    int rc = read_all(fd, path, text, err);
    close(fd);
    return rc;
}

static bool has_same_key(const struct conf_node *a, const struct conf_node *b)
{
    return a->key == NULL || b->key == NULL ? a->key == b->key : strcmp(a->key, b->key) == 0;
}

static bool has_same_children(const struct conf_node *a, const struct conf_node *b)
{
    const struct conf_node *in_b = b->first;
    if (a->count != b->count)
        return false;
    for (const struct conf_node *in_a = a->first; in_a != NULL; in_a = in_a->next) {
        if (!has_same_key(in_a, in_b) || !conf_equal(in_a, in_b))
            return false;
        in_b = in_b->next;
    }
    return true;
}

/* Nesting is bounded by CONF_DEPTH_MAX. */
bool conf_equal(const struct conf_node *a, const struct conf_node *b)
{
    if (a == NULL || b == NULL || a->type != b->type)
        return a == b;
    switch (a->type) {
    case CONF_TABLE:
    case CONF_ARRAY:
        return has_same_children(a, b);
    case CONF_STRING:
        return a->str_len == b->str_len && memcmp(a->str, b->str, a->str_len) == 0;
    case CONF_INT:
    case CONF_DATE:
        return a->i == b->i;
    case CONF_FLOAT:
        return memcmp(&a->d, &b->d, sizeof(a->d)) == 0;
    case CONF_BOOL:
        return a->b == b->b;
    }
    return false;
}
