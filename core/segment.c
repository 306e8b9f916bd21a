/* SPDX-License-Identifier: MPL-2.0 */
#include "core/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bell.h"
#include "core/check.h"
#include "core/clock.h"

enum { PATH_SIZE = 512, MODE_READABLE = 0640, MODE_WRITABLE = 0660 };

static size_t blocks_offset(void)
{
    return (sizeof(struct segment_header) + 63) & ~(size_t)63;
}

static size_t consumers_offset(unsigned lane_count)
{
    _Static_assert(sizeof(struct counters_shared) % 64 == 0, "docs/formats/segment.md");
    return blocks_offset() + lane_count * sizeof(struct counters_shared);
}

static size_t talkers_offset(unsigned lane_count, unsigned consumer_count)
{
    return consumers_offset(lane_count) +
           (size_t)lane_count * consumer_count * sizeof(struct segment_consumer);
}

static size_t segment_size(unsigned lane_count, unsigned consumer_count)
{
    return talkers_offset(lane_count, consumer_count) + sizeof(struct talkers_shared);
}

static size_t listener_offset(unsigned lane_count, unsigned consumer_count)
{
    return (size_t)lane_count * consumer_count * sizeof(struct lane_cursor);
}

static size_t cursors_size(unsigned lane_count, unsigned consumer_count)
{
    return listener_offset(lane_count, consumer_count) + sizeof(struct segment_listener);
}

static void set_cursors(struct segment *segment, void *base, unsigned lane_count,
                        unsigned consumer_count)
{
    segment->cursors = base;
    segment->listener = (void *)((char *)base + listener_offset(lane_count, consumer_count));
}

static void set_parts(struct segment *segment, void *base, unsigned lane_count,
                      unsigned consumer_count)
{
    segment->header = base;
    segment->blocks = (void *)((char *)base + blocks_offset());
    segment->consumers = (void *)((char *)base + consumers_offset(lane_count));
    segment->talkers = (void *)((char *)base + talkers_offset(lane_count, consumer_count));
}

/* Makes a file of `size` zero bytes, replacing what was there. Returns a file descriptor or -1. */
static int make_file(const struct segment_config *config, const char *path, size_t size,
                     mode_t mode, struct err *err)
{
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_add(err, "%s: cannot be made: %s", path, strerror(errno));
    if (config->group != (gid_t)-1 && fchown(fd, (uid_t)-1, config->group) != 0)
        goto fail;
    if (fchmod(fd, mode) != 0)
        goto fail;
    /* Allocates, so that a full tmpfs is found now and not by SIGBUS later. */
    int rc = posix_fallocate(fd, 0, (off_t)size);
    if (rc != 0) {
        errno = rc;
        goto fail;
    }
    return fd;
fail:
    err_add(err, "%s: %zu bytes: %s", path, size, strerror(errno));
    close(fd);
    unlink(path);
    return -1;
}

static void *map_fd(int fd, size_t size, int protection)
{
    void *base = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    return base == MAP_FAILED ? NULL : base;
}

/* Makes and maps one file; the descriptor is closed. */
static void *make_mapped(const struct segment_config *config, const char *path, size_t size,
                         mode_t mode, struct err *err)
{
    int fd = make_file(config, path, size, mode, err);
    if (fd < 0)
        return NULL;
    void *base = map_fd(fd, size, PROT_READ | PROT_WRITE);
    if (base == NULL)
        err_add(err, "%s: cannot be mapped: %s", path, strerror(errno));
    close(fd);
    return base;
}

/* The same for a file of the run directory. */
static void *make_in_dir(const struct segment_config *config, const char *name, size_t size,
                         mode_t mode, struct err *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", config->dir, name);
    return make_mapped(config, path, size, mode, err);
}

/* Takes the lock that says "a data plane lives here". */
static int take_lock(const char *dir, struct err *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_add(err, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err_add(err, "%s: another data plane is running with this run directory", dir);
        close(fd);
        return -1;
    }
    return fd;
}

static void unmap_lanes(struct segment *segment)
{
    for (unsigned i = 0; i < SEGMENT_LANES_MAX; i++) {
        if (segment->lanes[i] != NULL)
            munmap(segment->lanes[i], segment->lane_map_bytes);
        segment->lanes[i] = NULL;
    }
}

/* All of them or none. */
static int create_lanes_at(const struct segment_config *config,
                           const struct lane_file_place *place, struct segment *segment,
                           struct err *err)
{
    segment->lane_map_bytes = place->map_bytes;
    for (unsigned i = 0; i < config->lane_count; i++) {
        char path[LANE_FILE_PREFIX_SIZE + 16];
        snprintf(path, sizeof(path), "%s%u", place->prefix, i);
        segment->lanes[i] = make_mapped(config, path, place->map_bytes, MODE_READABLE, err);
        if (segment->lanes[i] == NULL) {
            unmap_lanes(segment);
            lane_file_remove(place, i);
            return -1;
        }
    }
    segment->header->lane_map_bytes = place->map_bytes;
    return 0;
}

