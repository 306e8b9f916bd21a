/* SPDX-License-Identifier: MPL-2.0
 *
 * time_zone.h - local time by the tz database, without the process's own zone.
 *
 * Place:   time_parser.c. libc knows one zone for each process; here each plugin has its own.
 * Threads: a zone is immutable and may be shared; loading is for cold paths.
 * Memory:  time_zone_load() allocates, time_zone_free() frees.
 * Failure: -1 with a text for a name that is no zone; -EINVAL for bytes that are no TZif file.
 * Bounds:  times up to TIME_ZONE_S_MAX seconds from the epoch.
 * Source:  RFC 9636 (TZif), POSIX.1-2017 section 8.3 (TZ rules); what a local time means where
 *          clocks are set forward or back is as in Go's time package, which Heka used.
 */
#ifndef CODEC_TIME_ZONE_H
#define CODEC_TIME_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum {
    TIME_ZONE_FILE_MAX = 256 * 1024, /* bytes of a TZif file */
    TIME_ZONE_NAME_MAX = 255
};

#define TIME_ZONE_S_MAX (INT64_C(1) << 55)

struct time_zone;

/* "" and "UTC"; "Local": the environment variable TZ as libc reads it, else /etc/localtime, else
 * UTC; any other name is a file of the tz database ("America/Los_Angeles"). 0, or -1 after adding
 * to err. */
int time_zone_load(const char *name, struct time_zone **out, struct err *err);

/* The contents of a TZif file. 0, -EINVAL or -ENOMEM. */
int time_zone_parse(const void *bytes, size_t size, struct time_zone **out);

void time_zone_free(struct time_zone *zone);

struct time_zone_period {   /* an interval without a change */
    int64_t start_s, end_s; /* since the epoch, the end not included; INT64_MIN, INT64_MAX: open */
    int32_t offset_s;       /* to be added to UTC */
    const char *name;       /* "PDT" */
    size_t name_len;
};

/* Where `unix_s` lies. NULL is UTC, here and below. */
struct time_zone_period time_zone_at(const struct time_zone *zone, int64_t unix_s);

/* Seconds since the epoch for a local time, which is given as if it were UTC. A time that does not
 * exist or exists twice becomes one of the two that could be meant. */
int64_t time_zone_to_unix(const struct time_zone *zone, int64_t local_s);

/* Offset of the zone's abbreviation `name` ("PDT"), if it has that: the one that was in use at the
 * local time, else any. */
bool time_zone_offset_of(const struct time_zone *zone, const char *name, size_t name_len,
                         int64_t local_s, int32_t *offset_s);

#endif
