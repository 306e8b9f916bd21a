/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/capture_file.h"

#include <errno.h>

int capture_file_open(struct capture_file *capture, const char *path)
{
    const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, digits, length_max, link_type;
    } head = {0xa1b2c3d4, 2, 4, 0, 0, UINT16_MAX, 1 /* Ethernet */};
    *capture = (struct capture_file){.file = fopen(path, "we")};
    if (capture->file == NULL)
        return -errno;
    fwrite(&head, sizeof(head), 1, capture->file);
    return 0;
}

void capture_file_add(struct capture_file *capture, const uint8_t *frame, uint32_t size)
{
    const uint32_t record[4] = {0, capture->count++, size, size};
    fwrite(record, sizeof(record), 1, capture->file);
    fwrite(frame, size, 1, capture->file);
}

int capture_file_close(struct capture_file *capture)
{
    int failed = ferror(capture->file) | fclose(capture->file);
    capture->file = NULL;
    return failed ? -EIO : 0;
}
