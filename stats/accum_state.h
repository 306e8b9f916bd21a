/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_state.h - what an accumulator is made of, for its own files.
 *
 * Place:   stats/accum*.c (configuration, merging, writing) and stats/emit_*.c (names and values);
 *          nobody else.
 */
#ifndef STATS_ACCUM_STATE_H
#define STATS_ACCUM_STATE_H

#include "core/message.h"
#include "stats/accum.h"
#include "stats/accum_table.h"
#include "stats/accum_timer.h"
#include "stats/ddsketch.h"
#include "stats/decimal.h"
#include "stats/hyperloglog.h"

enum {
    PREFIX_SIZE = 3 * (ACCUM_PREFIX_MAX + 1), /* of joined prefixes, with dots, no NUL */
    SUFFIX_SIZE = 48,                         /* "sum_squares_top99_9" */
    LINES_MAX = 16 + 5 * ACCUM_PERCENTILES_MAX + ACCUM_BINS_MAX /* of one series */
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
    uint64_t start_ns;   /* monotonic clock: how long the flush takes is one of etsy's stats */
    uint64_t sent_bytes; /* of payload */
    const char *name;    /* of the series whose lines these are */
    size_t name_len;
    const char *tags; /* behind everything */
    size_t tags_len;
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

/* What makes names and values out of series. */
struct accum_emit {
    /* Whether a name ends with a dot or not, its suffix comes behind a dot. */
    bool always_dot;
    size_t (*put_real)(char text[DECIMAL_MAX], double value);
    /* Bytes of the name that are tags. */
    size_t (*tags_len)(const struct accum *accum, const struct accum_series *series);
    /* The name as it is written; `name` has room for STATSD_NAME_MAX. NULL: as it is. */
    size_t (*write_name)(const struct accum *accum, const char *name, size_t len, char *to);
    /* Adds the lines of a series, and ends its interval. */
    void (*series_lines)(struct accum *accum, unsigned type, struct accum_series *series);
    /* Adds the lines of the accumulator's own, in steps from 0 on; false when there are no more. */
    bool (*total_lines)(struct accum *accum, unsigned step);
    /* Forgets what is to be forgotten between intervals. */
    void (*end)(struct accum *accum);
};

struct etsy_state;

struct accum {
    const struct accum_config *config;
    const struct accum_emit *emit;
    struct etsy_state *etsy; /* NULL with Heka's naming */
    struct accum_table tables[STATSD_TYPE_COUNT];
    struct accum_timers timers;
    struct ddsketch_config sketch_config;
    size_t sketch_bytes, sketch_bytes_max; /* each sketch counts with the most that it may take */
    struct ddsketch scratch_sketch;        /* of one series that is being written */
    size_t set_bytes;
    struct hyperloglog_config set_config;
    uint64_t timer_exact_max;
    struct accum_prefix prefixes[STATSD_TYPE_COUNT]; /* by type */
    struct accum_prefix statsd, legacy_rates, legacy_counts, none;
    struct accum_percentile percentiles[ACCUM_PERCENTILES_MAX];
    unsigned percentile_count;
    char global_suffix[ACCUM_PREFIX_MAX + 2]; /* ".suffix" or nothing; etsy's */
    struct accum_counts counts;
    uint64_t overflow;            /* samples, in this interval */
    uint64_t sketches;            /* series, in this flush */
    struct shard_traffic traffic; /* in this interval */
    uint64_t merged;              /* samples, by the accum_merge() under way */
    struct accum_flush flush;
};

/* ---- lines (accum_flush.c) ---- */

void accum_add_integer(struct accum_flush *flush, const struct accum_prefix *prefix,
                       const char *suffix, int64_t value);
void accum_add_real(struct accum_flush *flush, const struct accum_prefix *prefix,
                    const char *suffix, double value);

/* Toward zero, held at the ends of 64 bits. */
int64_t accum_to_int64(double value);

/* ---- series (accum_merge.c) ---- */

/* The series of that type and name, made when it was not there; NULL without room for it. */
struct accum_series *accum_series_get(struct accum *accum, unsigned type,
                                      const struct accum_key *wanted);
/* It has a sample in this interval. */
void accum_series_touch(struct accum *accum, unsigned type, struct accum_series *series);
void accum_series_count(struct accum_series *series, int64_t add);
/* Values of a timer, but not what they stand for (`weight`). Returns how many went in. */
uint64_t accum_series_add_run(struct accum *accum, unsigned type, struct accum_series *series,
                              const struct accum_run *run);
void accum_series_set_gauge(struct accum_series *series, double value, uint64_t order);
/* From now on the values of a timer are in its sketch; a set has its members. False without memory;
 * nothing has changed then. */
bool accum_series_to_sketch(struct accum *accum, unsigned type, struct accum_series *series);
bool accum_series_to_set(struct accum *accum, struct accum_series *series);
/* The sum of a counter or meter, whole and with its real part. */
double accum_series_sum(const struct accum_series *series);
/* What the gauge is now, its additions included. */
double accum_series_gauge(struct accum_series *series);
uint64_t accum_series_members(const struct accum_series *series);
/* All runs of a series into `sketch`, with weights when it is a distribution. False when out of
 * memory; the sketch has a part of them then. */
bool accum_sketch_runs(struct accum *accum, const struct accum_series *series, unsigned type,
                       struct ddsketch *sketch);
/* Empties a series of any type: its interval is over. */
void accum_series_end(struct accum *accum, unsigned type, struct accum_series *series);
/* Frees what all series of a table hold. */
void accum_drop_values(struct accum *accum, unsigned type);

/* ---- prefixes (accum.c) ---- */

/* An empty part adds nothing; a part that ends with a dot gets no second one. */
void accum_join(struct accum_prefix *prefix, const char *part);

extern const struct accum_emit emit_heka; /* emit_heka.c */
extern const struct accum_emit emit_etsy; /* emit_etsy.c */

#endif
