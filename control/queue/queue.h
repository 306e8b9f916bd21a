/* SPDX-License-Identifier: MPL-2.0
 *
 * queue.h - disk queue in front of an output (use_buffering), in Heka's format.
 *
 * Place:   control/lanes/consumer.c appends what it reads from the lanes, syncs, and only then
 *          releases the lanes; it reads the queue, delivers, and acknowledges. Bytes:
 *          docs/formats/queue.md. hekad -> output_queue/NAME/ID.log, checkpoint.txt.
 * Threads: queue_open, queue_close [owner, alone]. [appender] and [reader] may be two threads, or
 *          one: the calls of each are marked. queue_stats and queue_is_* [any].
 * Memory:  two buffers of buffer_bytes, positions of unacknowledged records, 24 bytes a file.
 * Failure: nothing that queue_sync() has confirmed is lost by a crash, a full disk or a write
 *          error: it is read again until it is acknowledged, in order. After a crash the records
 *          behind the last checkpoint come again, and so do unconfirmed ones that reached the disk,
 *          which the lanes give once more as well. What is no record is skipped and counted in
 *          bytes.
 * Bounds:  QUEUE_FILES_MAX files; a record of FRAME_OVERHEAD_MAX + message_size_max bytes.
 * Source:  Heka 0.11 queue buffer. Differences: docs/formats/queue.md.
 */
#ifndef CONTROL_QUEUE_QUEUE_H
#define CONTROL_QUEUE_QUEUE_H

#include "control/queue/queue_folder.h"
#include "control/queue/queue_io.h"
#include "core/err.h"

struct queue;

enum queue_full_action { QUEUE_SHUTDOWN, QUEUE_DROP, QUEUE_BLOCK };

struct queue_options {        /* 0 or NULL is the default */
    size_t message_size_max;  /* [hekad] max_message_size; MSG_SIZE_DEFAULT_MAX */
    uint64_t max_file_size;   /* 512 MiB; at least the largest record */
    uint64_t max_buffer_size; /* of all files together; unlimited */
    enum queue_full_action full_action;
    unsigned cursor_update_count; /* checkpoint at every n-th acknowledgement; 1 */
    size_t buffer_bytes;          /* 1 MiB; raised to hold the largest record */
    unsigned unacknowledged_max;  /* records read and not acknowledged; 4096 */
    const struct queue_io *io;    /* queue_io_posix */
};

enum { /* what queue_append() and queue_sync() want of the host; negative errno: try again later */
       QUEUE_E_SHUTDOWN = -1100, /* full, or the disk is: stop, as full_action says */
       QUEUE_E_DROP = -1101,     /* the same: drop it, see queue_append() and queue_sync() */
       QUEUE_E_BLOCK = -1102,    /* the same: try again later */
       QUEUE_E_TOO_LARGE = -1103 /* this message can never be in this queue */
};
const char *queue_error_text(int code); /* "Queue is full", ..., or that of the errno */

#define QUEUE_COUNTERS(X)                                                                          \
    X(APPENDED, "appended", "records made durable")                                                \
    X(APPENDED_BYTES, "appended_bytes", "bytes of those records")                                  \
    X(REFUSED, "refused", "times that a message found the queue or the disk full")                 \
    X(DROPPED, "dropped", "messages that full_action = drop threw away")                           \
    X(LOST, "lost", "records of this run that could not be read again")                            \
    X(READ, "read", "records handed out, each time")                                               \
    X(RECOVERED, "recovered", "records of earlier runs, once each: as many may come twice")        \
    X(REPLAYED, "replayed", "records handed out again, or from before a checkpoint without use")   \
    X(ACKNOWLEDGED, "acknowledged", "records done with")                                           \
    X(TORN_BYTES, "torn_bytes", "bytes of incomplete records at the ends of files")                \
    X(GARBAGE_BYTES, "garbage_bytes", "bytes skipped that were no record")                         \
    X(TOO_LARGE, "too_large", "records skipped that are above max_message_size")                   \
    X(MISSING_BYTES, "missing_bytes", "bytes of files that somebody removed or cut")               \
    X(FILES_MADE, "files_made", "queue files begun")                                               \
    X(FILES_DELETED, "files_deleted", "queue files done with")                                     \
    X(CHECKPOINTS, "checkpoints", "checkpoints written")                                           \
    X(CHECKPOINTS_UNUSABLE, "checkpoints_unusable", "checkpoints that made no sense at the start") \
    X(WRITE_FAILURES, "write_failures", "times that records could not be made durable")            \
    X(READ_FAILURES, "read_failures", "times that a file could not be read")                       \
    X(CHECKPOINT_FAILURES, "checkpoint_failures", "checkpoints that could not be written")         \
    X(DELETE_FAILURES, "delete_failures", "files that could not be deleted, each time")

#define QUEUE_COUNTER_ID(id, name, help) QUEUE_##id,
enum queue_counter { QUEUE_COUNTERS(QUEUE_COUNTER_ID) QUEUE_COUNTER_COUNT };
#undef QUEUE_COUNTER_ID

