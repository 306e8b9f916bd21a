/* SPDX-License-Identifier: MPL-2.0
 *
 * whisper_output.c - WhisperOutput: the lines of statmetric payloads to Graphite's files.
 *
 * Place:   builtin_outputs. Files: whisper_file.h. Lines: carbon_lines.h.
 * Memory:  SETS * WAYS files are open at most; of those that share a set the one used longest ago
 *          is closed.
 * Failure: lines that are no points, or that no file can take, are counted and skipped; a message
 *          without any other ends as "bad_line". A full disk holds messages back: making a point
 *          twice changes nothing.
 * Source:  Heka 0.11 WhisperOutput: a.b.c is base_path/a/b/c.wsp, xFilesFactor 0.1.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "control/folder.h"
#include "control/outputs/carbon_lines.h"
#include "control/outputs/outputs.h"
#include "control/outputs/whisper_file.h"
#include "control/trouble.h"
#include "core/clock.h"

enum { SETS = 128, WAYS = 4, PERM_MAX = 07777, SUFFIX_SIZE = sizeof(".wsp") };
#define X_FILES_FACTOR 0.1F

enum { POINTS, BAD_LINES, NOT_COVERED, BAD_FILES, CREATED, OPENS };
static const struct output_counter counters[] = {
    [POINTS] = {"points", "points written"},
    [BAD_LINES] = {"bad_lines", "lines skipped: not \"name value time\""},
    [NOT_COVERED] = {"not_covered", "points skipped: of the future, or older than the file goes"},
    [BAD_FILES] = {"bad_files", "points skipped: their file is none of whisper, or cannot be made"},
    [CREATED] = {"created", "files made"},
    [OPENS] = {"opens", "files opened"},
    {NULL, NULL},
};

struct whisper_options {
    const char *base_path, *folder_perm;
    int64_t default_agg_method;
    const struct conf_node *default_archive_info;
};

#define WHISPER(member) .key = #member, .offset = offsetof(struct whisper_options, member)
static const struct schema_key keys[] = {
    {WHISPER(base_path), .type = SCHEMA_STRING, .def = "whisper",
     .help = "Folder of the files, below base_dir when it is not absolute."},
    {WHISPER(default_agg_method), .type = SCHEMA_INT, .min = WHISPER_AVERAGE, .max = WHISPER_MIN,
     .def = "1",
     .help = "How points are rolled up in new files: 1 average, 2 sum, 3 last, 4 max, 5 min."},
    {WHISPER(default_archive_info), .type = SCHEMA_NODE,
     .unit = "a list of lists of three integers",
     .help = "Archives of new files, each [0, seconds per point, points]. Default: "
             "[[0, 60, 1440], [0, 900, 8], [0, 3600, 168], [0, 43200, 1456]]."},
    {WHISPER(folder_perm), .type = SCHEMA_STRING, .def = "700",
     .help = "Octal; for folders that are made."},
    {0},
};
static const struct schema schema = {"WhisperOutput", keys};

struct cached_file {
    char *path;    /* NULL: none */
    uint64_t used; /* turn of its last use */
    struct whisper_file file;
};

struct whisper_state {
    struct output_host *host;
    char base_path[PATH_MAX];
    mode_t folder_mode;
    struct whisper_layout layout;
    struct cached_file files[SETS][WAYS];
    uint64_t turn;
    struct buffer scratch;
    struct trouble trouble;
};

/* ---- options ---- */

static int parse_perm(const char *text, mode_t *mode)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    if (text[0] < '0' || text[0] > '7' || *end != '\0' || value > PERM_MAX)
        return -1;
    *mode = (mode_t)value;
    return 0;
}

static int read_archive(const struct conf_node *node, struct whisper_archive *archive,
                        struct err *err)
{
    uint32_t values[3], count = 0;
    if (node->type != CONF_ARRAY || node->count != 3)
        return err_add(err, "default_archive_info: All default archive info settings must have 3 "
                            "values.");
    for (const struct conf_node *item = node->first; item != NULL; item = item->next) {
        if (item->type != CONF_INT || item->i < 0 || item->i > UINT32_MAX)
            return err_add(err, "default_archive_info: values are integers of 32 bits");
        values[count++] = (uint32_t)item->i;
    }
    *archive = (struct whisper_archive){.step_s = values[1], .points = values[2]};
    return 0;
}

