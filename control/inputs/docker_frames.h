/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_frames.h - frames of stdout and stderr in the logs of Docker's API.
 *
 * Place:   docker_log_input.c.
 * Threads: one owner.
 * Memory:  up to DOCKER_FRAME_MAX bytes of a frame that comes in pieces.
 * Failure: a head that cannot be one: -EBADMSG; what came before it has been given.
 * Source:  Docker's Engine API, "attach to a container": a byte for the stream, three zeros, four
 *          bytes of length (big-endian), the bytes.
 */
#ifndef CONTROL_INPUTS_DOCKER_FRAMES_H
#define CONTROL_INPUTS_DOCKER_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"

enum { DOCKER_FRAME_MAX = 32 << 10, DOCKER_HEAD_SIZE = 8 };

struct docker_frames { /* zeroed: at the beginning of a frame */
    uint8_t head[DOCKER_HEAD_SIZE];
    unsigned head_size;
    uint32_t left; /* of the frame */
    struct buffer frame;
};

/* A frame, or DOCKER_FRAME_MAX bytes of a longer one and then its rest. 0, or negative to end. */
typedef int docker_frame_fn(void *arg, bool is_stderr, const char *bytes, size_t size);

/* 0, -EBADMSG, -ENOMEM, or what the function said. */
int docker_frames_take(struct docker_frames *frames, const char *bytes, size_t size,
                       docker_frame_fn *take, void *arg);
void docker_frames_fini(struct docker_frames *frames);

#endif
