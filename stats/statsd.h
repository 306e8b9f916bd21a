/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd.h - statsd lines of all dialects to samples.
 *
 * Place:   dataplane/worker.c and hekad's StatsdInput give it whole datagrams or lines;
 *          stats/shard.c takes the samples.
 * Threads: one parser belongs to one thread.
 * Memory:  a parser is the caller's, of fixed size. Samples borrow bytes from the datagram and from
 *          the parser (names with tags are written anew): both until statsd_release(). Not a byte
 *          outside bytes[0..size) is read.
 * Failure: a bad line is counted by its reason and never stops the lines behind it.
 * Source:  Heka 0.11 StatsdInput; the dialects: docs/formats/statsd.md has the grammar and where it
 *          differs, docs/decisions/0008-statsd-dialects.md why.
 *
 * For who takes samples: a series is (type, name bytes, tags_len). `tags` are the last tags_len
 * bytes of the name: ";key=value" for each, sorted by bytes, no pair twice. Types:
 *   COUNTER       `count`, to be added; already divided by the sample rate, cut toward zero
 *   REAL_COUNTER  `value`, to be added; divided by the rate and not cut (only dialect etsy)
 *   METER         `count`, as COUNTER, under names of its own (only dialect spec)
 *   GAUGE         `value`, to be set; with STATSD_DELTA in flags: to be added
 *   TIMER, HISTOGRAM, DISTRIBUTION  `value`; counts `weight` times with STATSD_WEIGHTED, else once
 *   SET           `member`, `member_len`: bytes; statsd_member_hash() is what shards keep of them
 */
#ifndef STATS_STATSD_H
#define STATS_STATSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/name_class.h"

enum statsd_type {
    STATSD_COUNTER,
    STATSD_GAUGE,
    STATSD_TIMER,
    STATSD_SET,
    STATSD_HISTOGRAM,
    STATSD_DISTRIBUTION,
    STATSD_METER,
    STATSD_REAL_COUNTER,
    STATSD_TYPE_COUNT
};

/* Why a line was refused; each has a counter of its own in core/counters.def, in this order. */
enum statsd_reject {
    STATSD_NO_COLON, /* no ":" */
    STATSD_NO_PIPE,  /* no "|" behind the ":" */
    STATSD_NO_TYPE,  /* nothing behind the "|" */
    STATSD_UNKNOWN_TYPE,
    STATSD_BAD_RATE,      /* "|@" and then what is not a finite number above 0 */
    STATSD_NAME_TOO_LONG, /* over STATSD_NAME_MAX, with its tags */
    STATSD_EMPTY_NAME,
    STATSD_BAD_VALUE, /* not a finite number; a counter's beyond 64 bits; an empty member */
    STATSD_BAD_TAGS,  /* over STATSD_TAGS_MAX, no key, no closing bracket, two styles in one line */
    STATSD_BAD_TIMESTAMP,     /* "|T" and then what is not a whole number */
    STATSD_BAD_EVENT,         /* "_e{" and then what is no event */
    STATSD_BAD_SERVICE_CHECK, /* "_sc|" and then what is no service check */
    STATSD_REJECT_COUNT
};

enum statsd_dialect { /* what a line was counted as; bits of statsd_settings.dialects */
    STATSD_HEKA,      /* always on */
    STATSD_SPEC,      /* h is a histogram, m a meter; weights */
    STATSD_ETSY,      /* gauge deltas, real counters, weights, several values with types */
    STATSD_DOG,       /* |#tags |c: |T, types d and h, events, service checks; weights */
    STATSD_INFLUX,    /* name,key=value */
    STATSD_SIGNALFX,  /* name[key=value] */
    STATSD_GRAPHITE,  /* name;key=value */
    STATSD_DIALECT_COUNT
};

enum statsd_tags { /* what becomes of tags */
    STATSD_TAGS_GRAPHITE, /* part of the name in the normal form; tags_len says where */
    STATSD_TAGS_DROP,     /* checked and left out */
    STATSD_TAGS_APPEND    /* ".key.value" each, sorted: part of a plain name */
};

enum {
    STATSD_NAME_MAX = 1024,    /* bytes of one name with its tags */
    STATSD_TAGS_MAX = 64,      /* of one line */
    STATSD_BURST = 64,         /* samples of one statsd_parse() call */
    STATSD_SIZE_MAX = 1 << 30, /* bytes that statsd_parse() may be given (checked) */
    STATSD_SCRATCH = 32 << 10, /* bytes of names that are written anew until statsd_release() */
    STATSD_KNOWN = 64,         /* tags remembered */
    STATSD_KNOWN_RAW = 208,    /* bytes of them as sent, and in the normal form */
    STATSD_KNOWN_TEXT = 256
};

enum { /* statsd_sample.flags */
    STATSD_DELTA = 1,   /* gauge: add the value */
    STATSD_WEIGHTED = 2 /* timer, histogram, distribution: `weight` is there, and not 1 */
};

struct statsd_sample {
    const char *name;
    uint16_t name_len; /* 1 to STATSD_NAME_MAX, with the tags */
    uint16_t tags_len; /* of it, at its end; 0: no tags */
    uint8_t type;      /* enum statsd_type */
    uint8_t flags;
    uint16_t sender; /* as statsd_parser.sender was */
    uint64_t hash;   /* of the name, as stats/shard.h wants it: statsd_name_hash() */
    union {
        double value;       /* finite, never -0 */
        int64_t count;      /* COUNTER, METER */
        const char *member; /* SET */
    };
    union {
        double weight;       /* only with STATSD_WEIGHTED: 1 / sample rate, finite, above 0 */
        uint64_t member_len; /* only of a SET: at least 1 */
    };
};

