/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_notice.h - DogStatsD's events and service checks.
 *
 * Place:   stats/statsd_line.c.
 * Threads: those of the parser.
 * Failure: counted as bad event or bad service check.
 * Source:  "_e{TITLE_BYTES,TEXT_BYTES}:TITLE|TEXT|d:|h:|k:|p:|s:|t:|#" and
 *          "_sc|NAME|STATUS|d:|h:|#|m:" of DogStatsD's datagram format.
 */
#ifndef STATS_STATSD_NOTICE_H
#define STATS_STATSD_NOTICE_H

#include "stats/statsd.h"

/* Does the line say that it is one? */
static inline bool statsd_notice_is(const char *line, const char *end)
{
    size_t len = (size_t)(end - line);
    return (len >= 3 && memcmp(line, "_e{", 3) == 0) || (len >= 4 && memcmp(line, "_sc|", 4) == 0);
}

/* Calls settings.notice and counts; `end` is before blanks are taken off. A negative number, or an
 * enum statsd_reject. */
int statsd_notice_take(struct statsd_parser *parser, const char *line, const char *end);

#endif
