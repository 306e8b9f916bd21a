/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_internal.h - what the parts of the disk queue share.
 *
 * Place:   queue.c, queue_append.c, queue_read.c, queue_recover.c only.
 * Threads: `folder`, `cursor` and what is published are under `lock`, which is never held during a
 *          call to the system; writer and reader belong to their threads.
 */
#ifndef CONTROL_QUEUE_QUEUE_INTERNAL_H
#define CONTROL_QUEUE_QUEUE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/queue/queue.h"
#include "control/queue/queue_scan.h"

struct queue_writer { /* [appender] */
    int file;         /* -1: none is open */
    uint32_t id;      /* of the open file */
    uint64_t size;    /* durable bytes of the open file */
    bool has_junk;    /* there may be bytes behind `size` that are not what is in the buffer */
    uint64_t next_id; /* above UINT32_MAX: all are used up */
    uint8_t *buffer;
    size_t used;      /* framed records that are not durable */
    unsigned records; /* as many as these */
};

struct queue_reader { /* [reader] */
    struct queue_position
        at; /* with no file open: the next byte to scan, perhaps of a file to come */
    struct queue_scanner scanner; /* scanner.file is -1 when none is open */
    uint64_t limit;               /* durable bytes of the open file when last looked */
    bool is_sealed;
    struct queue_position
        *ends; /* ring of unacknowledged_max, of the records that are unacknowledged */
    unsigned first, unacknowledged;
    unsigned since_checkpoint;      /* acknowledgements */
    bool is_checkpoint_due;         /* the cursor is ahead of the checkpoint */
    struct queue_position furthest; /* end of the last record that was read for the first time */
    struct queue_position counted;  /* what was skipped up to here is in the counters */
    struct queue_position replay_until;  /* records up to here may have been delivered */
    unsigned fresh_own, fresh_recovered; /* of this call: read for the first time */
};

struct queue {
    struct queue_options options; /* without zeros */
    const struct queue_io *io;
    char dir[QUEUE_PATH_SIZE];
    int lock_file;
    size_t buffer_bytes;
    uint64_t first_new_id; /* files below are of earlier runs */

    pthread_mutex_t lock;       /* of the next three; queue_stats() is of one moment */
    struct queue_folder folder; /* files with durable records, oldest first */
    struct queue_position cursor;
    uint64_t waiting; /* of all files */

    _Atomic uint64_t counters[QUEUE_COUNTER_COUNT];
    _Atomic unsigned pending, unacknowledged;
    _Atomic uint64_t bytes_max; /* max_buffer_size, until the limit is lifted */
    _Atomic bool is_full, is_disk_full; /* what the last append, the last sync found */
    struct queue_writer writer;
    struct queue_reader reader;
};

static inline void queue_count(struct queue *queue, enum queue_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&queue->counters[counter], n, memory_order_relaxed);
}

static inline uint64_t queue_bytes_max(const struct queue *queue)
{
    return atomic_load_explicit(&queue->bytes_max, memory_order_relaxed);
}

/* Reads the folder and sets folder, cursor, writer and reader. 0, or -1 after adding to `err`. */
int queue_recover(struct queue *queue, struct err *err, struct err *notes);

/* Deletes the files before the cursor. */
void queue_delete_passed(struct queue *queue);

void queue_writer_close(struct queue *queue);

#endif
