/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <errno.h>

#include "stats/accum_state.h"
#include "stats/partial.h"

/* ---- out ---- */

/* What the partial borrows from the accumulator is not to be freed with it. */
static int fill_timer(struct accum *accum, unsigned type, const struct accum_series *series,
                      struct partial *partial)
{
    const struct ddsketch *sketch = series->is_sketch ? series->sketch : &accum->scratch_sketch;
    if (!series->is_sketch && !accum_sketch_runs(accum, series, type, &accum->scratch_sketch))
        return -ENOMEM;
    partial->sketch_config = accum->sketch_config;
    partial->sketch = *sketch;
    exact_sum_add(&partial->sum, series->weight);
    return 0;
}

static int fill(struct accum *accum, unsigned type, struct accum_series *series,
                struct partial *partial, uint64_t now_ns)
{
    switch (type) {
    case STATSD_GAUGE:
        partial->is_set = true;
        partial->gauge = accum_series_gauge(series);
        partial->gauge_ns = now_ns;
        return 0;
    case STATSD_SET:
        partial->set = *series->set;
        return 0;
    case STATSD_COUNTER:
    case STATSD_METER:
        partial->count = series->count;
        exact_sum_add(&partial->sum, series->real);
        return 0;
    default:
        return fill_timer(accum, type, series, partial);
    }
}

int accum_partials(struct accum *accum, uint64_t now_ns, accum_partial_fn fn, void *arg)
{
    int rc = accum->flush.active ? -EAGAIN : 0;
    for (unsigned type = 0; rc == 0 && type < STATSD_TYPE_COUNT; type++) {
        struct accum_table *table = &accum->tables[type];
        for (uint32_t i = 0; rc == 0 && i < table->count; i++) {
            struct accum_series *series = &table->series[i];
            struct partial partial;
            if (!series->is_touched || (type == STATSD_SET && series->set == NULL))
                continue;
            partial_init(&partial, (uint8_t)type, series->name, series->name_len, series->tags_len);
            rc = fill(accum, type, series, &partial, now_ns);
            if (rc == 0)
                rc = fn(arg, &partial);
        }
    }
    return rc;
}

/* ---- in ---- */

static int merge_timer(struct accum *accum, struct accum_series *series,
                       const struct partial *partial)
{
    if (!accum_series_to_sketch(accum, partial->type, series))
        return -ENOMEM;
    int rc = ddsketch_merge(series->sketch, &partial->sketch);
    if (rc != 0)
        return rc;
    series->timer_count += partial->sketch.weight / DDSKETCH_ONE;
    series->weight += exact_sum_value(&partial->sum);
    return 0;
}

static int merge_set(struct accum *accum, struct accum_series *series,
                     const struct partial *partial)
{
    if (!accum_series_to_set(accum, series))
        return -ENOMEM;
    accum->set_bytes -= hyperloglog_bytes(series->set);
    int rc = hyperloglog_merge(series->set, &partial->set);
    accum->set_bytes += hyperloglog_bytes(series->set);
    return rc;
}

static int merge(struct accum *accum, struct accum_series *series, const struct partial *partial)
{
    switch (partial->type) {
    case STATSD_GAUGE:
        if (partial->is_set)
            accum_series_set_gauge(series, partial->gauge, partial->gauge_ns);
        series->delta += exact_sum_value(&partial->sum);
        return 0;
    case STATSD_SET:
        return merge_set(accum, series, partial);
    case STATSD_COUNTER:
    case STATSD_METER:
        accum_series_count(series, partial->count);
        series->real += exact_sum_value(&partial->sum);
        return 0;
    default:
        return merge_timer(accum, series, partial);
    }
}

int accum_merge_partial(struct accum *accum, const struct partial *partial)
{
    const struct accum_key key = {partial->name, partial->name_len, partial->tags_len,
                                  statsd_name_hash(partial->name, partial->name_len)};
    if (accum->flush.active)
        return -EAGAIN;
    struct accum_series *series = accum_series_get(accum, partial->type, &key);
    if (series == NULL)
        return -ENOSPC;
    int rc = merge(accum, series, partial);
    if (rc == 0)
        accum_series_touch(accum, partial->type, series);
    return rc;
}
