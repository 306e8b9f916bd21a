/* SPDX-License-Identifier: MPL-2.0
 *
 * strftime.h - the strftime codes of Heka's native plugins, with English names.
 *
 * Place:   PayloadEncoder; file names and indices with dates in them.
 * Threads: any. The local zone is that of TZ or /etc/localtime.
 * Source:  docs/formats/message.md, "strftime codes". Not libc's: its codes and names differ.
 */
#ifndef CODEC_STRFTIME_H
#define CODEC_STRFTIME_H

#include <stdint.h>

#include "core/buffer.h"

enum strftime_zone { STRFTIME_UTC, STRFTIME_LOCAL };

/* Appends the time (nanoseconds since the epoch) in that format; a code that is not known stays as
 * it is. 0, or -ENOSPC / -ENOMEM and `out` as it was. */
int strftime_append(struct buffer *out, const char *format, int64_t time_ns,
                    enum strftime_zone zone);

#endif