struct queue_counter_name {
    const char *name, *help;
};
extern const struct queue_counter_name queue_counter_names[QUEUE_COUNTER_COUNT];

/* Makes the folder if it is not there, takes its lock, finds the place to go on from, and cuts an
 * incomplete record at the end of the newest file. Reads at most the file of the checkpoint and the
 * newest one. Bad bytes in the folder are no error: `notes` (may be NULL) gets a text for each
 * thing that was found and what was done about it. NULL after adding to `err`; when folder or lock
 * could not be made errno says why. */
struct queue *queue_open(const char *dir, const struct queue_options *options, struct err *err,
                         struct err *notes);

/* Somebody has the folder's lock. `io` NULL: queue_io_posix. */
bool queue_is_in_use(const struct queue_io *io, const char *dir);

/* There is something to read in the folder, as far as the names and sizes tell. */
bool queue_has_unread(const struct queue_io *io, const char *dir);

/* Syncs, writes the checkpoint, frees. 0, or negative when that could not be done: pending records
 * are lost then (the host has not released them), and acknowledged ones come again. NULL is fine.
 * */
int queue_close(struct queue *queue);

/* ---- [appender] ---- */

struct queue_message {
    const void *bytes; /* one Heka message; borrowed until the call returns */
    size_t size;
};

/* Takes messages from the front into memory. Returns how many. When fewer than `count`, *why is
 *   0                  queue_sync() first, then the others: the buffer or the file is full
 *   QUEUE_E_TOO_LARGE  the first that was not taken: end it under a name, then the others
 *   QUEUE_E_SHUTDOWN   and QUEUE_E_DROP, QUEUE_E_BLOCK: no room for the first that was not taken.
 *                      For QUEUE_E_DROP end it, call queue_count_dropped(), then the others.
 * Writes nothing; a file that is full may be closed. */
unsigned queue_append(struct queue *queue, const struct queue_message *messages, unsigned count,
                      int *why);

/* Makes all that was taken durable and readable. 0: the lanes may be released up to there. Else all
 * of it is still pending and nothing of it readable; call again later, or, for QUEUE_E_DROP,
 * queue_discard(). Blocks in write and fsync. */
int queue_sync(struct queue *queue);

/* Throws away what is pending; returns how many messages, which are counted as dropped. Only a
 * crash can bring them back, when they had reached the disk. */
unsigned queue_discard(struct queue *queue);

/* The same, when the host keeps them: nothing is counted. */
unsigned queue_forget(struct queue *queue);

void queue_count_dropped(struct queue *queue, unsigned count);

/* Messages taken and not yet durable. */
unsigned queue_pending(const struct queue *queue);

/* ---- [reader] ---- */

struct queue_record {
    const uint8_t *bytes; /* the message; borrowed until the next queue_read() or queue_rewind() */
    uint32_t size;
    struct queue_position end; /* behind it: the checkpoint when it is acknowledged */
};

/* The next durable records, at most count_max; earlier ones need not be acknowledged. 0: there are
 * none now, or as many as unacknowledged_max are. Negative errno: the file cannot be read; try
 * again later. */
int queue_read(struct queue *queue, struct queue_record *records, unsigned count_max);

/* The `count` oldest records that were read are delivered, or ended under a name. Writes the
 * checkpoint when it is time and deletes files that are done with. Negative: the checkpoint could
 * not be written; the records are acknowledged nevertheless, and the next call tries again. */
int queue_acknowledge(struct queue *queue, unsigned count);

/* Writes the checkpoint when the cursor is ahead of it. 0 or negative errno. */
int queue_checkpoint(struct queue *queue);

/* Goes back to the first record that is not acknowledged: they are all read again. */
void queue_rewind(struct queue *queue);

/* ---- [any] ---- */

struct queue_stats {
    uint64_t counters[QUEUE_COUNTER_COUNT];
    uint64_t bytes;     /* of all files */
    uint64_t bytes_max; /* 0: unlimited */
    unsigned files;
    unsigned pending;        /* taken, not durable */
    unsigned unacknowledged; /* read, not acknowledged */
    uint64_t waiting;        /* records of this run that were not read yet */
    uint64_t unread_bytes;   /* behind the cursor */
    struct queue_position cursor;
};
/* All of one moment, but `pending`: appended + recovered = acknowledged + unacknowledged + waiting
 * + lost, unless queue_rewind() was called. */
void queue_stats(struct queue *queue, struct queue_stats *stats);

/* At least 90 % of max_buffer_size, or the last append or sync was refused: back-pressure, and
 * right after queue_open() the reason to wait with inputs (full_buffer_max_retries). */
bool queue_is_nearly_full(struct queue *queue);

/* No max_buffer_size from now on: for the last messages before the queue is given to another. */
void queue_lift_limit(struct queue *queue);

/* Nothing pending, nothing unacknowledged, nothing to read. */
bool queue_is_drained(struct queue *queue);

#endif
