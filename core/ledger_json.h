/* SPDX-License-Identifier: MPL-2.0
 *
 * ledger_json.h - the ledger as JSON, the same from `hekad status --json`, --replay and the tests.
 *
 * Threads: no state.
 * Memory:  new jansson references, owned by the caller; NULL when out of memory.
 */
#ifndef CORE_LEDGER_JSON_H
#define CORE_LEDGER_JSON_H

#include <jansson.h>

#include "core/counters.h"

/* [{"process", "stage", "unit", "in", "ended", "in_flight", "residual", "ends": {name: value}},
 * ...]; ends holds the non-zero ones. *residual is increased by the absolute residuals. */
json_t *ledger_json_stages(const struct counters *counters, const char *process,
                           int64_t *residual);

/* {name: value, ...}, all counters. */
json_t *ledger_json_counters(const struct counters *counters);

#endif
