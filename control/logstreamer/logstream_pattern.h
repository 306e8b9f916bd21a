/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream_pattern.h - names of log files to streams, and the order of a stream's files.
 *
 * Place:   logstream_scan.c asks it about each file of the folder.
 * Threads: one owner.
 * Memory:  copies what it needs of the options, but not the lists of names and the translation,
 *          which outlive it.
 * Failure: an expression that RE2 refuses, a folder that is not there, a bad translation.
 * Source:  Heka 0.11 Logstreamer: the expression is "^", the folder's real path, file_match, and
 *          "$" unless it ends so.
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_PATTERN_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_PATTERN_H

#include <stdint.h>

#include "core/conf.h"
#include "core/schema.h"

enum {
    LOGSTREAM_PARTS_MAX = 16, /* of priority */
    LOGSTREAM_NAME_SIZE = 256 /* of a stream, with its NUL */
};

struct logstream_pattern_config {
    const char *log_directory, *file_match;
    struct schema_list priority;       /* of const char *; "^NAME": descending */
    struct schema_list differentiator; /* of const char *; empty: the name is default_name */
    const char *default_name;
    const struct conf_node *translation; /* NULL: none */
};

struct logstream_pattern;

struct logstream_key {                  /* of one file */
    char name[LOGSTREAM_NAME_SIZE];     /* of its stream */
    int64_t parts[LOGSTREAM_PARTS_MAX]; /* to be compared from the first on, ascending */
};

/* NULL after adding to `err`; each text begins with the option it is about. */
struct logstream_pattern *logstream_pattern_new(const struct logstream_pattern_config *config,
                                                struct err *err);
void logstream_pattern_free(struct logstream_pattern *pattern); /* NULL is fine */

const char *logstream_pattern_root(const struct logstream_pattern *pattern); /* real path */
unsigned logstream_pattern_part_count(const struct logstream_pattern *pattern);

/* 1 and the key, or 0 when `path` does not match. What of the path has no meaning (a month that is
 * none) adds to `notes` and counts as -1; a name that no journal can have adds, too, and is 0. */
int logstream_pattern_match(struct logstream_pattern *pattern, const char *path,
                            struct logstream_key *key, struct err *notes);

#endif
