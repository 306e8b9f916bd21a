/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/queue/queue_internal.h"
#include "core/check.h"

enum {
    BUFFER_BYTES_DEFAULT = 1 << 20,
    BUFFER_BYTES_MAX = 1 << 30,
    UNACKNOWLEDGED_DEFAULT = 4096,
    UNACKNOWLEDGED_MAX = 1 << 20,
    NEARLY_FULL_PERCENT = 90
};
#define FILE_SIZE_DEFAULT (UINT64_C(512) << 20)
_Static_assert(FILE_SIZE_DEFAULT == 536870912, "docs/formats/queue.md");
_Static_assert(FRAME_RECORD_SEPARATOR == 0x1E && FRAME_UNIT_SEPARATOR == 0x1F &&
                   FRAME_OVERHEAD_MAX + MSG_SIZE_DEFAULT_MAX == 65794,
               "docs/formats/queue.md");
_Static_assert(QUEUE_CHECKPOINT_SIZE == 64 && QUEUE_FILES_MAX == 1048576, "docs/formats/queue.md");

#define QUEUE_COUNTER_NAME(id, name, help) {name, help},
const struct queue_counter_name queue_counter_names[QUEUE_COUNTER_COUNT] = {
    QUEUE_COUNTERS(QUEUE_COUNTER_NAME)};
#undef QUEUE_COUNTER_NAME

const char *queue_error_text(int code)
{
    switch (code) {
    case QUEUE_E_SHUTDOWN:
    case QUEUE_E_DROP:
    case QUEUE_E_BLOCK:
        return "Queue is full";
    case QUEUE_E_TOO_LARGE:
        return "Message too big for the queue";
    default:
        return strerror(-code);
    }
}

/* ---- opening ---- */

static void set_defaults(struct queue_options *options)
{
    if (options->message_size_max == 0)
        options->message_size_max = MSG_SIZE_DEFAULT_MAX;
    if (options->max_file_size == 0)
        options->max_file_size = FILE_SIZE_DEFAULT;
    if (options->cursor_update_count == 0)
        options->cursor_update_count = 1;
    if (options->buffer_bytes == 0)
        options->buffer_bytes = BUFFER_BYTES_DEFAULT;
    if (options->buffer_bytes < FRAME_OVERHEAD_MAX + options->message_size_max)
        options->buffer_bytes = FRAME_OVERHEAD_MAX + options->message_size_max;
    if (options->unacknowledged_max == 0)
        options->unacknowledged_max = UNACKNOWLEDGED_DEFAULT;
    if (options->io == NULL)
        options->io = &queue_io_posix;
}

static int check_options(const char *dir, const struct queue_options *options, struct err *err)
{
    size_t record_max = FRAME_OVERHEAD_MAX + options->message_size_max;
    if (strlen(dir) + 24 > QUEUE_PATH_SIZE)
        return err_add(err, "%.64s...: the name of the queue's folder is too long", dir);
    if (options->message_size_max > BUFFER_BYTES_MAX - FRAME_OVERHEAD_MAX ||
        options->buffer_bytes > BUFFER_BYTES_MAX)
        return err_add(err, "%s: the queue's buffer would be above 1 GiB", dir);
    if (options->unacknowledged_max > UNACKNOWLEDGED_MAX)
        return err_add(err, "%s: more than %d unacknowledged records", dir, UNACKNOWLEDGED_MAX);
    if (options->max_file_size < record_max)
        return err_add(err, "buffer max_file_size must be at least the largest record, %zu bytes",
                       record_max);
    return 0;
}

static struct queue *allocate(const struct queue_options *options)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return NULL;
    queue->options = *options;
    atomic_init(&queue->bytes_max, options->max_buffer_size);
    queue->io = options->io;
    queue->buffer_bytes = options->buffer_bytes;
    queue->lock_file = -1;
    queue->writer.file = -1;
    queue->writer.buffer = malloc(options->buffer_bytes);
    queue->reader.scanner = (struct queue_scanner){
        .io = options->io,
        .file = -1,
        .message_max = options->message_size_max,
        .buffer = malloc(options->buffer_bytes),
        .capacity = options->buffer_bytes,
    };
    queue->reader.ends = calloc(options->unacknowledged_max, sizeof(queue->reader.ends[0]));
    pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

static bool has_memory(const struct queue *queue)
{
    return queue != NULL && queue->writer.buffer != NULL && queue->reader.scanner.buffer != NULL &&
           queue->reader.ends != NULL;
}

static void free_queue(struct queue *queue)
{
    if (queue == NULL)
        return;
    if (queue->reader.scanner.file >= 0)
        queue->io->close(queue->io->context, queue->reader.scanner.file);
    if (queue->writer.file >= 0)
        queue->io->close(queue->io->context, queue->writer.file);
    if (queue->lock_file >= 0)
        queue->io->close(queue->io->context, queue->lock_file);
    pthread_mutex_destroy(&queue->lock);
    queue_folder_fini(&queue->folder);
    free(queue->reader.scanner.buffer);
    free(queue->reader.ends);
    free(queue->writer.buffer);
    free(queue);
}

static int take_lock(struct queue *queue, struct err *err)
{
    char path[QUEUE_PATH_SIZE];
    queue_folder_path(queue->dir, QUEUE_LOCK_NAME, path);
    queue->lock_file = queue->io->open(queue->io->context, path, QUEUE_OPEN_LOCK);
    if (queue->lock_file < 0) {
        err_add(err, "%s: %s", path, strerror(-queue->lock_file));
        errno = -queue->lock_file;
        return -1;
    }
    int rc = queue->io->lock(queue->io->context, queue->lock_file, false);
    if (rc == -EBUSY)
        return err_add(err, "%s: another queue has this folder", queue->dir);
    if (rc != 0)
        return err_add(err, "%s: cannot be locked: %s", path, strerror(-rc));
    return 0;
}