static int create_huge_lanes(const struct segment_config *config,
                             const struct lane_file_place *places, unsigned place_count,
                             struct segment *segment)
{
    for (unsigned i = 0; i < place_count; i++) {
        if (create_lanes_at(config, &places[i], segment, NULL) != 0)
            continue;
        segment->header->lane_pages = SEGMENT_PAGES_HUGE;
        memcpy(segment->header->lane_prefix, places[i].prefix, LANE_FILE_HUGE_PREFIX_SIZE);
        return 0;
    }
    return -1;
}

static int create_lanes(const struct segment_config *config, struct segment *segment,
                        struct err *err)
{
    struct lane_file_place huge[LANE_FILE_PLACES_MAX], plain;
    unsigned huge_count = lane_file_huge(config->dir, config->lane_bytes, huge);
    for (unsigned i = 0; i < huge_count; i++)
        lane_file_remove(&huge[i], SEGMENT_LANES_MAX);
    if (config->lane_pages != SEGMENT_PAGES_NORMAL &&
        create_huge_lanes(config, huge, huge_count, segment) == 0)
        return 0;
    if (config->lane_pages == SEGMENT_PAGES_HUGE)
        return err_add(err, "lane_huge_pages: none of the %u mounted hugetlbfs with pages that fit "
                       "holds %u lanes of %llu bytes", huge_count, config->lane_count,
                       (unsigned long long)config->lane_bytes);
    if (lane_file_plain(config->dir, config->lane_bytes, &plain) != 0)
        return err_add(err, "%s: the path is too long", config->dir);
    return create_lanes_at(config, &plain, segment, err);
}

int segment_create(const struct segment_config *config, struct segment *segment, struct err *err)
{
    CHECK(config->lane_count >= 1 && config->lane_count <= SEGMENT_LANES_MAX);
    CHECK(config->consumer_count <= RECORD_CONSUMERS_MAX);
    *segment = (struct segment){.lock_fd = -1};
    segment->lock_fd = take_lock(config->dir, err);
    if (segment->lock_fd < 0)
        return -1;
    segment->segment_bytes = segment_size(config->lane_count, config->consumer_count);
    segment->cursors_bytes = cursors_size(config->lane_count, config->consumer_count);
    void *base = make_in_dir(config, "segment", segment->segment_bytes, MODE_READABLE, err);
    if (base == NULL)
        goto fail;
    set_parts(segment, base, config->lane_count, config->consumer_count);
    base = make_in_dir(config, "cursors", segment->cursors_bytes, MODE_WRITABLE, err);
    if (base == NULL)
        goto fail;
    set_cursors(segment, base, config->lane_count, config->consumer_count);
    if (create_lanes(config, segment, err) != 0)
        goto fail;
    /* From here on only hekad's side writes it. */
    if (mprotect(segment->cursors, segment->cursors_bytes, PROT_READ) != 0)
        goto fail;
    struct segment_header *header = segment->header;
    header->version = SEGMENT_VERSION;
    header->counter_count = COUNTER_COUNT;
    header->lane_count = config->lane_count;
    header->consumer_count = config->consumer_count;
    header->lane_bytes = config->lane_bytes;
    header->pid = (uint32_t)getpid();
    atomic_store_explicit(&header->generation, config->generation, memory_order_relaxed);
    header->started_wall_ns = clock_wall_ns();
    header->magic = SEGMENT_MAGIC;
    atomic_store_explicit(&header->state, SEGMENT_STARTING, memory_order_relaxed);
    return 0;
fail:
    segment_detach(segment);
    return -1;
}

