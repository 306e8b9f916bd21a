/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream_journal.h - where reading a stream has got to, and the file that remembers it.
 *
 * Place:   logstream.c. Bytes: docs/formats/logstream.md.
 * Threads: one owner.
 * Memory:  a position is the caller's.
 * Failure: a journal that cannot be understood is an error, and the position is the start. Writing
 *          replaces the file as a whole: a reader never finds a part of it.
 * Source:  Heka 0.11's journals, which are taken over as they are.
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_JOURNAL_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_JOURNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum {
    LOGSTREAM_TAIL_SIZE = 500, /* bytes that a hash is of */
    LOGSTREAM_HASH_SIZE = 41   /* SHA-1 in hexadecimal, with its NUL */
};

struct logstream_position {
    char path[PATH_MAX];            /* empty: none yet */
    uint64_t seek;                  /* bytes before it, uncompressed */
    char hash[LOGSTREAM_HASH_SIZE]; /* as loaded; see logstream_position_hash() */
    bool has_tail;
    uint8_t tail[LOGSTREAM_TAIL_SIZE]; /* the bytes before `seek`; zeros in front of the first */
};

/* `size` bytes that ended at the new place were passed. */
void logstream_position_advance(struct logstream_position *position, const void *bytes,
                                size_t size);
void logstream_position_start(struct logstream_position *position, const char *path);
/* Hash of a tail. */
void logstream_hash(const uint8_t tail[LOGSTREAM_TAIL_SIZE], char hash[LOGSTREAM_HASH_SIZE]);

/* 1: there is one; 0: none, or it is empty; -1 after adding to err. */
int logstream_journal_load(const char *path, struct logstream_position *position, struct err *err);
/* 0 or negative errno. `position` has a tail. Makes folders. */
int logstream_journal_save(const char *path, const struct logstream_position *position);

#endif
