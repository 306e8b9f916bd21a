/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/docker_frames.h"

#include <errno.h>
#include <string.h>

enum { STREAM_STDERR = 2, STREAM_MAX = 3 }; /* 0 stdin, 1 stdout, 3 Docker's own errors */

/* Takes what is still missing of the head. Bytes taken, or -EBADMSG. */
static int take_head(struct docker_frames *frames, const char *bytes, size_t size)
{
    const uint8_t *head = frames->head;
    size_t missing = DOCKER_HEAD_SIZE - frames->head_size;
    size_t taken = size < missing ? size : missing;
    memcpy(frames->head + frames->head_size, bytes, taken);
    frames->head_size += (unsigned)taken;
    if (frames->head_size < DOCKER_HEAD_SIZE)
        return (int)taken;
    if (head[0] > STREAM_MAX || head[1] != 0 || head[2] != 0 || head[3] != 0)
        return -EBADMSG;
    frames->left = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 |
                   head[7];
    if (frames->left == 0)
        frames->head_size = 0;
    return (int)taken;
}

/* Bytes taken, or negative. */
static int take_part(struct docker_frames *frames, const char *bytes, size_t size,
                     docker_frame_fn *take, void *arg)
{
    struct buffer *frame = &frames->frame;
    size_t part = DOCKER_FRAME_MAX - frame->size;
    part = part < frames->left ? part : frames->left;
    part = part < size ? part : size;
    int rc = buffer_append(frame, bytes, part);
    if (rc != 0)
        return rc;
    frames->left -= (uint32_t)part;
    if (frames->left > 0 && frame->size < DOCKER_FRAME_MAX)
        return (int)part;
    if (frames->left == 0)
        frames->head_size = 0;
    rc = take(arg, frames->head[0] >= STREAM_STDERR, frame->data, frame->size);
    buffer_clear(frame);
    return rc < 0 ? rc : (int)part;
}

int docker_frames_take(struct docker_frames *frames, const char *bytes, size_t size,
                       docker_frame_fn *take, void *arg)
{
    while (size > 0) {
        int taken = frames->head_size < DOCKER_HEAD_SIZE
                        ? take_head(frames, bytes, size)
                        : take_part(frames, bytes, size, take, arg);
        if (taken < 0)
            return taken;
        bytes += taken;
        size -= (size_t)taken;
    }
    return 0;
}

void docker_frames_fini(struct docker_frames *frames)
{
    buffer_fini(&frames->frame);
}