/* What is said about a line that is no sample. Views of the datagram. */
struct statsd_text {
    const char *at;
    size_t len;
};

struct statsd_notice { /* an event or a service check of DogStatsD */
    bool is_check;
    struct statsd_text name;     /* an event's title */
    struct statsd_text text;     /* an event's text, a check's message; "\n" is a line feed */
    struct statsd_text hostname; /* empty when absent, as all below */
    struct statsd_text tags;     /* as sent: "key:value,key" */
    struct statsd_text priority, alert_type, aggregation_key, source_type; /* events */
    int status;        /* a check's: 0 ok, 1 warning, 2 critical, 3 unknown */
    int64_t timestamp; /* unix seconds; 0: none */
};
/* Called in statsd_parse() for each of them. */
typedef void (*statsd_notice_fn)(void *arg, const struct statsd_notice *notice);

struct statsd_counts {
    uint64_t lines;  /* non-empty lines seen */
    uint64_t extras; /* values behind the first one of a line: lines + extras = samples + rejects +
                        events + checks */
    uint64_t rejects[STATSD_REJECT_COUNT];   /* lines or values refused, by reason */
    uint64_t dialects[STATSD_DIALECT_COUNT]; /* lines by what was met in them beside types, which
                                                samples are counted by; HEKA, SPEC: none */
    uint64_t events, checks;
    uint64_t timestamps; /* lines with a timestamp: checked, not used */
    uint64_t timestamps_late; /* of them, with one before the interval: see interval_s below */
};

struct statsd_settings {
    uint32_t dialects; /* 1 << enum statsd_dialect */
    enum statsd_tags tags;
    statsd_notice_fn notice; /* NULL: events and checks are only counted */
    void *notice_arg;
};

/* By the low five bits of a line's last byte: how such a line ends. */
struct statsd_line_end {
    uint32_t text; /* the last bytes, shifted down */
    uint8_t shift; /* of the last four bytes to compare with it */
    uint8_t len;   /* of it; 0: no type ends so */
    uint8_t type;  /* enum statsd_type */
};

struct statsd_rest { /* of a line with more values than a burst has room for */
    struct statsd_sample model;
    const char *value, *values_end; /* of the values with one type */
    const char *next, *end;         /* the next values with a type of their own; NULL: none */
    size_t offset;                  /* behind the line */
    double rate;
    bool is_extra; /* the line has given something */
    bool is_there;
};

/* Tags as sent, and what became of them: senders repeat them in every line. */
struct statsd_known_tags {
    uint64_t hash;
    uint16_t raw_len, text_len; /* raw_len 0: the place is free */
    bool is_hash;               /* DogStatsD's style */
    char separator;
    char raw[STATSD_KNOWN_RAW], text[STATSD_KNOWN_TEXT];
};

struct statsd_parser {
    struct statsd_settings settings;
    struct statsd_counts counts;
    uint16_t sender; /* [caller] of the datagrams to come: number of the sender, 0 when not known */
    uint32_t interval_s; /* [caller] of the accumulator; 0: no timestamp is late */
    uint64_t now_ns;     /* [caller] wall clock, for interval_s */
    bool is_wide;    /* a dialect beside Heka's */
    bool looks_into_names;
    struct name_class odd_names; /* bytes that names of the fast path must not have */
    struct statsd_line_end ends[32];
    struct statsd_rest rest;
    struct statsd_known_tags known[STATSD_KNOWN];
    uint32_t scratch_used;
    char scratch[STATSD_SCRATCH];
};

/* Zeroes the counts. */
void statsd_init(struct statsd_parser *parser, const struct statsd_settings *settings);
/* Other settings from the next datagram on; the counts go on. */
void statsd_change(struct statsd_parser *parser, const struct statsd_settings *settings);

/* Parses lines from bytes[*offset..size) until the end, until STATSD_BURST samples are there, or
 * until statsd_is_full(); *offset (at first 0) is then where to go on with the same bytes,
 * `size` at the end. Adds to parser->counts. Returns the number of samples, which may be 0 before
 * the end only when the parser is full: `while (offset < size)` is the loop, with a
 * statsd_release() in it. */
unsigned statsd_parse(struct statsd_parser *parser, const char *bytes, size_t size, size_t *offset,
                      struct statsd_sample samples[STATSD_BURST]);

/* A datagram that is one short line in the usual form, as clients send that do not batch. False,
 * and nothing done, for any other: statsd_parse() takes it then. Unlike that, this may read the 32
 * bytes that end with the datagram's last: the caller has headers in front of it. */
bool statsd_parse_single(struct statsd_parser *parser, const char *bytes, size_t size,
                         struct statsd_sample *sample);

/* The caller has to do away with all samples so far and call statsd_release(). */
static inline bool statsd_is_full(const struct statsd_parser *parser)
{
    return parser->scratch_used > STATSD_SCRATCH - STATSD_NAME_MAX;
}
/* All samples so far are done with. */
void statsd_release(struct statsd_parser *parser);

/* The hash that samples carry, for callers that make samples themselves. */
uint64_t statsd_name_hash(const char *name, size_t name_len);
/* The hash of a set's member: the same on every machine and for ever, so that sketches of them can
 * be merged; all of its 64 bits are good. */
uint64_t statsd_member_hash(const char *member, size_t len);

/* "no colon", "bad value", ... for messages and JSON. */
const char *statsd_reject_text(enum statsd_reject reason);
/* "heka", "etsy", ... */
const char *statsd_dialect_text(enum statsd_dialect dialect);
/* The dialect of that name, or -1. "all" is none. */
int statsd_dialect_find(const char *text);

#endif
