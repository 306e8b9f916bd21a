/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "core/clock.h"

enum {
    GZIP_PATIENCE_S = 10,             /* for one that is being written */
    ORPHAN_PATIENCE_S = 60,           /* somebody may still write to a file without a name */
    LOOK_AGAIN = LOGSTREAM_RESCAN + 1 /* inside only */
};

static void count(struct logstream *stream, enum logstream_event event)
{
    stream->events[event]++;
}

static int64_t mtime_ns(const struct stat *status)
{
    return status->st_mtim.tv_sec * (int64_t)CLOCK_NS_PER_S + status->st_mtim.tv_nsec;
}

/* ---- making ---- */

static int journal_path(const struct logstream *stream, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s", stream->journal_dir, stream->name);
    return len > 0 && len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

struct logstream *logstream_new(const char *name, const char *journal_dir, struct err *notes)
{
    struct logstream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->index = -1;
    snprintf(stream->name, sizeof(stream->name), "%s", name);
    logstream_position_start(&stream->position, "");
    if (journal_dir == NULL)
        return stream;
    char journal[PATH_MAX];
    stream->journal_dir = journal_dir;
    if (journal_path(stream, journal) != 0) {
        stream->journal_dir = NULL;
        err_add(notes, "%s/%s: the path is too long, there is no journal", journal_dir, name);
    } else if (logstream_journal_load(journal, &stream->position, notes) != 1) {
        logstream_position_start(&stream->position, "");
    }
    return stream;
}

void logstream_free(struct logstream *stream)
{
    if (stream == NULL)
        return;
    logstream_file_close(&stream->file);
    logstream_file_close(&stream->coming);
    logstream_entries_free(stream->entries, stream->entry_count);
    free(stream);
}

/* ---- the list ---- */

static int find_path(const struct logstream *stream, const char *path)
{
    for (unsigned i = 0; i < stream->entry_count; i++) {
        if (strcmp(stream->entries[i].path, path) == 0)
            return (int)i;
    }
    return -1;
}

static int find_inode(const struct logstream *stream)
{
    for (unsigned i = 0; i < stream->entry_count; i++) {
        if (stream->entries[i].ino == stream->file.ino &&
            stream->entries[i].dev == stream->file.dev)
            return (int)i;
    }
    return -1;
}

static int order_of_inodes(const void *a, const void *b)
{
    const struct logstream_entry *first = a, *second = b;
    if (first->ino != second->ino)
        return first->ino < second->ino ? -1 : 1;
    return (first->dev > second->dev) - (first->dev < second->dev);
}

/* Whether an old list, in the order of inodes, has it as read. A number of an inode may be used
 * again: a file that was read is one that has not changed since, either. */
static bool was_read(const struct logstream_entry *old, unsigned count,
                     const struct logstream_entry *entry)
{
    const struct logstream_entry *found =
        count > 0 ? bsearch(entry, old, count, sizeof(*old), order_of_inodes) : NULL;
    return found != NULL && found->is_done && found->size == entry->size &&
           found->mtime_ns == entry->mtime_ns;
}

/* What is older than the file that is read is not read any more. */
static void set_index(struct logstream *stream, int index)
{
    bool knows_before = stream->index >= 0 && stream->index <= index;
    for (int i = knows_before ? stream->index : 0; i < index; i++)
        stream->entries[i].is_done = true;
    stream->index = index;
}

static void set_path(struct logstream *stream, int index)
{
    const char *path = stream->entries[index].path;
    if (strcmp(stream->position.path, path) != 0) {
        count(stream, LOGSTREAM_MOVED);
        snprintf(stream->position.path, sizeof(stream->position.path), "%s", path);
        stream->is_unsaved = true;
    }
    set_index(stream, index);
}

static int first_unread(const struct logstream *stream)
{
    for (unsigned i = 0; i < stream->entry_count; i++) {
        if (!stream->entries[i].is_done)
            return (int)i;
    }
    return -1;
}

void logstream_update(struct logstream *stream, struct logstream_entry *take_entries,
                      unsigned count_of_entries)
{
    if (stream->entry_count > 1)
        qsort(stream->entries, stream->entry_count, sizeof(*stream->entries), order_of_inodes);
    for (unsigned i = 0; i < count_of_entries; i++)
        take_entries[i].is_done = was_read(stream->entries, stream->entry_count, &take_entries[i]);
    logstream_entries_free(stream->entries, stream->entry_count);
    stream->entries = take_entries;
    stream->entry_count = count_of_entries;
    stream->is_list_fresh = true;
    stream->index = -1;
    int index = stream->file.is_open ? find_inode(stream) : -1;
    if (index >= 0)
        set_path(stream, index);
    stream->is_orphan = stream->is_orphan && index < 0 && first_unread(stream) < 0;
    stream->is_gone = count_of_entries == 0 && !stream->file.is_open;
}

/* ---- opening ---- */

static void reset_end(struct logstream *stream)
{
    stream->end_seek = stream->position.seek;
    stream->is_at_end = stream->is_last_look = stream->wants_relocation = false;
    stream->is_parked = stream->is_damaged = stream->is_orphan = stream->is_missed = false;
    stream->is_list_fresh = false;
    count(stream, LOGSTREAM_OPENED);
}

/* The file at `path` if it is where the position is: 1, 0 or negative errno. */
static int try_file(struct logstream *stream, const char *path)
{
    struct logstream_file file;
    int rc = logstream_file_open(&file, path);
    if (rc != 0)
        return rc;
    rc = logstream_file_verify(&file, &stream->position);
    if (rc != 1) {
        logstream_file_close(&file);
        return rc == -EBADMSG ? 0 : rc;
    }
    logstream_file_close(&stream->file);
    stream->file = file;
    reset_end(stream);
    return 1;
}

/* Searches all files for the position, newest first. 1, 0, or negative errno when one that may have
 * it cannot be read. */
static int search(struct logstream *stream)
{
    int failed = 0;
    for (int i = (int)stream->entry_count - 1; i >= 0; i--) {
        int rc = try_file(stream, stream->entries[i].path);
        if (rc == 1) {
            set_path(stream, i);
            return 1;
        }
        if (rc < 0 && rc != -ENOENT && rc != -EINVAL)
            failed = rc;
    }
    return failed;
}

/* 0 or negative errno; -ENOENT, too, when the name is another file's now, or the file was cut off:
 * then the list is too old. */
static int open_entry(const struct logstream_entry *entry, struct logstream_file *file)
{
    int rc = logstream_file_open(file, entry->path);
    if (rc == 0 &&
        (file->ino != entry->ino || file->dev != entry->dev || file->size < entry->size)) {
        logstream_file_close(file);
        rc = -ENOENT;
    }
    return rc;
}

/* The beginning of the file at `index`. 0 or negative errno. */
static int start_file(struct logstream *stream, int index)
{
    struct logstream_file file;
    int rc = open_entry(&stream->entries[index], &file);
    if (rc != 0)
        return rc;
    logstream_file_close(&stream->file);
    stream->file = file;
    logstream_position_start(&stream->position, stream->entries[index].path);
    set_index(stream, index);
    reset_end(stream);
    return 0;
}

/* What is neither at its name nor found by its hash: the oldest file that was not read. */
static int start_over(struct logstream *stream)
{
    int index = first_unread(stream);
    if (stream->position.seek > 0)
        count(stream, LOGSTREAM_LOST);
    return index >= 0 ? start_file(stream, index) : -ENOENT;
}

/* At its name, or wherever its bytes are. 0, LOGSTREAM_RESCAN or negative errno. */
static int find_position(struct logstream *stream)
{
    int rc = 0;
    if (stream->position.has_tail && stream->position.seek > 0)
        logstream_hash(stream->position.tail, stream->position.hash);
    if (find_path(stream, stream->position.path) >= 0)
        rc = try_file(stream, stream->position.path);
    if (rc == 1) {
        int index = find_inode(stream);
        if (index >= 0)
            set_index(stream, index);
        return 0;
    }
    if (rc < 0 && rc != -ENOENT)
        return rc;
    rc = stream->position.seek > 0 ? search(stream) : 0;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    stream->is_missed = !stream->is_missed;
    if (!stream->is_missed)
        return start_over(stream);
    stream->is_list_fresh = false; /* it may be under a name that is not listed yet */
    return LOGSTREAM_RESCAN;
}

/* The oldest file, for the first time. One that is not what the list says may have been copied and
 * cut off since: then the copy is older, and a list of now tells. */
static int start_first(struct logstream *stream)
{
    const struct logstream_entry *entry = &stream->entries[0];
    int rc = start_file(stream, 0);
    if (rc != 0 || stream->has_relisted ||
        (stream->file.size == entry->size && stream->file.mtime_ns == entry->mtime_ns))
        return rc;
    logstream_file_close(&stream->file);
    logstream_position_start(&stream->position, "");
    stream->has_relisted = true;
    return LOGSTREAM_RESCAN;
}

/* A file that is not there is one that has just been moved. */
static int open_stream(struct logstream *stream)
{
    if (stream->entry_count == 0)
        return LOGSTREAM_IDLE;
    int rc = stream->position.path[0] != '\0' ? find_position(stream) : start_first(stream);
    return rc == -ENOENT ? LOGSTREAM_RESCAN : rc;
}

int logstream_start_at_tail(struct logstream *stream)
{
    struct stat status;
    if (stream->position.path[0] != '\0' || stream->entry_count == 0)
        return 0;
    int rc = start_file(stream, (int)stream->entry_count - 1);
    if (rc == 0 && fstat(stream->file.fd, &status) != 0)
        rc = -errno;
    if (rc != 0)
        return rc;
    uint8_t bytes[8 * LOGSTREAM_TAIL_SIZE];
    int64_t got = 1;
    if (stream->file.gzip == NULL && status.st_size > LOGSTREAM_TAIL_SIZE)
        stream->position.seek = (uint64_t)status.st_size - LOGSTREAM_TAIL_SIZE;
    while (got > 0) {
        got = logstream_file_read(&stream->file, stream->position.seek, bytes, sizeof(bytes));
        if (got > 0)
            logstream_position_advance(&stream->position, bytes, (size_t)got);
    }
    stream->end_seek = stream->position.seek;
    stream->is_unsaved = stream->saves_start = true;
    return (int)got;
}

/* ---- the end of a file ---- */

/* A gzip file that is cut off may still be written. */
static bool may_grow(const struct logstream *stream, const struct stat *status)
{
    if (logstream_file_is_whole(&stream->file))
        return false;
    return (int64_t)clock_wall_ns() - mtime_ns(status) < GZIP_PATIENCE_S * (int64_t)CLOCK_NS_PER_S;
}

/* Whether the file behind this one has begun. An empty one may have been made before the writer
 * went over to it. */
static bool has_successor(const struct logstream *stream)
{
    struct stat status;
    unsigned next = (unsigned)(stream->index + 1);
    if (next >= stream->entry_count)
        return false;
    return next + 1 < stream->entry_count ||
           (stat(stream->entries[next].path, &status) == 0 && status.st_size > 0);
}

/* Whether the name still is this file's. */
static bool is_at_name(const struct logstream *stream)
{
    struct stat status;
    return stat(stream->position.path, &status) == 0 && status.st_ino == stream->file.ino &&
           status.st_dev == stream->file.dev;
}

static int want_relocation(struct logstream *stream)
{
    stream->wants_relocation = true;
    stream->is_list_fresh = false;
    return LOGSTREAM_RESCAN;
}

/* Opens what is read next. LOGSTREAM_ENDS, LOGSTREAM_IDLE when there is nothing, or else. */
static int prepare_next(struct logstream *stream, int index)
{
    struct logstream_file *coming = &stream->coming;
    if (index < 0) {
        stream->is_orphan = true;
        return LOGSTREAM_IDLE;
    }
    logstream_file_close(coming);
    int rc = open_entry(&stream->entries[index], coming);
    if (rc != 0)
        return rc == -ENOENT ? want_relocation(stream) : rc;
    stream->coming_index = index;
    return LOGSTREAM_ENDS;
}

/* Nobody knows its name, and no other file is there. */
static int wait_as_orphan(struct logstream *stream)
{
    int64_t age_ns = (int64_t)clock_wall_ns() - stream->end_ns;
    if (stream->entry_count == 0 && age_ns > ORPHAN_PATIENCE_S * (int64_t)CLOCK_NS_PER_S) {
        logstream_file_close(&stream->file);
        stream->is_gone = true;
    }
    return LOGSTREAM_IDLE;
}

static int look_for_next(struct logstream *stream)
{
    bool is_named = is_at_name(stream);
    if (stream->is_orphan)
        return wait_as_orphan(stream);
    if (!stream->is_last_look && (!is_named || (stream->index < 0 && !stream->is_list_fresh)))
        return want_relocation(stream);
    /* One that is not listed is too old for that, and so older than all that are. */
    if (stream->index >= 0 && !has_successor(stream))
        return LOGSTREAM_IDLE;
    if (stream->index < 0 && first_unread(stream) < 0)
        return LOGSTREAM_IDLE;
    if (stream->is_last_look)
        return prepare_next(stream, stream->index >= 0 ? stream->index + 1 : first_unread(stream));
    stream->is_last_look = true; /* it may have grown before the other one began */
    return LOOK_AGAIN;
}

static int look_behind_end(struct logstream *stream)
{
    struct stat status;
    if (fstat(stream->file.fd, &status) != 0)
        return -errno;
    stream->end_ns = mtime_ns(&status);
    if (stream->file.gzip == NULL && (uint64_t)status.st_size < stream->end_seek) {
        count(stream, LOGSTREAM_TRUNCATED);
        return want_relocation(stream);
    }
    if (may_grow(stream, &status))
        return LOGSTREAM_IDLE;
    if (!logstream_file_is_whole(&stream->file) && !stream->is_damaged) {
        stream->is_damaged = true;
        count(stream, LOGSTREAM_DAMAGED);
    }
    return look_for_next(stream);
}

/* Nothing was taken of the file that is open: then the end of the one before it counts. */
static int search_now(struct logstream *stream)
{
    struct logstream_position *position = &stream->position, start = *position;
    if (position->seek == 0) {
        if (stream->last_seek == 0)
            return 0;
        position->seek = stream->last_seek;
        memcpy(position->hash, stream->last_hash, sizeof(position->hash));
    } else {
        logstream_hash(position->tail, position->hash);
    }
    int rc = search(stream);
    if (rc != 1)
        *position = start;
    return rc;
}

/* After a scan: where what was read last is now. */
static int relocate(struct logstream *stream)
{
    struct stat status;
    bool is_truncated = fstat(stream->file.fd, &status) == 0 && stream->file.gzip == NULL &&
                        (uint64_t)status.st_size < stream->end_seek;
    stream->wants_relocation = stream->is_last_look = false;
    if (!is_truncated && (stream->index >= 0 || is_at_name(stream)))
        return 0; /* found, perhaps by another name, or too old to be listed */
    int rc = search_now(stream);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return prepare_next(stream, first_unread(stream));
}

/* Bytes that come behind the end may be of another text in the same file. */
static bool is_same_text(struct logstream *stream)
{
    uint8_t tail[LOGSTREAM_TAIL_SIZE];
    uint64_t seek = stream->position.seek;
    size_t size = seek < LOGSTREAM_TAIL_SIZE ? (size_t)seek : LOGSTREAM_TAIL_SIZE;
    if (stream->file.gzip != NULL)
        return true;
    return logstream_file_read(&stream->file, seek - size, tail, size) == (int64_t)size &&
           memcmp(tail, stream->position.tail + LOGSTREAM_TAIL_SIZE - size, size) == 0;
}

/* ---- reading ---- */

static bool is_still_parked(struct logstream *stream)
{
    struct stat status;
    return stat(stream->position.path, &status) == 0 && status.st_ino == stream->file.ino &&
           status.st_dev == stream->file.dev && (uint64_t)status.st_size == stream->end_seek &&
           mtime_ns(&status) == stream->end_ns && !has_successor(stream);
}

/* What cannot be kept is read again, from the position on. */
static int keep(struct logstream *stream, const void *bytes, size_t size)
{
    int rc = logstream_file_keep(&stream->file, bytes, size);
    if (rc != 0)
        logstream_file_close(&stream->file);
    return rc;
}

static int read_more(struct logstream *stream, void *bytes, size_t size, size_t *got)
{
    int64_t rc = logstream_file_read(&stream->file, stream->position.seek, bytes, size);
    uint64_t end = stream->position.seek + (rc > 0 ? (uint64_t)rc : 0);
    if (rc > 0 && end > stream->end_seek) {
        if (stream->is_at_end && !is_same_text(stream)) {
            count(stream, LOGSTREAM_TRUNCATED);
            stream->end_seek = UINT64_MAX; /* it is shorter than what was read */
            return want_relocation(stream);
        }
        stream->end_seek = end;
        stream->is_at_end = false;
        *got = (size_t)rc;
        return LOGSTREAM_DATA;
    }
    if (rc > 0 && keep(stream, bytes, (size_t)rc) != 0)
        return -ENOMEM;
    stream->is_at_end = true;
    return rc < 0 && rc != -EBADMSG ? (int)rc : look_behind_end(stream);
}

/* What is to be opened was looked for in vain. */
static bool needs_list(const struct logstream *stream)
{
    bool is_first = stream->position.path[0] == '\0';
    return (is_first ? stream->has_relisted : stream->is_missed) && !stream->is_list_fresh;
}

int logstream_read(struct logstream *stream, void *bytes, size_t size, size_t *got)
{
    int rc = 0;
    *got = 0;
    if (stream->is_parked && is_still_parked(stream))
        return LOGSTREAM_IDLE;
    if (!stream->file.is_open)
        rc = needs_list(stream) ? LOGSTREAM_RESCAN : open_stream(stream);
    else if (stream->wants_relocation)
        rc = stream->is_list_fresh ? relocate(stream) : LOGSTREAM_RESCAN;
    if (rc != 0)
        return rc;
    rc = read_more(stream, bytes, size, got);
    return rc == LOOK_AGAIN ? read_more(stream, bytes, size, got) : rc;
}

int logstream_consume(struct logstream *stream, const void *bytes, size_t got, size_t consumed)
{
    const uint8_t *left = bytes;
    CHECK(consumed <= got);
    logstream_position_advance(&stream->position, bytes, consumed);
    stream->is_unsaved |= consumed > 0;
    return keep(stream, left + consumed, got - consumed);
}

bool logstream_has_rest(const struct logstream *stream)
{
    return stream->file.is_open && stream->end_seek != UINT64_MAX &&
           stream->end_seek > stream->position.seek;
}

int logstream_rest(struct logstream *stream, void *bytes, size_t size, size_t *got)
{
    uint64_t left = stream->end_seek - stream->position.seek;
    int64_t rc = logstream_file_read(&stream->file, stream->position.seek, bytes,
                                     left < size ? (size_t)left : size);
    *got = rc > 0 ? (size_t)rc : 0;
    return rc < 0 ? (int)rc : 0;
}

void logstream_next(struct logstream *stream)
{
    int index = stream->coming_index;
    CHECK(stream->coming.is_open && (unsigned)index < stream->entry_count);
    if (stream->position.seek > 0) {
        stream->last_seek = stream->position.seek;
        logstream_hash(stream->position.tail, stream->last_hash);
    }
    logstream_file_close(&stream->file);
    stream->file = stream->coming;
    stream->coming = (struct logstream_file){0};
    stream->saves_start = false;
    logstream_position_start(&stream->position, stream->entries[index].path);
    set_index(stream, index);
    reset_end(stream);
}

/* ---- journal and descriptor ---- */

/* While nothing of a new file was taken the end of the one before it says more. */
int logstream_save(struct logstream *stream)
{
    char journal[PATH_MAX];
    struct logstream_position *position = &stream->position;
    if (stream->journal_dir == NULL || !stream->is_unsaved || !position->has_tail ||
        (position->seek == 0 && !stream->saves_start))
        return 0;
    int rc = journal_path(stream, journal);
    if (rc == 0)
        rc = logstream_journal_save(journal, position);
    if (rc != 0)
        return rc;
    stream->save_count++;
    stream->is_unsaved = false;
    return 0;
}

void logstream_park(struct logstream *stream)
{
    struct logstream_file *file = &stream->file;
    if (!file->is_open || !stream->is_at_end || stream->wants_relocation || file->gzip != NULL ||
        stream->position.seek == 0)
        return;
    dev_t dev = file->dev;
    ino_t ino = file->ino;
    logstream_file_close(file);
    file->dev = dev;
    file->ino = ino;
    stream->is_parked = true;
}
