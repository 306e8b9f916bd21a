/* SPDX-License-Identifier: MPL-2.0 */
#include "core/ledger_json.h"

#include <stdlib.h>

#include "core/ledger.h"

static json_t *ends_of(const struct counters *counters, enum ledger_stage stage)
{
    json_t *ends = json_object();
    for (unsigned i = 0; i < ledger_term_count; i++) {
        const struct ledger_term *term = &ledger_terms[i];
        uint64_t value = counters->values[term->counter];
        if (term->stage == stage && term->role == LEDGER_END && value != 0)
            json_object_set_new(ends, counter_name(term->counter), json_integer((json_int_t)value));
    }
    return ends;
}

json_t *ledger_json_stages(const struct counters *counters, const char *process,
                           int64_t *residual)
{
    json_t *stages = json_array();
    for (unsigned stage = 0; stage < LEDGER_STAGE_COUNT; stage++) {
        struct ledger_balance balance = ledger_balance(counters, stage);
        json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "process", process,
                                "stage", ledger_stage_name(stage), "unit",
                                ledger_stage_unit(stage), "in", (json_int_t)balance.in, "ended",
                                (json_int_t)balance.ended, "in_flight",
                                (json_int_t)balance.in_flight, "residual",
                                (json_int_t)balance.residual, "ends", ends_of(counters, stage));
        json_array_append_new(stages, row);
        *residual += llabs(balance.residual);
    }
    return stages;
}

json_t *ledger_json_counters(const struct counters *counters)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        json_object_set_new(object, counter_name(i),
                            json_integer((json_int_t)counters->values[i]));
    return object;
}
