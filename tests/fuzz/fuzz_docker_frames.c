/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_docker_frames.c - frames of Docker's logs, given at once and in pieces: the same bytes of
 *                        each stream, and the same end.
 *
 * The first byte is the size of the pieces.
 */
#include <string.h>

#include "control/inputs/docker_frames.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *arg, bool is_stderr, const char *bytes, size_t size)
{
    struct buffer *streams = arg;
    CHECK(size > 0 && size <= DOCKER_FRAME_MAX);
    return buffer_append(&streams[is_stderr], bytes, size);
}

static int run(const char *bytes, size_t size, size_t step, struct buffer streams[2])
{
    struct docker_frames frames = {.left = 0};
    int rc = 0;
    for (size_t at = 0; at < size && rc == 0; at += step)
        rc = docker_frames_take(&frames, bytes + at, size - at < step ? size - at : step, take,
                                streams);
    docker_frames_fini(&frames);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole[2] = {{.size = 0}}, pieces[2] = {{.size = 0}};
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t step = (size_t)data[0] + 1;
    int rc = run(bytes, size - 1, size, whole);
    CHECK(run(bytes, size - 1, step, pieces) == rc);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(whole[i].size == pieces[i].size);
        CHECK(whole[i].size == 0 || memcmp(whole[i].data, pieces[i].data, whole[i].size) == 0);
        buffer_fini(&whole[i]);
        buffer_fini(&pieces[i]);
    }
    return 0;
}
