/* SPDX-License-Identifier: MPL-2.0
 *
 * file_output.c - FileOutput: encoded messages appended to a file.
 *
 * Place:   builtin_outputs.
 * Failure: bytes are written at once (they survive the end of hekad); flush_interval, flush_count
 *          and flush_operator say when they are forced to disk. A disk that is full holds messages
 *          back; the part of a message that was written is not written again.
 * Source:  Heka 0.11 FileOutput: rotation on multiples of the interval since the epoch, file
 *          names with the time of the rotation, opened again at SIGHUP.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "codec/strftime.h"
#include "control/folder.h"
#include "control/outputs/outputs.h"
#include "core/clock.h"
#include "core/log.h"

enum { IOV_COUNT_MAX = 256, PERM_MAX = 07777, S_PER_H = 3600 };

enum { BYTES, SYNCS, SYNC_FAILURES, OPENS };
static const struct output_counter counters[] = {
    [BYTES] = {"bytes", "bytes written"},
    [SYNCS] = {"syncs", "times that the file was forced to disk"},
    [SYNC_FAILURES] = {"sync_failures", "times that this failed"},
    [OPENS] = {"opens", "files opened: at start, rotation, SIGHUP, and after errors"},
    {NULL, NULL},
};

static const char *const operators[] = {"AND", "OR", NULL};
enum { OPERATOR_AND, OPERATOR_OR };

struct file_options {
    const char *path, *perm, *folder_perm;
    int64_t rotation_interval, flush_interval, flush_count;
    int flush_operator;
};

#define FILE_KEY(member) .key = #member, .offset = offsetof(struct file_options, member)
static const struct schema_key keys[] = {
    {FILE_KEY(path), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "With rotation_interval, strftime codes in it are replaced."},
    {FILE_KEY(perm), .type = SCHEMA_STRING, .def = "644", .help = "Octal; the umask applies."},
    {FILE_KEY(rotation_interval), .type = SCHEMA_INT, .min = 0, .max = 24, .def = "0", .unit = "h",
     .help = "0 (never), 1, 4, 12 or 24."},
    {FILE_KEY(flush_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "1000",
     .unit = "ms", .help = "Time between two fsyncs; 0: only flush_count counts."},
    {FILE_KEY(flush_count), .type = SCHEMA_INT, .min = 1, .max = UINT32_MAX, .def = "1",
     .help = "Messages between two fsyncs."},
    {FILE_KEY(flush_operator), .type = SCHEMA_CHOICE, .choices = operators, .def = "AND",
     .help = "Whether interval AND count must be reached, or interval OR count."},
    {FILE_KEY(folder_perm), .type = SCHEMA_STRING, .def = "700",
     .help = "Octal; for folders that are made."},
    {0},
};
static const struct schema schema = {"FileOutput", keys};

struct file_state {
    const struct file_options *options;
    struct output_host *host;
    char path[PATH_MAX];
    bool is_open;
    int fd;
    size_t partial; /* bytes of the first item to come that are in the file already */
    uint64_t next_rotation_ns;
    uint64_t last_tick_ns;
    bool interval_passed;
    int64_t unsynced; /* messages */
};

/* ---- options ---- */

static int parse_perm(const char *text, mode_t *mode)
{
    char *end;
    if (text[0] < '0' || text[0] > '7')
        return -1;
    unsigned long value = strtoul(text, &end, 8);
    if (*end != '\0' || value > PERM_MAX)
        return -1;
    *mode = (mode_t)value;
    return 0;
}

static int expand_path(const struct file_options *options, uint64_t time_ns, char path[PATH_MAX])
{
    struct buffer text = {.max_size = PATH_MAX - 1};
    int rc = options->rotation_interval > 0
                 ? strftime_append(&text, options->path, (int64_t)time_ns, STRFTIME_LOCAL)
                 : buffer_append_text(&text, options->path);
    if (rc == 0) {
        if (text.size > 0)
            memcpy(path, text.data, text.size);
        path[text.size] = '\0';
    }
    buffer_fini(&text);
    return rc;
}

