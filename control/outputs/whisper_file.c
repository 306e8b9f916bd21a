/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/whisper_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_SIZE = 16, INFO_SIZE = 12, POINT_SIZE = 12, FILE_MODE = 0644 };

struct point {
    uint32_t time_s; /* 0: none yet */
    double value;
};

const char *whisper_error_text(int code)
{
    switch (code) {
    case WHISPER_E_CORRUPT:
        return "not a whisper file";
    case WHISPER_E_NOT_COVERED:
        return "the time is not covered by any archive";
    default:
        return strerror(-code);
    }
}

/* ---- bytes ---- */

static void put_u32(uint8_t *at, uint32_t value)
{
    uint32_t big = htobe32(value);
    memcpy(at, &big, sizeof(big));
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t big;
    memcpy(&big, at, sizeof(big));
    return be32toh(big);
}

static void put_point(uint8_t bytes[POINT_SIZE], struct point point)
{
    uint64_t bits;
    memcpy(&bits, &point.value, sizeof(bits));
    bits = htobe64(bits);
    put_u32(bytes, point.time_s);
    memcpy(bytes + 4, &bits, sizeof(bits));
}

static struct point get_point(const uint8_t bytes[POINT_SIZE])
{
    struct point point = {.time_s = get_u32(bytes)};
    uint64_t bits;
    memcpy(&bits, bytes + 4, sizeof(bits));
    bits = be64toh(bits);
    memcpy(&point.value, &bits, sizeof(bits));
    return point;
}

static int read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    ssize_t got;
    do
        got = pread(fd, bytes, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    return (size_t)got == size ? 0 : WHISPER_E_CORRUPT;
}

static int write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
    ssize_t put;
    do
        put = pwrite(fd, bytes, size, (off_t)offset);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return -errno;
    return (size_t)put == size ? 0 : -ENOSPC;
}

/* ---- layout ---- */

static uint64_t file_size(const struct whisper_layout *layout)
{
    uint64_t size = HEADER_SIZE + (uint64_t)INFO_SIZE * layout->count;
    for (unsigned i = 0; i < layout->count; i++)
        size += (uint64_t)layout->archives[i].points * POINT_SIZE;
    return size;
}

/* What updating relies on. */
static const char *archives_fault(const struct whisper_layout *layout)
{
    if (layout->count == 0 || layout->count > WHISPER_ARCHIVES_MAX)
        return "1 to 32 archives are allowed";
    for (unsigned i = 0; i < layout->count; i++) {
        const struct whisper_archive *archive = &layout->archives[i], *next = archive + 1;
        if (archive->step_s == 0 || archive->points == 0)
            return "seconds per point and points have to be at least 1";
        if (i + 1 == layout->count)
            continue;
        if (archive->step_s >= next->step_s)
            return "two archives have the same seconds per point";
        if (next->step_s % archive->step_s != 0)
            return "seconds per point of an archive have to be a multiple of the finer one's";
        if (next->step_s / archive->step_s > archive->points)
            return "an archive has too few points for one point of the coarser one";
    }
    return file_size(layout) <= UINT32_MAX ? NULL : "the file would be larger than 4 GiB";
}

static int compare_steps(const void *a, const void *b)
{
    const struct whisper_archive *left = a, *right = b;
    return (left->step_s > right->step_s) - (left->step_s < right->step_s);
}

int whisper_layout_init(struct whisper_layout *layout, struct err *err)
{
    uint32_t offset = HEADER_SIZE + INFO_SIZE * layout->count;
    if (layout->count <= WHISPER_ARCHIVES_MAX)
        qsort(layout->archives, layout->count, sizeof(layout->archives[0]), compare_steps);
    const char *fault = archives_fault(layout);
    if (fault != NULL)
        return err_add(err, "%s", fault);
    for (unsigned i = 0; i < layout->count; i++) {
        layout->archives[i].offset = offset;
        offset += layout->archives[i].points * POINT_SIZE;
    }
    return 0;
}

static uint64_t retention_s(const struct whisper_layout *layout)
{
    uint64_t longest_s = 0;
    for (unsigned i = 0; i < layout->count; i++) {
        uint64_t span_s = (uint64_t)layout->archives[i].step_s * layout->archives[i].points;
        longest_s = span_s > longest_s ? span_s : longest_s;
    }
    return longest_s;
}

/* ---- making ---- */

