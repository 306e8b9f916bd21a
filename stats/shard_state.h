/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_state.h - what a shard is made of, for its own files.
 *
 * Place:   stats/shard.c (set up, adding), stats/shard_names.c (finding, making, dropping series),
 *          stats/shard_take.c (handover); nobody else.
 * Threads: every member says whose it is.
 */
#ifndef STATS_SHARD_STATE_H
#define STATS_SHARD_STATE_H

#include <stdatomic.h>

#include "stats/shard.h"
#include "stats/shard_guard.h"
#include "stats/shard_index.h"
#include "stats/shard_memory.h"
#include "stats/shard_sets.h"
#include "stats/shard_traffic.h"

enum {
    SHARD_VALUE_TYPES = 1 << STATSD_TIMER | 1 << STATSD_HISTOGRAM | 1 << STATSD_DISTRIBUTION,
    SHARD_RECLAIM_STEP = 32 /* entries looked at for one new name when all are taken */
};

/* Bit of shard_side.samples: the gauge was set in this interval, not only changed. */
#define SHARD_GAUGE_SET (UINT64_C(1) << 63)

struct shard_side { /* values of one interval */
    union {
        int64_t count;
        double real; /* real counter, gauge */
        uint64_t bits;
        uint64_t value_at; /* while it is taken: behind its last value or member in `grouped` */
    };
    union {
        uint64_t order;   /* gauge */
        uint64_t members; /* set: in the log */
    };
    uint64_t samples;
};

/* 128 bytes, which the adjacent-line prefetcher fetches as one. Everything that a known name writes
 * is in the second half. */
struct shard_entry {
    uint64_t hash;
    union {
        char name[SHARD_NAME_INLINE];
        const char *long_name; /* in the arena, when longer */
        uint32_t next_free;    /* when key is 0 */
    };
    uint32_t key;    /* shard_key(); 0: the entry is free */
    uint16_t epoch;  /* of the last sample, its low bits */
    uint16_t sender; /* who made it */
    struct shard_side sides[2];
} __attribute__((aligned(128)));
_Static_assert(sizeof(struct shard_entry) == 128, "two cache lines");

struct shard_log { /* timer values of one side in the order they came */
    double *values;
    uint32_t *entries;
    uint32_t count;
    uint32_t weight_count;
    uint32_t *weight_ats; /* which of the values have a weight, ascending */
    double *weights;
};

enum shard_region_id {
    REGION_ENTRIES,
    REGION_INDEX,
    REGION_ARENA,
    REGION_GROUPED,
    REGION_GROUPED_WEIGHTS,
    REGION_SIDES, /* from here on once for each side */
    REGION_VALUES = REGION_SIDES,
    REGION_VALUE_ENTRIES,
    REGION_WEIGHT_ATS,
    REGION_WEIGHTS,
    REGION_MEMBERS,
    REGION_MEMBER_ENTRIES,
    REGION_SEEN,
    REGION_END,
    REGIONS = REGION_END + (REGION_END - REGION_SIDES)
};

/* The side of epoch E is E & 1. The worker owns the side of its epoch; the other side is
 * housekeeping's from the release of `ready` to the release of `requested`. An entry that is
 * dropped had no sample for SHARD_IDLE_FLUSHES >= 2 epochs, so both of its sides were emptied
 * long ago, and housekeeping reads nothing of it but the 0 in `samples`. */
struct shard {
    uint32_t epoch; /* the worker's */
    uint32_t names_max;
    uint32_t values_max;
    uint32_t high;               /* entries 1 to high have been used */
    uint32_t free_head;          /* of a list through next_free; 0 is its end */
    uint32_t live;               /* series in the table */
    uint32_t age_left;           /* entries to look at for their age in this epoch */
    struct shard_entry *entries; /* [0] is never a series, so that reference 0 needs no branch */
    struct shard_index index;
    struct shard_log logs[2];
    struct shard_set_log sets[2];
    struct shard_arena arena;
    uint32_t hand;          /* of the clock that looks for idle entries */
    uint32_t reclaim_epoch; /* in which `reclaim_seen` were looked at */
    uint32_t reclaim_seen;
    uint32_t age_hand;
    struct shard_watch watch;
    struct shard_traffic traffic[2]; /* by side */

    struct shard_region regions[REGIONS];
    double *grouped;         /* [housekeeping] values or members by series */
    double *grouped_weights; /* [housekeeping] beside them */

    struct shard_counts counts __attribute__((aligned(64)));

    _Atomic uint32_t requested __attribute__((aligned(64))); /* [housekeeping] writes */
    uint32_t taken;                                          /* [housekeeping] epochs taken */

    _Atomic uint32_t ready __attribute__((aligned(64))); /* [worker] writes: epochs handed over */
    uint32_t handed_high;                                /* `high` when the last epoch ended */
    struct shard_offenders handed_offenders;
};

/* ---- keys: what of a series is not its name's bytes ---- */

enum { KEY_TAGS_SHIFT = 16, KEY_TYPE_SHIFT = 27, KEY_LEN_MASK = (1 << 11) - 1 };

static inline uint32_t shard_key(const struct statsd_sample *sample)
{
    return sample->name_len | (uint32_t)sample->tags_len << KEY_TAGS_SHIFT |
           (uint32_t)sample->type << KEY_TYPE_SHIFT;
}

static inline uint32_t shard_entry_type(const struct shard_entry *entry)
{
    return entry->key >> KEY_TYPE_SHIFT;
}

static inline uint16_t shard_entry_len(const struct shard_entry *entry)
{
    return (uint16_t)(entry->key & KEY_LEN_MASK);
}

static inline uint16_t shard_entry_tags_len(const struct shard_entry *entry)
{
    return (uint16_t)(entry->key >> KEY_TAGS_SHIFT & KEY_LEN_MASK);
}

static inline const char *shard_entry_name(const struct shard_entry *entry)
{
    return shard_entry_len(entry) <= SHARD_NAME_INLINE ? entry->name : entry->long_name;
}

/* A counter, a gauge and a timer of one name are three series with three tags. */
static inline uint32_t shard_tag(uint64_t hash, uint32_t type)
{
    return (uint32_t)(hash >> 32) + type * UINT32_C(0x9e3779b1);
}

static inline bool shard_entry_is(const struct shard_entry *entry,
                                  const struct statsd_sample *sample)
{
    if (entry->hash != sample->hash || entry->key != shard_key(sample))
        return false;
    const char *name = sample->name_len <= SHARD_NAME_INLINE ? entry->name : entry->long_name;
    return name_equal(name, sample->name, sample->name_len);
}

static inline void shard_count_up(_Atomic uint64_t *counter, uint64_t add)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + add, memory_order_relaxed);
}

/* ---- stats/shard_names.c ---- */

/* The entry of the sample's series, made when there is none; 0 when it is refused, which has been
 * counted then. */
uint32_t shard_find_or_make(struct shard *shard, const struct statsd_sample *sample);

/* Looks at the next few entries for their age: shard->age_left goes down. */
void shard_age(struct shard *shard);

#endif
