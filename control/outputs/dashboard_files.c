/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/dashboard_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/text.h"
#include "control/folder.h"
#include "core/log.h"
#include "core/whole_file.h"

enum {
    FOLDER_MODE = 0700,
    FILE_MODE = 0644,
    WORD_LEN_MAX = 64,
    FILTER_LEN_MAX = 100,
    DEPTH_MAX = 16,
    COPY_SIZE = 65536
};

struct shown_output {           /* of a sandbox */
    char *filter, *name, *file; /* file: "data/..." */
};

struct dashboard_files {
    char folder[PATH_MAX];
    struct shown_output *outputs; /* in the order in which they came */
    unsigned count;
};

/* ---- files ---- */

static int path_in(const char *folder, const char *name, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return len > 0 && len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Whoever reads it has the old or the new text. */
static int replace_file(const struct dashboard_files *files, const char *name, const char *bytes,
                        size_t size)
{
    char path[PATH_MAX], made[PATH_MAX], part[64];
    /* In a reload two of us may be at work. */
    snprintf(part, sizeof(part), "data/.new-%p", (const void *)files);
    int rc = path_in(files->folder, name, path);
    if (rc == 0)
        rc = path_in(files->folder, part, made);
    if (rc != 0)
        return rc;
    return whole_file_replace(path, made, FILE_MODE, bytes, size);
}

static int copy_file(const char *from, const char *to)
{
    char *bytes = malloc(COPY_SIZE);
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, rc = bytes != NULL ? 0 : -ENOMEM;
    if (in >= 0)
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (rc == 0 && (in < 0 || out < 0))
        rc = -errno;
    while (rc == 0) {
        ssize_t got = read(in, bytes, COPY_SIZE);
        if (got <= 0) {
            rc = got < 0 ? -errno : 0;
            break;
        }
        rc = whole_file_write(out, bytes, (size_t)got);
    }
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    free(bytes);
    return rc;
}

static int copy_tree(const char *from, const char *to, unsigned depth, struct err *err)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(from) : NULL;
    int rc = dir != NULL ? folder_make(to, FOLDER_MODE) : -errno;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        char source[PATH_MAX], target[PATH_MAX];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = path_in(from, entry->d_name, source);
        if (rc == 0)
            rc = path_in(to, entry->d_name, target);
        if (rc == 0 && stat(source, &status) != 0)
            rc = -errno;
        if (rc == 0 && S_ISDIR(status.st_mode))
            rc = copy_tree(source, target, depth + 1, err);
        else if (rc == 0 && S_ISREG(status.st_mode))
            rc = copy_file(source, target);
        if (rc != 0)
            err_add(err, "%s: %s", source, strerror(-rc));
    }
    if (dir != NULL)
        closedir(dir);
    return rc;
}

/* As Heka: files with a dot in their name, in the folder itself. */
static void wipe(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strchr(entry->d_name, '.') != NULL && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
}

/* ---- its life ---- */

static int prepare(const struct dashboard_files *files, const char *static_folder, struct err *err)
{
    char data[PATH_MAX];
    int rc = path_in(files->folder, "data", data);
    if (rc == 0)
        rc = folder_make(data, FOLDER_MODE);
    if (rc != 0)
        return err_add(err, "Can't create working directory: %s: %s", files->folder, strerror(-rc));
    wipe(files->folder);
    if (access(static_folder, F_OK) != 0) {
        log_info("DashboardOutput: %s is not there: only data are served", static_folder);
        return 0;
    }
    rc = copy_tree(static_folder, files->folder, 0, err);
    return rc == 0 ? 0 : err_add(err, "Error copying static dashboard files: %s", static_folder);
}

