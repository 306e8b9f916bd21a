/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/accum_state.h"
#include "stats/emit_etsy.h"
#include "stats/finite.h"

/* ---- counters and gauges ---- */

void accum_series_count(struct accum_series *series, int64_t add)
{
    int64_t sum;
    if (__builtin_add_overflow(series->count, add, &sum))
        sum = add < 0 ? INT64_MIN : INT64_MAX;
    series->count = sum;
}

double accum_series_sum(const struct accum_series *series)
{
    return series->real == 0 ? (double)series->count
                             : hold_finite((double)series->count + series->real);
}

/* The later value wins; of two at the same time the larger, so that the order of merging does not
 * matter. */
void accum_series_set_gauge(struct accum_series *series, double value, uint64_t order)
{
    if (order < series->gauge_order || (order == series->gauge_order && value < series->gauge))
        return;
    series->gauge = value;
    series->gauge_order = order;
}

/* What shards added that did not set it comes on top. */
static void merge_gauge(struct accum_series *series, const struct shard_series *from)
{
    if (from->is_delta) {
        series->delta = hold_finite(series->delta + from->gauge);
        return;
    }
    accum_series_set_gauge(series, from->gauge, from->gauge_order);
}

double accum_series_gauge(struct accum_series *series)
{
    if (series->delta != 0)
        series->gauge = hold_finite(series->gauge + series->delta);
    series->delta = 0;
    return series->gauge;
}

/* ---- timers, histograms, distributions ---- */

/* The most that one sketch may come to take. */
static size_t sketch_charge(const struct accum *accum)
{
    return sizeof(struct ddsketch) + 2 * sizeof(uint64_t) * accum->sketch_config.bins_max;
}

static void free_sketch(struct accum *accum, struct ddsketch *sketch)
{
    ddsketch_fini(sketch);
    free(sketch);
    accum->sketch_bytes -= sketch_charge(accum);
}

static struct ddsketch *new_sketch(struct accum *accum)
{
    if (accum->sketch_bytes + sketch_charge(accum) > accum->sketch_bytes_max)
        return NULL;
    struct ddsketch *sketch = malloc(sizeof(*sketch));
    if (sketch == NULL)
        return NULL;
    ddsketch_init(sketch, &accum->sketch_config);
    accum->sketch_bytes += sketch_charge(accum);
    return sketch;
}

/* Returns how many of the run's values went in: all, unless memory ends. Only distributions weigh
 * their values. */
static uint64_t sketch_run(struct ddsketch *sketch, const struct accum_run *run, unsigned type)
{
    for (uint64_t i = 0; i < run->count; i++) {
        bool is_weighted = type == STATSD_DISTRIBUTION && run->weights != NULL;
        uint64_t weight = is_weighted ? ddsketch_weight(1 / run->weights[i]) : DDSKETCH_ONE;
        if (ddsketch_add(sketch, run->values[i], weight) != 0)
            return i;
    }
    return run->count;
}

bool accum_sketch_runs(struct accum *accum, const struct accum_series *series, unsigned type,
                       struct ddsketch *sketch)
{
    uint64_t at = series->timer_run;
    ddsketch_clear(sketch);
    while (at != 0) {
        struct accum_run run = accum_timers_run(&accum->timers, &at);
        if (sketch_run(sketch, &run, type) < run.count)
            return false;
    }
    return true;
}

/* From runs to a sketch; the runs' cells are free again after the flush. */
bool accum_series_to_sketch(struct accum *accum, unsigned type, struct accum_series *series)
{
    struct ddsketch *sketch = series->is_sketch ? NULL : new_sketch(accum);
    if (sketch == NULL)
        return series->is_sketch;
    if (!accum_sketch_runs(accum, series, type, sketch)) {
        free_sketch(accum, sketch);
        return false;
    }
    series->sketch = sketch;
    series->is_sketch = true;
    return true;
}

static double sum_weights(const double *weights, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; weights != NULL && i < count; i++)
        sum = hold_finite(sum + weights[i]);
    return weights != NULL ? sum : (double)count;
}

uint64_t accum_series_add_run(struct accum *accum, unsigned type, struct accum_series *series,
                              const struct accum_run *run)
{
    if (!series->is_sketch && series->timer_count + run->count <= accum->timer_exact_max)
        return accum_timers_add(&accum->timers, &series->timer_run, &series->timer_count, run)
                   ? run->count
                   : 0;
    if (!accum_series_to_sketch(accum, type, series))
        return 0;
    uint64_t added = sketch_run(series->sketch, run, type);
    series->timer_count += added;
    return added;
}

static uint64_t merge_timer(struct accum *accum, struct accum_series *series,
                            const struct shard_series *from)
{
    bool keeps_weights = from->type == STATSD_DISTRIBUTION;
    const struct accum_run run = {from->timers, keeps_weights ? from->weights : NULL,
                                  from->samples};
    uint64_t added = accum_series_add_run(accum, from->type, series, &run);
    series->weight = hold_finite(series->weight + sum_weights(from->weights, added));
    return added;
}

/* ---- sets ---- */

