/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard_totals.h"

#include <stdatomic.h>

/* A counter that is the sum of others is one in the ledger. */
static const enum counter_id type_counters[STATSD_TYPE_COUNT] = {
    [STATSD_COUNTER] = COUNTER_SAMPLES_COUNTER,
    [STATSD_GAUGE] = COUNTER_SAMPLES_GAUGE,
    [STATSD_TIMER] = COUNTER_SAMPLES_TIMER,
    [STATSD_SET] = COUNTER_SAMPLES_SET,
    [STATSD_HISTOGRAM] = COUNTER_SAMPLES_HISTOGRAM,
    [STATSD_DISTRIBUTION] = COUNTER_SAMPLES_DISTRIBUTION,
    [STATSD_METER] = COUNTER_SAMPLES_METER,
    [STATSD_REAL_COUNTER] = COUNTER_SAMPLES_COUNTER,
};

_Static_assert(COUNTER_STATSD_REJECT_BAD_SERVICE_CHECK - COUNTER_STATSD_REJECT_NO_COLON + 1 ==
                   STATSD_REJECT_COUNT,
               "the rejects of counters.def follow enum statsd_reject");
_Static_assert(COUNTER_STATSD_DIALECT_GRAPHITE - COUNTER_STATSD_DIALECT_ETSY ==
                   STATSD_GRAPHITE - STATSD_ETSY,
               "the dialects of counters.def follow enum statsd_dialect");
_Static_assert(COUNTER_SAMPLES_SENDER_LIMIT - COUNTER_SAMPLES_NO_NAME_ROOM + 1 ==
                   SHARD_REFUSAL_COUNT,
               "the refusals of counters.def follow enum shard_refusal");

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void shard_totals_add(struct shard_totals *totals, const struct shard *shard)
{
    const struct shard_counts *counts = shard_counts(shard);
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        totals->accepted[type] += load(&counts->accepted[type]);
    totals->refused[SHARD_NO_NAME_ROOM] += load(&counts->overflow_names);
    totals->refused[SHARD_NO_TIMER_ROOM] += load(&counts->overflow_timers);
    totals->refused[SHARD_NO_MEMBER_ROOM] += load(&counts->overflow_members);
    totals->refused[SHARD_PREFIX_LIMIT] += load(&counts->overflow_prefixes);
    totals->refused[SHARD_SENDER_LIMIT] += load(&counts->overflow_senders);
    totals->reclaimed += load(&counts->names_reclaimed);
    totals->aged += load(&counts->names_aged);
}

uint64_t shard_totals_accepted(const struct shard_totals *totals)
{
    uint64_t sum = 0;
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        sum += totals->accepted[type];
    return sum;
}

uint64_t shard_totals_refused(const struct shard_totals *totals)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SHARD_REFUSAL_COUNT; i++)
        sum += totals->refused[i];
    return sum;
}

void shard_totals_count(const struct shard_totals *before, const struct shard_totals *after,
                        uint64_t *values)
{
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        values[type_counters[type]] += after->accepted[type] - before->accepted[type];
    for (unsigned i = 0; i < SHARD_REFUSAL_COUNT; i++)
        values[COUNTER_SAMPLES_NO_NAME_ROOM + i] += after->refused[i] - before->refused[i];
    values[COUNTER_NAMES_RECLAIMED] += after->reclaimed - before->reclaimed;
    values[COUNTER_NAMES_AGED] += after->aged - before->aged;
}

void shard_totals_publish(const struct shard_totals *totals, uint64_t *values)
{
    const struct shard_totals nothing = {0};
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        values[type_counters[type]] = 0;
    for (unsigned i = 0; i < SHARD_REFUSAL_COUNT; i++)
        values[COUNTER_SAMPLES_NO_NAME_ROOM + i] = 0;
    values[COUNTER_NAMES_RECLAIMED] = 0;
    values[COUNTER_NAMES_AGED] = 0;
    shard_totals_count(&nothing, totals, values);
}

void statsd_counts_publish(const struct statsd_counts *counts, uint64_t *values)
{
    values[COUNTER_STATSD_LINES] = counts->lines;
    values[COUNTER_STATSD_EXTRA_VALUES] = counts->extras;
    for (unsigned i = 0; i < STATSD_REJECT_COUNT; i++)
        values[COUNTER_STATSD_REJECT_NO_COLON + i] = counts->rejects[i];
    for (unsigned i = STATSD_ETSY; i < STATSD_DIALECT_COUNT; i++)
        values[COUNTER_STATSD_DIALECT_ETSY + i - STATSD_ETSY] = counts->dialects[i];
    values[COUNTER_STATSD_EVENTS] = counts->events;
    values[COUNTER_STATSD_SERVICE_CHECKS] = counts->checks;
    values[COUNTER_STATSD_TIMESTAMPS] = counts->timestamps;
    values[COUNTER_STATSD_TIMESTAMPS_LATE] = counts->timestamps_late;
}
