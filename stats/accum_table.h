/* SPDX-License-Identifier: MPL-2.0
 *
 * accum_table.h - one table of an accumulator: the series of one type, in the order they came.
 *
 * Place:   stats/accum.c and stats/accum_flush.c.
 * Threads: one.
 * Memory:  grows by doubling; names are copied to blocks that live until the table is cleared.
 * Failure: accum_table_get() returns NULL when out of memory; nothing has changed then.
 *          Sketches and sets belong to the accumulator, which frees them before a table.
 */
#ifndef STATS_ACCUM_TABLE_H
#define STATS_ACCUM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/shard.h"

struct ddsketch;
struct hyperloglog;

struct accum_series {
    uint64_t hash;
    const char *name;
    union {
        int64_t count;           /* counter, meter */
        double gauge;            /* gauge: as last set; */
        uint64_t timer_run;      /* timer: cell of its last run + 1, 0 is none */
        struct ddsketch *sketch; /* timer, with is_sketch */
        struct hyperloglog *set; /* set; NULL: no member */
    };
    union {
        uint64_t gauge_order;
        uint64_t timer_count; /* values in all runs, or in the sketch */
    };
    union {
        double real;   /* counter: what real counters add to `count` */
        double delta;  /* gauge: to be added to it */
        double weight; /* timer: how many values its values stand for */
    };
    uint16_t name_len;     /* with the tags */
    uint16_t tags_len;     /* of it, at its end */
    uint16_t flushes_left; /* with naming "etsy": until it is forgotten */
    bool is_sketch;
    bool is_touched; /* had a sample in this interval */
};

struct accum_key {
    const char *name;
    uint16_t name_len, tags_len;
    uint64_t hash; /* of the name */
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
struct accum_series *accum_table_get(struct accum_table *table, const struct accum_key *key,
                                     uint32_t count_max);

/* Forgets the series for which `keep` says false; the others stay in their order. Without memory
 * for that it changes nothing and gives false. */
typedef bool (*accum_keep_fn)(void *arg, const struct accum_series *series);
bool accum_table_retain(struct accum_table *table, accum_keep_fn keep, void *arg);

#endif
