/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES_MIN = 1 << 20 };

const struct queue_io *queue_tool_io(const struct queue_tool *tool)
{
    return tool->io != NULL ? tool->io : &queue_io_posix;
}

static size_t message_max_of(const struct queue_tool *tool)
{
    return tool->message_size_max != 0 ? tool->message_size_max : MSG_SIZE_DEFAULT_MAX;
}

void queue_view_close(struct queue_view *view)
{
    queue_folder_fini(&view->folder);
    free(view->scanner.buffer);
}

static void read_checkpoint(struct queue_view *view)
{
    int rc = queue_checkpoint_read(view->io, view->dir, &view->cursor, view->text, &view->why);
    view->has_checkpoint = rc != -ENOENT;
    if (rc < 0 && rc != -ENOENT && view->why == NULL)
        view->why = strerror(-rc);
}

int queue_view_look(struct queue_view *view, const struct queue_tool *tool, const char *dir)
{
    *view = (struct queue_view){.tool = tool, .io = queue_tool_io(tool), .dir = dir};
    view->is_in_use = queue_is_in_use(view->io, dir);
    /* The checkpoint first: files that hekad deletes in between are before it. */
    read_checkpoint(view);
    int rc = queue_folder_list(view->io, dir, &view->folder);
    if (rc != 0)
        queue_folder_fini(&view->folder);
    return rc;
}

static void check_checkpoint(struct queue_view *view)
{
    int rc = 0;
    if (view->has_checkpoint && view->why == NULL)
        view->why =
            queue_scan_checkpoint(&view->scanner, view->dir, &view->folder, view->cursor, &rc);
    if (!view->has_checkpoint || view->why != NULL)
        view->cursor =
            (struct queue_position){view->folder.count > 0 ? view->folder.files[0].id : 0, 0};
}

int queue_view_open(struct queue_view *view, const struct queue_tool *tool, const char *dir,
                    struct err *err)
{
    size_t capacity = 2 * (message_max_of(tool) + FRAME_OVERHEAD_MAX);
    if (strlen(dir) + 24 > QUEUE_PATH_SIZE)
        return err_add(err, "%.64s...: the name of the queue's folder is too long", dir);
    int rc = queue_view_look(view, tool, dir);
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
        queue_view_close(view);
        return err_add(err, "%s: out of memory", dir);
    }
    check_checkpoint(view);
    return 0;
}

uint64_t queue_view_unread_bytes(const struct queue_view *view)
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

const char *queue_view_checkpoint(const struct queue_view *view)
{
    return view->has_checkpoint ? view->text : "none";
}
