/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/clock.h"

enum {
    COMPRESSED_SIZE = 65536,
    SKIP_SIZE = 65536,
    GZIP_WINDOW_BITS = 15 + 16 /* gzip headers only */
};

struct logstream_gzip {
    z_stream inflater;
    bool is_ready;
    bool is_whole; /* at the end of a member */
    uint8_t *kept;
    size_t kept_size;
    uint8_t compressed[COMPRESSED_SIZE];
};

/* ---- plain ---- */

static int64_t read_at(int fd, uint64_t from, void *bytes, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, (char *)bytes + got, size - got, (off_t)(from + got));
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        got += n > 0 ? (size_t)n : 0;
    }
    return (int64_t)got;
}

/* ---- gzip ---- */

/* More compressed bytes: 1, 0 at the end of the file, or negative errno. */
static int refill(struct logstream_file *file)
{
    struct logstream_gzip *gzip = file->gzip;
    ssize_t got;
    if (gzip->inflater.avail_in > 0)
        return 1;
    do
        got = read(file->fd, gzip->compressed, sizeof(gzip->compressed));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    gzip->inflater.next_in = gzip->compressed;
    gzip->inflater.avail_in = (uInt)got;
    return got > 0;
}

/* Members may follow each other; zeros behind the last one are padding. */
static bool begin_member(struct logstream_gzip *gzip)
{
    while (gzip->inflater.avail_in > 0 && *gzip->inflater.next_in == 0) {
        gzip->inflater.next_in++;
        gzip->inflater.avail_in--;
    }
    if (gzip->inflater.avail_in == 0)
        return false;
    inflateReset(&gzip->inflater);
    gzip->is_whole = false;
    return true;
}

static int64_t inflate_more(struct logstream_file *file, uint8_t *bytes, size_t size)
{
    struct logstream_gzip *gzip = file->gzip;
    z_stream *inflater = &gzip->inflater;
    inflater->next_out = bytes;
    inflater->avail_out = (uInt)size;
    int rc = 0;
    while (inflater->avail_out > 0 && rc == 0) {
        int filled = refill(file);
        if (filled <= 0) {
            rc = filled;
            break;
        }
        if (gzip->is_whole && !begin_member(gzip))
            continue;
        int result = inflate(inflater, Z_NO_FLUSH);
        gzip->is_whole = result == Z_STREAM_END;
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            rc = result == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
    }
    size_t got = size - inflater->avail_out;
    return got > 0 ? (int64_t)got : rc; /* the error comes again */
}

static int64_t read_gzip(struct logstream_file *file, uint8_t *bytes, size_t size)
{
    struct logstream_gzip *gzip = file->gzip;
    size_t kept = gzip->kept_size < size ? gzip->kept_size : size;
    if (kept > 0) {
        memcpy(bytes, gzip->kept, kept);
        memmove(gzip->kept, gzip->kept + kept, gzip->kept_size - kept);
    }
    gzip->kept_size -= kept;
    int64_t got = inflate_more(file, bytes + kept, size - kept);
    if (got < 0 && kept == 0)
        return got;
    return (int64_t)kept + (got > 0 ? got : 0); /* the error comes again */
}

static int open_gzip(struct logstream_file *file)
{
    file->gzip = calloc(1, sizeof(*file->gzip));
    if (file->gzip == NULL || inflateInit2(&file->gzip->inflater, GZIP_WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    file->gzip->is_ready = true;
    return 0;
}

/* ---- both ---- */

int logstream_file_open(struct logstream_file *file, const char *path)
{
    uint8_t magic[2];
    struct stat status;
    int rc = 0;
    *file = (struct logstream_file){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    if (file->fd < 0)
        return -errno;
    file->is_open = true;
    if (fstat(file->fd, &status) != 0)
        rc = -errno;
    else if (!S_ISREG(status.st_mode))
        rc = -EINVAL;
    else if (read_at(file->fd, 0, magic, 2) == 2 && magic[0] == 0x1f && magic[1] == 0x8b)
        rc = open_gzip(file);
    if (rc != 0) {
        logstream_file_close(file);
        return rc;
    }
    file->dev = status.st_dev;
    file->ino = status.st_ino;
    file->size = (uint64_t)status.st_size;
    file->mtime_ns = status.st_mtim.tv_sec * (int64_t)CLOCK_NS_PER_S + status.st_mtim.tv_nsec;
    return 0;
}

void logstream_file_close(struct logstream_file *file)
{
    if (file->gzip != NULL) {
        if (file->gzip->is_ready)
            inflateEnd(&file->gzip->inflater);
        free(file->gzip->kept);
        free(file->gzip);
    }
    if (file->is_open)
        close(file->fd);
    *file = (struct logstream_file){0};
}

int64_t logstream_file_read(struct logstream_file *file, uint64_t from, void *bytes, size_t size)
{
    if (file->gzip != NULL)
        return read_gzip(file, bytes, size);
    return read_at(file->fd, from, bytes, size);
}

int logstream_file_keep(struct logstream_file *file, const void *bytes, size_t size)
{
    struct logstream_gzip *gzip = file->gzip;
    if (gzip == NULL || size == 0)
        return 0;
    uint8_t *kept = malloc(size + gzip->kept_size);
    if (kept == NULL)
        return -ENOMEM;
    memcpy(kept, bytes, size);
    if (gzip->kept_size > 0)
        memcpy(kept + size, gzip->kept, gzip->kept_size);
    free(gzip->kept);
    gzip->kept = kept;
    gzip->kept_size += size;
    return 0;
}

bool logstream_file_is_whole(const struct logstream_file *file)
{
    return file->gzip == NULL || file->gzip->is_whole;
}

/* To where the tail begins. 1, 0: the file is shorter, or negative errno. */
static int skip(struct logstream_file *file, uint64_t size)
{
    uint8_t *bytes = malloc(SKIP_SIZE);
    if (bytes == NULL)
        return -ENOMEM;
    int64_t got = 1;
    while (size > 0 && got > 0) {
        got = read_gzip(file, bytes, size < SKIP_SIZE ? (size_t)size : SKIP_SIZE);
        size -= got > 0 ? (uint64_t)got : 0;
    }
    free(bytes);
    return got < 0 ? (int)got : size == 0;
}

int logstream_file_verify(struct logstream_file *file, struct logstream_position *position)
{
    uint8_t tail[LOGSTREAM_TAIL_SIZE] = {0};
    char hash[LOGSTREAM_HASH_SIZE];
    uint64_t seek = position->seek;
    size_t size = seek < LOGSTREAM_TAIL_SIZE ? (size_t)seek : LOGSTREAM_TAIL_SIZE;
    int rc = file->gzip != NULL ? skip(file, seek - size) : 1;
    if (rc != 1)
        return rc;
    int64_t got = logstream_file_read(file, seek - size, tail + LOGSTREAM_TAIL_SIZE - size, size);
    if (got != (int64_t)size)
        return got < 0 ? (int)got : 0;
    if (seek == 0)
        return 1;
    logstream_hash(tail, hash);
    if (strcmp(hash, position->hash) != 0)
        return 0;
    memcpy(position->tail, tail, sizeof(tail));
    position->has_tail = true;
    return 1;
}
