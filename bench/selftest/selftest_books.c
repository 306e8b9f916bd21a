/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_books.c - what the ledger says about a trial: what was dropped for want of room, and
 *                    whether everything else has a name.
 */
#include <stdlib.h>

#include "bench/selftest/selftest.h"
#include "core/check.h"
#include "core/ledger.h"

static const char lane[] = "lanes (hekad's side)", table[] = "tables", port[] = "worker";

/* Ends of things that there was no room for. Others are the traffic's own. */
static const struct {
    enum counter_id id;
    const char *limit;
} drops[] = {
    {COUNTER_PORT_MISSED, port},
    {COUNTER_PORT_NO_MBUF, port},
    {COUNTER_FRAG_NO_ROOM, table},
    {COUNTER_TCP_SEGMENT_NO_MEMORY, table},
    {COUNTER_SAMPLES_NO_NAME_ROOM, table},
    {COUNTER_SAMPLES_NO_TIMER_ROOM, table},
    {COUNTER_SAMPLES_NO_MEMBER_ROOM, table},
    {COUNTER_SAMPLES_NO_SERIES_ROOM, table},
    {COUNTER_STATMETRIC_LONG_LINES, table},
    {COUNTER_MESSAGES_TOO_LARGE, table},
    {COUNTER_DECODE_ROOM, table},
    {COUNTER_DECODE_NOTE_LOST, table},
    {COUNTER_MESSAGES_LANE_FULL, lane},
    {COUNTER_MESSAGES_STOPPED, lane},
};

static void count_drops(struct selftest_trial *trial)
{
    for (unsigned i = 0; i < ARRAY_COUNT(drops); i++) {
        uint64_t count = trial->counters.values[drops[i].id];
        if (count == 0)
            continue;
        if (trial->dropped == 0) {
            trial->limit = drops[i].limit;
            snprintf(trial->why, sizeof(trial->why), "%s: %llu", counter_name(drops[i].id),
                     (unsigned long long)count);
        }
        trial->dropped += count;
    }
}

void selftest_check_books(const struct selftest *test, struct selftest_trial *trial)
{
    (void)test;
    count_drops(trial);
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++) {
        struct ledger_balance balance = ledger_balance(&trial->counters, (enum ledger_stage)stage);
        if (balance.residual == 0 && balance.in_flight == 0)
            continue;
        trial->exact = false;
        snprintf(trial->why, sizeof(trial->why), "ledger, stage %s: residual %lld, in flight %lld",
                 ledger_stage_name((enum ledger_stage)stage), (long long)balance.residual,
                 (long long)balance.in_flight);
    }
}
