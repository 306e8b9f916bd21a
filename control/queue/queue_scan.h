/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_scan.h - walks the records of one queue file.
 *
 * Place:   queue_read.c, queue_recover.c, queue_tool.c. Bytes: docs/formats/queue.md.
 * Threads: a scanner belongs to one thread.
 * Memory:  the caller's buffer, which holds at least one record of the largest size.
 * Failure: what is no record is returned with its size, never passed over in silence.
 */
#ifndef CONTROL_QUEUE_QUEUE_SCAN_H
#define CONTROL_QUEUE_QUEUE_SCAN_H

#include "control/queue/queue_folder.h"
#include "control/queue/queue_io.h"
#include "core/frame.h"

struct queue_scanner {
    const struct queue_io *io;
    int file;
    size_t message_max;
    bool checks_messages; /* queue_scan_range() counts what is malformed */
    uint8_t *buffer;
    size_t capacity;
    size_t begin, end; /* bytes of the buffer that are not scanned */
    uint64_t offset;   /* in the file, of buffer[begin] */
};

enum queue_scan {
    QUEUE_SCAN_RECORD,    /* frame is filled, borrowed until the next call that may refill */
    QUEUE_SCAN_GARBAGE,   /* `size` bytes are no record */
    QUEUE_SCAN_TOO_LARGE, /* one byte, the start of a record above message_max */
    QUEUE_SCAN_END,       /* `size` bytes are left before the limit, an incomplete record or none */
    QUEUE_SCAN_REFILL,    /* no more in the buffer, and refilling was not allowed */
    QUEUE_SCAN_MISSING    /* `size` bytes that the file should have are not there */
};

/* Starts at `offset` of an open file, with an empty buffer. */
void queue_scan_start(struct queue_scanner *scanner, int file, uint64_t offset);

/* The next piece of the file before `limit`, which may grow from call to call. One of enum
 * queue_scan, or negative errno of the read. */
int queue_scan_next(struct queue_scanner *scanner, uint64_t limit, bool may_refill,
                    struct frame *frame, size_t *size);

/* After QUEUE_SCAN_END, when nothing will be added to the file: a separator whose header would be
 * longer than the file begins no record, and one behind it may. Skips up to the next separator:
 * true, and `size` bytes were garbage. False: what is left is the incomplete record at the end. */
bool queue_scan_resync(struct queue_scanner *scanner, size_t *size);

struct queue_scan_sum {
    uint64_t records;
    uint64_t malformed; /* of them, that are no Heka message; 0 without checks_messages */
    uint64_t garbage_bytes;
    uint64_t torn_bytes; /* of an incomplete record at the end */
    uint64_t missing_bytes;
    uint64_t too_large;
    uint64_t last_end;       /* behind the last record; `from` when there is none */
    uint64_t last_too_large; /* behind the last of those; 0 when there is none */
};

struct queue_range {
    uint64_t from;
    uint64_t stop; /* no piece that begins here or later is looked at */
    uint64_t size; /* of the file: a record may end behind `stop` */
};

/* Scans the file at `path` with the scanner's buffer. 0 or negative errno; what was found before is
 * in *sum. */
int queue_scan_range(struct queue_scanner *scanner, const char *path,
                     const struct queue_range *range, struct queue_scan_sum *sum);

/* NULL when the checkpoint can be true: it ends a record, begins a file, or its file is gone. Else
 * what is wrong. Scans its file up to it; when that fails *rc is negative and the checkpoint is
 * believed. */
const char *queue_scan_checkpoint(struct queue_scanner *scanner, const char *dir,
                                  const struct queue_folder *folder, struct queue_position position,
                                  int *rc);

#endif
