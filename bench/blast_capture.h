/* SPDX-License-Identifier: MPL-2.0
 *
 * blast_capture.h - the frames of a capture file, to be sent over and over.
 *
 * Place:   bench/blast.c; bench/capture_file.h writes such files.
 * Threads: no state.
 * Memory:  a copy of all frames; the caller frees bytes and sizes.
 * Failure: anything but an Ethernet capture of libpcap's classic format is refused with a text;
 *          at most BLAST_CAPTURE_FRAMES_MAX frames are taken, and what is left out is said.
 * Source:  draft-ietf-opsawg-pcap.
 */
#ifndef BENCH_BLAST_CAPTURE_H
#define BENCH_BLAST_CAPTURE_H

#include <stdint.h>

#include "bench/blast_port.h"

enum { BLAST_CAPTURE_FRAMES_MAX = 32768, BLAST_CAPTURE_FRAME_MAX = 9216 };

/* Frames for one station get `dst_mac` as their destination; groups keep theirs. 0, or -1 after
 * adding to `err`. */
int blast_capture_read(const char *path, const uint8_t dst_mac[6], struct blast_frames *frames,
                       struct err *err);

#endif
