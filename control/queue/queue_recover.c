/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_recover.c - what a queue does about the folder it finds.
 *
 * A checkpoint is used when it can be true: it ends a record, begins a file, or its file is gone.
 * Anything else (Heka writes it in place, so half of one is possible) means the oldest file: twice
 * is better than never.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/queue/queue_internal.h"

/* What was read of the checkpoint. */
struct found {
    struct queue_position position;
    char text[QUEUE_CHECKPOINT_SIZE + 1];
    const char *why; /* it cannot be used; NULL: it can */
    bool is_there;
};

static struct queue_position start_of(const struct queue_folder *folder)
{
    return (struct queue_position){folder->count > 0 ? folder->files[0].id : 0, 0};
}

static void find_checkpoint(struct queue *queue, struct found *found, struct err *notes)
{
    *found = (struct found){0};
    int rc =
        queue_checkpoint_read(queue->io, queue->dir, &found->position, found->text, &found->why);
    found->is_there = rc != -ENOENT;
    if (rc < 0 && rc != -ENOENT && found->why == NULL)
        found->why = strerror(-rc);
    if (rc != 0)
        return;
    found->why = queue_scan_checkpoint(&queue->reader.scanner, queue->dir, &queue->folder,
                                       found->position, &rc);
    if (rc != 0)
        err_add(notes, "%s: cannot be read up to the checkpoint, which is believed: %s", queue->dir,
                strerror(-rc));
}

static void choose_cursor(struct queue *queue, const struct found *found, struct err *notes)
{
    const struct queue_folder *folder = &queue->folder;
    struct queue_position oldest = start_of(folder);
    if (found->why == NULL) {
        queue->cursor = found->is_there ? found->position : oldest;
        return;
    }
    queue->cursor = oldest;
    queue_count(queue, QUEUE_CHECKPOINTS_UNUSABLE, 1);
    err_add(notes, "%s: %s ('%s'): starting with the oldest record, some may come twice",
            queue->dir, found->why, found->text);
    if (folder->count > 0) {
        const struct queue_file *newest = &folder->files[folder->count - 1];
        queue->reader.replay_until = (struct queue_position){newest->id, newest->size};
    }
}

/* Cuts the file at `path`, durably. */
static int cut(struct queue *queue, const char *path, uint64_t size)
{
    const struct queue_io *io = queue->io;
    int file = io->open(io->context, path, QUEUE_OPEN_WRITE);
    if (file < 0)
        return file;
    int rc = io->truncate(io->context, file, size);
    if (rc == 0)
        rc = io->sync(io->context, file);
    io->close(io->context, file);
    return rc;
}

/* What a crash left behind the last record of the newest file was never confirmed. Records above
 * message_size_max stay: another configuration may know them. */
static void cut_torn_end(struct queue *queue, struct err *notes)
{
    struct queue_folder *folder = &queue->folder;
    struct queue_scan_sum sum;
    char path[QUEUE_PATH_SIZE];
    if (folder->count == 0)
        return;
    struct queue_file *newest = &folder->files[folder->count - 1];
    struct queue_range range = {.stop = newest->size, .size = newest->size};
    range.from = newest->id == queue->cursor.id ? queue->cursor.offset : 0;
    if (range.from >= newest->size)
        return;
    queue_folder_file_path(queue->dir, newest->id, path);
    int rc = queue_scan_range(&queue->reader.scanner, path, &range, &sum);
    uint64_t torn = newest->size - sum.last_end;
    if (rc == 0 && (torn == 0 || sum.last_too_large > sum.last_end))
        return;
    if (rc == 0)
        rc = cut(queue, path, sum.last_end);
    if (rc < 0) {
        err_add(notes, "%s: its end cannot be checked or cut: %s", path, strerror(-rc));
        return; /* the reader finds it and goes behind it */
    }
    err_add(notes, "%s: %" PRIu64 " bytes of an incomplete record cut off", path, torn);
    queue_count(queue, QUEUE_TORN_BYTES, torn);
    folder->bytes -= torn;
    newest->size = sum.last_end;
}

/* Files that a crash left empty, and the checkpoint that was being written. */
static void delete_leftovers(struct queue *queue)
{
    struct queue_folder *folder = &queue->folder;
    char path[QUEUE_PATH_SIZE];
    for (unsigned i = folder->count; i-- > 0;) {
        if (folder->files[i].size > 0)
            continue;
        queue_folder_file_path(queue->dir, folder->files[i].id, path);
        if (queue->io->unlink(queue->io->context, path) == 0)
            queue_count(queue, QUEUE_FILES_DELETED, 1);
        queue_folder_remove(folder, i);
    }
    queue_folder_path(queue->dir, QUEUE_CHECKPOINT_TEMP, path);
    queue->io->unlink(queue->io->context, path);
}

static void note_folder(const struct queue *queue, struct err *notes)
{
    const struct queue_folder *folder = &queue->folder;
    if (folder->left_alone > 0)
        err_add(notes, "%s: %u names that are none of the queue's are left alone", queue->dir,
                folder->left_alone);
}

/* A checkpoint of no use is replaced at once, or removed when there is no room: it could become
 * true, or seem to, by files that are made later. */
static int replace_checkpoint(struct queue *queue)
{
    char path[QUEUE_PATH_SIZE];
    if (queue_checkpoint_write(queue->io, queue->dir, queue->cursor) == 0)
        return 0;
    queue_folder_path(queue->dir, QUEUE_CHECKPOINT_NAME, path);
    int rc = queue->io->unlink(queue->io->context, path);
    return rc == 0 || rc == -ENOENT ? queue->io->sync_dir(queue->io->context, queue->dir) : rc;
}

/* Above the ids of all files and of the checkpoint, which must never be about another file than the
 * one that it was written for. */
static uint64_t choose_next_id(struct queue *queue, const struct found *found, struct err *notes)
{
    const struct queue_folder *folder = &queue->folder;
    uint64_t id = folder->count > 0 ? folder->files[folder->count - 1].id + UINT64_C(1) : 0;
    if (found->is_there && found->why == NULL && id <= found->position.id)
        id = found->position.id + UINT64_C(1);
    if (id <= UINT32_MAX)
        return id;
    if (folder->count == 0) {
        queue->cursor = (struct queue_position){0, 0};
        return 0;
    }
    err_add(notes, "%s: file ids are used up; nothing can be added before the files are removed",
            queue->dir);
    return id;
}

int queue_recover(struct queue *queue, struct err *err, struct err *notes)
{
    struct queue_folder *folder = &queue->folder;
    struct found found;
    int rc = queue_folder_list(queue->io, queue->dir, folder);
    if (rc == -E2BIG)
        return err_add(err, "%s: more than %d queue files", queue->dir, QUEUE_FILES_MAX);
    if (rc != 0)
        return err_add(err, "%s: %s", queue->dir, strerror(-rc));
    note_folder(queue, notes);
    find_checkpoint(queue, &found, notes);
    choose_cursor(queue, &found, notes);
    rc = found.why != NULL ? replace_checkpoint(queue) : 0;
    if (rc != 0)
        return err_add(err, "%s: %s ('%s'), and it cannot be replaced: %s", queue->dir, found.why,
                       found.text, strerror(-rc));
    queue->writer.next_id = choose_next_id(queue, &found, notes);
    queue->first_new_id = queue->writer.next_id;
    queue_delete_passed(queue);
    cut_torn_end(queue, notes);
    delete_leftovers(queue);
    queue_scan_start(&queue->reader.scanner, -1, 0);
    queue->reader.at = queue->cursor;
    return 0;
}
