/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_dump.c - `hekad queue dump` and `skip`; the others are in queue_tool.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/encoder.h"
#include "codec/message_json.h"
#include "control/queue/queue_view.h"

enum { SKIP_BURST = 256 };

/* ---- dump ---- */

struct dump {
    struct queue_view *view;
    const struct queue_dump_options *options;
    struct buffer out;
    uint64_t count, malformed;
};

static int format_message(struct dump *dump, const struct frame *frame)
{
    struct msg_view message;
    if (msg_view_init(&message, frame->message, frame->message_size) != 0) {
        dump->malformed++;
        return 0;
    }
    if (dump->options->format == QUEUE_DUMP_TEXT)
        return rst_encoder.encode(NULL, NULL, &message, &dump->out);
    int rc = message_json(&message, &dump->out);
    return rc != 0 ? rc : buffer_append(&dump->out, "\n", 1);
}

/* `size` with the framing. */
static int dump_record(struct dump *dump, const struct frame *frame, size_t size)
{
    int rc;
    buffer_clear(&dump->out);
    if (dump->options->format == QUEUE_DUMP_HEKA)
        rc = buffer_append(&dump->out, frame->message + frame->message_size - size, size);
    else
        rc = format_message(dump, frame);
    dump->count++;
    if (rc == 0 && dump->out.size > 0 &&
        fwrite(dump->out.data, 1, dump->out.size, dump->view->tool->out) != dump->out.size)
        rc = -EIO;
    return rc;
}

static bool is_done(const struct dump *dump)
{
    return dump->options->count_max > 0 && dump->count >= dump->options->count_max;
}

/* A file that hekad has done with and deleted meanwhile is passed over. */
static int dump_file(struct dump *dump, const struct queue_file *file, uint64_t from)
{
    struct queue_scanner *scanner = &dump->view->scanner;
    struct frame frame;
    size_t size;
    char path[QUEUE_PATH_SIZE];
    int rc = 0, status = 0;
    queue_folder_file_path(dump->view->dir, file->id, path);
    int fd = scanner->io->open(scanner->io->context, path, QUEUE_OPEN_READ);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    queue_scan_start(scanner, fd, from);
    while (rc == 0 && status >= 0 && status != QUEUE_SCAN_END && status != QUEUE_SCAN_MISSING &&
           !is_done(dump)) {
        status = queue_scan_next(scanner, file->size, true, &frame, &size);
        if (status == QUEUE_SCAN_END && queue_scan_resync(scanner, &size))
            status = QUEUE_SCAN_GARBAGE;
        if (status == QUEUE_SCAN_RECORD)
            rc = dump_record(dump, &frame, size);
    }
    scanner->io->close(scanner->io->context, fd);
    return status < 0 ? status : rc;
}

static int dump_files(struct dump *dump)
{
    const struct queue_view *view = dump->view;
    struct queue_position from = view->cursor;
    int rc = 0;
    if (dump->options->with_acknowledged)
        from = (struct queue_position){0, 0};
    for (unsigned i = 0; i < view->folder.count && rc == 0 && !is_done(dump); i++) {
        const struct queue_file *file = &view->folder.files[i];
        if (file->id >= from.id)
            rc = dump_file(dump, file, file->id == from.id ? from.offset : 0);
    }
    return rc;
}

int queue_tool_dump(const struct queue_tool *tool, const char *dir,
                    const struct queue_dump_options *options, struct err *err)
{
    struct queue_view view;
    if (queue_view_open(&view, tool, dir, err) != 0)
        return -1;
    struct dump dump = {.view = &view, .options = options};
    int rc = dump_files(&dump);
    buffer_fini(&dump.out);
    queue_view_close(&view);
    if (rc != 0)
        return err_add(err, "%s: %s", dir, strerror(-rc));
    if (dump.malformed == 0)
        return 0;
    err_add(err, "%s: %" PRIu64 " records that are no message left out", dir, dump.malformed);
    return 1;
}

/* ---- skip ---- */

/* How many, or negative errno. Garbage takes several reads, so that one may find nothing. */
static int64_t skip_records(struct queue *queue, uint64_t count)
{
    struct queue_record records[SKIP_BURST];
    struct queue_stats stats;
    uint64_t skipped = 0;
    queue_stats(queue, &stats);
    uint64_t in_vain_max = stats.files + stats.bytes / FRAME_OVERHEAD_MAX;
    for (uint64_t in_vain = 0; skipped < count && in_vain <= in_vain_max;) {
        uint64_t left = count - skipped;
        int got = queue_read(queue, records, left < SKIP_BURST ? (unsigned)left : SKIP_BURST);
        if (got < 0)
            return got;
        if (got == 0 && queue_is_drained(queue))
            break;
        in_vain += got == 0;
        queue_acknowledge(queue, (unsigned)got); /* queue_close() tells about the checkpoint */
        skipped += (uint64_t)got;
    }
    return (int64_t)skipped;
}

int queue_tool_skip(const struct queue_tool *tool, const char *dir, uint64_t count, struct err *err)
{
    struct queue_options options = {
        .message_size_max = tool->message_size_max,
        .max_file_size = UINT64_MAX,
        .cursor_update_count = UINT32_MAX, /* once, at the end */
        .io = tool->io,
    };
    const struct queue_io *io = queue_tool_io(tool);
    if (io->size(io->context, dir) == -ENOENT)
        return err_add(err, "%s: %s", dir, strerror(ENOENT));
    struct err *notes = calloc(1, sizeof(*notes));
    if (notes == NULL)
        return err_add(err, "%s: out of memory", dir);
    struct queue *queue = queue_open(dir, &options, err, notes);
    err_print(notes, tool->out);
    free(notes);
    if (queue == NULL)
        return -1;
    int64_t skipped = skip_records(queue, count);
    int rc = queue_close(queue);
    if (skipped < 0)
        return err_add(err, "%s: %s", dir, strerror((int)-skipped));
    if (rc != 0)
        return err_add(err, "%s: the checkpoint cannot be written: %s", dir, strerror(-rc));
    fprintf(tool->out, "%s: %" PRId64 " records skipped\n", dir, skipped);
    return 0;
}
