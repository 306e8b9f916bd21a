/* SPDX-License-Identifier: MPL-2.0 */
#include "core/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_SIZE_MIN = 256 };

int buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t max_size = buffer->max_size != 0 ? buffer->max_size : BUFFER_MAX_DEFAULT;
    if (size > max_size || buffer->size > max_size - size)
        return -ENOSPC;
    size_t needed = buffer->size + size;
    if (needed <= buffer->capacity)
        return 0;
    size_t capacity = buffer->capacity != 0 ? buffer->capacity : BUFFER_SIZE_MIN;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    int rc = buffer_reserve(buffer, size);
    if (rc != 0)
        return rc;
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return 0;
}

int buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return -EINVAL;
    int rc = buffer_reserve(buffer, (size_t)len + 1);
    if (rc != 0)
        return rc;
    va_start(args, format);
    vsnprintf(buffer->data + buffer->size, (size_t)len + 1, format, args);
    va_end(args);
    buffer->size += (size_t)len;
    return 0;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.max_size = buffer->max_size};
}
