/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_append.c - the writing end: frames in memory, then file, fsync, and only then to be read.
 *
 * A failed sync changes nothing for the caller: the frames stay in memory and are written again, at
 * the same place of the same file when only the disk was full, else into a new file. The kernel may
 * have forgotten what a failed fsync was to write, so nothing is believed that was not written
 * after it.
 */
#include <errno.h>
#include <string.h>

#include "control/queue/queue_internal.h"
#include "core/check.h"

enum { NEW_FILE_TRIES_MAX = 16, FRAME_START_AND_END = 3 };

static bool is_disk_full(int code)
{
    return code == -ENOSPC || code == -EDQUOT;
}

static int refuse(struct queue *queue, _Atomic bool *reason)
{
    static const int codes[] = {
        [QUEUE_SHUTDOWN] = QUEUE_E_SHUTDOWN,
        [QUEUE_DROP] = QUEUE_E_DROP,
        [QUEUE_BLOCK] = QUEUE_E_BLOCK,
    };
    queue_count(queue, QUEUE_REFUSED, 1);
    atomic_store_explicit(reason, true, memory_order_relaxed);
    return codes[queue->options.full_action];
}

unsigned queue_pending(const struct queue *queue)
{
    return atomic_load_explicit(&queue->pending, memory_order_relaxed);
}

static void set_pending(struct queue *queue, unsigned records, size_t used)
{
    queue->writer.records = records;
    queue->writer.used = used;
    atomic_store_explicit(&queue->pending, records, memory_order_relaxed);
}

/* ---- files ---- */

/* The reader may leave the open file for good. A file without a record is not in the folder. */
static void seal(struct queue *queue)
{
    struct queue_writer *writer = &queue->writer;
    char path[QUEUE_PATH_SIZE];
    if (writer->file < 0)
        return;
    if (writer->has_junk)
        queue->io->truncate(queue->io->context, writer->file, writer->size);
    queue->io->close(queue->io->context, writer->file);
    writer->file = -1;
    writer->has_junk = false;
    if (writer->size == 0) {
        queue_folder_file_path(queue->dir, writer->id, path);
        queue->io->unlink(queue->io->context, path); /* if not: empty, or unconfirmed records */
        return;
    }
    pthread_mutex_lock(&queue->lock);
    unsigned index = queue_folder_find(&queue->folder, writer->id);
    if (index < queue->folder.count && queue->folder.files[index].id == writer->id)
        queue->folder.files[index].is_sealed = true;
    pthread_mutex_unlock(&queue->lock);
    writer->size = 0;
}

void queue_writer_close(struct queue *queue)
{
    seal(queue);
}

/* When the open file is the only one, nothing can be deleted as long as it is open: with everything
 * in it acknowledged the queue would stay full for ever. */
static void seal_only_file(struct queue *queue)
{
    if (queue->writer.file < 0 || queue->writer.size == 0)
        return;
    pthread_mutex_lock(&queue->lock);
    bool is_only = queue->folder.count == 1 && queue->folder.files[0].id == queue->writer.id;
    pthread_mutex_unlock(&queue->lock);
    if (is_only)
        seal(queue);
}

static int reserve_entry(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    int rc = queue_folder_reserve(&queue->folder);
    pthread_mutex_unlock(&queue->lock);
    return rc == -E2BIG ? -ENOSPC : rc;
}

static int make_file(struct queue *queue)
{
    struct queue_writer *writer = &queue->writer;
    char path[QUEUE_PATH_SIZE];
    int file = -EEXIST;
    int rc = reserve_entry(queue);
    if (rc != 0)
        return rc;
    for (unsigned tries = 0; tries < NEW_FILE_TRIES_MAX && file == -EEXIST; tries++) {
        if (writer->next_id > UINT32_MAX)
            return -EOVERFLOW;
        writer->id = (uint32_t)writer->next_id;
        queue_folder_file_path(queue->dir, writer->id, path);
        file = queue->io->open(queue->io->context, path, QUEUE_OPEN_NEW);
        writer->next_id += file >= 0 || file == -EEXIST;
    }
    if (file < 0)
        return file;
    writer->file = file;
    writer->size = 0;
    rc = queue->io->sync_dir(queue->io->context, queue->dir);
    if (rc != 0)
        seal(queue);
    else
        queue_count(queue, QUEUE_FILES_MADE, 1);
    return rc;
}

/* ---- taking messages ---- */

static bool has_no_room(struct queue *queue, size_t framed)
{
    uint64_t max = queue_bytes_max(queue);
    pthread_mutex_lock(&queue->lock);
    uint64_t bytes = queue->folder.bytes + queue->writer.used;
    pthread_mutex_unlock(&queue->lock);
    return max > 0 && bytes + framed > max;
}

