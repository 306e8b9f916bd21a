/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/clock.h"

enum { WATCHES_MAX = 1024, EVENTS_SIZE = 16384 };

int logstream_set_init(struct logstream_set *set, const struct logstream_set_config *config,
                       struct err *err)
{
    *set = (struct logstream_set){.config = config, .watch_fd = -1};
    set->pattern = logstream_pattern_new(&config->pattern, err);
    return set->pattern != NULL ? 0 : -1;
}

void logstream_set_fini(struct logstream_set *set)
{
    for (unsigned i = 0; i < set->stream_count; i++)
        logstream_free(set->streams[i]);
    free(set->streams);
    if (set->pattern != NULL && set->watch_fd >= 0)
        close(set->watch_fd);
    logstream_pattern_free(set->pattern);
    *set = (struct logstream_set){.watch_fd = -1};
}

/* ---- watching ---- */

void logstream_set_watch(struct logstream_set *set)
{
    if (set->watch_fd < 0)
        set->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

/* A folder that is watched already keeps its watch; one that is gone has lost it by itself. */
static void watch_folders(struct logstream_set *set, const struct logstream_scan *scan)
{
    for (unsigned i = 0; set->watch_fd >= 0 && i < scan->folder_count && i < WATCHES_MAX; i++)
        inotify_add_watch(set->watch_fd, scan->folders[i],
                          IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
    set->watched = scan->folder_count < WATCHES_MAX ? scan->folder_count : WATCHES_MAX;
}

bool logstream_set_has_changed(struct logstream_set *set)
{
    _Alignas(struct inotify_event) char events[EVENTS_SIZE];
    bool has_changed = false;
    while (set->watch_fd >= 0 && read(set->watch_fd, events, sizeof(events)) > 0)
        has_changed = true;
    return has_changed;
}

/* ---- scanning ---- */

static int order_of_names(const void *a, const void *b)
{
    return strcmp((*(struct logstream *const *)a)->name, (*(struct logstream *const *)b)->name);
}

static struct logstream *find(const struct logstream_set *set, const char *name)
{
    unsigned first = 0, end = set->stream_count;
    while (first < end) {
        unsigned middle = first + (end - first) / 2;
        int order = strcmp(set->streams[middle]->name, name);
        if (order == 0)
            return set->streams[middle];
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

static void start_at_tail(struct logstream *stream, struct err *notes)
{
    int rc = logstream_start_at_tail(stream);
    if (rc < 0)
        err_add(notes, "%s: its end cannot be found: %s", stream->name, strerror(-rc));
}

/* Not yet in its place. NULL: no memory. */
static struct logstream *add(struct logstream_set *set, const char *name, struct err *notes)
{
    struct logstream **grown =
        realloc(set->streams, (set->stream_count + 1) * sizeof(*set->streams));
    if (grown == NULL)
        return NULL;
    set->streams = grown;
    struct logstream *stream = logstream_new(name, set->config->journal_dir, notes);
    if (stream != NULL)
        set->streams[set->stream_count++] = stream;
    return stream;
}

/* The list goes to the stream. */
static int take_found(struct logstream_set *set, unsigned known, struct logstream_found *found,
                      struct err *notes)
{
    struct logstream_set named = {.streams = set->streams, .stream_count = known};
    struct logstream *stream = find(&named, found->name);
    bool is_new = stream == NULL;
    if (is_new && set->stream_count >= LOGSTREAM_STREAMS_MAX) {
        err_add(notes, "%s: more than %d streams, it is left out", found->name,
                LOGSTREAM_STREAMS_MAX);
        return 0;
    }
    if (is_new)
        stream = add(set, found->name, notes);
    if (stream == NULL)
        return -ENOMEM;
    logstream_update(stream, found->entries, found->count);
    found->entries = NULL;
    found->count = 0;
    if (is_new && !set->has_scanned && set->config->initial_tail)
        start_at_tail(stream, notes);
    return 0;
}

/* Streams that have no files any more: both lists are in the order of their names. */
static void update_missing(struct logstream_set *set, const struct logstream_scan *scan)
{
    unsigned at = 0;
    for (unsigned i = 0; i < set->stream_count; i++) {
        while (at < scan->stream_count && strcmp(scan->streams[at].name, set->streams[i]->name) < 0)
            at++;
        if (at == scan->stream_count || strcmp(scan->streams[at].name, set->streams[i]->name) != 0)
            logstream_update(set->streams[i], NULL, 0);
    }
}

int logstream_set_scan(struct logstream_set *set, struct err *notes)
{
    const struct logstream_scan_config config = {
        .pattern = set->pattern,
        .file_match = set->config->pattern.file_match,
        .oldest_ns = set->config->oldest_ns,
        .now_ns = (int64_t)clock_wall_ns(),
    };
    struct logstream_scan scan;
    uint64_t start_ns = clock_mono_ns();
    unsigned known = set->stream_count;
    int rc = logstream_scan(&config, &scan, notes);
    if (rc != 0)
        return rc;
    watch_folders(set, &scan);
    update_missing(set, &scan);
    for (unsigned i = 0; rc == 0 && i < scan.stream_count; i++)
        rc = take_found(set, known, &scan.streams[i], notes);
    if (set->stream_count > known)
        qsort(set->streams, set->stream_count, sizeof(*set->streams), order_of_names);
    set->unsorted_count = scan.unsorted_count;
    logstream_scan_fini(&scan);
    set->has_scanned = true;
    set->scan_ns = clock_mono_ns() - start_ns;
    return rc;
}

void logstream_set_drop(struct logstream_set *set, unsigned index)
{
    logstream_free(set->streams[index]);
    memmove(&set->streams[index], &set->streams[index + 1],
            (set->stream_count - index - 1) * sizeof(*set->streams));
    set->stream_count--;
}
