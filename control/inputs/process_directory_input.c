/* SPDX-License-Identifier: MPL-2.0
 *
 * process_directory_input.c - ProcessDirectoryInput: a ProcessInput for each file of a folder.
 *
 * Place:   builtin_inputs; the ProcessInputs are dynamic sections (control/dynamic.h).
 * Threads: the host's.
 * Memory:  the text of each section.
 * Failure: a file that is wrong is in the log, once; one that was good before stays in force as it
 *          was. It is looked at again at the next tick.
 * Bounds:  FILES_MAX files.
 * Source:  Heka 0.11 ProcessDirectoryInput: process_dir/SECONDS/NAME.toml; log lines. Here a change
 *          of any option is a change.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/dynamic.h"
#include "control/inputs/inputs.h"
#include "control/inputs/process_file.h"
#include "core/clock.h"
#include "core/log.h"

enum { FILES_MAX = DYNAMIC_SECTIONS_MAX, NAME_SIZE = 256, LOOK_MS = 500, TOLD_MAX = 64 };

enum { PROCESSES, SCANS, BAD_FILES };
static const struct input_counter counters[] = {
    [PROCESSES] = {"processes", "files that are ProcessInputs now"},
    [SCANS] = {"scans", "times that the folder was searched"},
    [BAD_FILES] = {"bad_files", "files that could not be taken, each time"},
    {NULL, NULL},
};

struct directory_options {
    const char *process_dir;
    int64_t ticker_interval; /* s */
};

#define DIRECTORY(member) .key = #member, .offset = offsetof(struct directory_options, member)
static const struct schema_key keys[] = {
    {DIRECTORY(process_dir), .type = SCHEMA_STRING, .def = "processes",
     .help = "Folder of folders SECONDS with files NAME.toml, each with a [ProcessInput]; relative "
             "to share_dir."},
    {DIRECTORY(ticker_interval), .type = SCHEMA_INT, .min = 1, .max = UINT32_MAX, .def = "300",
     .unit = "s", .help = "Time between two searches of the folder."},
    {0},
};
static const struct schema schema = {"ProcessDirectoryInput", keys};

struct entry { /* a file that was put */
    char name[NAME_SIZE];
    char *path, *text;
    bool is_there; /* found by the scan that is under way */
    bool has_told; /* that it failed */
};

struct directory_state {
    struct input_host *host;
    const struct directory_options *options;
    char dir[PATH_MAX];
    struct entry *entries;
    unsigned count;
    uint64_t told[2][TOLD_MAX]; /* sums of what the last scan and this one complained of */
    unsigned told_counts[2];
};

/* ---- names ---- */

/* The path as a name of a section, which dots and brackets have no place in. */
static int name_of(const struct directory_state *state, const char *seconds, const char *file,
                   char name[NAME_SIZE])
{
    size_t stem = strlen(file) - strlen(".toml");
    int len = snprintf(name, NAME_SIZE, "%s-%s-%.*s", input_host_name(state->host), seconds,
                       (int)stem, file);
    if (len < 0 || len >= NAME_SIZE)
        return -1;
    for (char *at = name; *at != '\0'; at++) {
        if (strchr(".[]/# \t", *at) != NULL || (unsigned char)*at < ' ')
            *at = '_';
    }
    return 0;
}

static struct entry *find(struct directory_state *state, const char *name)
{
    for (unsigned i = 0; i < state->count; i++) {
        if (strcmp(state->entries[i].name, name) == 0)
            return &state->entries[i];
    }
    return NULL;
}

/* ---- what is said ---- */

