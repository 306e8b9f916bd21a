/* SPDX-License-Identifier: MPL-2.0
 *
 * folder.h - makes folders with their parents, and foretells whether that would work.
 *
 * Place:   run directory, base_dir, FileOutput.
 * Threads: any.
 */
#ifndef CONTROL_FOLDER_H
#define CONTROL_FOLDER_H

#include <sys/types.h>

#include "core/err.h"

/* Makes `path` and its parents with `mode` (the umask applies). One that is there is fine. 0 or
 * negative errno. */
int folder_make(const char *path, mode_t mode);

/* 0 when `path` is a folder that we may write to, or can be made in the nearest one that is there;
 * else -1 after adding "WHAT: ..." to `err`. */
int folder_check(const char *path, const char *what, struct err *err);

/* The folder of a file: "." for a name without slash. 0, or -1 when it does not fit. */
int folder_of(const char *file, char *folder, size_t size);

#endif
