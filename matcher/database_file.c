/* SPDX-License-Identifier: MPL-2.0
 *
 * database_file.c - saved rule sets in files: one that a plan names, and the cache by content.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/whole_file.h"
#include "matcher/database.h"
#include "matcher/ruleset_internal.h"

enum { PATH_SIZE = 4096, ENGINE_SIZE = 104, CACHE_ENTRIES_MAX = 4096 };

static int read_all(int fd, struct buffer *out)
{
    struct stat status;
    int rc = fstat(fd, &status) < 0 ? -errno : 0;

    if (rc == 0 && (!S_ISREG(status.st_mode) || status.st_size > RULESET_SAVED_MAX))
        rc = -EFBIG;
    if (rc == 0)
        rc = buffer_reserve(out, (size_t)status.st_size + 1);
    while (rc == 0) {
        ssize_t got = read(fd, out->data + out->size, out->capacity - out->size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        out->size += (size_t)got;
        rc = buffer_reserve(out, 1);
    }
    return rc;
}

static int read_file(const char *path, struct buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? -errno : read_all(fd, out);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- a file that a plan names ---- */

static int load_checked(const char *path, const struct buffer *bytes, const char *digest,
                        struct ruleset **out, struct err *err)
{
    char found[RULESET_DIGEST_LEN + 1];
    struct err *inner = calloc(1, sizeof *inner);
    int rc = inner ? 0 : -ENOMEM;

    ruleset_digest(bytes->data, bytes->size, found);
    if (rc == 0 && strcmp(found, digest) != 0) {
        err_add(inner, "%zu bytes with the digest %s, the plan says %s", bytes->size, found,
                digest);
        rc = -EPROTO;
    }
    if (rc == 0)
        rc = ruleset_load(bytes->data, bytes->size, out, inner);
    if (rc != 0)
        err_add(err, "%s: %s", path, inner && inner->count ? inner->texts[0] : "out of memory");
    free(inner);
    return rc;
}

int ruleset_load_file(const char *path, const char *digest, const struct rule_text *rules,
                      size_t count, struct ruleset **out, struct err *err)
{
    struct buffer bytes = {.max_size = RULESET_SAVED_MAX};
    int rc = read_file(path, &bytes);

    if (rc < 0)
        err_add(err, "%s: %s", path, strerror(-rc));
    else
        rc = load_checked(path, &bytes, digest, out, err);
    buffer_fini(&bytes);
    if (rc == 0 && !ruleset_is_of(*out, rules, count)) {
        ruleset_free(*out);
        *out = NULL;
        err_add(err, "%s: made of other rules than the plan's", path);
        rc = -EPROTO;
    }
    return rc;
}

/* ---- cache ---- */

/* DIR/HASH.rules, by what the set is made of and what compiles it. */
static int cache_path(const char *dir, const struct rule_text *rules, size_t count, char *path)
{
    struct buffer key = {.max_size = RULESET_SAVED_MAX};
    char engine[ENGINE_SIZE] = "";
    char digest[RULESET_DIGEST_LEN + 1];
    int rc = buffer_printf(&key, "%d\n", RULESET_FORMAT);

    ruleset_engine_text(engine, sizeof engine);
    if (rc == 0)
        rc = buffer_append_text(&key, engine);
    if (rc == 0)
        rc = ruleset_append_texts(&key, rules, count);
    if (rc == 0) {
        ruleset_digest(key.data, key.size, digest);
        if (snprintf(path, PATH_SIZE, "%s/%s.rules", dir, digest) >= PATH_SIZE)
            rc = -ENAMETOOLONG;
    }
    buffer_fini(&key);
    return rc;
}

static int load_file(const char *path, struct ruleset **out)
{
    struct buffer bytes = {.max_size = RULESET_SAVED_MAX};
    int rc = read_file(path, &bytes);

    if (rc == 0)
        rc = ruleset_load(bytes.data, bytes.size, out, NULL);
    buffer_fini(&bytes);
    return rc;
}

/* Writes a file of its own and moves it into place, so that a reader never sees half of it. */
static int save_file(const char *path, const struct ruleset *set)
{
    struct buffer bytes = {.max_size = RULESET_SAVED_MAX};
    char fresh[PATH_SIZE + 32];
    int rc = ruleset_save(set, &bytes);

    snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
    if (rc == 0)
        rc = whole_file_replace(path, fresh, 0600, bytes.data, bytes.size);
    buffer_fini(&bytes);
    return rc;
}

struct cache_entry {
    char *path;
    struct timespec used;
};

/* The one used last comes first. */
static int compare_entries(const void *left, const void *right)
{
    const struct cache_entry *a = left;
    const struct cache_entry *b = right;

    if (a->used.tv_sec != b->used.tv_sec)
        return a->used.tv_sec < b->used.tv_sec ? 1 : -1;
    return (a->used.tv_nsec < b->used.tv_nsec) - (a->used.tv_nsec > b->used.tv_nsec);
}

static bool is_cache_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == RULESET_DIGEST_LEN &&
           strncmp(name + RULESET_DIGEST_LEN, ".rules", 6) == 0;
}

static size_t list_cache(const char *dir, DIR *folder, struct cache_entry *entries)
{
    size_t count = 0;

    for (struct dirent *entry; count < CACHE_ENTRIES_MAX && (entry = readdir(folder)) != NULL;) {
        struct stat status;

        if (!is_cache_name(entry->d_name) ||
            fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            asprintf(&entries[count].path, "%s/%s", dir, entry->d_name) < 0)
            continue;
        entries[count++].used = status.st_mtim;
    }
    return count;
}

/* Also takes away what a process left that died while it wrote. */
static void trim_cache(const char *dir)
{
    struct cache_entry *entries = calloc(CACHE_ENTRIES_MAX, sizeof *entries);
    DIR *folder = opendir(dir);
    size_t count = entries && folder ? list_cache(dir, folder, entries) : 0;

    if (count > 0)
        qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 0; i < count; i++) {
        if (i >= RULESET_CACHE_FILES_MAX)
            (void)unlink(entries[i].path);
        free(entries[i].path);
    }
    if (folder)
        closedir(folder);
    free(entries);
}

int ruleset_compile_cached(const char *dir, const struct rule_text *rules, size_t count,
                           struct ruleset **out, enum ruleset_origin *origin, struct err *err)
{
    char path[PATH_SIZE];
    int found = cache_path(dir, rules, count, path);
    int rc;

    *origin = RULESET_CACHED;
    if (found == 0 && load_file(path, out) == 0) {
        if (ruleset_is_of(*out, rules, count)) {
            (void)utimensat(AT_FDCWD, path, NULL, 0); /* used now */
            return 0;
        }
        ruleset_free(*out);
    }
    rc = ruleset_compile(rules, count, out, err);
    if (rc < 0)
        return rc;
    found = found == 0 ? save_file(path, *out) : found;
    if (found == 0)
        trim_cache(dir);
    *origin = found == 0 ? RULESET_COMPILED : RULESET_NOT_SAVED;
    errno = -found;
    return 0;
}
