/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TOTAL_BYTES_MAX (UINT64_C(8) << 30)

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + SANDBOX_CHANNEL_PAGE - 1) & ~(uint64_t)(SANDBOX_CHANNEL_PAGE - 1);
}

static uint64_t power_of_two(uint64_t least, uint64_t bytes)
{
    uint64_t power = least;
    while (power < bytes)
        power *= 2;
    return power;
}

static int map(struct sandbox_channel *channel)
{
    void *base = mmap(NULL, channel->total_bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, channel->fd, 0);
    if (base == MAP_FAILED)
        return -errno;
    channel->header = base;
    return 0;
}

static void set_parts(struct sandbox_channel *channel, const struct sandbox_header *header)
{
    uint8_t *base = (uint8_t *)channel->header;
    channel->blob = base + SANDBOX_CHANNEL_PAGE;
    channel->blob_bytes = header->blob_bytes;
    channel->request_bytes = base + header->request_offset;
    channel->request_capacity = header->request_bytes;
    channel->reply_bytes = base + header->reply_offset;
    channel->reply_capacity = header->reply_bytes;
    channel->state = base + header->state_offset;
    channel->state_bytes = header->state_bytes;
}

static int open_rings(struct sandbox_channel *channel)
{
    struct sandbox_header *header = channel->header;
    int rc = sandbox_ring_open(&channel->requests, &header->requests, channel->request_bytes,
                               channel->request_capacity);
    if (rc != 0)
        return rc;
    return sandbox_ring_open(&channel->replies, &header->replies, channel->reply_bytes,
                             channel->reply_capacity);
}

static void plan_parts(struct sandbox_header *header, const struct sandbox_channel_size *size,
                       size_t blob_size)
{
    header->magic = SANDBOX_CHANNEL_MAGIC;
    header->version = SANDBOX_CHANNEL_VERSION;
    header->blob_bytes = blob_size;
    header->request_bytes =
        power_of_two(SANDBOX_REQUEST_BYTES_MIN, 4 * sandbox_ring_frame_size(size->message_max));
    header->reply_bytes = power_of_two(SANDBOX_RING_BYTES_MIN, 2 * size->replies_need);
    header->state_bytes = round_up(size->state_max);
    header->request_offset = SANDBOX_CHANNEL_PAGE + round_up(blob_size);
    header->reply_offset = header->request_offset + header->request_bytes;
    header->state_offset = header->reply_offset + header->reply_bytes;
    header->total_bytes = header->state_offset + header->state_bytes;
}

/* Its size is fixed before anybody else has it: nobody can make a page of it go away. */
static int make_file(uint64_t bytes)
{
    int fd = memfd_create("heka-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

int sandbox_channel_make(struct sandbox_channel *channel, const struct sandbox_channel_size *size,
                         const void *blob, size_t blob_size, struct err *err)
{
    struct sandbox_header plan = {0};
    *channel = (struct sandbox_channel){.fd = -1};
    plan_parts(&plan, size, blob_size);
    if (plan.reply_bytes > SANDBOX_REPLY_BYTES_MAX || plan.total_bytes > TOTAL_BYTES_MAX)
        return err_add(err, "max_process_inject, max_timer_inject and output_limit together allow "
                            "more than %d MiB in one call",
                       SANDBOX_REPLY_BYTES_MAX >> 21);
    channel->total_bytes = plan.total_bytes;
    channel->fd = make_file(plan.total_bytes);
    int rc = channel->fd < 0 ? channel->fd : map(channel);
    if (rc != 0) {
        sandbox_channel_close(channel);
        return err_add(err, "shared memory of %llu bytes: %s", (unsigned long long)plan.total_bytes,
                       strerror(-rc));
    }
    *channel->header = plan;
    set_parts(channel, &plan);
    memcpy(channel->blob, blob, blob_size);
    open_rings(channel);
    return 0;
}

/* Each part lies within the file, behind the one before it. */
static bool is_sane(const struct sandbox_header *header, uint64_t file_bytes)
{
    return header->magic == SANDBOX_CHANNEL_MAGIC && header->version == SANDBOX_CHANNEL_VERSION &&
           header->total_bytes == file_bytes && header->total_bytes <= TOTAL_BYTES_MAX &&
           header->blob_bytes <= file_bytes && header->request_bytes <= file_bytes &&
           header->reply_bytes <= file_bytes && header->state_bytes <= file_bytes &&
           header->request_offset == SANDBOX_CHANNEL_PAGE + round_up(header->blob_bytes) &&
           header->reply_offset == header->request_offset + header->request_bytes &&
           header->state_offset == header->reply_offset + header->reply_bytes &&
           header->total_bytes == header->state_offset + header->state_bytes &&
           header->restore_bytes <= header->state_bytes;
}

int sandbox_channel_open(struct sandbox_channel *channel, int take_fd)
{
    *channel = (struct sandbox_channel){.fd = take_fd};
    off_t size = lseek(take_fd, 0, SEEK_END); /* a sealed worker has no fstat */
    int rc = size < 0 ? -errno : 0;
    if (rc == 0 && size < SANDBOX_CHANNEL_PAGE)
        rc = -EPROTO;
    if (rc == 0) {
        channel->total_bytes = (uint64_t)size;
        rc = map(channel);
    }
    if (rc == 0 && !is_sane(channel->header, channel->total_bytes))
        rc = -EPROTO;
    if (rc == 0) {
        set_parts(channel, channel->header);
        rc = open_rings(channel);
    }
    if (rc != 0)
        sandbox_channel_close(channel);
    return rc;
}

void sandbox_channel_close(struct sandbox_channel *channel)
{
    if (channel->header != NULL)
        munmap(channel->header, channel->total_bytes);
    if (channel->fd >= 0)
        close(channel->fd);
    *channel = (struct sandbox_channel){.fd = -1};
}

int sandbox_channel_reset(struct sandbox_channel *channel)
{
    struct sandbox_frame frame;
    const void *body;
    int rc;
    atomic_store_explicit(&channel->header->state, SANDBOX_STATE_NEW, memory_order_relaxed);
    channel->header->restore_bytes = 0;
    while ((rc = sandbox_ring_read(&channel->replies, &frame, &body)) > 0)
        sandbox_ring_release(&channel->replies, &frame);
    return rc;
}

int sandbox_channel_put_state(struct sandbox_channel *channel, const void *state, size_t size)
{
    if (size > channel->state_bytes)
        return -EFBIG;
    if (size > 0)
        memcpy(channel->state, state, size);
    return 0;
}

void sandbox_channel_drop_state(struct sandbox_channel *channel, size_t size)
{
    off_t offset = channel->state - (uint8_t *)channel->header;
    if (size > 0)
        fallocate(channel->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)size);
}
