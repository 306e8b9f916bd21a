/* SPDX-License-Identifier: MPL-2.0
 *
 * log.h - Heka's log lines: information on stdout, errors on stderr, Go's prefix flags.
 *
 * Place:   cold paths of both programs; never per packet or per message.
 * Threads: any; one write(2) a line.
 * Source:  Heka 0.11 log_flags (bits of Go's log package).
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum { /* [hekad] log_flags */
    LOG_DATE = 1,
    LOG_TIME = 2,
    LOG_MICROSECONDS = 4,
    LOG_UTC = 32,
    LOG_FLAGS_DEFAULT = LOG_DATE | LOG_TIME
};

void log_set_flags(unsigned flags);
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes the prefix for the time `now_ns` ("2006/01/02 15:04:05 ") to buf; returns its length. */
size_t log_prefix(char *buf, size_t size, unsigned flags, uint64_t now_ns);

#endif
