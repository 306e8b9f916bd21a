/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "stats/shard_state.h"

/* ---- handover ---- */

void shard_request(struct shard *shard)
{
    /* R1 (release) pairs with R2 in shard_poll: the side that the worker goes back to is empty. */
    atomic_store_explicit(&shard->requested, shard->taken + 1, memory_order_release);
}

bool shard_requested(const struct shard *shard)
{
    return atomic_load_explicit(&shard->requested, memory_order_relaxed) != shard->epoch;
}

void shard_poll(struct shard *shard)
{
    if (LIKELY(!shard_requested(shard)))
        return;
    /* R2 (acquire) pairs with R1. */
    uint32_t epoch = atomic_load_explicit(&shard->requested, memory_order_acquire);
    shard->handed_high = shard->high;
    if (shard->watch.offenders.is_new) {
        shard->handed_offenders = shard->watch.offenders;
        shard->watch.offenders.is_new = false;
    }
    shard->epoch = epoch;
    shard->logs[epoch & 1].count = 0;
    shard->logs[epoch & 1].weight_count = 0;
    if (shard->watch.guard.idle_flushes != 0)
        shard->age_left = shard->high;
    /* H1 (release) pairs with H2 in shard_ready: all that was added to the old side is there. */
    atomic_store_explicit(&shard->ready, epoch, memory_order_release);
}

bool shard_ready(const struct shard *shard)
{
    /* H2 (acquire) pairs with H1. */
    return atomic_load_explicit(&shard->ready, memory_order_acquire) != shard->taken;
}

/* ---- values by series ---- */

static bool is_value(uint32_t type)
{
    return (SHARD_VALUE_TYPES >> type & 1) != 0;
}

/* How many places in `grouped` a series takes. */
static uint64_t grouped_count(const struct shard_entry *entry, unsigned side)
{
    if (entry->sides[side].samples == 0) /* its key may be the worker's, who drops it */
        return 0;
    uint32_t type = shard_entry_type(entry);
    if (is_value(type))
        return entry->sides[side].samples;
    return type == STATSD_SET ? entry->sides[side].members : 0;
}

/* Gives each series its place: how many it needs is known. */
static uint64_t place_series(struct shard *shard, unsigned side)
{
    uint64_t at = 0;
    for (uint32_t ref = 1; ref <= shard->handed_high; ref++) {
        struct shard_entry *entry = &shard->entries[ref];
        uint64_t count = grouped_count(entry, side);
        if (count == 0)
            continue;
        entry->sides[side].value_at = at;
        at += count;
    }
    return at;
}

/* Values of timers, each with its weight when there is any in the side. */
static void group_values(struct shard *shard, unsigned side)
{
    const struct shard_log *log = &shard->logs[side];
    uint32_t weight = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        uint64_t *at = &shard->entries[log->entries[i]].sides[side].value_at;
        shard->grouped[*at] = log->values[i];
        if (log->weight_count > 0) {
            bool is_weighted = weight < log->weight_count && log->weight_ats[weight] == i;
            shard->grouped_weights[*at] = is_weighted ? log->weights[weight] : 1;
            weight += is_weighted;
        }
        (*at)++;
    }
}

static void group_members(struct shard *shard, unsigned side)
{
    const struct shard_set_log *set = &shard->sets[side];
    uint64_t *grouped = (uint64_t *)(void *)shard->grouped;
    for (uint32_t i = 0; i < set->count; i++)
        grouped[shard->entries[set->entries[i]].sides[side].value_at++] = set->members[i];
}

/* ---- taking ---- */

static void fill_values(const struct shard *shard, const struct shard_side *side,
                        bool has_weights, struct shard_series *series)
{
    uint64_t at = side->value_at - side->samples;
    series->timers = shard->grouped + at;
    if (has_weights)
        series->weights = shard->grouped_weights + at;
}

static struct shard_series make_series(const struct shard *shard, const struct shard_entry *entry,
                                       unsigned number)
{
    const struct shard_side *side = &entry->sides[number];
    struct shard_series series = {
        .name = shard_entry_name(entry),
        .name_len = shard_entry_len(entry),
        .tags_len = shard_entry_tags_len(entry),
        .type = (uint8_t)shard_entry_type(entry),
        .hash = entry->hash,
        .samples = side->samples & ~SHARD_GAUGE_SET,
    };
    switch ((enum statsd_type)series.type) {
    case STATSD_COUNTER:
    case STATSD_METER:
        series.count = side->count;
        break;
    case STATSD_REAL_COUNTER:
        series.real = side->real;
        break;
    case STATSD_GAUGE:
        series.gauge = side->real;
        series.gauge_order = side->order;
        series.is_delta = (side->samples & SHARD_GAUGE_SET) == 0;
        break;
    case STATSD_SET:
        series.member_count = side->members;
        series.members =
            (const uint64_t *)(const void *)shard->grouped + (side->value_at - side->members);
        break;
    case STATSD_TIMER:
    case STATSD_HISTOGRAM:
    case STATSD_DISTRIBUTION:
        fill_values(shard, side, shard->logs[number].weight_count > 0, &series);
        break;
    case STATSD_TYPE_COUNT:
        break;
    }
    return series;
}

uint64_t shard_take(struct shard *shard, shard_series_fn fn, void *arg)
{
    uint64_t samples = 0;
    if (!shard_ready(shard))
        return 0;
    unsigned side = shard->taken & 1;
    if (shard->logs[side].count > 0 || shard->sets[side].count > 0) {
        uint64_t placed = place_series(shard, side);
        CHECK(placed == (uint64_t)shard->logs[side].count + shard->sets[side].count);
        group_values(shard, side);
        group_members(shard, side);
    }
    for (uint32_t ref = 1; ref <= shard->handed_high; ref++) {
        struct shard_entry *entry = &shard->entries[ref];
        if (entry->sides[side].samples == 0)
            continue;
        struct shard_series series = make_series(shard, entry, side);
        fn(arg, &series);
        samples += series.samples;
        entry->sides[side] = (struct shard_side){0};
    }
    shard_set_clear(&shard->sets[side]);
    shard->taken++;
    return samples;
}

/* ---- offenders ---- */

static int compare_offenders(const void *a, const void *b)
{
    const struct shard_offender *x = a, *y = b;
    return (x->refused < y->refused) - (x->refused > y->refused);
}

unsigned shard_offenders(const struct shard *shard, struct shard_offender *out, unsigned max)
{
    const struct shard_offenders *handed = &shard->handed_offenders;
    struct shard_offender sorted[SHARD_OFFENDERS];
    unsigned count = handed->count < max ? handed->count : max;
    memcpy(sorted, handed->list, handed->count * sizeof(sorted[0]));
    qsort(sorted, handed->count, sizeof(sorted[0]), compare_offenders);
    memcpy(out, sorted, count * sizeof(sorted[0]));
    return count;
}
