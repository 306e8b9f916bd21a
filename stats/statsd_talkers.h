/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_talkers.h - the lists of core/talkers.h from what shards and senders have counted.
 *
 * Place:   dataplane/flush.c and housekeeping.c; control/stat_accum.c and inputs/statsd_input.c.
 * Threads: no state; statsd_talkers_refused() where shard_offenders() may be called.
 */
#ifndef STATS_STATSD_TALKERS_H
#define STATS_STATSD_TALKERS_H

#include "core/talkers.h"
#include "stats/shard.h"
#include "stats/shard_senders.h"

/* Adds those of `senders` with the most samples. `input` as in struct talker. */
void statsd_talkers_senders(struct talkers *talkers, const struct senders *senders,
                            const char *input);
/* Adds the prefixes of which `shard` has refused the most samples. */
void statsd_talkers_refused(struct talkers *talkers, const struct shard *shard,
                            const char *accumulator);

#endif