struct dashboard_files *dashboard_files_new(const char *folder, const char *static_folder,
                                            struct err *err)
{
    struct dashboard_files *files = calloc(1, sizeof(*files));
    if (files == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    snprintf(files->folder, sizeof(files->folder), "%s", folder);
    files->outputs = calloc(DASHBOARD_OUTPUTS_MAX, sizeof(*files->outputs));
    if (files->outputs == NULL)
        err_add(err, "out of memory");
    else if (prepare(files, static_folder, err) == 0)
        return files;
    dashboard_files_free(files);
    return NULL;
}

static void free_output(struct shown_output *output)
{
    free(output->filter);
    free(output->name);
    free(output->file);
}

void dashboard_files_free(struct dashboard_files *files)
{
    if (files == NULL)
        return;
    for (unsigned i = 0; i < files->count; i++)
        free_output(&files->outputs[i]);
    free(files->outputs);
    free(files);
}

/* ---- heka.all-report ---- */

static bool is_first_of_filter(const struct dashboard_files *files, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (strcmp(files->outputs[i].filter, files->outputs[index].filter) == 0)
            return false;
    return true;
}

static struct msg_slice slice_of(const char *text)
{
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

static void put_filter(const struct dashboard_files *files, unsigned first, struct text *text)
{
    const char *filter = files->outputs[first].filter, *comma = "";
    text_string(text, "{\"Name\":");
    text_json_string(text, slice_of(filter));
    text_string(text, ",\"Outputs\":[");
    for (unsigned i = first; i < files->count; i++) {
        const struct shown_output *output = &files->outputs[i];
        if (strcmp(output->filter, filter) != 0)
            continue;
        text_printf(text, "%s{\"Name\":", comma);
        text_json_string(text, slice_of(output->name));
        text_string(text, ",\"Filename\":");
        text_json_string(text, slice_of(output->file));
        text_string(text, "}");
        comma = ",";
    }
    text_string(text, "]}");
}

static int write_sandboxes(const struct dashboard_files *files)
{
    struct buffer out = {0};
    struct text text = text_start(&out);
    const char *comma = "";
    text_string(&text, "{\"sandboxes\":[");
    for (unsigned i = 0; i < files->count; i++) {
        if (!is_first_of_filter(files, i))
            continue;
        text_string(&text, comma);
        put_filter(files, i, &text);
        comma = ",";
    }
    text_string(&text, "]}\n");
    int rc = text_finish(&text);
    if (rc == 0)
        rc = replace_file(files, "data/sandboxes.json", out.data, out.size);
    buffer_fini(&out);
    return rc;
}

static int take_report(const struct dashboard_files *files, const struct msg_view *message)
{
    int rc =
        replace_file(files, "data/heka_report.json", message->payload.ptr, message->payload.len);
    return rc == 0 ? write_sandboxes(files) : rc;
}

/* ---- heka.sandbox-output ---- */

static bool find_text(const struct msg_view *message, const char *name, struct msg_slice *value)
{
    struct msg_field field;
    return msg_field_find(message, name, strlen(name), 0, &field) &&
           field.value_type == MSG_STRING && msg_field_slice(&field, 0, value);
}

/* Letters, digits and underscores of a text, at most `max`. */
static void keep_word(struct msg_slice text, size_t max, char *word)
{
    size_t len = 0;
    for (uint32_t i = 0; i < text.len && len < max; i++)
        if (isalnum((unsigned char)text.ptr[i]) || text.ptr[i] == '_')
            word[len++] = text.ptr[i];
    word[len] = '\0';
}

/* FILTER.NAME.TYPE; nothing of a filter's name leads to another folder. */
static void name_file(struct msg_slice filter, struct msg_slice name, struct msg_slice type,
                      char *file, size_t size)
{
    char name_word[WORD_LEN_MAX + 1], type_word[WORD_LEN_MAX + 1], filter_word[FILTER_LEN_MAX + 1];
    uint32_t len = filter.len < FILTER_LEN_MAX ? filter.len : FILTER_LEN_MAX;
    for (uint32_t i = 0; i < len; i++) {
        char c = filter.ptr[i];
        bool is_bad = c == '/' || c == '\0' || (c == '.' && i == 0);
        filter_word[i] = c;
        if (is_bad)
            filter_word[i] = '_';
    }
    filter_word[len] = '\0';
    keep_word(name, WORD_LEN_MAX, name_word);
    keep_word(type, WORD_LEN_MAX, type_word);
    snprintf(file, size, "data/%s.%s.%s", filter_word, name_word, type_word);
}

static bool is_text(const char *a, struct msg_slice b)
{
    return strlen(a) == b.len && (b.len == 0 || memcmp(a, b.ptr, b.len) == 0);
}

static char *copy_text(struct msg_slice text)
{
    return strndup(text.ptr != NULL ? text.ptr : "", text.len);
}

/* 0, or 1: there are too many. */
static int remember(struct dashboard_files *files, struct msg_slice filter, struct msg_slice name,
                    const char *file)
{
    for (unsigned i = 0; i < files->count; i++)
        if (is_text(files->outputs[i].filter, filter) && is_text(files->outputs[i].name, name))
            return 0;
    if (files->count == DASHBOARD_OUTPUTS_MAX)
        return 1;
    struct shown_output made = {copy_text(filter), copy_text(name), strdup(file)};
    if (made.filter == NULL || made.name == NULL || made.file == NULL) {
        free_output(&made);
        return -ENOMEM;
    }
    files->outputs[files->count++] = made;
    return 0;
}

static int take_output(struct dashboard_files *files, const struct msg_view *message,
                       const char **reason)
{
    enum { FILE_SIZE = 2 * WORD_LEN_MAX + FILTER_LEN_MAX + 16 };
    struct msg_slice type, name = {NULL, 0};
    char file[FILE_SIZE];
    if (!find_text(message, "payload_type", &type)) {
        *reason = "no_payload_type";
        return 1;
    }
    find_text(message, "payload_name", &name);
    name_file(message->logger, name, type, file, sizeof(file));
    int rc = remember(files, message->logger, name, file);
    if (rc == 1)
        *reason = "too_many_outputs";
    return rc == 0 ? replace_file(files, file, message->payload.ptr, message->payload.len) : rc;
}

/* ---- heka.sandbox-terminated ---- */

static void put_cell(struct text *text, struct msg_slice cell)
{
    for (uint32_t i = 0; i < cell.len; i++) {
        bool is_end = cell.ptr[i] == '\t' || cell.ptr[i] == '\n' || cell.ptr[i] == '\r';
        text_bytes(text, is_end ? " " : &cell.ptr[i], 1);
    }
}

static void put_field(struct text *text, const struct msg_view *message, const char *name)
{
    struct msg_field field;
    struct msg_values values;
    struct msg_value value;
    text_printf(text, " %s:", name);
    if (!msg_field_find(message, name, strlen(name), 0, &field)) {
        text_string(text, "<nil>");
        return;
    }
    msg_values_init(&values, &field);
    if (!msg_values_next(&values, &value))
        return;
    if (value.type == MSG_STRING || value.type == MSG_BYTES)
        put_cell(text, value.slice);
    else
        text_number(text, &value);
}

static void put_termination(struct text *text, const struct msg_view *message,
                            struct msg_slice plugin)
{
    static const char *const names[] = {"ProcessMessageCount",       "ProcessMessageSamples",
                                        "ProcessMessageAvgDuration", "MatchAvgDuration",
                                        "FilterChanLength",          "MatchChanLength",
                                        "RouterChanLength"};
    struct msg_field field;
    text_printf(text, "%" PRId64 "\t", message->timestamp_ns / 1000000000);
    put_cell(text, plugin);
    text_string(text, "\t");
    put_cell(text, message->payload);
    if (msg_field_find(message, names[0], strlen(names[0]), 0, &field))
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            put_field(text, message, names[i]);
    text_string(text, "\n");
}

/* The report starts anew when it has become too long. */
static int append_termination(const struct dashboard_files *files, const struct buffer *line)
{
    char path[PATH_MAX];
    struct stat status;
    int rc = path_in(files->folder, "data/heka_sandbox_termination.tsv", path);
    if (rc != 0)
        return rc;
    bool is_long = stat(path, &status) == 0 && status.st_size > DASHBOARD_TSV_MAX;
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | (is_long ? O_TRUNC : 0);
    int fd = open(path, flags, FILE_MODE);
    if (fd < 0)
        return -errno;
    rc = whole_file_write(fd, line->data, line->size);
    close(fd);
    return rc;
}

static void forget(struct dashboard_files *files, struct msg_slice filter)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < files->count; i++) {
        if (is_text(files->outputs[i].filter, filter))
            free_output(&files->outputs[i]);
        else
            files->outputs[kept++] = files->outputs[i];
    }
    files->count = kept;
}

static int take_termination(struct dashboard_files *files, const struct msg_view *message,
                            const char **reason)
{
    struct msg_slice plugin;
    struct buffer line = {0};
    struct text text = text_start(&line);
    if (!find_text(message, "plugin", &plugin)) {
        *reason = "no_plugin";
        return 1;
    }
    put_termination(&text, message, plugin);
    int rc = text_finish(&text);
    if (rc == 0)
        rc = append_termination(files, &line);
    buffer_fini(&line);
    if (rc == 0)
        forget(files, plugin);
    return rc;
}

int dashboard_files_take(struct dashboard_files *files, const struct msg_view *message,
                         const char **reason)
{
    if (is_text("heka.all-report", message->type))
        return take_report(files, message);
    if (is_text("heka.sandbox-output", message->type))
        return take_output(files, message, reason);
    if (is_text("heka.sandbox-terminated", message->type))
        return take_termination(files, message, reason);
    *reason = "other_type";
    return 1;
}
