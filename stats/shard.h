/* SPDX-License-Identifier: MPL-2.0
 *
 * shard.h - one core's part of an accumulator: names to counters, gauges and timers since the last
 *           flush.
 *
 * Place:   a poll-mode worker adds; the housekeeping thread merges (stats/accum.h). How it is laid
 *          out: docs/formats/statsd.md.
 * Threads: shard_add and shard_poll [worker]; shard_request, shard_ready, shard_take
 *          [housekeeping]; shard_counts [any]. Values are double-buffered: the worker writes one
 *          side while the other is merged, so it never waits, and it never has to clear anything.
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
    SHARD_IDLE_FLUSHES = 3  /* flushes without a sample before a name may give way to a new one */
};

struct shard_limits {
    uint32_t names_max;         /* distinct (name, type) series, 1 to SHARD_NAMES_MAX */
    uint32_t name_bytes_max;    /* for names over SHARD_NAME_INLINE; 0: 48 for each series */
    uint32_t timer_samples_max; /* timer values between two flushes, all series together */
};

/* Written by the worker with relaxed stores, monotonic; any thread may read a member. */
struct shard_counts {
    _Atomic uint64_t accepted[STATSD_TYPE_COUNT]; /* samples stored */
    _Atomic uint64_t overflow_names;              /* samples refused: no room for a new name */
    _Atomic uint64_t overflow_timers; /* samples refused: no room for another timer value */
    _Atomic uint64_t names_reclaimed; /* idle names that gave way to new ones */
};

/* 0; -EINVAL for limits out of range; -ENOMEM. */
int shard_new(const struct shard_limits *limits, struct shard **out);
void shard_free(struct shard *shard); /* NULL is fine */

/* Bytes reserved: the shard never uses more. A series uses 128 of them and 8 to 16 in the index, a
 * timer value 12 a side and 8 while it is taken. */
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
    uint16_t name_len;
    uint8_t type;         /* enum statsd_type */
    uint64_t hash;        /* of the name alone */
    uint64_t samples;     /* how many samples went in, at least 1 */
    int64_t count;        /* counter: sum, held at the ends of 64 bits */
    double gauge;         /* gauge: the last value */
    uint64_t gauge_order; /* gauge: larger is later, comparable between shards of one machine */
    const double *timers; /* timer: `samples` values, in the order they came */
};
typedef void (*shard_series_fn)(void *arg, const struct shard_series *series);

/* Calls fn for every series of the side that was handed over, in the order in which the names took
 * their places, and empties that side. Returns the samples in it, summed over the series; 0 when
 * shard_ready() is false. [housekeeping] */
uint64_t shard_take(struct shard *shard, shard_series_fn fn, void *arg);

#endif