/* Each scan says what is wrong; the same again is not said. */
__attribute__((format(printf, 2, 3))) static void complain(struct directory_state *state,
                                                           const char *format, ...)
{
    char line[ERR_TEXT_SIZE + PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    uint64_t sum = 5381;
    for (const char *at = line; *at != '\0'; at++)
        sum = sum * 33 + (unsigned char)*at;
    input_host_count(state->host, BAD_FILES, 1);
    if (state->told_counts[1] < TOLD_MAX)
        state->told[1][state->told_counts[1]++] = sum;
    for (unsigned i = 0; i < state->told_counts[0]; i++) {
        if (state->told[0][i] == sum)
            return;
    }
    log_error("Input '%s' error: %s", input_host_name(state->host), line);
}

/* ---- files ---- */

static void forget(struct directory_state *state, struct entry *entry)
{
    free(entry->path);
    free(entry->text);
    *entry = state->entries[--state->count];
}

static struct entry *remember(struct directory_state *state, const char *name, const char *path)
{
    if (state->count == FILES_MAX)
        return NULL;
    struct entry *entry = &state->entries[state->count];
    *entry = (struct entry){.path = strdup(path)};
    if (entry->path == NULL)
        return NULL;
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    state->count++;
    return entry;
}

static void put(struct directory_state *state, const char *path, const char *name, const char *text,
                struct err *err)
{
    struct entry *entry = find(state, name);
    bool is_new = entry == NULL;
    if (!is_new && strcmp(entry->path, path) != 0) {
        complain(state, "loading process file '%s': its name is too like that of '%s'", path,
                 entry->path);
        return;
    }
    if (!is_new)
        entry->is_there = true;
    if (!is_new && entry->text != NULL && strcmp(entry->text, text) == 0)
        return;
    if (dynamic_put(input_host_dynamic(state->host), input_host_name(state->host), name, text,
                    err) != 0)
        return;
    if (is_new)
        entry = remember(state, name, path);
    if (entry == NULL) {
        err_add(err, "out of memory, or too many files");
        return;
    }
    log_info("Input '%s': %s: %s", input_host_name(state->host), is_new ? "Added" : "Changed",
             path);
    free(entry->text);
    entry->text = strdup(text);
    entry->is_there = true;
    entry->has_told = false;
}

static void see_file(struct directory_state *state, const char *seconds, int64_t interval_s,
                     const char *file)
{
    char path[PATH_MAX], name[NAME_SIZE];
    struct buffer text = {.max_size = DYNAMIC_TEXT_MAX};
    struct err *err = calloc(1, sizeof(*err));
    int len = snprintf(path, sizeof(path), "%s/%s/%s", state->dir, seconds, file);
    if (err == NULL)
        return;
    if (len < 0 || (size_t)len >= sizeof(path) || name_of(state, seconds, file, name) != 0)
        err_add(err, "its name is too long");
    else if (process_file_section(path, name, interval_s, &text, err) == 0)
        put(state, path, name, text.data, err);
    if (err->count > 0) {
        struct entry *entry = find(state, name);
        if (entry != NULL) /* it goes on as it was */
            entry->is_there = true;
        complain(state, "loading process file '%s': %s", path, err->texts[0]);
    }
    buffer_fini(&text);
    free(err);
}

static bool is_toml(const char *name)
{
    size_t len = strlen(name);
    return len > strlen(".toml") && strcmp(name + len - strlen(".toml"), ".toml") == 0;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Files deeper down are said, as Heka does. */
static void see_folder(struct directory_state *state, const char *folder, const char *seconds,
                       int64_t interval_s)
{
    char path[PATH_MAX];
    struct dirent **found;
    int count = scandir(folder, &found, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *file = found[i]->d_name;
        int len = snprintf(path, sizeof(path), "%s/%s", folder, file);
        bool fits = len > 0 && (size_t)len < sizeof(path);
        if (fits && file[0] != '.' && is_folder(path))
            complain(state, "invalid ProcessInput path: %s.", path);
        else if (fits && file[0] != '.' && is_toml(file))
            see_file(state, seconds, interval_s, file);
        free(found[i]);
    }
    if (count < 0)
        complain(state, "walking '%s': %s", folder, strerror(errno));
    else
        free(found);
}

static void see(struct directory_state *state, const char *name)
{
    char path[PATH_MAX], *end;
    int len = snprintf(path, sizeof(path), "%s/%s", state->dir, name);
    if (len < 0 || (size_t)len >= sizeof(path) || name[0] == '.')
        return;
    if (!is_folder(path)) {
        if (is_toml(name))
            complain(state, "invalid ProcessInput path: %s.", path);
        return;
    }
    errno = 0;
    long long seconds = strtoll(name, &end, 10);
    if (*end != '\0' || end == name || errno != 0 || seconds > UINT32_MAX)
        complain(state, "ticker interval could not be parsed for '%s'.", path);
    else if (seconds < 0)
        complain(state, "a negative ticker interval was parsed for '%s'.", path);
    else
        see_folder(state, path, name, seconds);
}

/* ---- scans ---- */

struct names { /* of sections that an earlier instance put */
    char items[FILES_MAX][NAME_SIZE];
    unsigned count;
};

static void collect(void *arg, const struct config_extra *section, enum dynamic_state state,
                    const char *error)
{
    struct names *names = arg;
    (void)state;
    (void)error;
    if (names->count < FILES_MAX)
        snprintf(names->items[names->count++], NAME_SIZE, "%s", section->name);
}

static void remove_others(struct directory_state *state)
{
    struct dynamic *dynamic = input_host_dynamic(state->host);
    const char *owner = input_host_name(state->host);
    struct names *names = calloc(1, sizeof(*names));
    if (names == NULL)
        return;
    dynamic_each(dynamic, owner, collect, names);
    for (unsigned i = 0; i < names->count; i++) {
        if (find(state, names->items[i]) == NULL)
            dynamic_remove(dynamic, owner, names->items[i]);
    }
    free(names);
}

static void remove_missing(struct directory_state *state)
{
    struct dynamic *dynamic = input_host_dynamic(state->host);
    for (unsigned i = state->count; i > 0; i--) {
        struct entry *entry = &state->entries[i - 1];
        if (entry->is_there)
            continue;
        dynamic_remove(dynamic, input_host_name(state->host), entry->name);
        log_info("Input '%s': Removed: %s", input_host_name(state->host), entry->path);
        forget(state, entry);
    }
}

static void scan(struct directory_state *state)
{
    struct dirent **found;
    for (unsigned i = 0; i < state->count; i++)
        state->entries[i].is_there = false;
    int count = scandir(state->dir, &found, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        see(state, found[i]->d_name);
        free(found[i]);
    }
    if (count < 0)
        complain(state, "walking '%s': %s", state->dir, strerror(errno));
    else
        free(found);
    remove_missing(state);
    remove_others(state);
    memcpy(state->told[0], state->told[1], sizeof(state->told[0]));
    state->told_counts[0] = state->told_counts[1];
    state->told_counts[1] = 0;
    input_host_count(state->host, SCANS, 1);
    input_host_set(state->host, PROCESSES, state->count);
}

/* Sections that were good in themselves and could not be brought into force. */
static void tell_failed(struct directory_state *state)
{
    static const char ended[] = "it has ended"; /* without an error */
    char error[ERR_TEXT_SIZE];
    for (unsigned i = 0; i < state->count; i++) {
        struct entry *entry = &state->entries[i];
        enum dynamic_state now =
            dynamic_state(input_host_dynamic(state->host), input_host_name(state->host),
                          entry->name, error, sizeof(error));
        if (now != DYNAMIC_FAILED || entry->has_told)
            continue;
        entry->has_told = true;
        if (strcmp(error, ended) == 0) /* its commands run once */
            continue;
        free(entry->text); /* to be tried again at the next scan */
        entry->text = NULL;
        log_error("Input '%s' error: creating input '%s': %s", input_host_name(state->host),
                  entry->path, error);
    }
}

/* ---- the input ---- */

static int init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    struct directory_state *state = memory;
    state->host = host;
    state->options = config;
    const char *dir = state->options->process_dir;
    int len = dir[0] == '/' ? snprintf(state->dir, sizeof(state->dir), "%s", dir)
                            : snprintf(state->dir, sizeof(state->dir), "%s/%s",
                                       input_host_share_dir(host), dir);
    if (len < 0 || (size_t)len >= sizeof(state->dir))
        return err_add(err, "process_dir: the path is too long");
    state->entries = calloc(FILES_MAX, sizeof(*state->entries));
    return state->entries != NULL ? 0 : err_add(err, "out of memory");
}

static void run(void *memory)
{
    struct directory_state *state = memory;
    uint64_t interval_ns = (uint64_t)state->options->ticker_interval * CLOCK_NS_PER_S;
    uint64_t last_ns = clock_mono_ns();
    scan(state);
    while (input_host_wait(state->host, NULL, 0, LOOK_MS) >= 0) {
        tell_failed(state);
        if (clock_mono_ns() - last_ns < interval_ns)
            continue;
        last_ns += interval_ns;
        scan(state);
    }
}

static void fini(void *memory)
{
    struct directory_state *state = memory;
    while (state->count > 0)
        forget(state, &state->entries[state->count - 1]);
    free(state->entries);
}

const struct input_ops process_directory_input = {
    .plugin = {PLUGIN_ABI, "ProcessDirectoryInput", &schema, sizeof(struct directory_options),
               sizeof(struct directory_state)},
    .restarts = true,
    .counters = counters,
    .init = init,
    .run = run,
    .fini = fini,
};
