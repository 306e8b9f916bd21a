/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_view.h - one queue as it is on disk, for those who only look.
 *
 * Place:   queue_tool.c, queue_dump.c.
 * Threads: one.
 * Memory:  one buffer of two records.
 * Failure: negative errno, or texts in `err`.
 */
#ifndef CONTROL_QUEUE_QUEUE_VIEW_H
#define CONTROL_QUEUE_QUEUE_VIEW_H

#include "control/queue/queue_scan.h"
#include "control/queue/queue_tool.h"

struct queue_view {
    const struct queue_tool *tool;
    const struct queue_io *io;
    const char *dir;
    struct queue_folder folder;
    struct queue_scanner scanner;
    bool is_in_use;
    bool has_checkpoint;
    struct queue_position cursor; /* where a queue would go on */
    char text[QUEUE_CHECKPOINT_SIZE + 1];
    const char *why; /* the checkpoint cannot be used; NULL: it can */
};

const struct queue_io *queue_tool_io(const struct queue_tool *tool);

/* Files, checkpoint and lock; 0 or negative errno. Nothing to close when it fails. */
int queue_view_look(struct queue_view *view, const struct queue_tool *tool, const char *dir);

/* The same, with a buffer to scan and the checkpoint checked. 0, or -1 after adding to `err`. */
int queue_view_open(struct queue_view *view, const struct queue_tool *tool, const char *dir,
                    struct err *err);
void queue_view_close(struct queue_view *view);

/* Bytes behind the checkpoint, without looking whether it can be true. */
uint64_t queue_view_unread_bytes(const struct queue_view *view);

/* As it is in the file, or "none". */
const char *queue_view_checkpoint(const struct queue_view *view);

#endif
