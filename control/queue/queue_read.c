/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_read.c - the reading end: durable records in order; the cursor behind what is acknowledged;
 * the checkpoint behind the cursor; files deleted when the cursor has passed them.
 *
 * A file may go before the checkpoint says so: with its file gone a checkpoint means the start of
 * the next one, which is a little earlier than it could be and loses nothing. So a full disk, on
 * which no checkpoint can be written, does not keep the files that fill it.
 */
#include <errno.h>

#include "control/queue/queue_internal.h"
#include "core/check.h"

/* ---- the cursor ---- */

static int write_checkpoint(struct queue *queue)
{
    struct queue_reader *reader = &queue->reader;
    int rc = queue_checkpoint_write(queue->io, queue->dir, queue->cursor);
    if (rc != 0) {
        queue_count(queue, QUEUE_CHECKPOINT_FAILURES, 1);
        return rc;
    }
    queue_count(queue, QUEUE_CHECKPOINTS, 1);
    reader->is_checkpoint_due = false;
    reader->since_checkpoint = 0;
    return 0;
}

static void remove_first(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue_folder_remove(&queue->folder, 0);
    pthread_mutex_unlock(&queue->lock);
}

/* False: there is none, or the oldest is not passed. */
static bool find_passed(struct queue *queue, uint32_t *id)
{
    pthread_mutex_lock(&queue->lock);
    const struct queue_folder *folder = &queue->folder;
    bool is_passed = folder->count > 0 && folder->files[0].id < queue->cursor.id;
    *id = is_passed ? folder->files[0].id : 0;
    pthread_mutex_unlock(&queue->lock);
    return is_passed;
}

/* The oldest first, and each for good before the next: a file that is there again after a crash is
 * then the last one before the cursor, as a checkpoint that begins a file says. */
void queue_delete_passed(struct queue *queue)
{
    char path[QUEUE_PATH_SIZE];
    uint32_t id;
    for (unsigned count = 0; find_passed(queue, &id); count++) {
        queue_folder_file_path(queue->dir, id, path);
        int rc = count > 0 ? queue->io->sync_dir(queue->io->context, queue->dir) : 0;
        if (rc == 0)
            rc = queue->io->unlink(queue->io->context, path);
        if (rc != 0 && rc != -ENOENT) {
            queue_count(queue, QUEUE_DELETE_FAILURES, 1);
            return; /* queue_read() tries again when there is nothing to read */
        }
        queue_count(queue, QUEUE_FILES_DELETED, 1);
        remove_first(queue);
    }
}

/* Without a new checkpoint the names deleted before have to be durable first: one that came back
 * behind the checkpoint's own file being gone would be read again. */
static int pass_files(struct queue *queue)
{
    int rc = write_checkpoint(queue);
    if (rc == 0) {
        queue_delete_passed(queue);
        return 0;
    }
    if (queue->io->sync_dir(queue->io->context, queue->dir) != 0)
        return rc;
    queue_delete_passed(queue);
    return write_checkpoint(queue); /* there may be room now */
}

static int set_cursor(struct queue *queue, struct queue_position cursor)
{
    struct queue_reader *reader = &queue->reader;
    bool passes_files = cursor.id != queue->cursor.id;
    CHECK(queue_position_compare(cursor, queue->cursor) >= 0);
    pthread_mutex_lock(&queue->lock);
    queue->cursor = cursor;
    pthread_mutex_unlock(&queue->lock);
    reader->is_checkpoint_due = true;
    if (passes_files)
        return pass_files(queue);
    if (reader->since_checkpoint >= queue->options.cursor_update_count)
        return write_checkpoint(queue);
    return 0;
}

/* ---- files ---- */

static void close_file(struct queue_reader *reader)
{
    if (reader->scanner.file >= 0)
        reader->scanner.io->close(reader->scanner.io->context, reader->scanner.file);
    queue_scan_start(&reader->scanner, -1, 0);
}

/* Records that the file should have and that were not found in it. */
static void count_lost(struct queue *queue)
{
    uint32_t id = queue->reader.at.id;
    pthread_mutex_lock(&queue->lock);
    unsigned index = queue_folder_find(&queue->folder, id);
    if (index < queue->folder.count && queue->folder.files[index].id == id) {
        struct queue_file *file = &queue->folder.files[index];
        queue_count(queue, QUEUE_LOST, file->waiting);
        queue->waiting -= file->waiting;
        file->waiting = 0;
    }
    pthread_mutex_unlock(&queue->lock);
}

/* Behind the current file. False: there is no id behind it. */
static bool go_behind(struct queue *queue)
{
    struct queue_reader *reader = &queue->reader;
    close_file(reader);
    count_lost(queue);
    reader->at.offset = reader->limit;
    if (reader->at.id == UINT32_MAX)
        return false;
    reader->at = (struct queue_position){reader->at.id + 1, 0};
    return true;
}

/* Takes the cursor along when nothing holds it; a checkpoint that fails is counted and tried again.
 * */
