/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"

struct item { /* a file that matches */
    struct logstream_key key;
    struct logstream_entry entry;
};

struct walk {
    const struct logstream_scan_config *config;
    struct err *notes;
    struct item **items;
    unsigned count, capacity;
    char **folders;
    unsigned folder_count, folder_capacity;
    bool is_cut;
    int rc;
};

/* ---- files ---- */

/* Room for one more pointer. */
static int grow(void *array, unsigned count, unsigned *capacity)
{
    void **pointers = *(void ***)array;
    if (count < *capacity)
        return 0;
    unsigned wanted = *capacity > 0 ? 2 * *capacity : 64;
    void *grown = realloc(pointers, wanted * sizeof(*pointers));
    if (grown == NULL)
        return -ENOMEM;
    *(void **)array = grown;
    *capacity = wanted;
    return 0;
}

static void item_free(struct item *item)
{
    if (item != NULL)
        free(item->entry.path);
    free(item);
}

static int add(struct walk *walk, const char *path, const struct logstream_key *key,
               const struct stat *status)
{
    struct item *item = calloc(1, sizeof(*item));
    if (item == NULL || grow(&walk->items, walk->count, &walk->capacity) != 0 ||
        (item->entry.path = strdup(path)) == NULL) {
        item_free(item);
        return -ENOMEM;
    }
    item->key = *key;
    memcpy(item->entry.parts, key->parts, sizeof(key->parts));
    item->entry.dev = status->st_dev;
    item->entry.ino = status->st_ino;
    item->entry.size = (uint64_t)status->st_size;
    item->entry.mtime_ns =
        status->st_mtim.tv_sec * (int64_t)CLOCK_NS_PER_S + status->st_mtim.tv_nsec;
    walk->items[walk->count++] = item;
    return 0;
}

static void see_file(struct walk *walk, const char *path)
{
    const struct logstream_scan_config *config = walk->config;
    struct logstream_key key;
    struct stat status;
    if (logstream_pattern_match(config->pattern, path, &key, walk->notes) != 1)
        return;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) /* gone meanwhile, or no file */
        return;
    if (config->oldest_ns > 0 &&
        config->now_ns - status.st_mtim.tv_sec * (int64_t)CLOCK_NS_PER_S > config->oldest_ns)
        return;
    if (walk->count == LOGSTREAM_FILES_MAX) {
        if (!walk->is_cut)
            err_add(walk->notes, "more than %d files match: the others are left out",
                    LOGSTREAM_FILES_MAX);
        walk->is_cut = true;
        return;
    }
    walk->rc = add(walk, path, &key, &status);
}

static int remember_folder(struct walk *walk, const char *path)
{
    if (grow(&walk->folders, walk->folder_count, &walk->folder_capacity) != 0)
        return -ENOMEM;
    walk->folders[walk->folder_count] = strdup(path);
    return walk->folders[walk->folder_count++] != NULL ? 0 : -ENOMEM;
}

static bool is_folder(const struct dirent *found, const char *path)
{
    struct stat status;
    if (found->d_type != DT_UNKNOWN)
        return found->d_type == DT_DIR;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void walk_folder(struct walk *walk, const char *folder, unsigned depth)
{
    char path[PATH_MAX];
    struct dirent *found;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        if (errno != ENOENT && errno != ENOTDIR)
            err_add(walk->notes, "%s: %s", folder, strerror(errno));
        return;
    }
    walk->rc = remember_folder(walk, folder);
    while (walk->rc == 0 && (found = readdir(dir)) != NULL) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        int len = snprintf(path, sizeof(path), "%s%s%s", folder,
                           strcmp(folder, "/") == 0 ? "" : "/", found->d_name);
        if (len < 0 || (size_t)len >= sizeof(path))
            err_add(walk->notes, "%s/%s: the path is too long", folder, found->d_name);
        else if (!is_folder(found, path))
            see_file(walk, path);
        else if (depth < LOGSTREAM_DEPTH_MAX)
            walk_folder(walk, path, depth + 1);
        else
            err_add(walk->notes, "%s: more than %d folders deep", path, LOGSTREAM_DEPTH_MAX);
    }
    closedir(dir);
}

/* ---- streams ---- */

static int compare(const void *a, const void *b)
{
    const struct item *first = *(struct item *const *)a, *second = *(struct item *const *)b;
    int order = strcmp(first->key.name, second->key.name);
    for (unsigned i = 0; order == 0 && i < LOGSTREAM_PARTS_MAX; i++)
        order = (first->entry.parts[i] > second->entry.parts[i]) -
                (first->entry.parts[i] < second->entry.parts[i]);
    return order != 0 ? order : strcmp(first->entry.path, second->entry.path);
}