static int read_archives(const struct conf_node *node, struct whisper_layout *layout,
                         struct err *err)
{
    if (node->type != CONF_ARRAY)
        return err_add(err,
                       "default_archive_info: found a %s, allowed a list of lists of three "
                       "integers",
                       conf_type_name(node->type));
    for (const struct conf_node *item = node->first; item != NULL; item = item->next) {
        if (layout->count == WHISPER_ARCHIVES_MAX)
            return err_add(err, "default_archive_info: more than %d archives",
                           WHISPER_ARCHIVES_MAX);
        if (read_archive(item, &layout->archives[layout->count], err) != 0)
            return -1;
        layout->count++;
    }
    return 0;
}

static int make_layout(const struct whisper_options *options, struct whisper_layout *layout,
                       struct err *err)
{
    struct err found = {0};
    *layout = (struct whisper_layout){
        .method = (enum whisper_method)options->default_agg_method,
        .x_files_factor = X_FILES_FACTOR,
        .count = 4,
        .archives = {{.step_s = 60, .points = 1440},
                     {.step_s = 900, .points = 8},
                     {.step_s = 3600, .points = 168},
                     {.step_s = 43200, .points = 1456}},
    };
    if (options->default_archive_info != NULL) {
        layout->count = 0;
        if (read_archives(options->default_archive_info, layout, err) != 0)
            return -1;
    }
    if (whisper_layout_init(layout, &found) != 0)
        return err_add(err, "default_archive_info: %s", found.texts[0]);
    return 0;
}

static int check(const void *config, struct err *err)
{
    const struct whisper_options *options = config;
    struct whisper_layout layout;
    mode_t mode;
    int rc = make_layout(options, &layout, err);
    if (parse_perm(options->folder_perm, &mode) != 0)
        rc = err_add(err, "folder_perm: found '%s', allowed an octal number", options->folder_perm);
    return rc;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    const struct whisper_options *options = config;
    struct whisper_state *whisper = state;
    struct err found = {0};
    whisper->host = host;
    whisper->trouble.name = output_host_name(host);
    parse_perm(options->folder_perm, &whisper->folder_mode); /* checked */
    if (make_layout(options, &whisper->layout, &found) != 0 ||
        output_host_base_path(host, options->base_path, whisper->base_path,
                              sizeof(whisper->base_path), &found) != 0)
        return err_add(err, "'%s': %s", output_host_name(host), found.texts[0]);
    int rc = folder_make(whisper->base_path, whisper->folder_mode);
    if (rc != 0)
        return err_add(err, "'%s': %s: %s", output_host_name(host), whisper->base_path,
                       strerror(-rc));
    if (folder_check(whisper->base_path, "base_path", &found) != 0)
        return err_add(err, "'%s': %s", output_host_name(host), found.texts[0]);
    return 0;
}

/* ---- files ---- */

/* Dots separate folders; a name without anything between them is none. */
static int path_of(const struct whisper_state *whisper, const struct carbon_line *line,
                   char path[PATH_MAX])
{
    size_t base_len = strlen(whisper->base_path), at = base_len;
    if (line->name_len + base_len + 1 + SUFFIX_SIZE > PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(path, whisper->base_path, base_len);
    path[at++] = '/';
    for (size_t i = 0; i < line->name_len; i++) {
        bool is_end = line->name[i] == '.' || line->name[i] == '/';
        if (!is_end || path[at - 1] != '/')
            path[at++] = is_end ? '/' : line->name[i];
    }
    while (at > base_len && path[at - 1] == '/')
        at--;
    if (at <= base_len)
        return -EINVAL;
    memcpy(path + at, ".wsp", SUFFIX_SIZE);
    return 0;
}

static void forget(struct cached_file *cached)
{
    if (cached->path == NULL)
        return;
    whisper_file_close(&cached->file);
    free(cached->path);
    cached->path = NULL;
}

static void forget_all(struct whisper_state *whisper)
{
    for (unsigned i = 0; i < SETS; i++)
        for (unsigned k = 0; k < WAYS; k++)
            forget(&whisper->files[i][k]);
}

/* FNV-1a. */
static unsigned set_of(const char *path)
{
    uint32_t hash = 2166136261U;
    for (; *path != '\0'; path++)
        hash = (hash ^ (uint8_t)*path) * 16777619U;
    return hash % SETS;
}

/* The file of that path if it is open; else NULL and `*oldest` can be used for it. */
static struct cached_file *find_open(struct whisper_state *whisper, const char *path,
                                     struct cached_file **oldest)
{
    struct cached_file *set = whisper->files[set_of(path)];
    *oldest = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].path != NULL && strcmp(set[i].path, path) == 0)
            return &set[i];
        if (set[i].path == NULL || ((*oldest)->path != NULL && set[i].used < (*oldest)->used))
            *oldest = &set[i];
    }
    return NULL;
}

