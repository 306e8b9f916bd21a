/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_table.h - one table of an accumulator: the series of one type, in the order they came.
 *
 * Place:   stats/accum.c and stats/accum_flush.c.
 * Threads: one.
 * Memory:  grows by doubling; names are copied to blocks that live until the table is cleared.
 * Failure: accum_table_get() returns NULL when out of memory; nothing has changed then.
 */
#ifndef STATS_ACCUM_TABLE_H
#define STATS_ACCUM_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "stats/shard.h"

struct accum_series {
    uint64_t hash;
    const char *name;
    union {
        int64_t count;      /* counter */
        double gauge;       /* gauge */
        uint64_t timer_run; /* timer: cell of its last run + 1, 0 is none */
    };
    union {
        uint64_t gauge_order;
        uint64_t timer_count; /* values in all runs */
    };
    uint16_t name_len;
};

struct accum_slot {
    uint32_t tag;
    uint32_t ref; /* number of the series + 1; 0 is free */
};

struct accum_name_block;

struct accum_table {
    struct accum_series *series; /* valid until the next accum_table_get() */
    uint32_t count, capacity;
    struct accum_slot *slots;
    uint32_t slot_count;             /* a power of two, or 0 */
    struct accum_name_block *blocks; /* the first is filled now; the full ones follow */
    struct accum_name_block *spares; /* emptied by accum_table_clear() */
    size_t bytes;                    /* allocated */
};

/* Zeroed state is an empty table. */
void accum_table_fini(struct accum_table *table);
/* Forgets all series and keeps the memory. */
void accum_table_clear(struct accum_table *table);

/* The series with that name. A new one, with zero values, is made when there is none and fewer
 * than `count_max` series; else NULL. */
struct accum_series *accum_table_get(struct accum_table *table, const struct shard_series *key,
                                     uint32_t count_max);

#endif
