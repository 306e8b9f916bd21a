/* SPDX-License-Identifier: MPL-2.0
 *
 * shard.h - one core's part of an accumulator: series to what their samples add up to since the
 *           last flush.
 *
 * Place:   a poll-mode worker adds; the housekeeping thread merges (stats/accum.h). How it is laid
 *          out: docs/formats/statsd.md.
 * Threads: shard_set_guard [before the first sample]; shard_add and shard_poll [worker];
 *          shard_request, shard_ready, shard_take, shard_offenders [housekeeping]; shard_counts
 *          [any]. Values are double-buffered: the worker writes one side while the other is
 *          merged, so it never waits, and it never has to clear anything.
 * Memory:  all of it is reserved by shard_new() and bounded by struct shard_limits; pages are used
 *          only once something is stored in them. shard_add never allocates.
 * Failure: a sample that finds no room is counted in the shard's overflow counters and in no
 *          series.
 */
#ifndef STATS_SHARD_H
#define STATS_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/statsd.h"

struct shard;

enum {
    SHARD_NAMES_MAX = 64 << 20,
    SHARD_NAME_INLINE = 64, /* longer names take bytes of name_bytes_max, in steps of 64 */
    SHARD_IDLE_FLUSHES = 3, /* flushes without a sample before a name may give way to a new one */
    SHARD_IDLE_FLUSHES_MAX = 60000,
    SHARD_PREFIX_PARTS_MAX = 8,
    SHARD_SENDERS = 1 << 16, /* numbers that samples may carry in `sender` */
    SHARD_OFFENDERS = 32,
    SHARD_OFFENDER_TEXT = 80
};

struct shard_limits {
    uint32_t names_max;         /* distinct (name, type) series, 1 to SHARD_NAMES_MAX */
    uint32_t name_bytes_max;    /* for names over SHARD_NAME_INLINE; 0: 48 for each series */
    uint32_t timer_samples_max; /* values of timers, histograms and distributions between two
                                   flushes, all series together; and as many members of sets */
};

/* Limits below names_max, of which none is in force at first. A prefix is the first prefix_parts
 * parts of a name between dots, without tags. */
struct shard_guard {
    uint32_t prefix_parts;     /* 1 to SHARD_PREFIX_PARTS_MAX; 0 is 1 */
    uint32_t prefix_names_max; /* series of one prefix; 0: no limit */
    uint32_t sender_names_max; /* series that one sender has made; 0: no limit; not sender 0 */
    uint32_t idle_flushes;     /* drop names without samples for so many flushes, at least
                                  SHARD_IDLE_FLUSHES, to SHARD_IDLE_FLUSHES_MAX; 0: never */
};

/* Written by the worker with relaxed stores, monotonic; any thread may read a member. */
struct shard_counts {
    _Atomic uint64_t accepted[STATSD_TYPE_COUNT]; /* samples stored */
    _Atomic uint64_t overflow_names;              /* samples refused: no room for a new name */
    _Atomic uint64_t overflow_timers; /* samples refused: no room for another timer value */
    _Atomic uint64_t overflow_members;  /* samples refused: no room for another member of a set */
    _Atomic uint64_t overflow_prefixes; /* samples refused: their prefix has too many names */
    _Atomic uint64_t overflow_senders;  /* samples refused: their sender has made too many names */
    _Atomic uint64_t names_reclaimed;   /* idle names that gave way to new ones */
    _Atomic uint64_t names_aged;        /* idle names dropped by the guard */
};

/* 0; -EINVAL for limits out of range; -ENOMEM. */
int shard_new(const struct shard_limits *limits, struct shard **out);
void shard_free(struct shard *shard); /* NULL is fine */

/* 0; -EINVAL for what is out of range; -ENOMEM. */
int shard_set_guard(struct shard *shard, const struct shard_guard *guard);

/* Bytes reserved: the shard never uses more. A series uses 128 of them and 8 to 16 in the index, a
 * timer value 12 a side and 8 while it is taken (with a weight 12 and 8 more), a set's member 28 a
 * side and 8. */
size_t shard_bytes(const struct shard *shard);

/* Adds a burst of any size. Never blocks, never fails: see shard_counts. The names are copied. When
 * all names_max series are taken, a new name takes the place of one that had no sample for
 * SHARD_IDLE_FLUSHES flushes; the work for that is bounded per sample and per flush. [worker] */
void shard_add(struct shard *shard, const struct statsd_sample *samples, unsigned count);
const struct shard_counts *shard_counts(const struct shard *shard);

/* Series in the table now. [worker] */
uint32_t shard_series_count(const struct shard *shard);

/* Flush handover. Housekeeping calls shard_request() (again before shard_take() changes nothing);
 * the worker calls shard_poll() once per loop (one relaxed load when nothing is asked), which swaps
 * sides; then shard_ready() is true and housekeeping reads the other side by shard_take(), which
 * empties it. */
void shard_request(struct shard *shard);
bool shard_requested(const struct shard *shard); /* shard_poll() would swap now. [worker] */
void shard_poll(struct shard *shard);
bool shard_ready(const struct shard *shard);

struct shard_series { /* one series that had samples in the interval */
    const char *name; /* not NUL-terminated; until the callback returns */
    uint16_t name_len; /* with the tags */
    uint16_t tags_len; /* of it, at its end: stats/statsd.h */
    uint8_t type;      /* enum statsd_type */
    bool is_delta;     /* gauge: it was not set here, `gauge` is what was added to it */
    uint64_t hash;     /* of the name alone */
    uint64_t samples;  /* how many samples went in, at least 1 */
    int64_t count;     /* counter, meter: sum, held at the ends of 64 bits */
    double real;       /* real counter: sum, held at the largest double */
    double gauge;      /* gauge: the last value, and what was added after it */
    /* Gauge: of the last sample; larger is later, comparable between shards of one machine. Of the
     * shards of an interval in which it was set the one with the largest wins; what shards with
     * is_delta have is added to that, or to the former value where none has set it. That does not
     * depend on the order in which shards are merged. */
    uint64_t gauge_order;
    /* Timer, histogram, distribution: `samples` values in the order they came. weights: NULL is 1
     * for each; a value with weight W stands for W values. */
    const double *timers;
    const double *weights;
    /* Set: statsd_member_hash() of each member, member_count >= 1. A member may be there more than
     * once. */
    const uint64_t *members;
    uint64_t member_count;
};
typedef void (*shard_series_fn)(void *arg, const struct shard_series *series);

/* Calls fn for every series of the side that was handed over, in the order in which the names took
 * their places, and empties that side. Returns the samples in it, summed over the series; 0 when
 * shard_ready() is false. [housekeeping] */
uint64_t shard_take(struct shard *shard, shard_series_fn fn, void *arg);

/* Whose samples were refused, the most first. Counted by prefix with a bounded error (the
 * space-saving algorithm, Metwally et al. 2005): `refused` is too high by at most `error`. */
struct shard_offender {
    char prefix[SHARD_OFFENDER_TEXT]; /* NUL-terminated; longer ones are cut */
    uint64_t refused, error;          /* since shard_new() */
};
/* Up to `max` of them, as of the handover; call it while shard_ready(). Returns their number.
 * [housekeeping] */
unsigned shard_offenders(const struct shard *shard, struct shard_offender *out, unsigned max);

#endif
