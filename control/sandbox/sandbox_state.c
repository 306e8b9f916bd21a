/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/folder.h"

enum { FOLDER_MODE = 0700, READ_PART = 1 << 20 };

struct sandbox_state {
    struct sandbox_state *next; /* that was opened before it */
    char path[PATH_MAX], new_path[PATH_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sandbox_state *all; /* the latest first */

/* A name is one part of a path. */
static int set_paths(struct sandbox_state *state, const char *base_dir, const char *name)
{
    char part[NAME_MAX];
    int len = snprintf(part, sizeof(part), "%s", name);
    if (len < 0 || (size_t)len >= sizeof(part) - sizeof(".data.new"))
        return -ENAMETOOLONG;
    for (char *at = part; *at != '\0'; at++)
        if (*at == '/')
            *at = '_';
    len = snprintf(state->path, sizeof(state->path), "%s/sandbox_preservation/%s.data", base_dir,
                   part);
    int new_len = snprintf(state->new_path, sizeof(state->new_path),
                           "%s/sandbox_preservation/%s.data.new", base_dir, part);
    return len >= 0 && new_len >= 0 && (size_t)new_len < sizeof(state->new_path) ? 0
                                                                                 : -ENAMETOOLONG;
}

struct sandbox_state *sandbox_state_open(const char *base_dir, const char *name, struct err *err)
{
    char folder[PATH_MAX];
    struct sandbox_state *state = calloc(1, sizeof(*state));
    int rc = state != NULL ? set_paths(state, base_dir, name) : -ENOMEM;
    snprintf(folder, sizeof(folder), "%s/sandbox_preservation", base_dir);
    if (rc == 0)
        rc = folder_make(folder, FOLDER_MODE);
    if (rc != 0) {
        err_add(err, "'%s': preserve_data: %s: %s", name, folder, strerror(-rc));
        free(state);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    state->next = all;
    all = state;
    pthread_mutex_unlock(&lock);
    return state;
}

void sandbox_state_close(struct sandbox_state *state)
{
    if (state == NULL)
        return;
    pthread_mutex_lock(&lock);
    struct sandbox_state **at = &all;
    while (*at != state)
        at = &(*at)->next;
    *at = state->next;
    pthread_mutex_unlock(&lock);
    free(state);
}

bool sandbox_state_is_mine(const struct sandbox_state *state)
{
    bool is_mine = true;
    pthread_mutex_lock(&lock);
    for (const struct sandbox_state *other = state->next; other != NULL; other = other->next)
        is_mine = is_mine && strcmp(other->path, state->path) != 0;
    pthread_mutex_unlock(&lock);
    return is_mine;
}

const char *sandbox_state_path(const struct sandbox_state *state)
{
    return state->path;
}

/* ---- the file ---- */

int sandbox_state_read(const struct sandbox_state *state, struct buffer *out, struct err *err)
{
    int fd = open(state->path, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? -errno : 0;
    ssize_t size = 1;
    if (rc == -ENOENT)
        return 0;
    while (rc == 0 && size > 0) {
        rc = buffer_reserve(out, READ_PART);
        size = rc == 0 ? read(fd, out->data + out->size, READ_PART) : 0;
        out->size += size > 0 ? (size_t)size : 0;
    }
    if (size < 0)
        rc = -errno;
    if (fd >= 0)
        close(fd);
    return rc == 0 ? 0 : err_add(err, "%s: cannot be read: %s", state->path, strerror(-rc));
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t part = write(fd, bytes, size);
        if (part <= 0)
            return part < 0 ? -errno : -EIO;
        bytes += part;
        size -= (size_t)part;
    }
    return 0;
}

int sandbox_state_write(const struct sandbox_state *state, const void *bytes, size_t size)
{
    int fd = open(state->new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? -errno : write_all(fd, bytes, size);
    if (fd >= 0)
        close(fd);
    if (rc == 0 && rename(state->new_path, state->path) != 0)
        rc = -errno;
    if (rc != 0)
        unlink(state->new_path);
    return rc;
}

void sandbox_state_remove(const struct sandbox_state *state)
{
    unlink(state->path);
}
