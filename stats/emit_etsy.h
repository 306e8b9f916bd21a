/* SPDX-License-Identifier: MPL-2.0
 *
 * emit_etsy.h - names, values and life of series as etsy's statsd with its Graphite backend has
 *               them.
 *
 * Place:   stats/emit_etsy_config.c reads the options, stats/emit_etsy.c writes, stats/etsy_key.c
 *          is asked for each series that is merged.
 * Threads: one.
 * Memory:  one struct etsy_state for each accumulator with naming "etsy".
 * Failure: options that statsd would misread in silence are errors of accum_new().
 * Source:  statsd 0.9.0 from the npm registry, as it behaves (tests/real/test_statsd.py).
 */
#ifndef STATS_EMIT_ETSY_H
#define STATS_EMIT_ETSY_H

#include "stats/accum_state.h"

enum etsy_part { /* of a timer's percentile */
                 ETSY_COUNT_N,
                 ETSY_MEAN_N,
                 ETSY_EDGE_N, /* "upper_90", or "lower_top10" for a negative one */
                 ETSY_SUM_N,
                 ETSY_SQUARES_N,
                 ETSY_PART_COUNT
};

struct etsy_percent {
    double percent;
    char suffixes[ETSY_PART_COUNT][SUFFIX_SIZE];
    bool is_shown[ETSY_PART_COUNT];
};

enum etsy_value { /* of a timer */
                  ETSY_STD,
                  ETSY_UPPER,
                  ETSY_LOWER,
                  ETSY_COUNT,
                  ETSY_COUNT_PS,
                  ETSY_SUM,
                  ETSY_SUM_SQUARES,
                  ETSY_MEAN,
                  ETSY_MEDIAN,
                  ETSY_HISTOGRAM,
                  ETSY_VALUE_COUNT
};

struct etsy_bin {
    double limit; /* values below it; INFINITY: all */
    char suffix[SUFFIX_SIZE];
};

struct etsy_histogram {
    const char *metric; /* part of the names that it is for */
    size_t metric_len;
    unsigned bin_count;
    struct etsy_bin bins[ACCUM_BINS_MAX];
};

struct etsy_state {
    bool deletes[STATSD_TYPE_COUNT];
    uint16_t gauge_flushes; /* without a sample, until a gauge is forgotten */
    bool is_shown[ETSY_VALUE_COUNT];
    struct etsy_percent percents[ACCUM_PERCENTILES_MAX];
    unsigned percent_count;
    struct etsy_histogram *histograms;
    unsigned histogram_count;
    struct accum_prefix own; /* "stats.statsd." */
    char own_names[4][ACCUM_PREFIX_MAX + 32];
    int64_t last_flush_s; /* of the flush before; 0: none */
    int64_t last_took_ms, last_bytes;
};

/* Reads the options, joins the prefixes. 0, or -1 after adding every error to `err`. */
int etsy_new(struct accum *accum, struct err *err);
void etsy_free(struct etsy_state *state); /* NULL is fine */

/* The name that the samples of a key go to, in `buffer` (of STATSD_NAME_MAX bytes) if it is
 * another one. False when nothing is left of it. */
bool etsy_key(const struct accum *accum, struct accum_key *key, char *buffer);
/* A name as Graphite gets it: letters, digits and "_-.;=" only. Returns its length. */
size_t etsy_sanitize(const char *name, size_t len, char *to);
/* A sample has come. */
void etsy_touch(const struct accum *accum, unsigned type, struct accum_series *series);

#endif
