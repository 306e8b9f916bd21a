/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue_folder.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum { CAPACITY_MIN = 16 };

int queue_position_compare(struct queue_position a, struct queue_position b)
{
    if (a.id != b.id)
        return a.id < b.id ? -1 : 1;
    return (a.offset > b.offset) - (a.offset < b.offset);
}

/* ---- names ---- */

void queue_folder_path(const char *dir, const char *name, char path[QUEUE_PATH_SIZE])
{
    int len = snprintf(path, QUEUE_PATH_SIZE, "%s/%s", dir, name);
    CHECK(len > 0 && len < QUEUE_PATH_SIZE); /* queue_open() and the tools refuse longer folders */
}

void queue_folder_file_path(const char *dir, uint32_t id, char path[QUEUE_PATH_SIZE])
{
    char name[24];
    snprintf(name, sizeof(name), "%" PRIu32 ".log", id);
    queue_folder_path(dir, name, path);
}

/* Bytes of the UTF-8 character at `at`; 1 for a byte that begins none, as Go counts. */
static size_t character_size(const unsigned char *at)
{
    size_t size = *at >= 0xF0 && *at <= 0xF4   ? 4
                  : *at >= 0xE0 && *at <= 0xEF ? 3
                  : *at >= 0xC2 && *at <= 0xDF ? 2
                                               : 1;
    unsigned low = *at == 0xE0 ? 0xA0 : *at == 0xF0 ? 0x90 : 0x80;
    unsigned high = *at == 0xED ? 0x9F : *at == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < size; i++) {
        if (at[i] < (i == 1 ? low : 0x80) || at[i] > (i == 1 ? high : 0xBF))
            return 1;
    }
    return size;
}

int queue_dir(const char *base_dir, const char *name, char path[QUEUE_PATH_SIZE])
{
    char word[QUEUE_NAME_SIZE];
    size_t len = 0;
    const unsigned char *at = (const unsigned char *)name;
    while (*at != '\0' && len + 1 < sizeof(word)) {
        bool is_word = (*at < 0x80 && isalnum(*at)) || *at == '_';
        word[len++] = is_word ? (char)*at : '_';
        at += character_size(at);
    }
    word[len] = '\0';
    if (len == 0)
        return -EINVAL;
    /* Room for the longest name in it. */
    int size = snprintf(path, QUEUE_PATH_SIZE - 24, "%s/" QUEUE_FOLDER "/%s", base_dir, word);
    return *at != '\0' || size < 0 || size >= QUEUE_PATH_SIZE - 24 ? -ENAMETOOLONG : 0;
}

/* A decimal number without sign; `end` behind it. False when there is none or it is above `max`. */
static bool parse_number(const char *text, size_t size, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return size > 0;
}

/* ---- files ---- */

int queue_folder_reserve(struct queue_folder *folder)
{
    if (folder->count < folder->capacity)
        return 0;
    if (folder->count >= QUEUE_FILES_MAX)
        return -E2BIG;
    unsigned capacity = folder->capacity > 0 ? folder->capacity * 2 : CAPACITY_MIN;
    struct queue_file *files = realloc(folder->files, capacity * sizeof(*files));
    if (files == NULL)
        return -ENOMEM;
    folder->files = files;
    folder->capacity = capacity;
    return 0;
}

void queue_folder_add(struct queue_folder *folder, struct queue_file file)
{
    CHECK(folder->count < folder->capacity);
    CHECK(folder->count == 0 || folder->files[folder->count - 1].id < file.id);
    folder->files[folder->count++] = file;
    folder->bytes += file.size;
}

void queue_folder_remove(struct queue_folder *folder, unsigned index)
{
    CHECK(index < folder->count);
    folder->bytes -= folder->files[index].size;
    folder->count--;
    memmove(&folder->files[index], &folder->files[index + 1],
            (folder->count - index) * sizeof(folder->files[0]));
}