uint64_t accum_series_members(const struct accum_series *series)
{
    return series->set != NULL ? hyperloglog_count(series->set) : 0;
}

static void free_set(struct accum *accum, struct hyperloglog *set)
{
    if (set == NULL)
        return;
    accum->set_bytes -= hyperloglog_bytes(set);
    hyperloglog_fini(set);
    free(set);
}

bool accum_series_to_set(struct accum *accum, struct accum_series *series)
{
    if (series->set != NULL)
        return true;
    series->set = malloc(sizeof(*series->set));
    if (series->set == NULL)
        return false;
    hyperloglog_init(series->set, &accum->set_config); /* checked by accum_new() */
    accum->set_bytes += hyperloglog_bytes(series->set);
    return true;
}

/* A member is no sample: several samples may have it. Without memory all of the shard's samples
 * count as refused, though some of the members may be in. */
static uint64_t merge_set(struct accum *accum, struct accum_series *series,
                          const struct shard_series *from)
{
    int rc = 0;
    if (!accum_series_to_set(accum, series))
        return 0;
    accum->set_bytes -= hyperloglog_bytes(series->set);
    for (uint64_t i = 0; rc == 0 && i < from->member_count; i++)
        rc = hyperloglog_add(series->set, from->members[i]);
    accum->set_bytes += hyperloglog_bytes(series->set);
    return rc == 0 ? from->samples : 0;
}

/* ---- series ---- */

void accum_series_end(struct accum *accum, unsigned type, struct accum_series *series)
{
    series->is_touched = false;
    switch (type) {
    case STATSD_GAUGE:
        return;
    case STATSD_SET:
        free_set(accum, series->set);
        series->set = NULL;
        return;
    case STATSD_TIMER:
    case STATSD_HISTOGRAM:
    case STATSD_DISTRIBUTION:
        if (series->is_sketch)
            free_sketch(accum, series->sketch);
        series->is_sketch = false;
        series->timer_run = 0;
        series->timer_count = 0;
        series->weight = 0;
        return;
    default:
        series->count = 0;
        series->real = 0;
    }
}

void accum_drop_values(struct accum *accum, unsigned type)
{
    struct accum_table *table = &accum->tables[type];
    if (type == STATSD_COUNTER || type == STATSD_GAUGE || type == STATSD_METER)
        return;
    for (uint32_t i = 0; i < table->count; i++)
        accum_series_end(accum, type, &table->series[i]);
}

/* Series that this type's table may hold, as all of them share names_max. */
static uint32_t count_max(const struct accum *accum, unsigned type)
{
    uint64_t others = 0;
    for (unsigned other = 0; other < STATSD_TYPE_COUNT; other++)
        others += other == type ? 0 : accum->tables[other].count;
    return (uint32_t)((uint64_t)accum->config->names_max - others);
}

/* Whole and real counters of one name are one series. */
static unsigned table_of(unsigned type)
{
    return type == STATSD_REAL_COUNTER ? STATSD_COUNTER : type;
}

struct accum_series *accum_series_get(struct accum *accum, unsigned type,
                                      const struct accum_key *wanted)
{
    char buffer[STATSD_NAME_MAX];
    struct accum_key key = *wanted;
    type = table_of(type);
    if (accum->etsy != NULL && !etsy_key(accum, &key, buffer))
        return NULL;
    return accum_table_get(&accum->tables[type], &key, count_max(accum, type));
}

void accum_series_touch(struct accum *accum, unsigned type, struct accum_series *series)
{
    series->is_touched = true;
    if (accum->etsy != NULL)
        etsy_touch(accum, table_of(type), series);
}

/* Returns how many of its samples went in. */
static uint64_t merge_series(struct accum *accum, const struct shard_series *from)
{
    const struct accum_key key = {from->name, from->name_len, from->tags_len, from->hash};
    struct accum_series *series = accum_series_get(accum, from->type, &key);
    if (series == NULL)
        return 0;
    accum_series_touch(accum, from->type, series);
    switch (from->type) {
    case STATSD_COUNTER:
    case STATSD_METER:
        accum_series_count(series, from->count);
        return from->samples;
    case STATSD_REAL_COUNTER:
        series->real = hold_finite(series->real + from->real);
        return from->samples;
    case STATSD_GAUGE:
        merge_gauge(series, from);
        return from->samples;
    case STATSD_SET:
        return merge_set(accum, series, from);
    default:
        return merge_timer(accum, series, from);
    }
}

static void take_series(void *arg, const struct shard_series *from)
{
    struct accum *accum = arg;
    uint64_t merged = merge_series(accum, from);
    accum->merged += merged;
    if (merged == from->samples)
        return;
    accum->counts.refused_samples += from->samples - merged;
    accum_overflow(accum, from->samples - merged);
}

uint64_t accum_merge(struct accum *accum, struct shard *shard)
{
    if (accum->flush.active)
        return 0;
    accum->merged = 0;
    const struct shard_traffic traffic = shard_take_traffic(shard);
    accum_traffic(accum, &traffic);
    shard_take(shard, take_series, accum);
    return accum->merged;
}
