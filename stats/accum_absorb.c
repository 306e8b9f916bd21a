/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/accum.h"

#include <errno.h>

#include "stats/accum_state.h"
#include "stats/emit_etsy.h"

/* Values that did not go in. */
static uint64_t move_runs(struct accum *into, unsigned type, struct accum_series *to,
                          const struct accum *from, const struct accum_series *series)
{
    uint64_t at = series->timer_run, lost = 0;
    while (at != 0) {
        struct accum_run run = accum_timers_run(&from->timers, &at);
        lost += run.count - accum_series_add_run(into, type, to, &run);
    }
    return lost;
}

static uint64_t move_timer(struct accum *into, unsigned type, struct accum_series *to,
                           const struct accum *from, const struct accum_series *series)
{
    uint64_t lost = 0;
    if (!series->is_sketch)
        lost = move_runs(into, type, to, from, series);
    else if (accum_series_to_sketch(into, type, to) &&
             ddsketch_convert(to->sketch, series->sketch) == 0)
        to->timer_count += series->timer_count;
    else
        lost = series->timer_count;
    if (lost == 0)
        to->weight += series->weight;
    else
        to->weight += (double)(series->timer_count - lost);
    return lost;
}

/* The limit of members that are counted exactly may be another one; registers are the same. */
static uint64_t move_set(struct accum *into, struct accum_series *to,
                         const struct accum_series *series)
{
    if (series->set == NULL)
        return 0;
    struct hyperloglog other = *series->set;
    other.config = into->set_config;
    if (!accum_series_to_set(into, to))
        return 1;
    into->set_bytes -= hyperloglog_bytes(to->set);
    int rc = hyperloglog_merge(to->set, &other);
    into->set_bytes += hyperloglog_bytes(to->set);
    return rc != 0;
}

static uint64_t move_values(struct accum *into, unsigned type, struct accum_series *to,
                            struct accum *from, struct accum_series *series)
{
    switch (type) {
    case STATSD_GAUGE:
        accum_series_set_gauge(to, accum_series_gauge(series), series->gauge_order);
        return 0;
    case STATSD_SET:
        return move_set(into, to, series);
    case STATSD_TIMER:
    case STATSD_HISTOGRAM:
    case STATSD_DISTRIBUTION:
        return move_timer(into, type, to, from, series);
    default:
        accum_series_count(to, series->count);
        to->real += series->real;
        return 0;
    }
}

static void move_series(struct accum *into, unsigned type, struct accum *from,
                        struct accum_series *series)
{
    const struct accum_key key = {series->name, series->name_len, series->tags_len, series->hash};
    struct accum_series *to = accum_series_get(into, type, &key);
    uint64_t lost = 1; /* at least: how many samples a counter was is not known */
    if (to != NULL)
        lost = move_values(into, type, to, from, series);
    if (to != NULL && series->is_touched)
        accum_series_touch(into, type, to);
    if (to != NULL && to->flushes_left < series->flushes_left)
        to->flushes_left = series->flushes_left;
    if (lost > 0)
        accum_overflow(into, lost);
    accum_series_end(from, type, series);
}

int accum_absorb(struct accum *into, struct accum *from)
{
    if (into->flush.active || from->flush.active)
        return -EAGAIN;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++) {
        for (uint32_t i = 0; i < from->tables[type].count; i++)
            move_series(into, type, from, &from->tables[type].series[i]);
        accum_table_clear(&from->tables[type]);
    }
    accum_timers_clear(&from->timers);
    if (from->overflow > 0)
        accum_overflow(into, from->overflow);
    from->overflow = 0;
    accum_traffic(into, &from->traffic);
    from->traffic = (struct shard_traffic){0};
    if (into->etsy != NULL && from->etsy != NULL)
        into->etsy->last_flush_s = from->etsy->last_flush_s;
    return 0;
}
