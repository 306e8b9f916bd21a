/* SPDX-License-Identifier: MPL-2.0 */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

enum {
    LOG_LINE_SIZE = 2048,   /* on the stack; longer lines take the heap */
    LOG_LINE_MAX = 1 << 20, /* bytes of one line; what is beyond is cut */
    LOG_PREFIX_SIZE = 64
};

static atomic_uint log_flags = LOG_FLAGS_DEFAULT;

void log_set_flags(unsigned flags)
{
    atomic_store_explicit(&log_flags, flags, memory_order_relaxed);
}

size_t log_prefix(char *buf, size_t size, unsigned flags, uint64_t now_ns)
{
    char date[LOG_PREFIX_SIZE] = "", clock[LOG_PREFIX_SIZE] = "", micro[16] = "";
    time_t seconds = (time_t)(now_ns / CLOCK_NS_PER_S);
    struct tm tm = {0};
    if (flags & LOG_UTC)
        gmtime_r(&seconds, &tm);
    else
        localtime_r(&seconds, &tm);
    if (flags & LOG_DATE)
        strftime(date, sizeof(date), "%Y/%m/%d ", &tm);
    if (flags & (LOG_TIME | LOG_MICROSECONDS))
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    if (flags & LOG_MICROSECONDS)
        snprintf(micro, sizeof(micro), ".%06u", (unsigned)(now_ns % CLOCK_NS_PER_S / 1000));
    int len = snprintf(buf, size, "%s%s%s%s", date, clock, micro, clock[0] != '\0' ? " " : "");
    if (size == 0 || len < 0)
        return 0;
    return (size_t)len < size ? (size_t)len : size - 1;
}

/* One write; more only if the system takes less than all of it. Nobody can be told of a failure. */
static void write_line(int fd, const char *line, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, line, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        line += written;
        len -= (size_t)written;
    }
}

/* Room for the whole line: the caller's buffer, or the heap, to be freed. */
static char *line_room(char *stack, size_t *size, size_t prefix_len, int text_len)
{
    size_t wanted = prefix_len + (size_t)text_len + 2; /* newline, NUL */
    if (wanted > LOG_LINE_MAX)
        wanted = LOG_LINE_MAX;
    char *heap = wanted > *size ? malloc(wanted) : NULL;
    if (heap == NULL)
        return stack;
    memcpy(heap, stack, prefix_len);
    *size = wanted;
    return heap;
}

static void log_line(int fd, const char *format, va_list args)
{
    char stack[LOG_LINE_SIZE];
    size_t size = sizeof(stack);
    va_list again;
    va_copy(again, args);
    size_t len =
        log_prefix(stack, LOG_PREFIX_SIZE, atomic_load_explicit(&log_flags, memory_order_relaxed),
                   clock_wall_ns());
    int text_len = vsnprintf(NULL, 0, format, args);
    if (text_len >= 0) {
        char *line = line_room(stack, &size, len, text_len);
        vsnprintf(line + len, size - len - 1, format, again); /* one byte is for the newline */
        len += strlen(line + len);
        if (len == 0 || line[len - 1] != '\n')
            line[len++] = '\n';
        write_line(fd, line, len);
        if (line != stack)
            free(line);
    }
    va_end(again);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(STDOUT_FILENO, format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(STDERR_FILENO, format, args);
    va_end(args);
}
