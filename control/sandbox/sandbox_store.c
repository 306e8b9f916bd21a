/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/sandbox/sandbox_section.h"

enum { READ_PART = 65536, TEXT_MAX = 4 << 20 };

static const char *const suffixes[] = {".lua", ".toml"};
enum { SUFFIX_COUNT = sizeof(suffixes) / sizeof(suffixes[0]) };

static int make_path(const struct sandbox_store *store, const char *name, const char *suffix,
                     const char *more, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s%s%s", store->dir, name, suffix, more);
    return len >= 0 && len < PATH_MAX ? 0 : -1;
}

int sandbox_store_script(const struct sandbox_store *store, const char *name, char *path,
                         size_t size)
{
    int len = snprintf(path, size, "%s/%s.lua", store->dir, name);
    return len >= 0 && (size_t)len < size ? 0 : -1;
}

/* ---- writing ---- */

static int write_all(int fd, struct msg_slice text)
{
    while (text.len > 0) {
        ssize_t size = write(fd, text.ptr, text.len);
        if (size <= 0)
            return size < 0 ? -errno : -EIO;
        text.ptr += size;
        text.len -= (uint32_t)size;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static int write_file(const char *path, struct msg_slice text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? -errno : write_all(fd, text);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* NAME.x.new is there; what was NAME.x becomes NAME.x.old. */
static int put_one(const struct sandbox_store *store, const char *name, unsigned i)
{
    char path[PATH_MAX], old[PATH_MAX], new[PATH_MAX];
    if (make_path(store, name, suffixes[i], "", path) != 0 ||
        make_path(store, name, suffixes[i], ".old", old) != 0 ||
        make_path(store, name, suffixes[i], ".new", new) != 0)
        return -ENAMETOOLONG;
    if (rename(path, old) != 0 && errno != ENOENT)
        return -errno;
    return rename(new, path) == 0 ? 0 : -errno;
}

int sandbox_store_put(const struct sandbox_store *store, const char *name, struct msg_slice script,
                      struct msg_slice section, struct err *err)
{
    const struct msg_slice texts[SUFFIX_COUNT] = {script, section};
    int rc = 0;
    for (unsigned i = 0; i < SUFFIX_COUNT && rc == 0; i++) {
        char new[PATH_MAX];
        rc = make_path(store, name, suffixes[i], ".new", new) == 0 ? write_file(new, texts[i])
                                                                   : -ENAMETOOLONG;
    }
    for (unsigned i = 0; i < SUFFIX_COUNT && rc == 0; i++)
        rc = put_one(store, name, i);
    if (rc != 0)
        return err_add(err, "%s/%s: cannot be written: %s", store->dir, name, strerror(-rc));
    return 0;
}

static void remove_one(const struct sandbox_store *store, const char *name, unsigned i,
                       const char *more)
{
    char path[PATH_MAX];
    if (make_path(store, name, suffixes[i], more, path) == 0)
        unlink(path);
}

void sandbox_store_keep(const struct sandbox_store *store, const char *name)
{
    for (unsigned i = 0; i < SUFFIX_COUNT; i++)
        remove_one(store, name, i, ".old");
}

void sandbox_store_go_back(const struct sandbox_store *store, const char *name)
{
    for (unsigned i = 0; i < SUFFIX_COUNT; i++) {
        char path[PATH_MAX], old[PATH_MAX];
        if (make_path(store, name, suffixes[i], "", path) == 0 &&
            make_path(store, name, suffixes[i], ".old", old) == 0 && rename(old, path) != 0)
            unlink(path);
    }
}

void sandbox_store_remove(const struct sandbox_store *store, const char *name)
{
    static const char *const mores[] = {"", ".old", ".new"};
    for (unsigned i = 0; i < SUFFIX_COUNT; i++)
        for (unsigned j = 0; j < sizeof(mores) / sizeof(mores[0]); j++)
            remove_one(store, name, i, mores[j]);
}

/* ---- reading ---- */

int sandbox_store_read(const struct sandbox_store *store, const char *name, const char *suffix,
                       struct buffer *out, struct err *err)
{
    char path[PATH_MAX];
    ssize_t size = 0;
    int fd = make_path(store, name, suffix, "", path) == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int rc = fd < 0 ? -errno : 0;
    while (rc == 0) {
        rc = out->size > TEXT_MAX ? -EFBIG : buffer_reserve(out, READ_PART);
        size = rc == 0 ? read(fd, out->data + out->size, READ_PART) : 0;
        if (size <= 0)
            break;
        out->size += (size_t)size;
    }
    if (size < 0)
        rc = -errno;
    if (fd >= 0)
        close(fd);
    return rc == 0 ? 0 : err_add(err, "%s: cannot be read: %s", path, strerror(-rc));
}

/* The part before `end`, if the name begins with "MANAGER-" and ends so; the name is cut there. */
static bool take_name(char *name, const char *manager, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end), manager_len = strlen(manager);
    if (len <= end_len + manager_len + 1 || strcmp(name + len - end_len, end) != 0 ||
        strncmp(name, manager, manager_len) != 0 || name[manager_len] != '-')
        return false;
    name[len - end_len] = '\0';
    return true;
}

static void each_ending(const struct sandbox_store *store, const char *manager, const char *end,
                        void (*visit)(void *arg, const char *name), void *arg)
{
    struct dirent **entries = NULL;
    int count = scandir(store->dir, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (take_name(entries[i]->d_name, manager, end))
            visit(arg, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void go_back(void *arg, const char *name)
{
    sandbox_store_go_back(arg, name);
}

void sandbox_store_each(const struct sandbox_store *store, const char *manager,
                        void (*visit)(void *arg, const char *name), void *arg)
{
    struct sandbox_store own = *store;
    each_ending(store, manager, ".toml.old", go_back, &own);
    each_ending(store, manager, ".toml", visit, arg);
}