static int make_file(struct whisper_state *whisper, const char *path)
{
    char folder[PATH_MAX];
    if (folder_of(path, folder, sizeof(folder)) != 0)
        return -ENAMETOOLONG;
    int rc = folder_make(folder, whisper->folder_mode);
    if (rc == 0)
        rc = whisper_file_make(path, &whisper->layout);
    if (rc == 0)
        output_host_count(whisper->host, CREATED, 1);
    return rc == -EEXIST ? 0 : rc;
}

static int get_file(struct whisper_state *whisper, const char *path, struct cached_file **out)
{
    struct cached_file *oldest;
    *out = find_open(whisper, path, &oldest);
    if (*out != NULL)
        return 0;
    forget(oldest);
    int rc = whisper_file_open(&oldest->file, path);
    if (rc == -ENOENT) {
        rc = make_file(whisper, path);
        if (rc == 0)
            rc = whisper_file_open(&oldest->file, path);
    }
    if (rc != 0)
        return rc;
    oldest->path = strdup(path);
    if (oldest->path == NULL) {
        whisper_file_close(&oldest->file);
        return -ENOMEM;
    }
    output_host_count(whisper->host, OPENS, 1);
    *out = oldest;
    return 0;
}

/* ---- points ---- */

/* What may be over soon; another error is the file's own, and stays. */
static bool is_passing(int code)
{
    return code == -ENOSPC || code == -EDQUOT || code == -EMFILE || code == -ENFILE ||
           code == -ENOMEM || code == -EIO || code == -EROFS;
}

static int put_point(struct whisper_state *whisper, const char *path,
                     const struct carbon_line *line)
{
    struct cached_file *cached;
    uint32_t now_s = (uint32_t)(clock_wall_ns() / CLOCK_NS_PER_S);
    int rc = get_file(whisper, path, &cached);
    if (rc != 0)
        return rc;
    cached->used = ++whisper->turn;
    rc = whisper_file_update(&cached->file, line->time_s, line->value, now_s, &whisper->scratch);
    if (rc != 0 && rc != WHISPER_E_NOT_COVERED)
        forget(cached); /* a fresh start for the next one */
    return rc;
}

/* 0, or negative when the line has to come again. `*is_put`: it has become a point. */
static int put_line(struct whisper_state *whisper, const struct carbon_line *line, bool *is_put)
{
    char path[PATH_MAX];
    *is_put = false;
    if (!line->is_good || path_of(whisper, line, path) != 0) {
        output_host_count(whisper->host, BAD_LINES, 1);
        return 0;
    }
    int rc = put_point(whisper, path, line);
    if (is_passing(rc))
        return output_host_fail(whisper->host, rc, "%s: %s", path, strerror(-rc));
    *is_put = rc == 0;
    if (rc == WHISPER_E_NOT_COVERED) {
        output_host_count(whisper->host, NOT_COVERED, 1);
    } else if (rc != 0) {
        output_host_count(whisper->host, BAD_FILES, 1);
        trouble_say(&whisper->trouble, "%s: %s", path, whisper_error_text(rc));
    }
    return 0;
}

static int put_message(struct whisper_state *whisper, const struct msg_slice *payload)
{
    struct carbon_line line;
    size_t offset = 0;
    uint64_t lines = 0, points = 0;
    while (carbon_lines_next(payload->ptr, payload->len, &offset, &line)) {
        bool is_put;
        int rc = put_line(whisper, &line, &is_put);
        if (rc != 0)
            return rc;
        lines++;
        points += is_put;
    }
    output_host_count(whisper->host, POINTS, points);
    if (points == 0)
        output_host_drop(whisper->host, lines > 0 ? "bad_line" : "no_lines");
    return 0;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct whisper_state *whisper = state;
    for (unsigned i = 0; i < count; i++) {
        int rc = output_host_stopping(whisper->host)
                     ? -ECANCELED
                     : put_message(whisper, &items[i].message.payload);
        if (rc != 0)
            return i > 0 ? (int)i : rc == -ECANCELED ? 0 : rc;
    }
    return (int)count;
}

/* Files that somebody has replaced are opened again. */
static void reload(void *state)
{
    struct whisper_state *whisper = state;
    forget_all(whisper);
}

static void fini(void *state)
{
    struct whisper_state *whisper = state;
    forget_all(whisper);
    buffer_fini(&whisper->scratch);
}

const struct output_ops whisper_output = {
    .plugin = {PLUGIN_ABI, "WhisperOutput", &schema, sizeof(struct whisper_options),
               sizeof(struct whisper_state)},
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .reload = reload,
    .fini = fini,
};