static size_t write_header(const struct whisper_layout *layout, uint8_t *bytes)
{
    uint32_t factor;
    uint64_t longest_s = retention_s(layout);
    memcpy(&factor, &layout->x_files_factor, sizeof(factor));
    put_u32(bytes, layout->method);
    put_u32(bytes + 4, longest_s < UINT32_MAX ? (uint32_t)longest_s : UINT32_MAX);
    put_u32(bytes + 8, factor);
    put_u32(bytes + 12, layout->count);
    for (unsigned i = 0; i < layout->count; i++) {
        uint8_t *at = bytes + HEADER_SIZE + i * INFO_SIZE;
        put_u32(at, layout->archives[i].offset);
        put_u32(at + 4, layout->archives[i].step_s);
        put_u32(at + 8, layout->archives[i].points);
    }
    return HEADER_SIZE + (size_t)layout->count * INFO_SIZE;
}

static int fill_file(int fd, const struct whisper_layout *layout)
{
    uint8_t header[HEADER_SIZE + INFO_SIZE * WHISPER_ARCHIVES_MAX];
    size_t size = write_header(layout, header);
    int rc = -posix_fallocate(fd, 0, (off_t)file_size(layout));
    return rc == 0 ? write_at(fd, header, size, 0) : rc;
}

int whisper_file_make(const char *path, const struct whisper_layout *layout)
{
    char made[PATH_MAX];
    int len = snprintf(made, sizeof(made), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(made))
        return -ENAMETOOLONG;
    int fd = open(made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -errno;
    int rc = fill_file(fd, layout);
    close(fd);
    if (rc == 0 && link(made, path) != 0) /* and not rename(): one that is there stays */
        rc = -errno;
    unlink(made);
    return rc;
}

/* ---- opening ---- */

static int read_header(struct whisper_file *file)
{
    uint8_t bytes[HEADER_SIZE + INFO_SIZE * WHISPER_ARCHIVES_MAX];
    struct whisper_layout *layout = &file->layout;
    struct stat status;
    int rc = read_at(file->fd, bytes, HEADER_SIZE, 0);
    if (rc != 0)
        return rc;
    uint32_t method = get_u32(bytes), factor = get_u32(bytes + 8);
    layout->count = get_u32(bytes + 12);
    if (method < WHISPER_AVERAGE || method > WHISPER_ABSOLUTE_MIN || layout->count == 0 ||
        layout->count > WHISPER_ARCHIVES_MAX)
        return WHISPER_E_CORRUPT;
    layout->method = (enum whisper_method)method;
    memcpy(&layout->x_files_factor, &factor, sizeof(factor));
    rc = read_at(file->fd, bytes, (size_t)layout->count * INFO_SIZE, HEADER_SIZE);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < layout->count; i++) {
        const uint8_t *at = bytes + i * INFO_SIZE;
        layout->archives[i] =
            (struct whisper_archive){get_u32(at), get_u32(at + 4), get_u32(at + 8)};
    }
    if (fstat(file->fd, &status) != 0)
        return -errno;
    uint64_t behind = HEADER_SIZE + (uint64_t)INFO_SIZE * layout->count;
    for (unsigned i = 0; i < layout->count; i++) {
        const struct whisper_archive *archive = &layout->archives[i];
        if (archive->offset < behind)
            return WHISPER_E_CORRUPT;
        behind = archive->offset + (uint64_t)archive->points * POINT_SIZE;
    }
    if (behind > (uint64_t)status.st_size)
        return WHISPER_E_CORRUPT;
    if (archives_fault(layout) != NULL ||
        !(layout->x_files_factor >= 0 && layout->x_files_factor <= 1))
        return WHISPER_E_CORRUPT;
    file->retention_s = retention_s(layout);
    return 0;
}

int whisper_file_adopt(struct whisper_file *file, int take_fd)
{
    *file = (struct whisper_file){.fd = take_fd};
    int rc = read_header(file);
    if (rc != 0)
        whisper_file_close(file);
    return rc;
}

int whisper_file_open(struct whisper_file *file, const char *path)
{
    /* Not blocking: a named pipe of that name is no whisper file. */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 ? whisper_file_adopt(file, fd) : -errno;
}

void whisper_file_close(struct whisper_file *file)
{
    close(file->fd);
    file->fd = -1;
}

/* ---- updating ---- */

/* The place of a time in an archive, in points, when the first point is of `base_s`. */
static uint32_t point_index(const struct whisper_archive *archive, uint32_t time_s, uint32_t base_s)
{
    int64_t distance_s = (int64_t)time_s - base_s, step_s = archive->step_s;
    int64_t points = distance_s / step_s - (distance_s % step_s < 0);
    int64_t index = points % (int64_t)archive->points;
    return (uint32_t)(index < 0 ? index + (int64_t)archive->points : index);
}

static int read_base(const struct whisper_file *file, const struct whisper_archive *archive,
                     uint32_t *base_s)
{
    uint8_t bytes[POINT_SIZE];
    int rc = read_at(file->fd, bytes, sizeof(bytes), archive->offset);
    *base_s = rc == 0 ? get_point(bytes).time_s : 0;
    return rc;
}

