/* SPDX-License-Identifier: MPL-2.0
 *
 * time_layout.h - times written as an example, as in Go: "02/Jan/2006:15:04:05 -0700".
 *
 * Place:   time_parser.c, for timestamp_layout of the decoders.
 * Threads: a layout is immutable and may be shared.
 * Memory:  time_layout_new() allocates, parsing does not.
 * Failure: -EINVAL for a text that is not of the layout, or no time.
 * Source:  the package time of Go (time.Parse), documented at pkg.go.dev/time#Layout: Monday 2
 *          January 2006, 15:04:05 in the zone -0700 or MST; _2 and __2 with blanks, 002 day of the
 *          year, .000 fraction of a second, .999 one that may be missing. A blank of the layout
 *          stands for any number of blanks; a fraction may follow the seconds without being in the
 *          layout.
 */
#ifndef CODEC_TIME_LAYOUT_H
#define CODEC_TIME_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIME_LAYOUT_MAX = 255 }; /* bytes */

struct time_layout;

enum time_zone_kind { TIME_ZONE_NONE, TIME_ZONE_UTC, TIME_ZONE_OFFSET, TIME_ZONE_ABBREVIATION };

struct time_fields { /* what a text says; a day that exists */
    int year;        /* 0 when it says none */
    int month, day;  /* 1 when it says none */
    int hour, minute, second, nanosecond;
    bool has_year, has_date; /* the layout has a year; a month, day or day of the year */
    enum time_zone_kind zone;
    int32_t offset_s;      /* TIME_ZONE_OFFSET */
    const char *zone_name; /* TIME_ZONE_ABBREVIATION, in the text */
    size_t zone_name_len;
};

/* 0, -EINVAL (longer than TIME_LAYOUT_MAX) or -ENOMEM. */
int time_layout_new(const char *text, struct time_layout **out);
void time_layout_free(struct time_layout *layout);

int time_layout_parse(const struct time_layout *layout, const char *text, size_t len,
                      struct time_fields *fields);

#endif
