/* SPDX-License-Identifier: MPL-2.0
 *
 * accum.h - the accumulator: merges shards and writes the statmetric payload, with Heka's names and
 *           values or with those of etsy's statsd.
 *
 * Place:   dataplane/flush.c and hekad's StatAccumInput. Names and values: docs/formats/statsd.md.
 * Threads: one.
 * Memory:  allocates; bounded by names_max, sketch_mbytes and what the shards can hold.
 * Failure: samples of a series beyond names_max, or that memory could not be had for, go into no
 *          series; they are counted in accum_counts() and in the visible series
 *          `<global>.<statsd>.overflow`.
 * Source:  Heka 0.11 StatAccumInput; statsd 0.9.0 (npm) and its Graphite backend.
 */
#ifndef STATS_ACCUM_H
#define STATS_ACCUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/schema.h"
#include "stats/shard.h"
#include "stats/shard_traffic.h"

enum {
    ACCUM_PERCENTILES_MAX = 16,
    ACCUM_PREFIX_MAX = 256, /* bytes of each prefix */
    ACCUM_HISTOGRAMS_MAX = 64,
    ACCUM_BINS_MAX = 64, /* of one histogram */
    ACCUM_TIMER_EXACT_MIN = 100,
    ACCUM_TIMER_EXACT_DEFAULT = 100000,
    ACCUM_SET_EXACT_DEFAULT = 1000,
    ACCUM_SKETCH_MBYTES_DEFAULT = 256
};

enum accum_naming { ACCUM_HEKA, ACCUM_ETSY };

struct accum_etsy { /* the options of etsy's statsd and its Graphite backend */
    bool legacy_namespace;
    const char *global_prefix, *prefix_counter, *prefix_timer, *prefix_gauge, *prefix_set;
    const char *global_suffix, *prefix_stats;
    const struct conf_node *percent_threshold;   /* a number or several; NULL: 90 */
    const struct conf_node *histogram;           /* tables of metric and bins; NULL: none */
    struct schema_list calculated_timer_metrics; /* const char *; empty: all */
    bool flush_counts;
    bool delete_idle_stats;
    int delete_counters, delete_timers, delete_gauges, delete_sets; /* or SCHEMA_AUTO_BOOL */
    int64_t gauges_max_ttl;
    bool key_name_sanitize;
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
    /* Ours. A prefix that is NULL adds nothing; numbers that are 0 are the default. */
    const char *set_prefix, *histogram_prefix, *distribution_prefix, *meter_prefix;
    int naming;                /* enum accum_naming */
    int64_t names_max;         /* series, default 1,000,000; not 0 */
    int64_t timer_samples_max; /* timer values per interval and core, default 4,000,000 */
    int64_t timer_exact_max;   /* values of one series and interval that are kept as they are */
    double sketch_error;       /* relative error of the percentiles of larger ones */
    int64_t sketch_mbytes;     /* for all sketches of timers together */
    int64_t set_exact_max;     /* members of one set and interval that are counted exactly */
    struct accum_etsy etsy;
    int64_t prefix_parts, prefix_names_max, sender_names_max, idle_flushes; /* struct shard_guard */
};
extern const struct schema accum_schema;

/* What the shards of such an accumulator are to be limited by. */
static inline struct shard_guard accum_guard(const struct accum_config *config)
{
    return (struct shard_guard){
        .prefix_parts = (uint32_t)config->prefix_parts,
        .prefix_names_max = (uint32_t)config->prefix_names_max,
        .sender_names_max = (uint32_t)config->sender_names_max,
        .idle_flushes = (uint32_t)config->idle_flushes,
    };
}

struct accum;

struct accum_counts {         /* since accum_new() */
    uint64_t refused_samples; /* taken from shards, but there was no room for their series */
    uint64_t overflow;        /* those, and what accum_overflow() added */
    uint64_t long_lines;      /* lines left out because chunk_max is shorter than the line alone */
    uint64_t sketches;        /* times that a series was written from a sketch: not exact */
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

/* Adds what a listener has seen that did not note it in a shard. */
void accum_traffic(struct accum *accum, const struct shard_traffic *add);

const struct accum_counts *accum_counts(const struct accum *accum);

/* Writes one flush as a sequence of chunks, each of whole lines ("<name> <value> <unix
 * seconds>\n"), at most `chunk_max` bytes of payload and fields together, and ends the interval
 * (counters to 0, timers emptied, gauges kept, idle deletion). `elapsed_s` is the true length of
 * the interval for rates and count_ps (normally ticker_interval; not above 0: ticker_interval).
 * Even with no stats one chunk (numStats) is written. Each chunk's fields begin with `timestamp`.
 * When emit returns non-zero the flush stops with that value; call again, with any arguments, to go
 * on with the same chunk, time and size. Returns 0 when all is written, -ENOMEM when there is no
 * memory for chunks (nothing has happened then).
 * Order: counters, gauges, timers, sets, histograms, distributions, meters, each in the order in
 * which their names came; overflow; sketches; numStats. */
struct accum_chunk {
    const char *payload; /* lines; size 0 with emit_in_payload off */
    size_t payload_size;
    const uint8_t *fields; /* encoded Message.fields members; size 0 with emit_in_fields off */
    size_t fields_size;
};
typedef int (*accum_chunk_fn)(void *arg, const struct accum_chunk *chunk);
int accum_flush(struct accum *accum, uint64_t now_ns, double elapsed_s, size_t chunk_max,
                accum_chunk_fn emit, void *arg);

/* An accum_flush() has stopped and not ended: nothing can be merged. */
bool accum_is_flushing(const struct accum *accum);

/* ---- another configuration ---- */

/* Moves all that is in `from` to `into`, which takes its place after a reload: the interval's
 * values, gauges, and series that are known. What finds no room there is in the series overflow of
 * `into`. 0; -EAGAIN, with nothing done, while one of the two is between an accum_flush() that
 * stopped and the one that ends. */
int accum_absorb(struct accum *into, struct accum *from);

/* ---- partial aggregates, for accumulators that others feed ---- */

struct partial;

/* Calls fn for each series that had samples in the interval, until it returns non-zero: that is
 * returned. The partial and its name are there until fn returns. A gauge is what it is at `now_ns`
 * (wall clock). Timers are sketches, whatever their number of values. -EAGAIN between an
 * accum_flush() that stopped and the one that ends; -ENOMEM. */
typedef int (*accum_partial_fn)(void *arg, const struct partial *partial);
int accum_partials(struct accum *accum, uint64_t now_ns, accum_partial_fn fn, void *arg);

/* Adds a partial of another accumulator. 0; -ENOSPC when there is no room for its series; -EINVAL
 * when its sketch has other parameters than this accumulator's; -ENOMEM; -EAGAIN as above. Nothing
 * of it is in then. */
int accum_merge_partial(struct accum *accum, const struct partial *partial);

/* Series known, by type: what the next numStats adds up, unless more come. */
void accum_series(const struct accum *accum, uint64_t counts[STATSD_TYPE_COUNT]);

#endif
