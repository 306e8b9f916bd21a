/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard_traffic.h"

#include "stats/shard_state.h"

void shard_note_traffic(struct shard *shard, struct shard_traffic *seen,
                        const struct statsd_counts *counts, uint64_t packets)
{
    struct shard_traffic *side = &shard->traffic[shard->epoch & 1];
    uint64_t bad_lines = 0;
    for (unsigned i = 0; i < STATSD_REJECT_COUNT; i++)
        bad_lines += counts->rejects[i];
    side->packets += packets;
    side->lines += counts->lines - seen->lines;
    side->bad_lines += bad_lines - seen->bad_lines;
    seen->lines = counts->lines;
    seen->bad_lines = bad_lines;
}

struct shard_traffic shard_take_traffic(struct shard *shard)
{
    struct shard_traffic traffic = {0};
    if (!shard_ready(shard))
        return traffic;
    traffic = shard->traffic[shard->taken & 1];
    shard->traffic[shard->taken & 1] = (struct shard_traffic){0};
    return traffic;
}
