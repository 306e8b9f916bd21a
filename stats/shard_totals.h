/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_totals.h - what parsers and shards have counted, as the ledger's counters.
 *
 * Place:   who owns parsers and shards: dataplane/worker.c, control/stat_accum.c.
 * Threads: any; counters of shards are read with relaxed loads.
 */
#ifndef STATS_SHARD_TOTALS_H
#define STATS_SHARD_TOTALS_H

#include "core/counters.h"
#include "stats/shard.h"

enum shard_refusal { /* in the order of core/counters.def */
    SHARD_NO_NAME_ROOM,
    SHARD_NO_TIMER_ROOM,
    SHARD_NO_MEMBER_ROOM,
    SHARD_PREFIX_LIMIT,
    SHARD_SENDER_LIMIT,
    SHARD_REFUSAL_COUNT
};

struct shard_totals { /* zeroed is nothing */
    uint64_t accepted[STATSD_TYPE_COUNT];
    uint64_t refused[SHARD_REFUSAL_COUNT];
    uint64_t reclaimed, aged; /* names */
};

/* Adds what the shard has counted since shard_new(). */
void shard_totals_add(struct shard_totals *totals, const struct shard *shard);
uint64_t shard_totals_accepted(const struct shard_totals *totals);
uint64_t shard_totals_refused(const struct shard_totals *totals);
/* Sets the counters SAMPLES_COUNTER and so on, and NAMES_*. */
void shard_totals_publish(const struct shard_totals *totals, uint64_t *values);
/* Adds the difference of two totals to them. */
void shard_totals_count(const struct shard_totals *before, const struct shard_totals *after,
                        uint64_t *values);

/* Sets the counters STATSD_LINES and so on. */
void statsd_counts_publish(const struct statsd_counts *counts, uint64_t *values);

#endif