unsigned queue_folder_find(const struct queue_folder *folder, uint64_t id)
{
    unsigned low = 0, high = folder->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (folder->files[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct listing {
    const struct queue_io *io;
    const char *dir;
    struct queue_folder *folder;
};

static int list_name(void *arg, const char *name)
{
    struct listing *listing = arg;
    struct queue_folder *folder = listing->folder;
    uint64_t id;
    char path[QUEUE_PATH_SIZE];
    size_t len = strlen(name);
    if (len < 4 || strcmp(name + len - 4, ".log") != 0)
        return 0;
    if (!parse_number(name, len - 4, UINT32_MAX, &id) || (name[0] == '0' && len > 5)) {
        folder->left_alone++;
        return 0;
    }
    queue_folder_file_path(listing->dir, (uint32_t)id, path);
    int64_t size = listing->io->size(listing->io->context, path);
    if (size == -EINVAL || size == -ENOENT) {
        folder->left_alone++;
        return 0;
    }
    int rc = size < 0 ? (int)size : queue_folder_reserve(folder);
    if (rc != 0)
        return rc;
    folder->files[folder->count++] =
        (struct queue_file){.id = (uint32_t)id, .is_sealed = true, .size = (uint64_t)size};
    folder->bytes += (uint64_t)size;
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct queue_file *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

int queue_folder_list(const struct queue_io *io, const char *dir, struct queue_folder *folder)
{
    struct listing listing = {.io = io, .dir = dir, .folder = folder};
    int rc = io->list(io->context, dir, list_name, &listing);
    if (rc == 0 && folder->count > 0)
        qsort(folder->files, folder->count, sizeof(folder->files[0]), compare_files);
    return rc;
}

void queue_folder_fini(struct queue_folder *folder)
{
    free(folder->files);
    *folder = (struct queue_folder){0};
}

/* ---- the folder itself ---- */

/* Makes one folder. Its name becomes durable when it was made now, and when it `is_ours`: an
 * earlier run may have died between making it and that. */
static int make_one(const struct queue_io *io, const char *path, bool is_ours)
{
    char parent[QUEUE_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    int rc = io->make_dir(io->context, path);
    if (rc != 0 && rc != -EEXIST)
        return rc;
    if ((rc == -EEXIST && !is_ours) || slash == NULL || slash == path)
        return 0;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    return io->sync_dir(io->context, parent);
}

static unsigned count_slashes(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++)
        count += *text == '/';
    return count;
}

int queue_folder_make(const struct queue_io *io, const char *dir)
{
    char parts[QUEUE_PATH_SIZE];
    size_t len = strlen(dir);
    if (len >= sizeof(parts))
        return -ENAMETOOLONG;
    memcpy(parts, dir, len + 1);
    for (size_t at = 1; at <= len; at++) {
        char end = parts[at];
        if ((end != '/' && end != '\0') || parts[at - 1] == '/')
            continue;
        bool is_ours = count_slashes(dir + at) <= 1; /* output_queue and the one in it */
        parts[at] = '\0';
        int rc = make_one(io, parts, is_ours);
        parts[at] = end;
        if (rc != 0 && is_ours)
            return rc; /* what is above may be there although it cannot be made or seen */
    }
    return 0;
}

/* ---- checkpoint ---- */

int queue_checkpoint_parse(const char *text, size_t size, struct queue_position *position,
                           const char **why)
{
    uint64_t id, offset;
    if (size > 0 && text[size - 1] == '\n') /* somebody's editor */
        size--;
    const char *space = memchr(text, ' ', size);
    if (space == NULL || size > QUEUE_CHECKPOINT_SIZE) {
        *why = "invalid checkpoint format";
        return -EINVAL;
    }
    size_t id_len = (size_t)(space - text);
    if (!parse_number(text, id_len, UINT32_MAX, &id)) {
        *why = "invalid checkpoint id";
        return -EINVAL;
    }
    if (!parse_number(space + 1, size - id_len - 1, INT64_MAX, &offset)) {
        *why = "invalid checkpoint offset";
        return -EINVAL;
    }
    *position = (struct queue_position){.id = (uint32_t)id, .offset = offset};
    return 0;
}

static void copy_printable(char *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
    text[size] = '\0';
}

int queue_checkpoint_read(const struct queue_io *io, const char *dir,
                          struct queue_position *position, char text[QUEUE_CHECKPOINT_SIZE + 1],
                          const char **why)
{
    char path[QUEUE_PATH_SIZE], bytes[QUEUE_CHECKPOINT_SIZE + 2];
    size_t size = 0;
    int64_t got;
    text[0] = '\0';
    queue_folder_path(dir, QUEUE_CHECKPOINT_NAME, path);
    int file = io->open(io->context, path, QUEUE_OPEN_READ);
    if (file < 0)
        return file;
    do {
        got = io->read(io->context, file, bytes + size, sizeof(bytes) - size, size);
        size += got > 0 ? (size_t)got : 0;
    } while (got > 0 && size < sizeof(bytes));
    io->close(io->context, file);
    if (got < 0)
        return got == -ENOENT ? -EIO : (int)got;
    copy_printable(text, bytes, size < QUEUE_CHECKPOINT_SIZE ? size : QUEUE_CHECKPOINT_SIZE);
    return queue_checkpoint_parse(bytes, size, position, why);
}

int queue_checkpoint_write(const struct queue_io *io, const char *dir,
                           struct queue_position position)
{
    char path[QUEUE_PATH_SIZE], temp[QUEUE_PATH_SIZE], text[QUEUE_CHECKPOINT_SIZE];
    queue_folder_path(dir, QUEUE_CHECKPOINT_NAME, path);
    queue_folder_path(dir, QUEUE_CHECKPOINT_TEMP, temp);
    int len = snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu64, position.id, position.offset);
    int file = io->open(io->context, temp, QUEUE_OPEN_REPLACE);
    if (file < 0)
        return file;
    int rc = queue_io_write_all(io, file, text, (size_t)len, 0);
    if (rc == 0)
        rc = io->sync(io->context, file);
    int closed = io->close(io->context, file);
    if (rc == 0)
        rc = closed;
    if (rc == 0)
        rc = io->rename(io->context, temp, path);
    if (rc != 0) {
        io->unlink(io->context, temp);
        return rc;
    }
    return io->sync_dir(io->context, dir);
}
