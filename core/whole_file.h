/* SPDX-License-Identifier: MPL-2.0
 *
 * whole_file.h - files that are written as a whole.
 *
 * Place:   whoever keeps a small state in a file: plans, rules, positions, what a dashboard shows.
 *          Disk queues have an interface of their own (control/queue/queue_io.h).
 * Threads: no state; blocks as the disk does.
 * Failure: what was there before stays, and no part of the new one.
 */
#ifndef CORE_WHOLE_FILE_H
#define CORE_WHOLE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* All of it, however many calls that takes. 0 or -errno. */
int whole_file_write(int fd, const void *bytes, size_t size);

/* Writes `fresh`, a path in the same folder, and moves it to `path`: who opens that finds all of
 * the old bytes or all of the new ones. A link or file that is at `fresh` already is replaced, and
 * not written through. 0 or -errno; `fresh` is not there afterwards. */
int whole_file_replace(const char *path, const char *fresh, mode_t mode, const void *bytes,
                       size_t size);

#endif
