/* SPDX-License-Identifier: MPL-2.0
 *
 * counters.h - blocks of named counters with one writer each, and how others read them whole.
 *
 * Place:   each worker and the housekeeping thread own a block in the segment (core/segment.h).
 * Threads: one writer counts into its private `struct counters` and publishes a copy now and then,
 *          between bursts, so that a copy always balances; any reader takes copies.
 * Memory:  the caller's.
 */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum counter_id {
#define COUNTER(id, name, help) COUNTER_##id,
#include "core/counters.def"
    COUNTER_COUNT
};

struct counters {
    uint64_t values[COUNTER_COUNT];
};

struct counters_shared { /* in shared memory: a sequence lock around the copy */
    _Alignas(64) _Atomic uint64_t sequence; /* odd while being written */
    _Atomic uint64_t values[COUNTER_COUNT];
};

const char *counter_name(enum counter_id id);
const char *counter_help(enum counter_id id);
/* -1 when there is no counter of that name. */
int counter_find(const char *name);

/* [the writer] */
void counters_publish(struct counters_shared *shared, const struct counters *counters);
/* Adds a whole copy to `sum`. False (and nothing added) when the writer kept changing it, which
 * means that it died in the middle. [any] */
bool counters_read(const struct counters_shared *shared, struct counters *sum);

#endif
