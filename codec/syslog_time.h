/* SPDX-License-Identifier: MPL-2.0
 *
 * syslog_time.h - the timestamps that senders of syslog write.
 *
 * Place:   syslog_parse.c.
 * Threads: any, no state.
 * Memory:  nothing allocates.
 * Failure: syslog_time_take() says whether there is a timestamp, and whether it is a time.
 * Source:  RFC 5424 section 6.2.3, RFC 3164 section 4.1.2, and what senders do instead:
 *          docs/formats/decoders.md has the list.
 */
#ifndef CODEC_SYSLOG_TIME_H
#define CODEC_SYSLOG_TIME_H

#include "codec/syslog_text.h"
#include "codec/time_zone.h"

enum syslog_time_state {
    SYSLOG_TIME_NONE,   /* no timestamp here */
    SYSLOG_TIME_BROKEN, /* written like one, but no time (30 February) */
    SYSLOG_TIME_KNOWN
};

struct syslog_time {
    enum syslog_time_state state;
    int64_t ns; /* KNOWN: since the epoch */
    struct msg_slice text;
};

struct syslog_clock {             /* what completes a timestamp */
    const struct time_zone *zone; /* of times that do not name one; NULL: UTC */
    int64_t now_ns;
};

/* Year, month, day and time as in RFC 3339; the zone may be missing, "T" may be a space, and the
 * fraction of the second may begin with a comma. A space or the end has to follow. */
struct syslog_time syslog_time_take_iso(struct syslog_text *text, const struct syslog_clock *clock);

/* Seconds since the epoch with ten digits, with or without a fraction; a space or the end has to
 * follow. */
struct syslog_time syslog_time_take_epoch(struct syslog_text *text);

/* Any of these, or "Oct 11 22:14:15" with or without a weekday, year, fraction and zone; a colon
 * may follow, too. Without a year it is the latest time that is at most SYSLOG_TIME_AHEAD_DAYS
 * after the clock's. */
enum { SYSLOG_TIME_AHEAD_DAYS = 31 };
struct syslog_time syslog_time_take(struct syslog_text *text, const struct syslog_clock *clock);

#endif