static bool leave_file(struct queue *queue)
{
    if (!go_behind(queue))
        return false;
    if (queue->reader.unacknowledged == 0)
        set_cursor(queue, queue->reader.at);
    return true;
}

/* The file at reader->at, or the next one there is. False when there is none. */
static bool look_up(struct queue *queue)
{
    struct queue_reader *reader = &queue->reader;
    pthread_mutex_lock(&queue->lock);
    const struct queue_folder *folder = &queue->folder;
    unsigned index = queue_folder_find(folder, reader->at.id);
    bool is_found = index < folder->count;
    struct queue_file file = is_found ? folder->files[index] : (struct queue_file){0};
    pthread_mutex_unlock(&queue->lock);
    if (!is_found)
        return false;
    if (file.id != reader->at.id)
        reader->at = (struct queue_position){file.id, 0};
    reader->limit = file.size;
    reader->is_sealed = file.is_sealed;
    return true;
}

/* Counts bytes that were skipped and end at `end` of the current file, each of them once. */
static void count_skipped(struct queue *queue, enum queue_counter counter, uint64_t bytes,
                          uint64_t end)
{
    struct queue_reader *reader = &queue->reader;
    struct queue_position position = {reader->at.id, end};
    if (queue_position_compare(position, reader->counted) <= 0)
        return;
    if (reader->counted.id == position.id && end - bytes < reader->counted.offset)
        bytes = end - reader->counted.offset;
    reader->counted = position;
    queue_count(queue, counter, bytes);
}

/* 1: a file is open. 0: there is nothing to read. */
static int open_file(struct queue *queue)
{
    struct queue_reader *reader = &queue->reader;
    char path[QUEUE_PATH_SIZE];
    while (look_up(queue)) {
        if (reader->at.offset < reader->limit) {
            queue_folder_file_path(queue->dir, reader->at.id, path);
            int rc = queue->io->open(queue->io->context, path, QUEUE_OPEN_READ);
            if (rc >= 0) {
                queue_scan_start(&reader->scanner, rc, reader->at.offset);
                return 1;
            }
            if (rc != -ENOENT || !reader->is_sealed)
                return rc;
            count_skipped(queue, QUEUE_MISSING_BYTES, reader->limit - reader->at.offset,
                          reader->limit);
        }
        if (!reader->is_sealed || !leave_file(queue))
            return 0;
    }
    return 0;
}

/* ---- reading ---- */

static void hand_out(struct queue *queue, const struct frame *frame, struct queue_record *record)
{
    struct queue_reader *reader = &queue->reader;
    unsigned slots = queue->options.unacknowledged_max;
    struct queue_position end = {reader->at.id, reader->scanner.offset};
    *record = (struct queue_record){frame->message, frame->message_size, end};
    reader->ends[(reader->first + reader->unacknowledged) % slots] = end;
    reader->unacknowledged++;
    queue_count(queue, QUEUE_READ, 1);
    if (queue_position_compare(end, reader->replay_until) <= 0)
        queue_count(queue, QUEUE_REPLAYED, 1);
    if (queue_position_compare(end, reader->furthest) > 0) {
        reader->furthest = end;
        if (end.id < queue->first_new_id)
            reader->fresh_recovered++;
        else
            reader->fresh_own++;
    }
}

/* The scanner has come to what was the end of the file, or the file is shorter than it should be.
 * 1: look again; 0: nothing more now. */
static int at_end(struct queue *queue, int status, size_t rest, bool may_leave)
{
    struct queue_reader *reader = &queue->reader;
    uint64_t limit = reader->limit;
    CHECK(look_up(queue)); /* the cursor has not passed it, so it is there */
    if (status == QUEUE_SCAN_END && reader->limit > limit)
        return 1;
    if (!reader->is_sealed)
        return status == QUEUE_SCAN_END ? 0 : -EIO; /* somebody cut the file that we append to */
    if (status == QUEUE_SCAN_END && queue_scan_resync(&reader->scanner, &rest)) {
        count_skipped(queue, QUEUE_GARBAGE_BYTES, rest, reader->scanner.offset);
        return 1;
    }
    if (!may_leave)
        return 0;
    count_skipped(queue, status == QUEUE_SCAN_END ? QUEUE_TORN_BYTES : QUEUE_MISSING_BYTES, rest,
                  reader->limit);
    return leave_file(queue) ? 1 : 0;
}

/* A read that failed is tried on a newly opened file next time. */
static int give_up(struct queue *queue, int rc)
{
    struct queue_reader *reader = &queue->reader;
    if (reader->scanner.file >= 0)
        reader->at.offset = reader->scanner.offset;
    close_file(reader);
    queue_count(queue, QUEUE_READ_FAILURES, 1);
    return rc;
}

/* One piece of the file. 1: `record` is filled; 0: nothing now; 2: look again. With `is_first`
 * false the buffer stays as it is. */