static int open_folder(struct queue *queue, const char *dir, struct err *err, struct err *notes)
{
    memcpy(queue->dir, dir, strlen(dir) + 1);
    int rc = queue_folder_make(queue->io, dir);
    if (rc != 0) {
        err_add(err, "can't make queue directory: %s: %s", dir, strerror(-rc));
        errno = -rc;
        return -1;
    }
    if (take_lock(queue, err) != 0)
        return -1;
    return queue_recover(queue, err, notes);
}

struct queue *queue_open(const char *dir, const struct queue_options *options, struct err *err,
                         struct err *notes)
{
    struct queue_options full = *options;
    set_defaults(&full);
    if (check_options(dir, &full, err) != 0)
        return NULL;
    struct queue *queue = allocate(&full);
    if (!has_memory(queue)) {
        err_add(err, "%s: out of memory", dir);
        free_queue(queue);
        return NULL;
    }
    errno = 0;
    if (open_folder(queue, dir, err, notes) != 0) {
        int code = errno;
        free_queue(queue);
        errno = code;
        return NULL;
    }
    return queue;
}

bool queue_is_in_use(const struct queue_io *io, const char *dir)
{
    char path[QUEUE_PATH_SIZE];
    if (io == NULL)
        io = &queue_io_posix;
    queue_folder_path(dir, QUEUE_LOCK_NAME, path);
    int file = io->open(io->context, path, QUEUE_OPEN_READ);
    if (file < 0)
        return false;
    int rc = io->lock(io->context, file, true);
    io->close(io->context, file);
    return rc == -EBUSY;
}

bool queue_has_unread(const struct queue_io *io, const char *dir)
{
    struct queue_folder folder = {0};
    struct queue_position cursor = {0};
    char text[QUEUE_CHECKPOINT_SIZE + 1];
    const char *why = NULL;
    if (io == NULL)
        io = &queue_io_posix;
    int rc = queue_checkpoint_read(io, dir, &cursor, text, &why);
    bool has_unread = false;
    if (rc != 0)
        cursor = (struct queue_position){0, 0};
    if (queue_folder_list(io, dir, &folder) == 0 && folder.count > 0) {
        const struct queue_file *newest = &folder.files[folder.count - 1];
        struct queue_position end = {newest->id, newest->size};
        has_unread = folder.bytes > 0 && queue_position_compare(cursor, end) < 0;
    }
    queue_folder_fini(&folder);
    return has_unread;
}

int queue_close(struct queue *queue)
{
    if (queue == NULL)
        return 0;
    int rc = queue_sync(queue);
    int checkpoint_rc = queue_checkpoint(queue);
    queue_writer_close(queue);
    free_queue(queue);
    return rc != 0 ? rc : checkpoint_rc;
}

/* ---- for any thread ---- */

/* Under the lock. */
static uint64_t unread_bytes(const struct queue *queue)
{
    const struct queue_folder *folder = &queue->folder;
    uint64_t bytes = folder->bytes;
    unsigned i = 0;
    for (; i < folder->count && folder->files[i].id < queue->cursor.id; i++)
        bytes -= folder->files[i].size; /* not deleted yet */
    if (i < folder->count && folder->files[i].id == queue->cursor.id)
        bytes -= queue->cursor.offset;
    return bytes;
}

void queue_stats(struct queue *queue, struct queue_stats *stats)
{
    *stats = (struct queue_stats){
        .bytes_max = queue_bytes_max(queue),
        .pending = queue_pending(queue),
    };
    pthread_mutex_lock(&queue->lock);
    stats->unacknowledged = atomic_load_explicit(&queue->unacknowledged, memory_order_relaxed);
    for (unsigned i = 0; i < QUEUE_COUNTER_COUNT; i++)
        stats->counters[i] = atomic_load_explicit(&queue->counters[i], memory_order_relaxed);
    stats->bytes = queue->folder.bytes;
    stats->files = queue->folder.count;
    stats->waiting = queue->waiting;
    stats->unread_bytes = unread_bytes(queue);
    stats->cursor = queue->cursor;
    pthread_mutex_unlock(&queue->lock);
}

void queue_lift_limit(struct queue *queue)
{
    atomic_store_explicit(&queue->bytes_max, 0, memory_order_relaxed);
}

bool queue_is_nearly_full(struct queue *queue)
{
    uint64_t max = queue_bytes_max(queue);
    if (atomic_load_explicit(&queue->is_full, memory_order_relaxed) ||
        atomic_load_explicit(&queue->is_disk_full, memory_order_relaxed))
        return true;
    pthread_mutex_lock(&queue->lock);
    uint64_t bytes = queue->folder.bytes;
    pthread_mutex_unlock(&queue->lock);
    return max > 0 && bytes >= max - max / 100 * (100 - NEARLY_FULL_PERCENT);
}

bool queue_is_drained(struct queue *queue)
{
    bool is_drained = true;
    pthread_mutex_lock(&queue->lock);
    const struct queue_folder *folder = &queue->folder;
    if (folder->count > 0) {
        const struct queue_file *newest = &folder->files[folder->count - 1];
        struct queue_position end = {newest->id, newest->size};
        is_drained = queue_position_compare(queue->cursor, end) >= 0;
    }
    pthread_mutex_unlock(&queue->lock);
    return is_drained && queue_pending(queue) == 0;
}