static int check_path(const struct file_options *options, struct err *err)
{
    char path[PATH_MAX], folder[PATH_MAX];
    struct stat status;
    if (expand_path(options, clock_wall_ns(), path) != 0 || path[0] == '\0')
        return err_add(err, "path: found '%s', allowed a path of up to %d bytes", options->path,
                       PATH_MAX - 1);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return err_add(err, "path: '%s' is a folder", path);
    if (folder_of(path, folder, sizeof(folder)) != 0)
        return err_add(err, "path: found '%s', which is too long", path);
    return folder_check(folder, "path", err);
}

static int check(const void *config, struct err *err)
{
    const struct file_options *options = config;
    mode_t mode = 0;
    int rc = options->path != NULL ? check_path(options, err) : -1; /* missing: said so already */
    if (parse_perm(options->perm, &mode) != 0)
        rc = err_add(err, "perm: found '%s', allowed an octal number", options->perm);
    if (parse_perm(options->folder_perm, &mode) != 0)
        rc = err_add(err, "folder_perm: found '%s', allowed an octal number", options->folder_perm);
    switch (options->rotation_interval) {
    case 0:
    case 1:
    case 4:
    case 12:
    case 24:
        return rc;
    default:
        return err_add(err, "rotation_interval: found %lld, allowed 0, 1, 4, 12, 24",
                       (long long)options->rotation_interval);
    }
}

/* ---- the file ---- */

static int make_folder(const struct file_state *file)
{
    char folder[PATH_MAX];
    mode_t mode = 0;
    parse_perm(file->options->folder_perm, &mode); /* checked */
    if (folder_of(file->path, folder, sizeof(folder)) != 0)
        return -ENAMETOOLONG;
    return folder_make(folder, mode);
}

static int open_file(struct file_state *file)
{
    mode_t mode = 0;
    parse_perm(file->options->perm, &mode); /* checked */
    if (file->is_open)
        return 0;
    int rc = make_folder(file);
    /* Not blocking: a named pipe without a reader is an error and comes again. */
    if (rc == 0)
        file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, mode);
    if (rc == 0 && file->fd < 0)
        rc = -errno;
    if (rc != 0)
        return output_host_fail(file->host, rc, "%s: %s", file->path, strerror(-rc));
    file->is_open = true;
    output_host_count(file->host, OPENS, 1);
    return 0;
}

static void force_to_disk(struct file_state *file)
{
    file->interval_passed = false;
    if (!file->is_open || file->unsynced == 0)
        return;
    file->unsynced = 0;
    if (fsync(file->fd) == 0) {
        output_host_count(file->host, SYNCS, 1);
    } else if (errno != EINVAL && errno != EROFS) { /* these: no file that can be forced */
        output_host_count(file->host, SYNC_FAILURES, 1);
        log_error("Plugin '%s' error: %s: fsync: %s", output_host_name(file->host), file->path,
                  strerror(errno));
    }
}

/* Takes back the part of a message that is in the file, so that it can be whole in the next one. */
static void take_back_partial(struct file_state *file)
{
    struct stat status;
    if (file->partial == 0 || !file->is_open)
        return;
    if (fstat(file->fd, &status) == 0 && S_ISREG(status.st_mode) &&
        ftruncate(file->fd, status.st_size - (off_t)file->partial) != 0)
        log_error("Plugin '%s' error: %s: a part of a message stays at its end: %s",
                  output_host_name(file->host), file->path, strerror(errno));
    file->partial = 0;
}

static void close_file(struct file_state *file)
{
    take_back_partial(file);
    force_to_disk(file);
    if (file->is_open)
        close(file->fd);
    file->is_open = false;
}

static uint64_t rotation_ns(const struct file_state *file)
{
    return (uint64_t)file->options->rotation_interval * S_PER_H * CLOCK_NS_PER_S;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct file_state *file = state;
    uint64_t now_ns = clock_wall_ns();
    file->options = config;
    file->host = host;
    file->last_tick_ns = now_ns;
    if (rotation_ns(file) > 0)
        file->next_rotation_ns = now_ns - now_ns % rotation_ns(file) + rotation_ns(file);
    if (expand_path(config, now_ns, file->path) != 0)
        return err_add(err, "'%s': path is too long", output_host_name(host));
    int rc = open_file(file);
    if (rc != 0 && rc != -ENXIO)
        return err_add(err, "'%s': %s: %s", output_host_name(host), file->path, strerror(-rc));
    return 0;
}

