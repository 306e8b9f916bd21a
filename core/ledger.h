/* SPDX-License-Identifier: MPL-2.0
 *
 * ledger.h - the books: for every stage, what came in, where it ended, what is in flight, and the
 *            residual.
 *
 * Place:   computed from counters by hekad (status, metrics), by --replay and by the tests.
 * Threads: no state.
 * Source:  the stages and terms are rows of core/counters.def.
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include "core/counters.h"

enum ledger_stage {
#define STAGE(id, name, unit) LEDGER_##id,
#include "core/counters.def"
    LEDGER_STAGE_COUNT
};

enum ledger_role { LEDGER_IN, LEDGER_END, LEDGER_HELD, LEDGER_LESS };

struct ledger_term {
    enum ledger_stage stage;
    enum ledger_role role;
    enum counter_id counter;
};
extern const struct ledger_term ledger_terms[];
extern const unsigned ledger_term_count;

const char *ledger_stage_name(enum ledger_stage stage);
const char *ledger_stage_unit(enum ledger_stage stage);

struct ledger_balance {
    int64_t in, ended, in_flight, residual; /* residual = in - ended - in_flight */
};
struct ledger_balance ledger_balance(const struct counters *counters, enum ledger_stage stage);

#endif