static int read_piece(struct queue *queue, bool is_first, size_t *skipped,
                      struct queue_record *record)
{
    struct queue_reader *reader = &queue->reader;
    struct frame frame;
    size_t size;
    int rc;
    if (reader->scanner.file < 0) {
        rc = is_first ? open_file(queue) : 0;
        return rc == 1 ? 2 : rc;
    }
    int status = queue_scan_next(&reader->scanner, reader->limit, is_first, &frame, &size);
    switch (status) {
    case QUEUE_SCAN_RECORD:
        hand_out(queue, &frame, record);
        return 1;
    case QUEUE_SCAN_TOO_LARGE:
        queue_count(queue, QUEUE_TOO_LARGE, 1);
        /* fall through */
    case QUEUE_SCAN_GARBAGE:
        count_skipped(queue, QUEUE_GARBAGE_BYTES, size, reader->scanner.offset);
        *skipped += size;
        return 2;
    case QUEUE_SCAN_END:
    case QUEUE_SCAN_MISSING:
        rc = at_end(queue, status, size, is_first);
        return rc == 1 ? 2 : rc;
    case QUEUE_SCAN_REFILL:
        return 0;
    default:
        return status;
    }
}

/* A long stretch of garbage is walked over in several calls. */
static int read_one(struct queue *queue, bool is_first, struct queue_record *record)
{
    size_t skipped = 0;
    int rc;
    do
        rc = read_piece(queue, is_first, &skipped, record);
    while (rc == 2 && skipped < queue->buffer_bytes);
    if (rc < 0)
        return give_up(queue, rc);
    return rc == 1 ? 1 : 0;
}

/* The records of one call are all of one file, where the reader still is. */
static void account_read(struct queue *queue)
{
    struct queue_reader *reader = &queue->reader;
    pthread_mutex_lock(&queue->lock);
    if (reader->fresh_own > 0) {
        unsigned index = queue_folder_find(&queue->folder, reader->at.id);
        CHECK(index < queue->folder.count);
        struct queue_file *file = &queue->folder.files[index];
        uint64_t own = reader->fresh_own < file->waiting ? reader->fresh_own : file->waiting;
        file->waiting -= own;
        queue->waiting -= own;
        reader->fresh_recovered += reader->fresh_own - (unsigned)own; /* somebody wrote there */
    }
    queue_count(queue, QUEUE_RECOVERED, reader->fresh_recovered);
    atomic_store_explicit(&queue->unacknowledged, reader->unacknowledged, memory_order_relaxed);
    pthread_mutex_unlock(&queue->lock);
    reader->fresh_own = 0;
    reader->fresh_recovered = 0;
}

int queue_read(struct queue *queue, struct queue_record *records, unsigned count_max)
{
    struct queue_reader *reader = &queue->reader;
    unsigned room = queue->options.unacknowledged_max - reader->unacknowledged;
    unsigned count = 0;
    int rc = 1;
    if (count_max > room)
        count_max = room;
    while (count < count_max && rc == 1) {
        rc = read_one(queue, count == 0, &records[count]);
        count += rc == 1;
    }
    account_read(queue);
    if (count == 0)
        queue_delete_passed(queue);
    return count > 0 ? (int)count : rc < 0 ? rc : 0;
}

/* ---- acknowledging ---- */

/* Where the cursor can be when everything that was read is acknowledged: at the start of a later
 * file, or behind this one when there is nothing more in it. */
static struct queue_position settle(struct queue *queue, struct queue_position end)
{
    struct queue_reader *reader = &queue->reader;
    const struct queue_scanner *scanner = &reader->scanner;
    if (reader->at.id == end.id && scanner->file >= 0 && scanner->begin == scanner->end &&
        scanner->offset == reader->limit && look_up(queue) && reader->is_sealed &&
        scanner->offset == reader->limit)
        go_behind(queue);
    return reader->at.id > end.id ? (struct queue_position){reader->at.id, 0} : end;
}

int queue_acknowledge(struct queue *queue, unsigned count)
{
    struct queue_reader *reader = &queue->reader;
    unsigned slots = queue->options.unacknowledged_max;
    CHECK(count <= reader->unacknowledged);
    if (count == 0)
        return 0;
    struct queue_position end = reader->ends[(reader->first + count - 1) % slots];
    reader->first = (reader->first + count) % slots;
    reader->unacknowledged -= count;
    reader->since_checkpoint += count;
    pthread_mutex_lock(&queue->lock);
    queue_count(queue, QUEUE_ACKNOWLEDGED, count);
    atomic_store_explicit(&queue->unacknowledged, reader->unacknowledged, memory_order_relaxed);
    pthread_mutex_unlock(&queue->lock);
    return set_cursor(queue, reader->unacknowledged == 0 ? settle(queue, end) : end);
}

int queue_checkpoint(struct queue *queue)
{
    return queue->reader.is_checkpoint_due ? write_checkpoint(queue) : 0;
}

void queue_rewind(struct queue *queue)
{
    struct queue_reader *reader = &queue->reader;
    close_file(reader);
    reader->at = queue->cursor;
    reader->first = 0;
    reader->unacknowledged = 0;
    atomic_store_explicit(&queue->unacknowledged, 0, memory_order_relaxed);
    if (queue_position_compare(reader->furthest, reader->replay_until) > 0)
        reader->replay_until = reader->furthest;
}
