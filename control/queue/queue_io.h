/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_io.h - every system call of the disk queue, so that tests can be the disk.
 *
 * Place:   queue_io_posix in hekad; tests/unit/control/queue/sim_disk.c breaks, fills and crashes.
 * Threads: appender and reader call at the same time, on different files.
 * Failure: negative errno. Interrupted calls are repeated inside; short reads and writes are
 *          results, which the callers go on from.
 */
#ifndef CONTROL_QUEUE_QUEUE_IO_H
#define CONTROL_QUEUE_QUEUE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum queue_open_mode {
    QUEUE_OPEN_READ,
    QUEUE_OPEN_WRITE,   /* exists */
    QUEUE_OPEN_NEW,     /* for writing; -EEXIST when it exists */
    QUEUE_OPEN_REPLACE, /* for writing; emptied or made */
    QUEUE_OPEN_LOCK     /* made when it is not there */
};

/* 0 goes on, anything else ends the list and is its result. */
typedef int (*queue_name_fn)(void *arg, const char *name);

struct queue_io {
    void *context; /* first argument of all of them */
    int (*open)(void *context, const char *path, enum queue_open_mode mode); /* a file, >= 0 */
    int (*close)(void *context, int file);
    int64_t (*read)(void *context, int file, void *bytes, size_t size, uint64_t offset);
    int64_t (*write)(void *context, int file, const void *bytes, size_t size, uint64_t offset);
    int (*truncate)(void *context, int file, uint64_t size);
    int (*sync)(void *context, int file); /* data, and the size that goes with it */
    /* Exclusive, until the file is closed or the process dies; -EBUSY when somebody has it. With
     * `only_look` nothing is taken. */
    int (*lock)(void *context, int file, bool only_look);
    int64_t (*size)(void *context, const char *path); /* of an ordinary file, else -EINVAL */
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_dir)(void *context, const char *path); /* -EEXIST when there is something */
    int (*sync_dir)(void *context, const char *path); /* makes names durable */
    int (*list)(void *context, const char *path, queue_name_fn each, void *arg);
};

extern const struct queue_io queue_io_posix;

/* All of it. 0, or negative errno: some of it may be written then. */
int queue_io_write_all(const struct queue_io *io, int file, const void *bytes, size_t size,
                       uint64_t offset);

#endif
