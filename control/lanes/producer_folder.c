/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/producer_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/segment.h"

enum { NAME_LEN_MAX = 120, NAME_SIZE = 4 * NAME_LEN_MAX, NUMBER_BASE = 10, HEX_BASE = 16 };

static void escape(const char *name, char *text, size_t size)
{
    size_t len = 0;
    for (unsigned i = 0; name[i] != '\0' && i < NAME_LEN_MAX && len + 4 < size; i++) {
        unsigned char c = (unsigned char)name[i];
        bool is_plain = c < 0x80 && (isalnum(c) || c == '-' || c == '_');
        if (is_plain)
            text[len++] = name[i];
        else
            len += (size_t)snprintf(text + len, size - len, "%%%02X", c);
    }
    text[len] = '\0';
}

int producer_folder_path(const char *run_dir, const char *name, uint64_t number, char *path,
                         size_t size)
{
    char text[NAME_SIZE];
    escape(name, text, sizeof(text));
    int len =
        snprintf(path, size, "%s/producers/%s.%llu", run_dir, text, (unsigned long long)number);
    return len >= 0 && (size_t)len < size ? 0 : -1;
}

void producer_folder_name(const char *folder, char *name, size_t size)
{
    const char *slash = strrchr(folder, '/');
    const char *from = slash != NULL ? slash + 1 : folder;
    const char *end = strrchr(from, '.');
    size_t len = 0;
    if (end == NULL)
        end = from + strlen(from);
    while (from < end && len + 1 < size) {
        char hex[3] = {0};
        if (*from == '%' && end - from >= 3) {
            memcpy(hex, from + 1, 2);
            name[len++] = (char)strtol(hex, NULL, HEX_BASE);
            from += 3;
        } else {
            name[len++] = *from++;
        }
    }
    name[len] = '\0';
}

/* The number behind the last dot; 0: it is none of ours. */
static uint64_t number_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    char *end;
    if (dot == NULL || dot == name || !isdigit((unsigned char)dot[1]))
        return 0;
    errno = 0;
    unsigned long long number = strtoull(dot + 1, &end, NUMBER_BASE);
    return *end == '\0' && errno == 0 && number < INT64_MAX ? number : 0;
}

static int is_ours(const struct dirent *entry)
{
    return number_of(entry->d_name) != 0;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
    uint64_t left = number_of((*a)->d_name), right = number_of((*b)->d_name);
    return left < right ? -1 : left > right;
}

uint64_t producer_folder_each(const char *run_dir, uint64_t below, producer_folder_fn visit,
                              void *arg)
{
    char path[PRODUCER_FOLDER_SIZE], folder[PRODUCER_FOLDER_SIZE + NAME_SIZE];
    struct dirent **entries = NULL;
    uint64_t next = 1;
    snprintf(path, sizeof(path), "%s/producers", run_dir);
    int count = scandir(path, &entries, is_ours, by_number);
    for (int i = 0; i < count; i++) {
        next = number_of(entries[i]->d_name) + 1;
        snprintf(folder, sizeof(folder), "%s/%s", path, entries[i]->d_name);
        if (next <= below)
            visit(arg, folder);
        free(entries[i]);
    }
    free(entries);
    return next;
}

/* The files of a segment, and no others. */
static bool is_segment_file(const char *name)
{
    return strcmp(name, "segment") == 0 || strcmp(name, "cursors") == 0 ||
           strcmp(name, "bell") == 0 || strcmp(name, "lock") == 0 ||
           strncmp(name, "lane.", strlen("lane.")) == 0;
}

void producer_folder_delete(const char *folder)
{
    const struct dirent *entry;
    DIR *dir = opendir(folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (is_segment_file(entry->d_name))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    if (rmdir(folder) != 0 && errno != ENOENT)
        log_error("%s: cannot be deleted: %s", folder, strerror(errno));
}

bool producer_folder_is_drained(const struct segment *segment)
{
    for (unsigned lane = 0; lane < segment->header->lane_count; lane++) {
        for (unsigned i = 0; i < segment->header->consumer_count; i++) {
            struct lane_reader reader;
            int rc = segment_reader_init(segment, lane, i, 0, &reader);
            if (rc != -EAGAIN && (rc != 0 || lane_count_ahead(&reader) > 0))
                return false;
        }
    }
    return true;
}
