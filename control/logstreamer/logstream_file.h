/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream_file.h - one log file that is open: plain or gzip, read from a place on.
 *
 * Place:   logstream.c.
 * Threads: one owner.
 * Memory:  of a gzip file its inflater and what was not consumed of the last read; else none.
 * Failure: negative errno; -EBADMSG: the compressed data is damaged.
 * Source:  Heka 0.11: a gzip file is one that begins with its magic, RFC 1952.
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_FILE_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_FILE_H

#include <sys/types.h>

#include "control/logstreamer/logstream_journal.h"

struct logstream_gzip;

struct logstream_file { /* zeroed is closed */
    bool is_open;
    int fd;
    dev_t dev;
    ino_t ino;
    uint64_t size; /* when it was opened; of a gzip file as it is */
    int64_t mtime_ns;
    struct logstream_gzip *gzip; /* NULL: plain */
};

/* 0 or negative errno. */
int logstream_file_open(struct logstream_file *file, const char *path);
void logstream_file_close(struct logstream_file *file);

/* Up to `size` bytes from `from` on, which is where the last read began or any place up to where it
 * ended: fewer only at the end. 0: nothing there now. A plain file may be read anywhere. */
int64_t logstream_file_read(struct logstream_file *file, uint64_t from, void *bytes, size_t size);

/* Of the bytes read last, these were not consumed: the next read begins with them. */
int logstream_file_keep(struct logstream_file *file, const void *bytes, size_t size);

/* A gzip file that ended in order. */
bool logstream_file_is_whole(const struct logstream_file *file);

/* Whether the bytes before position->seek are those that its hash is of; then they become its tail,
 * and the file is ready to be read from there. 1, 0 or negative errno; the file was just opened. */
int logstream_file_verify(struct logstream_file *file, struct logstream_position *position);

#endif