/* 0, or the *why of queue_append(); *must_sync tells that a 0 means that. */
static int admit(struct queue *queue, size_t framed, bool *must_sync)
{
    struct queue_writer *writer = &queue->writer;
    uint64_t file_size = writer->file >= 0 ? writer->size : 0;
    *must_sync = writer->used + framed > queue->buffer_bytes;
    if (*must_sync)
        return 0;
    if (file_size + writer->used + framed > queue->options.max_file_size) {
        *must_sync = writer->used > 0;
        if (*must_sync)
            return 0;
        seal(queue);
    }
    if (!has_no_room(queue, framed))
        return 0;
    if (writer->used == 0)
        seal_only_file(queue);
    return refuse(queue, &queue->is_full);
}

/* 1: taken. */
static int append_one(struct queue *queue, const struct queue_message *message, int *why)
{
    struct queue_writer *writer = &queue->writer;
    uint64_t bytes_max = queue_bytes_max(queue);
    bool must_sync;
    *why = QUEUE_E_TOO_LARGE;
    if (message->size > queue->options.message_size_max)
        return 0;
    size_t framed = FRAME_START_AND_END + frame_header_size(message->size, NULL) + message->size;
    if (bytes_max > 0 && framed > bytes_max)
        return 0;
    *why = admit(queue, framed, &must_sync);
    if (*why != 0 || must_sync)
        return 0;
    int64_t written =
        frame_write(writer->buffer + writer->used, queue->buffer_bytes - writer->used,
                    message->bytes, message->size, queue->options.message_size_max, NULL);
    CHECK(written == (int64_t)framed);
    set_pending(queue, writer->records + 1, writer->used + framed);
    return 1;
}

unsigned queue_append(struct queue *queue, const struct queue_message *messages, unsigned count,
                      int *why)
{
    unsigned taken = 0;
    *why = 0;
    while (taken < count && append_one(queue, &messages[taken], why) == 1)
        taken++;
    if (taken > 0 && taken == count)
        atomic_store_explicit(&queue->is_full, false, memory_order_relaxed);
    return taken;
}

/* ---- making them durable ---- */

static int write_pending(struct queue *queue)
{
    struct queue_writer *writer = &queue->writer;
    int rc = 0;
    if (writer->file < 0)
        rc = make_file(queue);
    if (rc == 0 && writer->has_junk)
        rc = queue->io->truncate(queue->io->context, writer->file, writer->size);
    if (rc != 0)
        return rc;
    writer->has_junk = true;
    rc = queue_io_write_all(queue->io, writer->file, writer->buffer, writer->used, writer->size);
    if (rc == 0)
        rc = queue->io->sync(queue->io->context, writer->file);
    writer->has_junk = rc != 0;
    return rc;
}

/* Now the reader may see them. */
static void publish(struct queue *queue)
{
    struct queue_writer *writer = &queue->writer;
    pthread_mutex_lock(&queue->lock);
    struct queue_folder *folder = &queue->folder;
    if (writer->size == 0)
        queue_folder_add(folder, (struct queue_file){.id = writer->id});
    struct queue_file *file = &folder->files[folder->count - 1];
    CHECK(file->id == writer->id && file->size == writer->size);
    file->size += writer->used;
    file->waiting += writer->records;
    folder->bytes += writer->used;
    queue->waiting += writer->records;
    queue_count(queue, QUEUE_APPENDED, writer->records);
    pthread_mutex_unlock(&queue->lock);
    writer->size += writer->used;
    queue_count(queue, QUEUE_APPENDED_BYTES, writer->used);
    set_pending(queue, 0, 0);
}

/* Gives the space back that half of the records took, so that the reader can go on with the rest.
 * */
static void leave_full_disk(struct queue *queue)
{
    struct queue_writer *writer = &queue->writer;
    if (writer->file >= 0 && writer->has_junk)
        writer->has_junk = queue->io->truncate(queue->io->context, writer->file, writer->size) != 0;
    seal_only_file(queue);
}

int queue_sync(struct queue *queue)
{
    if (queue->writer.used == 0)
        return 0;
    int rc = write_pending(queue);
    if (rc == 0) {
        publish(queue);
        atomic_store_explicit(&queue->is_disk_full, false, memory_order_relaxed);
        return 0;
    }
    queue_count(queue, QUEUE_WRITE_FAILURES, 1);
    if (is_disk_full(rc)) {
        leave_full_disk(queue);
        return refuse(queue, &queue->is_disk_full);
    }
    seal(queue); /* the next try is in a new file */
    return rc;
}

unsigned queue_forget(struct queue *queue)
{
    unsigned records = queue->writer.records;
    set_pending(queue, 0, 0);
    return records;
}

unsigned queue_discard(struct queue *queue)
{
    unsigned records = queue_forget(queue);
    queue_count_dropped(queue, records);
    return records;
}

void queue_count_dropped(struct queue *queue, unsigned count)
{
    queue_count(queue, QUEUE_DROPPED, count);
}
