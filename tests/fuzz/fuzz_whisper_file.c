/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_whisper_file.c - any bytes as a whisper file that is opened and updated.
 *
 * The file keeps its size and its header; what was put can be put again without a change.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/outputs/whisper_file.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TAIL_SIZE = 8, NOW_S = 1700000000, SIZE_MAX_HERE = 1 << 16 };

static void read_all(int fd, uint8_t *bytes, size_t size)
{
    CHECK(lseek(fd, 0, SEEK_END) == (off_t)size);
    CHECK(pread(fd, bytes, size, 0) == (ssize_t)size);
}

static void update(struct whisper_file *file, const uint8_t *data, size_t size)
{
    uint32_t age_s, value;
    struct buffer scratch = {0};
    uint8_t *before = malloc(size), *after = malloc(size);
    CHECK(before != NULL && after != NULL);
    memcpy(&age_s, data + size - TAIL_SIZE, sizeof(age_s));
    memcpy(&value, data + size - TAIL_SIZE + sizeof(age_s), sizeof(value));
    int rc = whisper_file_update(file, NOW_S - age_s, value, NOW_S, &scratch);
    CHECK(rc == 0 || rc == WHISPER_E_NOT_COVERED);
    read_all(file->fd, before, size);
    CHECK(whisper_file_update(file, NOW_S - age_s, value, NOW_S, &scratch) == rc);
    read_all(file->fd, after, size);
    CHECK(memcmp(before, after, size) == 0);
    CHECK(memcmp(before, data, 16 + 12 * (size_t)file->layout.count) == 0);
    for (int i = 0; i < 3 && rc == 0; i++)
        CHECK(whisper_file_update(file, NOW_S - age_s + (uint32_t)i, i, NOW_S + 3, &scratch) !=
              WHISPER_E_CORRUPT);
    free(before);
    free(after);
    buffer_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whisper_file file;
    if (size < TAIL_SIZE || size > SIZE_MAX_HERE)
        return 0;
    int fd = memfd_create("whisper", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    if (whisper_file_adopt(&file, fd) != 0)
        return 0;
    update(&file, data, size);
    whisper_file_close(&file);
    return 0;
}
