/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd.h - statsd lines to samples.
 *
 * Place:   dataplane/statsd_listener.c gives it whole datagrams; stats/shard.c takes the samples.
 * Threads: no state; any thread.
 * Memory:  samples borrow the name from the datagram. Not a byte outside bytes[0..size) is read.
 * Failure: a bad line is counted by its reason and never stops the lines behind it.
 * Source:  Heka 0.11 StatsdInput (docs/formats/statsd.md has the grammar and where it differs).
 */
#ifndef STATS_STATSD_H
#define STATS_STATSD_H

#include <stddef.h>
#include <stdint.h>

enum statsd_type { STATSD_COUNTER, STATSD_GAUGE, STATSD_TIMER, STATSD_TYPE_COUNT };

/* Why a line was refused; each has a counter of its own in core/counters.def, in this order. A line
 * with several faults is counted under the first of them in this order. */
enum statsd_reject {
    STATSD_NO_COLON, /* no ":" */
    STATSD_NO_PIPE,  /* no "|" behind the ":" */
    STATSD_NO_TYPE,  /* nothing behind the "|" */
    STATSD_UNKNOWN_TYPE,
    STATSD_BAD_RATE,      /* "|@" and then what is not a finite number above 0 */
    STATSD_NAME_TOO_LONG, /* over STATSD_NAME_MAX */
    STATSD_EMPTY_NAME,
    STATSD_BAD_VALUE, /* not a finite number; a counter's beyond 64 bits */
    STATSD_REJECT_COUNT
};

enum {
    STATSD_NAME_MAX = 1024,   /* bytes of one name */
    STATSD_BURST = 64,        /* samples of one statsd_parse() call */
    STATSD_SIZE_MAX = 1 << 30 /* bytes that statsd_parse() may be given (checked) */
};

struct statsd_sample {
    const char *name;
    uint16_t name_len; /* 1 to STATSD_NAME_MAX */
    uint8_t type;      /* enum statsd_type */
    uint64_t hash;     /* of the name, as stats/shard.h wants it: statsd_name_hash() */
    union {
        double value;  /* gauge, timer: finite, never -0 */
        int64_t count; /* counter: value / sample rate, cut toward zero */
    };
};

struct statsd_counts {
    uint64_t lines;                        /* non-empty lines seen: samples + rejects */
    uint64_t rejects[STATSD_REJECT_COUNT]; /* lines refused, by reason */
};

/* Parses lines from bytes[*offset..size) until the end or until STATSD_BURST samples are there;
 * *offset (at the start of a line, at first 0) moves behind the last line parsed and is `size` at
 * the end. Adds to `counts`. Returns the number of samples, which may be 0 before the end only when
 * there are no more: `while (offset < size)` is the loop. */
unsigned statsd_parse(const char *bytes, size_t size, size_t *offset,
                      struct statsd_sample samples[STATSD_BURST], struct statsd_counts *counts);

/* The hash that samples carry, for callers that make samples themselves. */
uint64_t statsd_name_hash(const char *name, size_t name_len);

/* "no colon", "bad value", ... for messages and JSON. */
const char *statsd_reject_text(enum statsd_reject reason);

#endif
