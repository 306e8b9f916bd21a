/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue_scan.h"

#include <string.h>

#include "core/check.h"

void queue_scan_start(struct queue_scanner *scanner, int file, uint64_t offset)
{
    scanner->file = file;
    scanner->offset = offset;
    scanner->begin = 0;
    scanner->end = 0;
}

/* Bytes read, 0 at the end of the file, or negative errno. */
static int64_t refill(struct queue_scanner *scanner, uint64_t limit)
{
    size_t kept = scanner->end - scanner->begin;
    uint64_t from = scanner->offset + kept;
    memmove(scanner->buffer, scanner->buffer + scanner->begin, kept);
    scanner->begin = 0;
    scanner->end = kept;
    CHECK(kept < scanner->capacity && from < limit);
    size_t room = scanner->capacity - kept;
    if (room > limit - from)
        room = (size_t)(limit - from);
    int64_t got =
        scanner->io->read(scanner->io->context, scanner->file, scanner->buffer + kept, room, from);
    if (got > 0)
        scanner->end += (size_t)got;
    return got;
}

int queue_scan_next(struct queue_scanner *scanner, uint64_t limit, bool may_refill,
                    struct frame *frame, size_t *size)
{
    static const int found[] = {
        [FRAME_OK] = QUEUE_SCAN_RECORD,
        [FRAME_GARBAGE] = QUEUE_SCAN_GARBAGE,
        [FRAME_BAD_HEADER] = QUEUE_SCAN_GARBAGE,
        [FRAME_TOO_LARGE] = QUEUE_SCAN_TOO_LARGE,
    };
    for (;;) {
        size_t kept = scanner->end - scanner->begin;
        enum frame_status status =
            frame_scan(scanner->buffer + scanner->begin, kept, scanner->message_max, frame, size);
        scanner->begin += *size;
        scanner->offset += *size;
        if (status != FRAME_MORE)
            return found[status];
        *size = (size_t)kept;
        if (scanner->offset + kept >= limit)
            return QUEUE_SCAN_END;
        if (!may_refill)
            return QUEUE_SCAN_REFILL;
        int64_t got = refill(scanner, limit);
        if (got < 0)
            return (int)got;
        if (got == 0) {
            *size = (size_t)(limit - scanner->offset);
            return QUEUE_SCAN_MISSING;
        }
    }
}

bool queue_scan_resync(struct queue_scanner *scanner, size_t *size)
{
    const uint8_t *at = scanner->buffer + scanner->begin;
    size_t left = scanner->end - scanner->begin;
    bool has_header = left >= 2 && left >= 2 + (size_t)at[1] + 1;
    if (left < 2 || has_header)
        return false;
    const uint8_t *next = memchr(at + 1, FRAME_RECORD_SEPARATOR, left - 1);
    if (next == NULL)
        return false;
    *size = (size_t)(next - at);
    scanner->begin += *size;
    scanner->offset += *size;
    return true;
}

static void add(struct queue_scan_sum *sum, int status, size_t size, uint64_t end)
{
    switch (status) {
    case QUEUE_SCAN_RECORD:
        sum->records++;
        sum->last_end = end;
        break;
    case QUEUE_SCAN_TOO_LARGE:
        sum->too_large++;
        sum->last_too_large = end;
        sum->garbage_bytes += size;
        break;
    case QUEUE_SCAN_GARBAGE:
        sum->garbage_bytes += size;
        break;
    case QUEUE_SCAN_END:
        sum->torn_bytes += size;
        break;
    case QUEUE_SCAN_MISSING:
        sum->missing_bytes += size;
        break;
    default:
        break;
    }
}

int queue_scan_range(struct queue_scanner *scanner, const char *path,
                     const struct queue_range *range, struct queue_scan_sum *sum)
{
    int status = 0;
    *sum = (struct queue_scan_sum){.last_end = range->from};
    int file = scanner->io->open(scanner->io->context, path, QUEUE_OPEN_READ);
    if (file < 0)
        return file;
    queue_scan_start(scanner, file, range->from);
    while (status >= 0 && status != QUEUE_SCAN_END && status != QUEUE_SCAN_MISSING &&
           scanner->offset < range->stop) {
        struct frame frame;
        struct msg_view view;
        size_t size;
        status = queue_scan_next(scanner, range->size, true, &frame, &size);
        if (status == QUEUE_SCAN_END && queue_scan_resync(scanner, &size))
            status = QUEUE_SCAN_GARBAGE;
        if (status >= 0)
            add(sum, status, size, scanner->offset);
        if (status == QUEUE_SCAN_RECORD && scanner->checks_messages &&
            msg_view_init(&view, frame.message, frame.message_size) != 0)
            sum->malformed++;
    }
    scanner->io->close(scanner->io->context, file);
    return status < 0 ? status : 0;
}

static const char *check_offset(struct queue_scanner *scanner, const char *dir,
                                const struct queue_file *file, uint64_t offset, int *rc)
{
    struct queue_scan_sum sum;
    struct queue_range range = {.from = 0, .stop = offset, .size = file->size};
    char path[QUEUE_PATH_SIZE];
    if (offset > file->size)
        return "checkpoint behind the end of its file";
    queue_folder_file_path(dir, file->id, path);
    *rc = queue_scan_range(scanner, path, &range, &sum);
    return *rc < 0 || sum.last_end == offset ? NULL : "checkpoint not at the end of a record";
}

const char *queue_scan_checkpoint(struct queue_scanner *scanner, const char *dir,
                                  const struct queue_folder *folder, struct queue_position position,
                                  int *rc)
{
    *rc = 0;
    if (folder->count == 0)
        return NULL;
    uint32_t newest = folder->files[folder->count - 1].id;
    if (position.id > newest)
        return position.id - newest == 1 && position.offset == 0
                   ? NULL
                   : "checkpoint behind the newest file";
    const struct queue_file *file = &folder->files[queue_folder_find(folder, position.id)];
    if (file->id != position.id || position.offset == 0)
        return NULL;
    return check_offset(scanner, dir, file, position.offset, rc);
}