/* Maps a file of at least `size` bytes (0: its own size, put into *size). */
static void *attach_file(const char *path, size_t *size, bool writable, struct err *err)
{
    struct stat status;
    void *base = NULL;
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status) != 0) {
        err_add(err, "%s: %s", path, strerror(errno));
    } else if ((size_t)status.st_size < *size || status.st_size == 0) {
        err_add(err, "%s: %lld bytes, expected %zu", path, (long long)status.st_size, *size);
    } else {
        if (*size == 0)
            *size = (size_t)status.st_size;
        base = map_fd(fd, *size, writable ? PROT_READ | PROT_WRITE : PROT_READ);
        if (base == NULL)
            err_add(err, "%s: cannot be mapped: %s", path, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return base;
}

/* The same for a file of the run directory. */
static void *attach_in_dir(const char *dir, const char *name, size_t *size, bool writable,
                           struct err *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return attach_file(path, size, writable, err);
}

static int check_layout(const char *dir, const struct segment *segment, struct err *err)
{
    const struct segment_header *header = segment->header;
    if (header->version != SEGMENT_VERSION || header->counter_count != COUNTER_COUNT)
        return err_add(err, "%s/segment: version %u with %u counters, this program has %d with %d",
                       dir, header->version, header->counter_count, SEGMENT_VERSION,
                       COUNTER_COUNT);
    if (header->lane_count < 1 || header->lane_count > SEGMENT_LANES_MAX ||
        header->consumer_count > RECORD_CONSUMERS_MAX ||
        segment->segment_bytes < segment_size(header->lane_count, header->consumer_count) ||
        header->lane_bytes > LANE_BYTES_MAX ||
        header->lane_map_bytes < LANE_HEADER_BYTES + header->lane_bytes ||
        header->lane_map_bytes > 2 * (LANE_HEADER_BYTES + header->lane_bytes) ||
        memchr(header->lane_prefix, '\0', sizeof(header->lane_prefix)) == NULL)
        return err_add(err, "%s/segment: layout makes no sense", dir);
    return 0;
}

static int attach_lanes(const char *dir, struct segment *segment, struct err *err)
{
    const struct segment_header *header = segment->header;
    struct lane_file_place place;
    if (lane_file_plain(dir, header->lane_bytes, &place) != 0)
        return err_add(err, "%s: the path is too long", dir);
    if (header->lane_prefix[0] != '\0')
        memcpy(place.prefix, header->lane_prefix, sizeof(header->lane_prefix));
    segment->lane_map_bytes = header->lane_map_bytes;
    for (unsigned i = 0; i < header->lane_count; i++) {
        char path[LANE_FILE_PREFIX_SIZE + 16];
        snprintf(path, sizeof(path), "%s%u", place.prefix, i);
        segment->lanes[i] = attach_file(path, &segment->lane_map_bytes, false, err);
        if (segment->lanes[i] == NULL)
            return -1;
    }
    return 0;
}

int segment_attach(const char *dir, struct segment *segment, struct err *err)
{
    *segment = (struct segment){.lock_fd = -1};
    void *base = attach_in_dir(dir, "segment", &segment->segment_bytes, false, NULL);
    if (base == NULL)
        return -EAGAIN;
    segment->header = base;
    if (segment->segment_bytes < sizeof(struct segment_header) ||
        segment->header->magic != SEGMENT_MAGIC ||
        /* A pairs with the release store of SEGMENT_RUNNING in dataplane/main.c. */
        atomic_load_explicit(&segment->header->state, memory_order_acquire) == SEGMENT_STARTING) {
        segment_detach(segment);
        return -EAGAIN;
    }
    if (check_layout(dir, segment, err) != 0)
        goto fail;
    set_parts(segment, base, segment->header->lane_count, segment->header->consumer_count);
    segment->cursors_bytes =
        cursors_size(segment->header->lane_count, segment->header->consumer_count);
    base = attach_in_dir(dir, "cursors", &segment->cursors_bytes, true, err);
    if (base == NULL)
        goto fail;
    set_cursors(segment, base, segment->header->lane_count, segment->header->consumer_count);
    if (attach_lanes(dir, segment, err) != 0)
        goto fail;
    return 0;
fail:
    segment_detach(segment);
    return -EPROTO;
}

void segment_detach(struct segment *segment)
{
    unmap_lanes(segment);
    if (segment->cursors != NULL)
        munmap(segment->cursors, segment->cursors_bytes);
    if (segment->header != NULL)
        munmap(segment->header, segment->segment_bytes);
    if (segment->lock_fd > 0) /* 0: a zeroed segment */
        close(segment->lock_fd);
    *segment = (struct segment){.lock_fd = -1};
}

int segment_reader_init(const struct segment *segment, unsigned lane, unsigned consumer,
                        uint64_t admitted_at_least, struct lane_reader *reader)
{
    const struct segment_consumer *counts = segment_consumer(segment, lane, consumer);
    /* G2 pairs with G1 in matcher/message_sink.c. */
    uint64_t admitted = atomic_load_explicit(&counts->admitted, memory_order_acquire);
    if (admitted == 0 || admitted < admitted_at_least)
        return -EAGAIN;
    struct lane_admission admission = {
        .bounds = &counts->bounds,
        .generation = admitted,
        .policy = atomic_load_explicit(&counts->policy, memory_order_relaxed) == LANE_DROP
                      ? LANE_DROP
                      : LANE_BLOCK,
    };
    return lane_reader_init_admitted(reader, segment->lanes[lane],
                                     segment_cursor(segment, lane, consumer), consumer, &admission);
}

bool segment_ring(struct segment *segment)
{
    uint64_t heads = 0;
    for (unsigned i = 0; i < segment->header->lane_count; i++)
        heads += atomic_load_explicit(&segment->lanes[i]->head, memory_order_relaxed);
    if (heads == segment->heads_rung)
        return false;
    segment->heads_rung = heads;
    bell_ring_shared(&segment->header->bell, &segment->listener->waiters);
    return true;
}

uint32_t segment_wait(const struct segment *segment, uint32_t seen, uint64_t timeout_ns)
{
    bell_wait_shared(&segment->header->bell, &segment->listener->waiters, seen, timeout_ns);
    return atomic_load_explicit(&segment->header->bell, memory_order_acquire);
}

void segment_wake(const struct segment *segment)
{
    bell_wake_shared(&segment->header->bell);
}

bool segment_counters(const struct segment *segment, struct counters *sum)
{
    bool whole = true;
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < segment->header->lane_count; i++)
        whole &= counters_read(&segment->blocks[i], sum);
    return whole;
}
