/* SPDX-License-Identifier: MPL-2.0
 *
 * sandbox_blob.h - the description of one sandboxed plugin, as bytes: texts, numbers, its
 *                  [X.config], and the Lua modules that it may require.
 *
 * Place:   sandbox_client.c writes one into each channel, sandbox_instance.c reads it: a worker
 *          opens no file. Bytes: docs/formats/sandbox_worker.md.
 * Threads: none of its own.
 * Memory:  writing appends to a buffer; what is found borrows from the bytes.
 * Failure: bytes that make no sense end the list; nothing beyond them is read.
 */
#ifndef CONTROL_SANDBOX_SANDBOX_BLOB_H
#define CONTROL_SANDBOX_SANDBOX_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/err.h"

struct conf_node;

enum sandbox_blob_kind {
    SANDBOX_BLOB_TEXT = 1,    /* "name", "hostname", "script", "filename", "module_directory" */
    SANDBOX_BLOB_NUMBER,      /* limits and switches; 8 bytes, unsigned */
    SANDBOX_BLOB_CONFIG_TEXT, /* of [X.config] */
    SANDBOX_BLOB_CONFIG_NUMBER, /* 8 bytes, a double */
    SANDBOX_BLOB_CONFIG_BOOL,   /* 1 byte */
    SANDBOX_BLOB_MODULE         /* key: the path as require makes it; value: the text */
};

enum { SANDBOX_BLOB_MAX = 64 << 20, SANDBOX_MODULE_DEPTH_MAX = 4 };

struct sandbox_blob_item {
    const void *value;
    size_t size;
};

int sandbox_blob_add(struct buffer *blob, enum sandbox_blob_kind kind, const char *key,
                     const void *value, size_t size);
int sandbox_blob_add_text(struct buffer *blob, const char *key, const char *text);
int sandbox_blob_add_number(struct buffer *blob, const char *key, uint64_t number);
/* Strings, numbers and booleans of a table; NULL is fine. */
int sandbox_blob_add_config(struct buffer *blob, const struct conf_node *table);
/* The *.lua files of the folders, which are separated by ';'. A folder that is not there has none.
 * 0, or -1 after adding to `err`. */
int sandbox_blob_add_modules(struct buffer *blob, const char *folders, struct err *err);

/* By kind and exact key. */
bool sandbox_blob_find(const void *blob, size_t blob_size, enum sandbox_blob_kind kind,
                       const char *key, size_t key_len, struct sandbox_blob_item *item);
/* NULL when it is not there or has no NUL at its end. */
const char *sandbox_blob_text(const void *blob, size_t blob_size, const char *key);
uint64_t sandbox_blob_number(const void *blob, size_t blob_size, const char *key);

#endif
