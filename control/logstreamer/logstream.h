/* SPDX-License-Identifier: MPL-2.0
 *
 * logstream.h - one stream: files that follow each other, read as if they were one.
 *
 * Place:   logstream_set.c has them; control/inputs/logstreamer_input.c reads them.
 * Threads: one owner.
 * Memory:  the list of its files, its position; a descriptor while it is open.
 * Failure: negative errno from logstream_read(); the place stays, and it is tried again.
 * Source:  Heka 0.11 Logstreamer. A file that was renamed, cut off, replaced or compressed is found
 *          again by what stands before the position: first by the file that is open, then by the
 *          hash in all files, newest first; else the oldest file that was not read is next.
 *
 * What a reader does, whenever there may be something:
 *     logstream_read()     LOGSTREAM_DATA: bytes at the position
 *     logstream_consume()  of them, what will not be needed again; the rest comes again
 *     LOGSTREAM_ENDS       nothing more will come of this file: what was not consumed ends here,
 *                          then logstream_next()
 *     LOGSTREAM_RESCAN     its files have changed: logstream_set_scan(), then again
 *     LOGSTREAM_IDLE       nothing now
 *     logstream_save()     when what was consumed is safe
 */
#ifndef CONTROL_LOGSTREAMER_LOGSTREAM_H
#define CONTROL_LOGSTREAMER_LOGSTREAM_H

#include "control/logstreamer/logstream_file.h"
#include "control/logstreamer/logstream_scan.h"

enum logstream_result { LOGSTREAM_DATA, LOGSTREAM_IDLE, LOGSTREAM_ENDS, LOGSTREAM_RESCAN };

enum logstream_event { /* what it counts */
                       LOGSTREAM_OPENED,
                       LOGSTREAM_MOVED,     /* found again under another name */
                       LOGSTREAM_TRUNCATED, /* the file that is read was cut off */
                       LOGSTREAM_LOST,      /* the journal's position is in no file */
                       LOGSTREAM_DAMAGED,   /* a gzip file ended too early or is no gzip file */
                       LOGSTREAM_EVENTS
};

struct logstream {
    char name[LOGSTREAM_NAME_SIZE];
    const char *journal_dir; /* the set's; NULL: no journal */
    void *user;              /* the reader's */
    bool is_gone;            /* it has no files any more, and none is open */

    struct logstream_entry *entries; /* oldest first */
    unsigned entry_count;
    int index; /* of the file that is read; -1: not among them */

    struct logstream_position position;
    uint64_t last_seek; /* the end of the last file of which something was read */
    char last_hash[LOGSTREAM_HASH_SIZE];
    bool is_unsaved;  /* it has changed since the journal was written */
    bool saves_start; /* also while nothing of the file was taken: it was chosen by its end */

    struct logstream_file file;
    uint64_t end_seek;     /* how far the file has been read */
    int64_t end_ns;        /* its mtime when its end was seen last */
    bool is_at_end;        /* nothing came the last time */
    bool is_last_look;     /* the next file has begun: what comes now is the last of this one */
    bool is_damaged;       /* said so already */
    bool wants_relocation; /* the file is not what it was: look for the position after a scan */
    bool is_list_fresh;    /* the list is younger than that, and than the opening of the file */
    bool is_orphan;        /* its name is another's or nobody's, and no file is next */
    bool is_missed;        /* its position was in none of the files of the list */
    bool has_relisted;     /* before its first file was opened */
    bool is_parked;        /* closed to save a descriptor */
    struct logstream_file coming; /* opened before LOGSTREAM_ENDS, for logstream_next() */
    int coming_index;
    unsigned events[LOGSTREAM_EVENTS]; /* since the reader took them */
    uint64_t save_count;
};

/* NULL: no memory. `journal_dir` outlives the stream; NULL: no journal. A journal that is not
 * understood adds to `notes` and counts as none. */
struct logstream *logstream_new(const char *name, const char *journal_dir, struct err *notes);
void logstream_free(struct logstream *stream); /* NULL is fine */

/* Takes the list of its files as it is now. */
void logstream_update(struct logstream *stream, struct logstream_entry *take_entries,
                      unsigned count);

/* Starts at the end of its newest file, if it has no position. 0 or negative errno. */
int logstream_start_at_tail(struct logstream *stream);

/* An enum logstream_result, or negative errno. `size`: more than the largest record. */
int logstream_read(struct logstream *stream, void *bytes, size_t size, size_t *got);
/* Of the `got` bytes read last. 0 or -ENOMEM. */
int logstream_consume(struct logstream *stream, const void *bytes, size_t got, size_t consumed);
/* What was read and not consumed: is there something, and what. 0 or negative errno. */
bool logstream_has_rest(const struct logstream *stream);
int logstream_rest(struct logstream *stream, void *bytes, size_t size, size_t *got);
/* After LOGSTREAM_ENDS. */
void logstream_next(struct logstream *stream);

/* Writes the journal if the position has changed. 0 or negative errno. */
int logstream_save(struct logstream *stream);
/* Gives back its descriptor until something changes; only when it is idle. */
void logstream_park(struct logstream *stream);

#endif
