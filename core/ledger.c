/* SPDX-License-Identifier: MPL-2.0 */
#include "core/ledger.h"

#include "core/check.h"

const struct ledger_term ledger_terms[] = {
#define TERM(stage_id, role_id, counter_id)                                                     \
    {LEDGER_##stage_id, LEDGER_##role_id, COUNTER_##counter_id},
#include "core/counters.def"
};
const unsigned ledger_term_count = ARRAY_COUNT(ledger_terms);

static const struct {
    const char *name, *unit;
} stages[LEDGER_STAGE_COUNT] = {
#define STAGE(id, text, unit_text) [LEDGER_##id] = {text, unit_text},
#include "core/counters.def"
};

const char *ledger_stage_name(enum ledger_stage stage)
{
    return stages[stage].name;
}

const char *ledger_stage_unit(enum ledger_stage stage)
{
    return stages[stage].unit;
}

struct ledger_balance ledger_balance(const struct counters *counters, enum ledger_stage stage)
{
    struct ledger_balance balance = {0};
    for (unsigned i = 0; i < ledger_term_count; i++) {
        const struct ledger_term *term = &ledger_terms[i];
        int64_t value = (int64_t)counters->values[term->counter];
        if (term->stage != stage)
            continue;
        switch (term->role) {
        case LEDGER_IN: balance.in += value; break;
        case LEDGER_END: balance.ended += value; break;
        case LEDGER_HELD: balance.in_flight += value; break;
        case LEDGER_LESS: balance.in_flight -= value; break;
        }
    }
    balance.residual = balance.in - balance.ended - balance.in_flight;
    return balance;
}
