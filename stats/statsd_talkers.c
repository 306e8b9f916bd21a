/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/statsd_talkers.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)SHARD_OFFENDER_TEXT == (int)TALKER_PREFIX_SIZE, "copied as they are");

void statsd_talkers_senders(struct talkers *talkers, const struct senders *senders,
                            const char *input)
{
    struct sender_total top[SENDERS_TOP_MAX];
    unsigned count = senders_top(senders, top, SENDERS_TOP_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct talker row = {
            .is_ipv6 = top[i].is_ipv6,
            .samples = top[i].samples,
            .over_quota = top[i].over_quota,
        };
        memcpy(row.ip, top[i].ip, sizeof(row.ip));
        snprintf(row.input, sizeof(row.input), "%s", input);
        talkers_add_sender(talkers, &row);
    }
}

void statsd_talkers_refused(struct talkers *talkers, const struct shard *shard,
                            const char *accumulator)
{
    struct shard_offender found[SHARD_OFFENDERS];
    unsigned count = shard_offenders(shard, found, SHARD_OFFENDERS);
    for (unsigned i = 0; i < count; i++) {
        struct talker_prefix row = {.refused = found[i].refused, .error = found[i].error};
        snprintf(row.accumulator, sizeof(row.accumulator), "%s", accumulator);
        memcpy(row.prefix, found[i].prefix, sizeof(row.prefix));
        talkers_add_prefix(talkers, &row);
    }
}
