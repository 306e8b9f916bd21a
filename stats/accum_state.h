/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_state.h - what an accumulator is made of, for its own two files.
 *
 * Place:   stats/accum.c (configuration, merging) and stats/accum_flush.c (writing); nobody else.
 */
#ifndef STATS_ACCUM_STATE_H
#define STATS_ACCUM_STATE_H

#include "core/message.h"
#include "stats/accum.h"
#include "stats/accum_table.h"
#include "stats/accum_timer.h"

enum {
    PREFIX_SIZE = 3 * (ACCUM_PREFIX_MAX + 1), /* of joined prefixes, with dots, no NUL */
    SUFFIX_SIZE = 16,                         /* "upper_100" */
    LINES_MAX = 6 + 2 * ACCUM_PERCENTILES_MAX /* of one series */
};

struct accum_prefix { /* ends with a dot unless it is empty */
    char text[PREFIX_SIZE];
    size_t len;
};

struct accum_percentile {
    int64_t percent;
    char mean_suffix[SUFFIX_SIZE], upper_suffix[SUFFIX_SIZE];
};

struct accum_line { /* one metric of the series that is being written */
    const struct accum_prefix *prefix;
    const char *suffix;  /* NULL: none */
    bool is_integer;     /* else `real` */
    bool is_legacy_rate; /* `real` in the payload, cut to an integer in the field */
    int64_t integer;
    double real;
};

struct accum_flush { /* where a flush is */
    bool active;
    unsigned stage;  /* enum statsd_type, then the totals, then the end */
    uint32_t series; /* number of the next one in the stage */
    int64_t now_s;
    double elapsed_s;
    const char *name; /* of the series whose lines these are */
    size_t name_len;
    struct accum_line lines[LINES_MAX];
    unsigned line_count, line_next;
    char time_text[24]; /* " <unix seconds>\n" */
    size_t time_len;

    size_t chunk_max;
    bool chunk_waiting; /* complete, not yet taken by the caller */
    unsigned chunk_lines;
    char *payload; /* chunk_max bytes each */
    size_t payload_size;
    uint8_t *field_bytes;
    size_t capacity;
    struct msg_builder fields;
};

struct accum {
    const struct accum_config *config;
    struct accum_table tables[STATSD_TYPE_COUNT];
    struct accum_timers timers;
    struct accum_prefix counters, gauges, timers_prefix, statsd, legacy_rates, legacy_counts;
    struct accum_percentile percentiles[ACCUM_PERCENTILES_MAX];
    unsigned percentile_count;
    struct accum_counts counts;
    uint64_t overflow; /* samples, in this interval */
    uint64_t merged;   /* samples, by the accum_merge() under way */
    struct accum_flush flush;
};

#endif
