/* SPDX-License-Identifier: MPL-2.0
 *
 * config_files.h - the texts of the configuration files, as they were when they were read.
 *
 * Place:   hekad_config.c parses them; dynamic.c keeps those in force, so that sections which
 *          plugins add meet the files as they were, and not what somebody is writing just now.
 * Threads: immutable after reading; references [any].
 * Memory:  counted references.
 * Failure: all errors at once; what could be read is there.
 * Bounds:  CONFIG_FILES_MAX files, each at most CONF_TEXT_MAX bytes.
 */
#ifndef CONTROL_CONFIG_FILES_H
#define CONTROL_CONFIG_FILES_H

#include "core/buffer.h"
#include "core/err.h"

enum { CONFIG_FILES_MAX = 1024, CONFIG_PATH_SIZE = 1024 };

struct config_file {
    char *path;
    struct buffer text;
};

struct config_files {
    _Atomic unsigned references;
    char *path; /* that was asked for */
    unsigned count;
    struct config_file files[CONFIG_FILES_MAX];
};

/* Reads a file, or the *.toml files of a folder in the order of their names. *out is NULL when
 * memory is out, else it holds what could be read. 0, or -1 after adding to `err`. */
int config_files_read(const char *path, struct config_files **out, struct err *err);
struct config_files *config_files_get(struct config_files *files);
void config_files_put(struct config_files *files); /* NULL is fine */

#endif
