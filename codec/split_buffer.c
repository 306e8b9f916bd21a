/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/split_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

enum { CAPACITY_MIN = 64 };

int split_buffer_init(struct split_buffer *buffer, const struct splitter *splitter)
{
    size_t size = (splitter_stream_size(splitter) + 15) & ~(size_t)15;
    *buffer = (struct split_buffer){0};
    buffer->capacity_min = (size_t)splitter->common.min_buffer_size;
    if (buffer->capacity_min < CAPACITY_MIN)
        buffer->capacity_min = CAPACITY_MIN;
    buffer->stream = aligned_alloc(16, size);
    if (buffer->stream == NULL)
        return -ENOMEM;
    memset(buffer->stream, 0, size);
    split_stream_init(buffer->stream, splitter);
    return 0;
}

void split_buffer_fini(struct split_buffer *buffer)
{
    free(buffer->stream);
    free(buffer->bytes);
    *buffer = (struct split_buffer){0};
}

/* Twice as large, or the first size. What is not consumed is less than splitter_buffer_max(), so a
 * buffer of twice that is never more than half full. */
static int grow(struct split_buffer *buffer)
{
    size_t max = 2 * splitter_buffer_max(buffer->stream->splitter);
    size_t capacity = buffer->capacity > 0 ? 2 * buffer->capacity : buffer->capacity_min;
    if (capacity > max && buffer->capacity < max)
        capacity = max;
    char *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return 0;
}

static void move_to_front(struct split_buffer *buffer)
{
    size_t size = buffer->end - buffer->start;
    if (buffer->start > 0)
        memmove(buffer->bytes, buffer->bytes + buffer->start, size);
    buffer->start = 0;
    buffer->end = size;
}

/* What is moved is less than what was read since the last time: all in all linear. */
char *split_buffer_room(struct split_buffer *buffer, size_t *room)
{
    while (buffer->capacity - buffer->end < buffer->capacity_min / 2) {
        if (buffer->end - buffer->start < buffer->capacity / 2)
            move_to_front(buffer);
        else if (grow(buffer) != 0)
            return NULL;
    }
    *room = buffer->capacity - buffer->end;
    return buffer->bytes + buffer->end;
}

void split_buffer_add(struct split_buffer *buffer, size_t size)
{
    CHECK(size <= buffer->capacity - buffer->end);
    buffer->end += size;
}

enum split_outcome split_buffer_next(struct split_buffer *buffer, enum split_source source,
                                     struct split_piece *piece, struct split_counts *counts)
{
    struct msg_slice bytes = {buffer->bytes, 0};
    if (buffer->end > buffer->start)
        bytes = (struct msg_slice){buffer->bytes + buffer->start,
                                   (uint32_t)(buffer->end - buffer->start)};
    enum split_outcome outcome = split_next(buffer->stream, bytes, source, piece, counts);
    buffer->start += piece->consumed;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    return outcome;
}