static void rotate_when_due(struct file_state *file, uint64_t now_ns)
{
    if (file->next_rotation_ns == 0 || now_ns < file->next_rotation_ns)
        return;
    close_file(file);
    uint64_t time_ns = now_ns - now_ns % rotation_ns(file);
    expand_path(file->options, time_ns, file->path); /* as long as it was, or the old one stays */
    file->next_rotation_ns = time_ns + rotation_ns(file);
    open_file(file);
}

static void reload(void *state)
{
    struct file_state *file = state;
    close_file(file);
    open_file(file);
}

/* ---- writing ---- */

static unsigned fill_iov(const struct file_state *file, const struct output_item *items,
                         unsigned count, struct iovec iov[IOV_COUNT_MAX])
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) {
        struct iovec *last = n > 0 ? &iov[n - 1] : NULL;
        if (last != NULL && (const char *)last->iov_base + last->iov_len == items[i].bytes) {
            last->iov_len += items[i].size; /* encoded side by side */
            continue;
        }
        if (n == IOV_COUNT_MAX)
            break;
        iov[n++] = (struct iovec){(void *)(uintptr_t)items[i].bytes, items[i].size};
    }
    if (n > 0) {
        iov[0].iov_base = (char *)iov[0].iov_base + file->partial;
        iov[0].iov_len -= file->partial;
    }
    return n;
}

/* How many of the items are whole in the file when `put` more bytes are; the rest becomes
 * `partial`. */
static unsigned count_whole(struct file_state *file, const struct output_item *items,
                            unsigned count, size_t put)
{
    unsigned whole = 0;
    put += file->partial;
    while (whole < count && put >= items[whole].size)
        put -= items[whole++].size;
    file->partial = put;
    return whole;
}

static void count_messages(struct file_state *file, unsigned count)
{
    const struct file_options *options = file->options;
    file->unsynced += count;
    if (file->unsynced < options->flush_count)
        return;
    if (options->flush_interval == 0 || options->flush_operator == OPERATOR_OR ||
        file->interval_passed)
        force_to_disk(file);
}

/* A full disk or pipe may take the rest later; any other error may be gone with a fresh file. */
static int write_failed(struct file_state *file)
{
    int code = errno;
    int rc = output_host_fail(file->host, -code, "%s: %s", file->path, strerror(code));
    if (code != EAGAIN && code != ENOSPC && code != EDQUOT)
        close_file(file);
    return rc;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct file_state *file = state;
    struct iovec iov[IOV_COUNT_MAX];
    unsigned done = 0;
    int rc = open_file(file);
    while (rc == 0 && done < count) {
        unsigned n = fill_iov(file, items + done, count - done, iov);
        ssize_t put = writev(file->fd, iov, (int)n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            rc = write_failed(file);
            break;
        }
        output_host_count(file->host, BYTES, (uint64_t)put);
        done += count_whole(file, items + done, count - done, (size_t)put);
    }
    count_messages(file, done);
    return done > 0 ? (int)done : rc;
}

static void timer(void *state, uint64_t now_ns)
{
    struct file_state *file = state;
    uint64_t interval_ns = (uint64_t)file->options->flush_interval * CLOCK_NS_PER_MS;
    rotate_when_due(file, now_ns);
    if (now_ns < file->last_tick_ns) /* the clock was set back */
        file->last_tick_ns = now_ns;
    if (interval_ns == 0 || now_ns - file->last_tick_ns < interval_ns)
        return;
    file->last_tick_ns = now_ns;
    file->interval_passed = true;
    if (file->options->flush_operator == OPERATOR_OR ||
        file->unsynced >= file->options->flush_count)
        force_to_disk(file);
}

static void fini(void *state)
{
    struct file_state *file = state;
    close_file(file);
}

const struct output_ops file_output = {
    .plugin = {PLUGIN_ABI, "FileOutput", &schema, sizeof(struct file_options),
               sizeof(struct file_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .frames_protobuf = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .reload = reload,
    .fini = fini,
};
