/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_traffic.h - what listeners have seen for an accumulator, beside its samples: etsy's naming
 *                   writes it as series of its own.
 *
 * Place:   who adds to a shard notes it there; stats/accum_merge.c takes it.
 * Threads: shard_note_traffic [worker]; shard_take_traffic [housekeeping], while shard_ready().
 */
#ifndef STATS_SHARD_TRAFFIC_H
#define STATS_SHARD_TRAFFIC_H

#include "stats/shard.h"

struct shard_traffic {
    uint64_t packets, lines, bad_lines;
};

/* Notes `packets`, and what a parser has counted since the call before with the same `seen`
 * (zeroed at first). */
void shard_note_traffic(struct shard *shard, struct shard_traffic *seen,
                        const struct statsd_counts *counts, uint64_t packets);

/* Empties it. */
struct shard_traffic shard_take_traffic(struct shard *shard);

#endif
