/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream_scan.h - which streams and files a folder holds, in the order of reading.
 *
 * Place:   logstream_set.c scans again and again; heka-logstreamer once.
 * Threads: one owner.
 * Memory:  the result is one tree, freed by logstream_scan_fini().
 * Failure: what is wrong with one stream or file is a note; the others are there.
 * Bounds:  LOGSTREAM_FILES_MAX files, LOGSTREAM_STREAMS_MAX streams, LOGSTREAM_DEPTH_MAX folders
 *          within each other; beyond is a note.
 * Source:  Heka 0.11: links to folders are not followed, links to files are.
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_SCAN_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_SCAN_H

#include <sys/types.h>

#include "control/logstreamer/logstream_pattern.h"

enum { LOGSTREAM_FILES_MAX = 65536, LOGSTREAM_STREAMS_MAX = 4096, LOGSTREAM_DEPTH_MAX = 64 };

struct logstream_entry { /* a file */
    char *path;
    int64_t parts[LOGSTREAM_PARTS_MAX];
    dev_t dev;
    ino_t ino;
    uint64_t size;
    int64_t mtime_ns;
    bool is_done; /* for logstream.c */
};

struct logstream_found { /* a stream: oldest file first */
    char name[LOGSTREAM_NAME_SIZE];
    struct logstream_entry *entries;
    unsigned count;
};

struct logstream_scan {
    struct logstream_found *streams; /* in the order of their names */
    unsigned stream_count;
    unsigned unsorted_count; /* left out: their files have no order */
    unsigned folder_count;
    char **folders; /* all that were looked at */
};

struct logstream_scan_config {
    struct logstream_pattern *pattern;
    const char *file_match; /* for texts */
    int64_t oldest_ns;      /* age of files that are left out; 0: none */
    int64_t now_ns;         /* wall clock */
};

/* 0, or negative errno: nothing was made. `notes`: what Heka calls errors of the scan. */
int logstream_scan(const struct logstream_scan_config *config, struct logstream_scan *scan,
                   struct err *notes);
/* Whether a note is of a stream that was left out, because its files have no order: Heka does not
 * start then. The others are of files that are read nevertheless. */
bool logstream_is_unsorted(const char *note);
void logstream_scan_fini(struct logstream_scan *scan); /* zeroed is fine */
void logstream_entries_free(struct logstream_entry *entries, unsigned count);

#endif
