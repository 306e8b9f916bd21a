/* SPDX-License-Identifier: MPL-2.0 */
#include "core/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int whole_file_write(int fd, const void *bytes, size_t size)
{
    const char *rest = bytes;
    while (size > 0) {
        ssize_t put = write(fd, rest, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        rest += put;
        size -= (size_t)put;
    }
    return 0;
}

int whole_file_replace(const char *path, const char *fresh, mode_t mode, const void *bytes,
                       size_t size)
{
    if (unlink(fresh) != 0 && errno != ENOENT)
        return -errno;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int rc = whole_file_write(fd, bytes, size);
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(fresh, path) != 0)
        rc = -errno;
    if (rc != 0)
        unlink(fresh);
    return rc;
}
