/* SPDX-License-Identifier: MPL-2.0
 *
 * accum.h - the accumulator: merges shards and writes Heka's statmetric payload.
 *
 * Place:   dataplane/housekeeping.c; later hekad's StatAccumInput. Names and values:
 *          docs/formats/statsd.md.
 * Threads: one.
 * Memory:  allocates; bounded by names_max and by what the shards can hold.
 * Failure: samples of a series beyond names_max, or that memory could not be had for, go into no
 *          series; they are counted in accum_counts() and in the visible series
 *          `<global>.<statsd>.overflow`.
 * Source:  Heka 0.11 StatAccumInput.
 */
#ifndef STATS_ACCUM_H
#define STATS_ACCUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/schema.h"
#include "stats/shard.h"

enum {
    ACCUM_PERCENTILES_MAX = 16,
    ACCUM_PREFIX_MAX = 256 /* bytes of each prefix */
};

struct accum_config { /* filled from accum_schema: Heka's StatAccumInput options */
    bool emit_in_payload;
    bool emit_in_fields;
    struct schema_list percent_threshold; /* int64_t each, 0 to 100 */
    int64_t ticker_interval;              /* s */
    const char *message_type;
    bool legacy_namespaces;
    const char *global_prefix, *counter_prefix, *timer_prefix, *gauge_prefix, *statsd_prefix;
    bool delete_idle_stats;
    int64_t names_max;         /* ours: series, default 1,000,000 */
    int64_t timer_samples_max; /* ours: timer values per interval and core, default 4,000,000 */
};
extern const struct schema accum_schema;

struct accum;

struct accum_counts {         /* since accum_new() */
    uint64_t refused_samples; /* taken from shards, but there was no room for their series */
    uint64_t overflow;        /* those, and what accum_overflow() added */
    uint64_t long_lines;      /* lines left out because chunk_max is shorter than the line alone */
};

/* `config` (and its strings) must outlive the accumulator. 0, or -1 after adding every error to
 * `err`: "TickerInterval must be greater than 0.", ... */
int accum_new(const struct accum_config *config, struct accum **out, struct err *err);
void accum_free(struct accum *accum);          /* NULL is fine */
size_t accum_bytes(const struct accum *accum); /* allocated now */

/* Merges the side that `shard` handed over. Returns the samples merged (the ledger's flushed),
 * summed from the series themselves; the samples that found no room are not among them but in
 * accum_counts()->refused_samples. Takes nothing and returns 0 while the shard is not ready, and
 * between an accum_flush() that stopped and the one that ends: merge later then. */
uint64_t accum_merge(struct accum *accum, struct shard *shard);

/* Adds samples that were refused elsewhere (by shards) to the visible overflow series. */
void accum_overflow(struct accum *accum, uint64_t samples);

const struct accum_counts *accum_counts(const struct accum *accum);

/* Writes one flush as a sequence of chunks, each of whole lines ("<name> <value> <unix
 * seconds>\n"), at most `chunk_max` bytes of payload and fields together, and ends the interval
 * (counters to 0, timers emptied, gauges kept, idle deletion). `elapsed_s` is the true length of
 * the interval for rates and count_ps (normally ticker_interval; not above 0: ticker_interval).
 * Even with no stats one chunk (numStats) is written. Each chunk's fields begin with `timestamp`.
 * When emit returns non-zero the flush stops with that value; call again, with any arguments, to go
 * on with the same chunk, time and size. Returns 0 when all is written, -ENOMEM when there is no
 * memory for chunks (nothing has happened then).
 * Order: counters, gauges, timers, each in the order in which their names came; overflow;
 * numStats. */
struct accum_chunk {
    const char *payload; /* lines; size 0 with emit_in_payload off */
    size_t payload_size;
    const uint8_t *fields; /* encoded Message.fields members; size 0 with emit_in_fields off */
    size_t fields_size;
};
typedef int (*accum_chunk_fn)(void *arg, const struct accum_chunk *chunk);
int accum_flush(struct accum *accum, uint64_t now_ns, double elapsed_s, size_t chunk_max,
                accum_chunk_fn emit, void *arg);

/* Series known, by type: what the next numStats adds up, unless more come. */
void accum_series(const struct accum *accum, uint64_t counts[STATSD_TYPE_COUNT]);

#endif