static int put(const struct whisper_file *file, const struct whisper_archive *archive,
               struct point point)
{
    uint8_t bytes[POINT_SIZE];
    uint32_t base_s;
    int rc = read_base(file, archive, &base_s);
    if (rc != 0)
        return rc;
    uint32_t index = base_s != 0 ? point_index(archive, point.time_s, base_s) : 0;
    put_point(bytes, point);
    return write_at(file->fd, bytes, sizeof(bytes), archive->offset + (uint64_t)index * POINT_SIZE);
}

/* `count` points of an archive from `start_s` on, in the order of the ring. */
static int read_series(const struct whisper_file *file, const struct whisper_archive *archive,
                       uint32_t start_s, uint32_t count, struct buffer *out)
{
    uint32_t base_s;
    int rc = read_base(file, archive, &base_s);
    if (rc != 0)
        return rc;
    uint32_t index = base_s != 0 ? point_index(archive, start_s, base_s) : 0;
    uint32_t first = archive->points - index < count ? archive->points - index : count;
    buffer_clear(out);
    rc = buffer_reserve(out, (size_t)count * POINT_SIZE);
    if (rc == 0)
        rc = read_at(file->fd, out->data, (size_t)first * POINT_SIZE,
                     archive->offset + (uint64_t)index * POINT_SIZE);
    if (rc == 0 && count > first)
        rc = read_at(file->fd, out->data + (size_t)first * POINT_SIZE,
                     (size_t)(count - first) * POINT_SIZE, archive->offset);
    return rc;
}

struct summary { /* of the points that are known */
    uint32_t known, count;
    double sum, last, max, min, absolute_max, absolute_min;
};

static void add_value(struct summary *summary, double value)
{
    bool is_first = summary->known++ == 0;
    summary->sum += value;
    summary->last = value;
    if (is_first || value > summary->max)
        summary->max = value;
    if (is_first || value < summary->min)
        summary->min = value;
    if (is_first || fabs(value) > fabs(summary->absolute_max))
        summary->absolute_max = value;
    if (is_first || fabs(value) < fabs(summary->absolute_min))
        summary->absolute_min = value;
}

static double aggregate(enum whisper_method method, const struct summary *summary)
{
    switch (method) {
    case WHISPER_SUM:
        return summary->sum;
    case WHISPER_LAST:
        return summary->last;
    case WHISPER_MAX:
        return summary->max;
    case WHISPER_MIN:
        return summary->min;
    case WHISPER_AVERAGE_ZERO:
        return summary->sum / summary->count;
    case WHISPER_ABSOLUTE_MAX:
        return summary->absolute_max;
    case WHISPER_ABSOLUTE_MIN:
        return summary->absolute_min;
    case WHISPER_AVERAGE:
        break;
    }
    return summary->sum / summary->known;
}

/* Rolls the points of `fine` around a time up to one of `coarse`. 1, or 0 when too few of them are
 * known: then nothing coarser changes either. */
static int roll_up(struct whisper_file *file, unsigned fine_index, uint32_t time_s,
                   struct buffer *scratch)
{
    const struct whisper_archive *fine = &file->layout.archives[fine_index], *coarse = fine + 1;
    uint32_t start_s = time_s - time_s % coarse->step_s;
    struct summary summary = {.count = coarse->step_s / fine->step_s};
    int rc = read_series(file, fine, start_s, summary.count, scratch);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < summary.count; i++) {
        const char *at = scratch->data + (size_t)i * POINT_SIZE;
        struct point point = get_point((const uint8_t *)at);
        if (point.time_s == (uint64_t)start_s + (uint64_t)i * fine->step_s)
            add_value(&summary, point.value);
    }
    if (summary.known == 0 ||
        (double)summary.known / (double)summary.count < (double)file->layout.x_files_factor)
        return 0;
    rc = put(file, coarse, (struct point){start_s, aggregate(file->layout.method, &summary)});
    return rc == 0 ? 1 : rc;
}

int whisper_file_update(struct whisper_file *file, uint32_t time_s, double value, uint32_t now_s,
                        struct buffer *scratch)
{
    const struct whisper_layout *layout = &file->layout;
    unsigned i = 0;
    if (time_s > now_s || now_s - time_s >= file->retention_s)
        return WHISPER_E_NOT_COVERED;
    uint32_t age_s = now_s - time_s;
    while ((uint64_t)layout->archives[i].step_s * layout->archives[i].points < age_s)
        i++;
    const struct whisper_archive *archive = &layout->archives[i];
    uint32_t start_s = time_s - time_s % archive->step_s;
    int rc = put(file, archive, (struct point){start_s, value});
    if (rc != 0)
        return rc;
    for (rc = 1; rc == 1 && i + 1 < layout->count; i++)
        rc = roll_up(file, i, start_s, scratch);
    return rc < 0 ? rc : 0;
}