/* A file that is being compressed is there twice for a while: the plain one counts. */
static bool is_compressed_twin(const struct logstream_entry *entry,
                               const struct logstream_found *stream)
{
    if (stream->count == 0)
        return false;
    const struct logstream_entry *before = &stream->entries[stream->count - 1];
    size_t len = strlen(before->path);
    return memcmp(entry->parts, before->parts, sizeof(entry->parts)) == 0 &&
           strncmp(entry->path, before->path, len) == 0 && strcmp(entry->path + len, ".gz") == 0;
}

static const char unsorted[] = "Found multiple logfiles without Priority to sort on for name: ";

bool logstream_is_unsorted(const char *note)
{
    return strncmp(note, unsorted, sizeof(unsorted) - 1) == 0;
}

static void note_unsorted(const struct walk *walk, const struct logstream_found *stream)
{
    char files[ERR_TEXT_SIZE];
    size_t len = 0;
    files[0] = '\0';
    for (unsigned i = 0; i < stream->count && len < sizeof(files) - 1; i++) {
        int put = snprintf(files + len, sizeof(files) - len, "%s%s", i > 0 ? " " : "",
                           stream->entries[i].path);
        len += put > 0 ? (size_t)put : 0;
    }
    err_add(walk->notes, "%s%s, filematch: %s, files: [%s]", unsorted, stream->name,
            walk->config->file_match, files);
}

/* The items from `first` on that are of one stream; how many there were. */
static unsigned take_stream(struct walk *walk, unsigned first, struct logstream_scan *scan)
{
    struct logstream_found *stream = &scan->streams[scan->stream_count];
    const char *name = walk->items[first]->key.name;
    unsigned end = first;
    while (end < walk->count && strcmp(walk->items[end]->key.name, name) == 0)
        end++;
    memset(stream, 0, sizeof(*stream));
    memcpy(stream->name, name, sizeof(stream->name));
    stream->entries = calloc(end - first, sizeof(*stream->entries));
    if (stream->entries == NULL) {
        walk->rc = -ENOMEM;
        return end - first;
    }
    for (unsigned i = first; i < end; i++) {
        if (is_compressed_twin(&walk->items[i]->entry, stream))
            continue;
        stream->entries[stream->count++] = walk->items[i]->entry;
        walk->items[i]->entry.path = NULL; /* the stream has it now */
    }
    if (stream->count > 1 && logstream_pattern_part_count(walk->config->pattern) == 0) {
        note_unsorted(walk, stream);
        scan->unsorted_count++;
        logstream_entries_free(stream->entries, stream->count);
        memset(stream, 0, sizeof(*stream));
        return end - first;
    }
    scan->stream_count++;
    return end - first;
}

static unsigned count_names(const struct walk *walk)
{
    unsigned count = 0;
    for (unsigned i = 0; i < walk->count; i++)
        count += i == 0 || strcmp(walk->items[i]->key.name, walk->items[i - 1]->key.name) != 0;
    return count;
}

static int group(struct walk *walk, struct logstream_scan *scan)
{
    if (walk->count > 0)
        qsort(walk->items, walk->count, sizeof(*walk->items), compare);
    unsigned count = count_names(walk);
    if (count > LOGSTREAM_STREAMS_MAX) {
        err_add(walk->notes, "%u streams match, %d are read", count, LOGSTREAM_STREAMS_MAX);
        count = LOGSTREAM_STREAMS_MAX;
    }
    scan->streams = calloc(count + 1, sizeof(*scan->streams));
    if (scan->streams == NULL)
        return -ENOMEM;
    for (unsigned i = 0, taken = 0; i < walk->count && taken < count && walk->rc == 0; taken++)
        i += take_stream(walk, i, scan);
    return walk->rc;
}

int logstream_scan(const struct logstream_scan_config *config, struct logstream_scan *scan,
                   struct err *notes)
{
    struct walk walk = {.config = config, .notes = notes};
    *scan = (struct logstream_scan){0};
    walk_folder(&walk, logstream_pattern_root(config->pattern), 0);
    int rc = walk.rc == 0 ? group(&walk, scan) : walk.rc;
    for (unsigned i = 0; i < walk.count; i++)
        item_free(walk.items[i]);
    free(walk.items);
    scan->folders = walk.folders;
    scan->folder_count = walk.folder_count;
    if (rc != 0)
        logstream_scan_fini(scan);
    return rc;
}

void logstream_entries_free(struct logstream_entry *entries, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(entries[i].path);
    free(entries);
}

void logstream_scan_fini(struct logstream_scan *scan)
{
    for (unsigned i = 0; i < scan->stream_count; i++)
        logstream_entries_free(scan->streams[i].entries, scan->streams[i].count);
    for (unsigned i = 0; i < scan->folder_count; i++)
        free(scan->folders[i]);
    free(scan->folders);
    free(scan->streams);
    *scan = (struct logstream_scan){0};
}
