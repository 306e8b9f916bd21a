/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue_tool.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "control/queue/queue_view.h"

enum { NAMES_MAX = 4096 };

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

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void print_json(const struct queue_tool *tool, json_t *take_value)
{
    json_dumpf(take_value, tool->out, JSON_INDENT(2));
    fputc('\n', tool->out);
    json_decref(take_value);
}

static json_t *queue_json(const struct queue_view *view, const char *name)
{
    return json_pack("{s:s, s:i, s:o, s:o, s:s, s:b}", "queue", name, "files",
                     (int)view->folder.count, "bytes", number(view->folder.bytes), "unread_bytes",
                     number(queue_view_unread_bytes(view)), "checkpoint",
                     queue_view_checkpoint(view), "in_use", view->is_in_use);
}

/* Prints a line, or appends to `list`. */
static void list_queue(const struct queue_tool *tool, const char *dir, const char *name,
                       json_t *list)
{
    struct queue_view view;
    int rc = queue_view_look(&view, tool, dir);
    if (rc == -ENOTDIR)
        return;
    if (rc != 0 && list != NULL)
        json_array_append_new(list, json_pack("{s:s, s:s}", "queue", name, "error", strerror(-rc)));
    else if (rc != 0)
        fprintf(tool->out, "%-30s %s\n", name, strerror(-rc));
    if (rc != 0)
        return;
    if (list != NULL) {
        json_array_append_new(list, queue_json(&view, name));
    } else {
        fprintf(tool->out, "%-30s %7u %15" PRIu64 " %15" PRIu64 "  ", name, view.folder.count,
                view.folder.bytes, queue_view_unread_bytes(&view));
        fprintf(tool->out, view.is_in_use ? "%-20s in use\n" : "%s\n",
                queue_view_checkpoint(&view));
    }
    queue_view_close(&view);
}

static void list_queues(const struct queue_tool *tool, const char *dir, const struct names *names)
{
    json_t *list = tool->json ? json_array() : NULL;
    char path[QUEUE_PATH_SIZE];
    if (!tool->json)
        fprintf(tool->out, "%-30s %7s %15s %15s  %-20s %s\n", "QUEUE", "FILES", "BYTES", "UNREAD",
                "CHECKPOINT", "STATE");
    for (unsigned i = 0; i < names->count; i++) {
        if (strlen(dir) + strlen(names->names[i]) + 26 >= sizeof(path))
            continue;
        queue_folder_path(dir, names->names[i], path);
        list_queue(tool, path, names->names[i], list);
    }
    if (tool->json)
        print_json(tool, list);
}

int queue_tool_list(const struct queue_tool *tool, const char *base_dir, struct err *err)
{
    const struct queue_io *io = queue_tool_io(tool);
    struct names names = {.names = calloc(NAMES_MAX, sizeof(char *))};
    char dir[QUEUE_PATH_SIZE];
    int len = snprintf(dir, sizeof(dir), "%s/" QUEUE_FOLDER, base_dir);
    int rc = names.names == NULL ? -ENOMEM : len >= (int)sizeof(dir) ? -ENAMETOOLONG : 0;
    if (rc == 0)
        rc = io->list(io->context, dir, add_name, &names);
    if (rc == 0 && names.count > 0)
        qsort(names.names, names.count, sizeof(char *), compare_names);
    if (rc == 0)
        list_queues(tool, dir, &names);
    for (unsigned i = 0; i < names.count; i++)
        free(names.names[i]);
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
static int scan_file(struct queue_view *view, const struct queue_file *file,
                     struct queue_scan_sum *sum, struct queue_scan_sum *unread)
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

struct verify {
    struct queue_view view;
    struct queue_scan_sum total, unread;
    json_t *files; /* NULL: lines */
};

static json_t *sum_json(const char *name, uint64_t size, const struct queue_scan_sum *sum,
                        uint64_t unread)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "file", name, "bytes",
                     number(size), "records", number(sum->records), "unread", number(unread),
                     "malformed", number(sum->malformed), "garbage_bytes",
                     number(sum->garbage_bytes), "torn_bytes", number(sum->torn_bytes), "too_large",
                     number(sum->too_large), "missing_bytes", number(sum->missing_bytes));
}

