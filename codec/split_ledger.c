/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/split_ledger.h"

#include "core/check.h"

static const enum counter_id ends[SPLIT_OUTCOMES] = {
    [SPLIT_EMPTY] = COUNTER_TEXT_EMPTY,
    [SPLIT_INCOMPLETE] = COUNTER_TEXT_INCOMPLETE,
    [SPLIT_OVERSIZED] = COUNTER_TEXT_OVERSIZED,
    [SPLIT_REST] = COUNTER_TEXT_REST,
    [SPLIT_GARBAGE] = COUNTER_TEXT_GARBAGE,
    [SPLIT_BAD_HEADER] = COUNTER_TEXT_BAD_HEADER,
    [SPLIT_TOO_LARGE] = COUNTER_TEXT_TOO_LARGE,
    [SPLIT_NO_HMAC] = COUNTER_TEXT_NO_HMAC,
    [SPLIT_BAD_HMAC] = COUNTER_TEXT_BAD_HMAC,
    [SPLIT_UNKNOWN_SIGNER] = COUNTER_TEXT_UNKNOWN_SIGNER,
    [SPLIT_UNKNOWN_HASH] = COUNTER_TEXT_UNKNOWN_HASH,
};

void split_ledger_count(struct counters *counters, enum split_outcome outcome)
{
    CHECK(outcome != SPLIT_MORE && outcome < SPLIT_OUTCOMES);
    counters->values[COUNTER_TEXT_PIECES]++;
    if (!split_is_record(outcome))
        counters->values[ends[outcome]]++;
}
