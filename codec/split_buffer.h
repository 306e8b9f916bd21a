/* SPDX-License-Identifier: MPL-2.0
 *
 * split_buffer.h - a stream's bytes between reading and splitting, and the stream that splits them.
 *
 * Place:   kernel inputs of hekad: one for each connection, file or process.
 * Threads: one owner.
 * Memory:  the buffer starts with min_buffer_size bytes when there is something to read, and
 *          doubles up to twice splitter_buffer_max(); nothing else allocates.
 * Failure: split_buffer_room() returns NULL when there is no memory; what is in it stays.
 */
#ifndef CODEC_SPLIT_BUFFER_H
#define CODEC_SPLIT_BUFFER_H

#include "codec/splitter.h"

struct split_buffer {
    struct split_stream *stream;
    char *bytes;
    size_t start, end; /* of what is not consumed yet */
    size_t capacity, capacity_min;
};

/* 0, or -ENOMEM. The splitter outlives the buffer. */
int split_buffer_init(struct split_buffer *buffer, const struct splitter *splitter);
void split_buffer_fini(struct split_buffer *buffer); /* zeroed is fine */

/* Where to read to, and how much: at least half of the smallest size, once split_buffer_next() has
 * said SPLIT_MORE. NULL: no memory. Records that were got before are gone. */
char *split_buffer_room(struct split_buffer *buffer, size_t *room);
/* So much was read. */
void split_buffer_add(struct split_buffer *buffer, size_t size);

/* The next piece of what is there; to be called until SPLIT_MORE. See split_next(). */
enum split_outcome split_buffer_next(struct split_buffer *buffer, enum split_source source,
                                     struct split_piece *piece, struct split_counts *counts);

#endif
