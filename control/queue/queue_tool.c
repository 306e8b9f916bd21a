/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue_tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/encoder.h"
#include "codec/message_json.h"
#include "control/queue/queue_scan.h"
#include "core/check.h"

enum { NAMES_MAX = 4096, SKIP_BURST = 256, BUFFER_BYTES_MIN = 1 << 20 };

/* One queue as it is on disk. */
struct view {
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

static const struct queue_io *io_of(const struct queue_tool *tool)
{
    return tool->io != NULL ? tool->io : &queue_io_posix;
}

static size_t message_max_of(const struct queue_tool *tool)
{
    return tool->message_size_max != 0 ? tool->message_size_max : MSG_SIZE_DEFAULT_MAX;
}

static bool is_in_use(const struct queue_io *io, const char *dir)
{
    char path[QUEUE_PATH_SIZE];
    queue_folder_path(dir, QUEUE_LOCK_NAME, path);
    int file = io->open(io->context, path, QUEUE_OPEN_READ);
    if (file < 0)
        return false;
    int rc = io->lock(io->context, file, true);
    io->close(io->context, file);
    return rc == -EBUSY;
}

/* ---- opening ---- */

static void close_view(struct view *view)
{
    queue_folder_fini(&view->folder);
    free(view->scanner.buffer);
}

static void read_checkpoint(struct view *view)
{
    int rc = queue_checkpoint_read(view->io, view->dir, &view->cursor, view->text, &view->why);
    view->has_checkpoint = rc != -ENOENT;
    if (rc < 0 && rc != -ENOENT && view->why == NULL)
        view->why = strerror(-rc);
}

/* Files, checkpoint and lock; 0 or negative errno. Nothing to close when it fails. */
static int look(struct view *view, const struct queue_tool *tool, const char *dir)
{
    *view = (struct view){.tool = tool, .io = io_of(tool), .dir = dir};
    view->is_in_use = is_in_use(view->io, dir);
    /* The checkpoint first: files that hekad deletes in between are before it. */
    read_checkpoint(view);
    int rc = queue_folder_list(view->io, dir, &view->folder);
    if (rc != 0)
        queue_folder_fini(&view->folder);
    return rc;
}

static void check_checkpoint(struct view *view)
{
    int rc = 0;
    if (view->has_checkpoint && view->why == NULL)
        view->why =
            queue_scan_checkpoint(&view->scanner, view->dir, &view->folder, view->cursor, &rc);
    if (!view->has_checkpoint || view->why != NULL)
        view->cursor =
            (struct queue_position){view->folder.count > 0 ? view->folder.files[0].id : 0, 0};
}

static int open_view(struct view *view, const struct queue_tool *tool, const char *dir,
                     struct err *err)
{
    size_t capacity = 2 * (message_max_of(tool) + FRAME_OVERHEAD_MAX);
    if (strlen(dir) + 24 > QUEUE_PATH_SIZE)
        return err_add(err, "%.64s...: the name of the queue's folder is too long", dir);
    int rc = look(view, tool, dir);
    if (rc != 0)
        return err_add(err, "%s: %s", dir, strerror(-rc));
    if (capacity < BUFFER_BYTES_MIN)
        capacity = BUFFER_BYTES_MIN;
    view->scanner = (struct queue_scanner){
        .io = view->io,
        .file = -1,
        .message_max = message_max_of(tool),
        .checks_messages = true,
        .buffer = malloc(capacity),
        .capacity = capacity,
    };
    if (view->scanner.buffer == NULL) {
        close_view(view);
        return err_add(err, "%s: out of memory", dir);
    }
    check_checkpoint(view);
    return 0;
}

/* ---- ls ---- */

struct names {
    char **names;
    unsigned count;
};

static int add_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (names->count == NAMES_MAX)
        return -E2BIG;
    char *copy = strdup(name);
    if (copy == NULL)
        return -ENOMEM;
    names->names[names->count++] = copy;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Bytes behind the checkpoint, without looking whether it can be true. */
static uint64_t unread_bytes(const struct view *view)
{
    uint64_t bytes = 0;
    bool counts_all = !view->has_checkpoint || view->why != NULL;
    for (unsigned i = 0; i < view->folder.count; i++) {
        const struct queue_file *file = &view->folder.files[i];
        if (counts_all || file->id > view->cursor.id)
            bytes += file->size;
        else if (file->id == view->cursor.id && file->size > view->cursor.offset)
            bytes += file->size - view->cursor.offset;
    }
    return bytes;
}

static const char *checkpoint_text(const struct view *view)
{
    return view->has_checkpoint ? view->text : "none";
}

static void list_queue(const struct queue_tool *tool, const char *dir, const char *name)
{
    struct view view = {.tool = tool, .io = io_of(tool), .dir = dir};
    int rc = look(&view, tool, dir);
    if (rc == -ENOTDIR)
        return;
    if (rc != 0) {
        fprintf(tool->out, "%-30s %s\n", name, strerror(-rc));
        return;
    }
    fprintf(tool->out, "%-30s %7u %15" PRIu64 " %15" PRIu64 "  ", name, view.folder.count,
            view.folder.bytes, unread_bytes(&view));
    fprintf(tool->out, view.is_in_use ? "%-20s in use\n" : "%s\n", checkpoint_text(&view));
    close_view(&view);
}

int queue_tool_list(const struct queue_tool *tool, const char *base_dir, struct err *err)
{
    struct names names = {.names = calloc(NAMES_MAX, sizeof(char *))};
    char dir[QUEUE_PATH_SIZE], path[QUEUE_PATH_SIZE];
    int len = snprintf(dir, sizeof(dir), "%s/" QUEUE_FOLDER, base_dir);
    int rc = names.names == NULL ? -ENOMEM : len >= (int)sizeof(dir) ? -ENAMETOOLONG : 0;
    if (rc == 0)
        rc = io_of(tool)->list(io_of(tool)->context, dir, add_name, &names);
    if (rc == 0 && names.count > 0)
        qsort(names.names, names.count, sizeof(char *), compare_names);
    if (rc == 0)
        fprintf(tool->out, "%-30s %7s %15s %15s  %-20s %s\n", "QUEUE", "FILES", "BYTES", "UNREAD",
                "CHECKPOINT", "STATE");
    for (unsigned i = 0; i < names.count; i++) {
        if (rc == 0 && strlen(dir) + strlen(names.names[i]) + 26 < sizeof(path)) {
            queue_folder_path(dir, names.names[i], path);
            list_queue(tool, path, names.names[i]);
        }
        free(names.names[i]);
    }
    free(names.names);
    return rc == 0 ? 0 : err_add(err, "%s: %s", dir, strerror(-rc));
}

/* ---- verify ---- */

static void add_sum(struct queue_scan_sum *total, const struct queue_scan_sum *sum)
{
    total->records += sum->records;
    total->malformed += sum->malformed;
    total->garbage_bytes += sum->garbage_bytes;
    total->torn_bytes += sum->torn_bytes;
    total->missing_bytes += sum->missing_bytes;
    total->too_large += sum->too_large;
}

/* Both sides of the cursor; *unread is what is behind it. */
static int scan_file(struct view *view, const struct queue_file *file, struct queue_scan_sum *sum,
                     struct queue_scan_sum *unread)
{
    char path[QUEUE_PATH_SIZE];
    uint64_t cursor = file->id < view->cursor.id   ? file->size
                      : file->id > view->cursor.id ? 0
                                                   : view->cursor.offset;
    struct queue_range before = {.from = 0, .stop = cursor, .size = file->size};
    struct queue_range behind = {.from = cursor, .stop = file->size, .size = file->size};
    queue_folder_file_path(view->dir, file->id, path);
    *unread = (struct queue_scan_sum){0};
    int rc = queue_scan_range(&view->scanner, path, &before, sum);
    if (rc == 0 && cursor < file->size)
        rc = queue_scan_range(&view->scanner, path, &behind, unread);
    add_sum(sum, unread);
    return rc;
}

static void print_sum(const struct view *view, const char *name, uint64_t size,
                      const struct queue_scan_sum *sum, uint64_t unread)
{
    fprintf(view->tool->out,
            "%-16s %15" PRIu64 " %11" PRIu64 " %11" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
            " %10" PRIu64 "\n",
            name, size, sum->records, unread, sum->malformed, sum->garbage_bytes, sum->torn_bytes,
            sum->too_large);
}

/* False: something is wrong with it. */
static bool verify_file(struct view *view, unsigned index, struct queue_scan_sum *total,
                        struct queue_scan_sum *total_unread)
{
    const struct queue_file *file = &view->folder.files[index];
    struct queue_scan_sum sum, unread;
    char name[24];
    bool is_written_to = view->is_in_use && index + 1 == view->folder.count;
    int rc = scan_file(view, file, &sum, &unread);
    snprintf(name, sizeof(name), "%" PRIu32 ".log", file->id);
    if (rc == -ENOENT && view->is_in_use) {
        fprintf(view->tool->out, "%-16s done with and deleted meanwhile\n", name);
        return true;
    }
    print_sum(view, name, file->size, &sum, unread.records);
    if (rc < 0)
        fprintf(view->tool->out, "%s: cannot be read: %s\n", name, strerror(-rc));
    if (sum.missing_bytes > 0)
        fprintf(view->tool->out, "%s: %" PRIu64 " bytes went away\n", name, sum.missing_bytes);
    add_sum(total, &sum);
    add_sum(total_unread, &unread);
    return rc == 0 && sum.malformed == 0 && sum.garbage_bytes == 0 && sum.missing_bytes == 0 &&
           (sum.torn_bytes == 0 || is_written_to);
}

static void print_checkpoint(const struct view *view, uint64_t unread)
{
    fprintf(view->tool->out, "checkpoint: %s", checkpoint_text(view));
    if (view->why != NULL)
        fprintf(view->tool->out, ": %s, so everything is unread", view->why);
    fprintf(view->tool->out, "\nunread: %" PRIu64 " records\n", unread);
}

int queue_tool_verify(const struct queue_tool *tool, const char *dir, struct err *err)
{
    struct queue_scan_sum total = {0}, unread = {0};
    struct view view = {.tool = tool, .io = io_of(tool), .dir = dir};
    bool is_well = true;
    if (open_view(&view, tool, dir, err) != 0)
        return -1;
    fprintf(tool->out, "%s%s\n", dir, view.is_in_use ? ": in use" : "");
    fprintf(tool->out, "%-16s %15s %11s %11s %10s %10s %10s %10s\n", "FILE", "BYTES", "RECORDS",
            "UNREAD", "MALFORMED", "GARBAGE", "TORN", "TOO LARGE");
    for (unsigned i = 0; i < view.folder.count; i++)
        is_well &= verify_file(&view, i, &total, &unread);
    print_sum(&view, "total", view.folder.bytes, &total, unread.records);
    print_checkpoint(&view, unread.records);
    is_well &= view.why == NULL;
    close_view(&view);
    return is_well ? 0 : 1;
}

/* ---- dump ---- */

struct dump {
    struct view *view;
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
    const struct view *view = dump->view;
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
    struct view view = {.tool = tool, .io = io_of(tool), .dir = dir};
    if (open_view(&view, tool, dir, err) != 0)
        return -1;
    struct dump dump = {.view = &view, .options = options};
    int rc = dump_files(&dump);
    buffer_fini(&dump.out);
    close_view(&view);
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
    if (io_of(tool)->size(io_of(tool)->context, dir) == -ENOENT)
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
