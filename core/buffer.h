/* SPDX-License-Identifier: MPL-2.0
 *
 * buffer.h - growing byte buffer for cold and warm paths, with a limit.
 *
 * Place:   encoders, outputs, configuration text; never in a poll-mode worker.
 * Threads: one owner.
 * Failure: appending beyond max_size or out of memory returns -ENOSPC / -ENOMEM and changes
 *          nothing.
 */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stddef.h>

/* Zero-initialise and set max_size (0 = BUFFER_MAX_DEFAULT). */
struct buffer {
    char *data;
    size_t size;
    size_t capacity;
    size_t max_size;
};

#define BUFFER_MAX_DEFAULT ((size_t)64 << 20)

int buffer_append(struct buffer *buffer, const void *data, size_t size);
int buffer_append_text(struct buffer *buffer, const char *text);
int buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for `size` more bytes at data + size (not counted until the caller adds to buffer->size). */
int buffer_reserve(struct buffer *buffer, size_t size);
void buffer_clear(struct buffer *buffer); /* keeps the memory */
void buffer_fini(struct buffer *buffer);

#endif
