/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream_set.h - all streams of one LogstreamerInput, and what is new in their folder.
 *
 * Place:   control/inputs/logstreamer_input.c, and heka-logstreamer.
 * Threads: one owner.
 * Memory:  the streams. `config` and what it points to outlive the set.
 * Failure: logstream_set_scan() adds to `notes` what Heka calls errors of a scan; streams that are
 *          good are there nevertheless.
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_SET_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_SET_H

#include "control/logstreamer/logstream.h"

struct logstream_set_config {
    struct logstream_pattern_config pattern;
    const char *journal_dir; /* NULL: no journals are read or written */
    int64_t oldest_ns;       /* 0: files of any age */
    bool initial_tail;       /* streams of the first scan without journal start at their end */
};

struct logstream_set {
    const struct logstream_set_config *config;
    struct logstream_pattern *pattern;
    struct logstream **streams; /* in the order of their names */
    unsigned stream_count;
    int watch_fd; /* inotify, readable when a folder has changed; -1: none */
    unsigned watched;
    bool has_scanned;
    unsigned unsorted_count; /* streams that the last scan left out */
    uint64_t scan_ns;        /* how long the last scan took */
};

/* 0, or -1 after adding to err; then there is nothing left to free. */
int logstream_set_init(struct logstream_set *set, const struct logstream_set_config *config,
                       struct err *err);
void logstream_set_fini(struct logstream_set *set); /* zeroed is fine */

/* Asks the kernel to tell about files that come and go; does nothing when it cannot. */
void logstream_set_watch(struct logstream_set *set);
/* True when a folder has changed since the last call. */
bool logstream_set_has_changed(struct logstream_set *set);

/* Brings the streams up to date: new ones are added (user NULL), all have the list of their files;
 * one without is kept, is_gone says whether it can be dropped. 0 or negative errno. */
int logstream_set_scan(struct logstream_set *set, struct err *notes);
/* Frees the stream at `index`. */
void logstream_set_drop(struct logstream_set *set, unsigned index);

#endif
