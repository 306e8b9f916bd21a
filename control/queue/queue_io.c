/* SPDX-License-Identifier: MPL-2.0 */
#include "control/queue/queue_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640, DIR_MODE = 0750 };

static int posix_open(void *context, const char *path, enum queue_open_mode mode)
{
    static const int flags[] = {
        [QUEUE_OPEN_READ] = O_RDONLY,
        [QUEUE_OPEN_WRITE] = O_WRONLY,
        [QUEUE_OPEN_NEW] = O_WRONLY | O_CREAT | O_EXCL,
        [QUEUE_OPEN_REPLACE] = O_WRONLY | O_CREAT | O_TRUNC,
        [QUEUE_OPEN_LOCK] = O_RDWR | O_CREAT,
    };
    int fd;
    (void)context;
    do
        fd = open(path, flags[mode] | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd >= 0 ? fd : -errno;
}

static int posix_close(void *context, int file)
{
    (void)context;
    return close(file) == 0 ? 0 : -errno;
}

static int64_t posix_read(void *context, int file, void *bytes, size_t size, uint64_t offset)
{
    ssize_t rc;
    (void)context;
    do
        rc = pread(file, bytes, size, (off_t)offset);
    while (rc < 0 && errno == EINTR);
    return rc >= 0 ? rc : -errno;
}

static int64_t posix_write(void *context, int file, const void *bytes, size_t size, uint64_t offset)
{
    ssize_t rc;
    (void)context;
    do
        rc = pwrite(file, bytes, size, (off_t)offset);
    while (rc < 0 && errno == EINTR);
    return rc >= 0 ? rc : -errno;
}

static int posix_truncate(void *context, int file, uint64_t size)
{
    int rc;
    (void)context;
    do
        rc = ftruncate(file, (off_t)size);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : -errno;
}

static int posix_sync(void *context, int file)
{
    int rc;
    (void)context;
    do
        rc = fdatasync(file);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : -errno;
}

/* A lock of the open file: looking at it does not take it, and it works on network file systems. */
static int posix_lock(void *context, int file, bool only_look)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)context;
    if (fcntl(file, only_look ? F_OFD_GETLK : F_OFD_SETLK, &lock) != 0)
        return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    return only_look && lock.l_type != F_UNLCK ? -EBUSY : 0;
}

static int64_t posix_size(void *context, const char *path)
{
    struct stat status;
    (void)context;
    if (lstat(path, &status) != 0)
        return -errno;
    return S_ISREG(status.st_mode) ? (int64_t)status.st_size : -EINVAL;
}

static int posix_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int posix_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path) == 0 ? 0 : -errno;
}

static int posix_make_dir(void *context, const char *path)
{
    (void)context;
    return mkdir(path, DIR_MODE) == 0 ? 0 : -errno;
}

static int posix_sync_dir(void *context, const char *path)
{
    int rc;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)context;
    if (fd < 0)
        return -errno;
    do
        rc = fsync(fd) == 0 ? 0 : -errno;
    while (rc == -EINTR);
    close(fd);
    return rc == -EINVAL ? 0 : rc; /* a file system whose folders need no fsync */
}

static int posix_list(void *context, const char *path, queue_name_fn each, void *arg)
{
    int rc = 0;
    struct dirent *entry;
    DIR *dir = opendir(path);
    (void)context;
    if (dir == NULL)
        return -errno;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = each(arg, entry->d_name);
    }
    if (rc == 0)
        rc = -errno; /* readdir()'s */
    closedir(dir);
    return rc;
}

const struct queue_io queue_io_posix = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .truncate = posix_truncate,
    .sync = posix_sync,
    .lock = posix_lock,
    .size = posix_size,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .make_dir = posix_make_dir,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
};

int queue_io_write_all(const struct queue_io *io, int file, const void *bytes, size_t size,
                       uint64_t offset)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        int64_t done = io->write(io->context, file, at, size, offset);
        if (done < 0)
            return (int)done;
        if (done == 0)
            return -EIO; /* a file system that takes nothing and says nothing */
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}
