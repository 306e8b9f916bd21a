/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/blast_capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum {
    HEADER_BYTES = 24,
    RECORD_BYTES = 16,
    MAGIC_AT = 0,
    LINK_TYPE_AT = 20,
    SAVED_AT = 8,
    LENGTH_AT = 12,
    LINK_TYPE_ETHERNET = 1,
    LINK_TYPE_MASK = 0xffff,
    MAC_BYTES = 6,
    ETHERNET_BYTES = 14,
    GROUP_BIT = 1
};
static const uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d;

struct reading {
    FILE *file;
    bool is_swapped; /* the other byte order */
    uint64_t left_out;
};

static uint32_t word_at(const struct reading *reading, const uint8_t *bytes, unsigned at)
{
    uint32_t word;
    memcpy(&word, bytes + at, sizeof(word));
    return reading->is_swapped ? __builtin_bswap32(word) : word;
}

static bool has_magic(struct reading *reading, const uint8_t *header, bool is_swapped)
{
    reading->is_swapped = is_swapped;
    uint32_t magic = word_at(reading, header, MAGIC_AT);
    return magic == magic_us || magic == magic_ns;
}

static int read_header(struct reading *reading, const char *path, struct err *err)
{
    uint8_t header[HEADER_BYTES];
    if (fread(header, sizeof(header), 1, reading->file) != 1 ||
        (!has_magic(reading, header, false) && !has_magic(reading, header, true)))
        return err_add(err, "%s: no capture of libpcap's classic format (pcapng: convert it)",
                       path);
    uint32_t link_type = word_at(reading, header, LINK_TYPE_AT) & LINK_TYPE_MASK;
    if (link_type != LINK_TYPE_ETHERNET)
        return err_add(err, "%s: link type %u, allowed 1 (Ethernet)", path, link_type);
    return 0;
}

/* The size of the next frame that can be sent, 0 at the end or where the file makes no sense. */
static uint32_t read_frame(struct reading *reading, uint8_t frame[BLAST_CAPTURE_FRAME_MAX])
{
    uint8_t record[RECORD_BYTES];
    while (fread(record, sizeof(record), 1, reading->file) == 1) {
        uint32_t saved = word_at(reading, record, SAVED_AT);
        uint32_t length = word_at(reading, record, LENGTH_AT);
        if (saved > UINT16_MAX * 4u)
            return 0;
        bool is_whole = saved == length && saved >= ETHERNET_BYTES;
        if (is_whole && saved <= BLAST_CAPTURE_FRAME_MAX)
            return fread(frame, saved, 1, reading->file) == 1 ? saved : 0;
        reading->left_out++;
        if (fseek(reading->file, (long)saved, SEEK_CUR) != 0)
            return 0;
    }
    return 0;
}

static uint32_t read_all(struct reading *reading, const uint8_t dst_mac[MAC_BYTES], uint8_t *bytes,
                         uint16_t *sizes)
{
    uint32_t count = 0, size;
    while (count < BLAST_CAPTURE_FRAMES_MAX &&
           (size = read_frame(reading, bytes + (size_t)count * BLAST_CAPTURE_FRAME_MAX)) > 0) {
        uint8_t *frame = bytes + (size_t)count * BLAST_CAPTURE_FRAME_MAX;
        if ((frame[0] & GROUP_BIT) == 0)
            memcpy(frame, dst_mac, MAC_BYTES);
        sizes[count++] = (uint16_t)size;
    }
    if (fgetc(reading->file) != EOF)
        fprintf(stderr, "blast: the capture is longer; its first %u frames are sent\n", count);
    if (reading->left_out > 0)
        fprintf(stderr, "blast: %llu frames that are cut, or too long or short, are left out\n",
                (unsigned long long)reading->left_out);
    return count;
}

/* Closer together: a frame's place is a multiple of 64 that the largest fits into. */
static void pack(struct blast_frames *frames)
{
    uint32_t stride = (frames->size_max + 63u) / 64 * 64;
    for (uint32_t i = 0; i < frames->count; i++)
        memmove(frames->bytes + (size_t)i * stride, frames->bytes + (size_t)i * frames->stride,
                frames->sizes[i]);
    frames->stride = stride;
}

int blast_capture_read(const char *path, const uint8_t dst_mac[6], struct blast_frames *frames,
                       struct err *err)
{
    struct reading reading = {.file = fopen(path, "re")};
    *frames = (struct blast_frames){.stride = BLAST_CAPTURE_FRAME_MAX};
    if (reading.file == NULL)
        return err_add(err, "%s: %s", path, strerror(errno));
    int rc = read_header(&reading, path, err);
    frames->bytes = malloc((size_t)BLAST_CAPTURE_FRAMES_MAX * BLAST_CAPTURE_FRAME_MAX);
    frames->sizes = calloc(BLAST_CAPTURE_FRAMES_MAX, sizeof(*frames->sizes));
    CHECK(frames->bytes != NULL && frames->sizes != NULL);
    if (rc == 0)
        frames->count = read_all(&reading, dst_mac, frames->bytes, frames->sizes);
    fclose(reading.file);
    if (rc == 0 && frames->count == 0)
        rc = err_add(err, "%s: there is no whole frame in it", path);
    for (uint32_t i = 0; i < frames->count; i++)
        if (frames->sizes[i] > frames->size_max)
            frames->size_max = frames->sizes[i];
    pack(frames);
    return rc;
}