static void print_sum(const struct verify *verify, const char *name, uint64_t size,
                      const struct queue_scan_sum *sum, uint64_t unread)
{
    FILE *out = verify->view.tool->out;
    if (verify->files != NULL) {
        json_array_append_new(verify->files, sum_json(name, size, sum, unread));
        return;
    }
    fprintf(out,
            "%-16s %15" PRIu64 " %11" PRIu64 " %11" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
            " %10" PRIu64 "\n",
            name, size, sum->records, unread, sum->malformed, sum->garbage_bytes, sum->torn_bytes,
            sum->too_large);
    if (sum->missing_bytes > 0)
        fprintf(out, "%s: %" PRIu64 " bytes went away\n", name, sum->missing_bytes);
}

static void print_failure(const struct verify *verify, const char *name, const char *text)
{
    if (verify->files != NULL)
        json_array_append_new(verify->files, json_pack("{s:s, s:s}", "file", name, "error", text));
    else
        fprintf(verify->view.tool->out, "%-16s %s\n", name, text);
}

/* False: something is wrong with it. */
static bool verify_file(struct verify *verify, unsigned index)
{
    struct queue_view *view = &verify->view;
    const struct queue_file *file = &view->folder.files[index];
    struct queue_scan_sum sum = {0}, unread;
    char name[24];
    bool is_written_to = view->is_in_use && index + 1 == view->folder.count;
    int rc = scan_file(view, file, &sum, &unread);
    snprintf(name, sizeof(name), "%" PRIu32 ".log", file->id);
    if (rc == -ENOENT && view->is_in_use) {
        print_failure(verify, name, "done with and deleted meanwhile");
        return true;
    }
    print_sum(verify, name, file->size, &sum, unread.records);
    if (rc < 0)
        print_failure(verify, name, strerror(-rc));
    add_sum(&verify->total, &sum);
    add_sum(&verify->unread, &unread);
    return rc == 0 && sum.malformed == 0 && sum.garbage_bytes == 0 && sum.missing_bytes == 0 &&
           (sum.torn_bytes == 0 || is_written_to);
}

static void print_begin(const struct verify *verify)
{
    const struct queue_view *view = &verify->view;
    if (verify->files != NULL)
        return;
    fprintf(view->tool->out, "%s%s\n", view->dir, view->is_in_use ? ": in use" : "");
    fprintf(view->tool->out, "%-16s %15s %11s %11s %10s %10s %10s %10s\n", "FILE", "BYTES",
            "RECORDS", "UNREAD", "MALFORMED", "GARBAGE", "TORN", "TOO LARGE");
}

static void print_end(struct verify *verify, bool is_well)
{
    const struct queue_view *view = &verify->view;
    uint64_t unread = verify->unread.records;
    if (verify->files == NULL) {
        print_sum(verify, "total", view->folder.bytes, &verify->total, unread);
        fprintf(view->tool->out, "checkpoint: %s", queue_view_checkpoint(view));
        if (view->why != NULL)
            fprintf(view->tool->out, ": %s, so everything is unread", view->why);
        fprintf(view->tool->out, "\nunread: %" PRIu64 " records\n", unread);
        return;
    }
    json_t *total = sum_json("total", view->folder.bytes, &verify->total, unread);
    json_t *why = view->why != NULL ? json_string(view->why) : json_null();
    print_json(view->tool,
               json_pack("{s:s, s:b, s:b, s:o, s:o, s:s, s:o}", "dir", view->dir, "ok", is_well,
                         "in_use", view->is_in_use, "files", verify->files, "total", total,
                         "checkpoint", queue_view_checkpoint(view), "checkpoint_error", why));
}

int queue_tool_verify(const struct queue_tool *tool, const char *dir, struct err *err)
{
    struct verify verify = {0};
    bool is_well = true;
    if (queue_view_open(&verify.view, tool, dir, err) != 0)
        return -1;
    verify.files = tool->json ? json_array() : NULL;
    print_begin(&verify);
    for (unsigned i = 0; i < verify.view.folder.count; i++)
        is_well &= verify_file(&verify, i);
    is_well &= verify.view.why == NULL;
    print_end(&verify, is_well);
    queue_view_close(&verify.view);
    return is_well ? 0 : 1;
}
