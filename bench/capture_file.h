/* SPDX-License-Identifier: MPL-2.0
 *
 * capture_file.h - writes frames as a pcap file, for ports that deliver one from memory.
 *
 * Place:   bench/rate_rig.c, bench/message_rate.c.
 * Threads: one for each file.
 * Failure: errors of the file are said by capture_file_close().
 */
#ifndef BENCH_CAPTURE_FILE_H
#define BENCH_CAPTURE_FILE_H

#include <stdint.h>
#include <stdio.h>

struct capture_file {
    FILE *file;
    uint32_t count;
};

/* 0 or negative errno. */
int capture_file_open(struct capture_file *capture, const char *path);
/* One Ethernet frame without check sequence. */
void capture_file_add(struct capture_file *capture, const uint8_t *frame, uint32_t size);
/* 0, or negative when something could not be written. */
int capture_file_close(struct capture_file *capture);

#endif
