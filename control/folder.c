/* SPDX-License-Identifier: MPL-2.0 */
#include "control/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_make(const char *path, mode_t mode)
{
    char copy[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(copy))
        return -ENAMETOOLONG;
    memcpy(copy, path, len + 1);
    for (char *at = copy + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return -errno;
        *at = '/';
    }
    return mkdir(copy, mode) != 0 && errno != EEXIST ? -errno : 0;
}

int folder_of(const char *file, char *folder, size_t size)
{
    const char *slash = strrchr(file, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - file);
    if (len + 1 >= size || size < 2)
        return -1;
    memcpy(folder, file, len);
    folder[len] = '\0';
    if (len == 0)
        memcpy(folder, slash != NULL ? "/" : ".", 2);
    return 0;
}

int folder_check(const char *path, const char *what, struct err *err)
{
    char nearest[PATH_MAX], parent[PATH_MAX];
    struct stat status;
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(nearest))
        return err_add(err, "%s: found '%s', allowed a path of up to %d bytes", what, path,
                       PATH_MAX - 1);
    memcpy(nearest, path, len + 1);
    while (stat(nearest, &status) != 0 && errno == ENOENT && strcmp(nearest, ".") != 0 &&
           folder_of(nearest, parent, sizeof(parent)) == 0)
        memcpy(nearest, parent, sizeof(parent));
    if (stat(nearest, &status) != 0)
        return err_add(err, "%s: '%s': %s", what, nearest, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return err_add(err, "%s: '%s' is not a folder", what, nearest);
    if (access(nearest, W_OK | X_OK) != 0)
        return err_add(err, "%s: folder '%s': %s", what, nearest, strerror(errno));
    return 0;
}
