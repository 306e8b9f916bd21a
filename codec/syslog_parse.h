/* SPDX-License-Identifier: MPL-2.0
 *
 * syslog_parse.h - the parts of a syslog message of either RFC.
 *
 * Place:   syslog_decoder.c.
 * Threads: any, no state.
 * Memory:  nothing allocates; the parts point into the message.
 * Failure: false for a text that has neither a priority nor a timestamp.
 * Source:  RFC 3164, RFC 5424; what senders do instead is in docs/formats/decoders.md.
 */
#ifndef CODEC_SYSLOG_PARSE_H
#define CODEC_SYSLOG_PARSE_H

#include "codec/syslog_time.h"

enum {
    SYSLOG_NO_PRIORITY = -1,
    SYSLOG_PRIORITY_MAX = 191,
    SYSLOG_TAG_MAX = 128 /* bytes of a program's name in RFC 3164 */
};

struct syslog_parts {         /* a slice with len 0: the message has none */
    int priority;             /* severity + 8 * facility, or SYSLOG_NO_PRIORITY; up to 999 */
    bool has_structure_fault; /* what should be structured data is in `message` */
    struct syslog_time time;
    struct msg_slice hostname, programname, procid, msgid;
    struct msg_slice sequence; /* Cisco's number in front of the timestamp */
    struct msg_slice data;     /* for syslog_data_write() */
    struct msg_slice message;  /* without line end, NUL and byte order mark */
};

bool syslog_parse(struct msg_slice line, const struct syslog_clock *clock,
                  struct syslog_parts *parts);

#endif
