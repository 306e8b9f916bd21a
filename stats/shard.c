/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "stats/name_hash.h"
#include "stats/shard_index.h"
#include "stats/shard_memory.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum {
    GROUP = 64,           /* samples looked up together, so that their cache misses overlap */
    RECLAIM_STEP = 32,    /* entries looked at for one new name when all are taken */
    NAME_BYTES_EACH = 48, /* name_bytes_max by default */
    TIMERS_MAX = 1 << 30
};

struct shard_side { /* values of one interval */
    union {
        int64_t count;
        double gauge;
        uint64_t bits;
        uint64_t timer_at; /* while it is taken: behind the last value in `grouped` */
    };
    uint64_t order;
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
    uint32_t key;   /* entry_key(); 0: the entry is free */
    uint32_t epoch; /* of the last sample */
    struct shard_side sides[2];
} __attribute__((aligned(128)));

struct shard_log { /* timer values of one side in the order they came */
    double *values;
    uint32_t *entries;
    uint32_t count;
};

/* The side of epoch E is E & 1. The worker owns the side of its epoch; the other side is
 * housekeeping's from the release of `ready` to the release of `requested`. An entry that is
 * reclaimed had no sample for SHARD_IDLE_FLUSHES >= 2 epochs, so both of its sides were emptied
 * long ago, and housekeeping reads nothing of it but the 0 in `samples`. */
struct shard {
    uint32_t epoch; /* the worker's */
    uint32_t names_max;
    uint32_t timers_max;
    uint32_t high;               /* entries 1 to high have been used */
    uint32_t free_head;          /* of a list through next_free; 0 is its end */
    uint32_t live;               /* series in the table */
    struct shard_entry *entries; /* [0] is never a series, so that reference 0 needs no branch */
    struct shard_index index;
    struct shard_log logs[2];
    struct shard_arena arena;
    uint32_t hand;          /* of the clock that looks for idle entries */
    uint32_t reclaim_epoch; /* in which `reclaim_seen` were looked at */
    uint32_t reclaim_seen;

    struct shard_region entry_region, index_region, arena_region, timer_regions[2][2];
    struct shard_region grouped_region;
    double *grouped; /* [housekeeping] timer values by series */

    struct shard_counts counts __attribute__((aligned(64)));

    _Atomic uint32_t requested __attribute__((aligned(64))); /* [housekeeping] writes */
    uint32_t taken;                                          /* [housekeeping] epochs taken */

    _Atomic uint32_t ready __attribute__((aligned(64))); /* [worker] writes: epochs handed over */
    uint32_t handed_high;                                /* `high` when the last epoch ended */
};

/* ---- set up ---- */

static bool limits_good(const struct shard_limits *limits)
{
    return limits->names_max >= 1 && limits->names_max <= SHARD_NAMES_MAX &&
           limits->timer_samples_max <= TIMERS_MAX;
}

static int open_timers(struct shard *shard)
{
    /* One more, because a value is written before it is known to be a timer's. */
    size_t count = (size_t)shard->timers_max + 1;
    for (unsigned side = 0; side < 2; side++) {
        struct shard_region *regions = shard->timer_regions[side];
        if (shard_region_open(&regions[0], count * sizeof(double)) != 0 ||
            shard_region_open(&regions[1], count * sizeof(uint32_t)) != 0)
            return -ENOMEM;
        shard->logs[side].values = regions[0].base;
        shard->logs[side].entries = regions[1].base;
    }
    if (shard_region_open(&shard->grouped_region, count * sizeof(double)) != 0)
        return -ENOMEM;
    shard->grouped = shard->grouped_region.base;
    return 0;
}

static int open_tables(struct shard *shard, const struct shard_limits *limits)
{
    size_t name_bytes = limits->name_bytes_max != 0 ? limits->name_bytes_max
                                                    : (size_t)limits->names_max * NAME_BYTES_EACH;
    size_t entry_bytes = ((size_t)limits->names_max + 1) * sizeof(struct shard_entry);
    if (shard_region_open(&shard->entry_region, entry_bytes) != 0 ||
        shard_region_open(&shard->index_region, shard_index_size(limits->names_max)) != 0 ||
        shard_region_open(&shard->arena_region, name_bytes) != 0)
        return -ENOMEM;
    shard->entries = shard->entry_region.base;
    shard_index_init(&shard->index, shard->index_region.base, limits->names_max);
    shard_arena_init(&shard->arena, shard->arena_region.base, name_bytes);
    return open_timers(shard);
}

int shard_new(const struct shard_limits *limits, struct shard **out)
{
    if (!limits_good(limits))
        return -EINVAL;
    struct shard *shard = aligned_alloc(64, sizeof(*shard));
    if (shard == NULL)
        return -ENOMEM;
    memset(shard, 0, sizeof(*shard));
    shard->names_max = limits->names_max;
    shard->timers_max = limits->timer_samples_max;
    if (open_tables(shard, limits) != 0) {
        shard_free(shard);
        return -ENOMEM;
    }
    *out = shard;
    return 0;
}

void shard_free(struct shard *shard)
{
    if (shard == NULL)
        return;
    shard_region_close(&shard->entry_region);
    shard_region_close(&shard->index_region);
    shard_region_close(&shard->arena_region);
    shard_region_close(&shard->grouped_region);
    for (unsigned side = 0; side < 2; side++) {
        shard_region_close(&shard->timer_regions[side][0]);
        shard_region_close(&shard->timer_regions[side][1]);
    }
    free(shard);
}

size_t shard_bytes(const struct shard *shard)
{
    size_t bytes = sizeof(*shard) + shard->entry_region.size + shard->index_region.size +
                   shard->arena_region.size + shard->grouped_region.size;
    for (unsigned side = 0; side < 2; side++)
        bytes += shard->timer_regions[side][0].size + shard->timer_regions[side][1].size;
    return bytes;
}

const struct shard_counts *shard_counts(const struct shard *shard)
{
    return &shard->counts;
}

uint32_t shard_series_count(const struct shard *shard)
{
    return shard->live;
}

static void count_up(_Atomic uint64_t *counter, uint64_t add)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + add, memory_order_relaxed);
}

/* ---- names ---- */

static inline uint32_t entry_key(const struct statsd_sample *sample)
{
    return sample->name_len | (uint32_t)sample->type << 16;
}

/* A counter, a gauge and a timer of one name are three series with three tags. */
static inline uint32_t entry_tag(uint64_t hash, uint32_t type)
{
    return (uint32_t)(hash >> 32) + type * UINT32_C(0x9e3779b1);
}

static inline uint16_t entry_name_len(const struct shard_entry *entry)
{
    return (uint16_t)entry->key;
}

static inline const char *entry_name(const struct shard_entry *entry)
{
    return entry_name_len(entry) <= SHARD_NAME_INLINE ? entry->name : entry->long_name;
}

static inline bool entry_is(const struct shard_entry *entry, const struct statsd_sample *sample)
{
    return entry->hash == sample->hash && entry->key == entry_key(sample) &&
           name_equal(entry_name(entry), sample->name, sample->name_len);
}

static uint32_t find_entry(const struct shard *shard, const struct statsd_sample *sample)
{
    struct shard_walk walk;
    uint32_t ref;
    shard_walk_init(&walk, &shard->index, entry_tag(sample->hash, sample->type));
    do
        ref = shard_walk_next(&walk);
    while (ref != 0 && !entry_is(&shard->entries[ref], sample));
    return ref;
}

/* Gives an entry back that is in no index. */
static void put_entry(struct shard *shard, uint32_t ref)
{
    struct shard_entry *entry = &shard->entries[ref];
    entry->key = 0;
    entry->next_free = shard->free_head;
    shard->free_head = ref;
}

static void drop_entry(struct shard *shard, uint32_t ref)
{
    struct shard_entry *entry = &shard->entries[ref];
    shard_index_remove(&shard->index, entry_tag(entry->hash, entry->key >> 16), ref);
    if (entry_name_len(entry) > SHARD_NAME_INLINE)
        shard_arena_put(&shard->arena, entry->long_name, entry_name_len(entry));
    put_entry(shard, ref);
    shard->live--;
    count_up(&shard->counts.names_reclaimed, 1);
}

/* Looks at the next few entries and drops the idle ones. Nothing becomes idle within an epoch, so
 * each entry is looked at once in it. False when there is no more to look at. */
static bool reclaim_some(struct shard *shard)
{
    if (shard->reclaim_epoch != shard->epoch) {
        shard->reclaim_epoch = shard->epoch;
        shard->reclaim_seen = 0;
    }
    if (shard->reclaim_seen >= shard->high)
        return false;
    for (unsigned i = 0; i < RECLAIM_STEP && shard->reclaim_seen < shard->high; i++) {
        shard->reclaim_seen++;
        shard->hand = shard->hand >= shard->high ? 1 : shard->hand + 1;
        const struct shard_entry *entry = &shard->entries[shard->hand];
        if (entry->key != 0 && shard->epoch - entry->epoch > SHARD_IDLE_FLUSHES)
            drop_entry(shard, shard->hand);
    }
    return true;
}

static uint32_t get_entry(struct shard *shard)
{
    if (shard->free_head == 0 && shard->high < shard->names_max)
        return ++shard->high;
    if (shard->free_head == 0)
        reclaim_some(shard);
    uint32_t ref = shard->free_head;
    if (ref != 0)
        shard->free_head = shard->entries[ref].next_free;
    return ref;
}

static bool store_name(struct shard *shard, struct shard_entry *entry, const char *name, size_t len)
{
    if (len <= SHARD_NAME_INLINE) {
        memcpy(entry->name, name, len);
        return true;
    }
    char *copy = shard_arena_get(&shard->arena, len);
    if (copy == NULL && reclaim_some(shard))
        copy = shard_arena_get(&shard->arena, len);
    if (copy == NULL)
        return false;
    memcpy(copy, name, len);
    entry->long_name = copy;
    return true;
}

/* The sides of a free entry are empty. 0 when there is no room. */
static uint32_t insert_entry(struct shard *shard, const struct statsd_sample *sample)
{
    uint32_t ref = get_entry(shard);
    if (ref == 0)
        return 0;
    struct shard_entry *entry = &shard->entries[ref];
    if (!store_name(shard, entry, sample->name, sample->name_len)) {
        put_entry(shard, ref);
        return 0;
    }
    entry->hash = sample->hash;
    entry->epoch = shard->epoch;
    entry->key = entry_key(sample);
    if (!shard_index_put(&shard->index, entry_tag(sample->hash, sample->type), ref)) {
        if (sample->name_len > SHARD_NAME_INLINE)
            shard_arena_put(&shard->arena, entry->long_name, sample->name_len);
        put_entry(shard, ref);
        return 0;
    }
    shard->live++;
    return ref;
}

static __attribute__((noinline)) uint32_t find_or_insert(struct shard *shard,
                                                         const struct statsd_sample *sample)
{
    CHECK(sample->type < STATSD_TYPE_COUNT && sample->name_len >= 1 &&
          sample->name_len <= STATSD_NAME_MAX);
    uint32_t ref = find_entry(shard, sample);
    if (ref == 0)
        ref = insert_entry(shard, sample);
    if (ref == 0)
        count_up(&shard->counts.overflow_names, 1);
    return ref;
}

/* ---- values ---- */

/* A time that cores agree on, for "the last one wins" between shards. */
static uint64_t order_now(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return clock_mono_ns();
#endif
}

/* One path for all types, so that their mix costs no mispredicted branch: a gauge is "0 + its
 * bits", and a value goes to the log's end whether or not the end then moves. (A timer leaves its
 * bits behind too; shard_take() writes over them.) */
static inline bool add_value(struct shard *shard, uint32_t ref, const struct statsd_sample *sample,
                             uint64_t now)
{
    struct shard_entry *entry = &shard->entries[ref];
    struct shard_side *side = &entry->sides[shard->epoch & 1];
    struct shard_log *log = &shard->logs[shard->epoch & 1];
    uint32_t is_timer = sample->type == STATSD_TIMER;
    int64_t before = sample->type == STATSD_COUNTER ? side->count : 0;
    int64_t after;
    entry->epoch = shard->epoch;
    if (UNLIKELY(is_timer != 0 && log->count >= shard->timers_max)) {
        count_up(&shard->counts.overflow_timers, 1);
        return false;
    }
    log->values[log->count] = sample->value;
    log->entries[log->count] = ref;
    log->count += is_timer;
    if (UNLIKELY(__builtin_add_overflow(before, sample->count, &after)))
        after = before < 0 ? INT64_MIN : INT64_MAX;
    side->count = after;
    side->order = now;
    side->samples++;
    return true;
}

/* Where each sample's entry most likely is. Two passes, so that the misses of all samples
 * overlap. */
static inline void guess_entries(const struct shard *shard, const struct statsd_sample *samples,
                                 unsigned count, uint32_t refs[GROUP])
{
    const struct shard_bucket *buckets[GROUP];
    uint32_t tags[GROUP];
    for (unsigned i = 0; i < count; i++) {
        tags[i] = entry_tag(samples[i].hash, samples[i].type);
        buckets[i] = shard_index_bucket(&shard->index, tags[i]);
        __builtin_prefetch(buckets[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        /* Without a match this is some other entry, and entry_is() will say so. */
        unsigned mask = shard_bucket_match(buckets[i], tags[i]) | 1U << (BUCKET_SLOTS - 1);
        refs[i] = buckets[i]->refs[__builtin_ctz(mask)];
        __builtin_prefetch(&shard->entries[refs[i]]);
        __builtin_prefetch(&shard->entries[refs[i]].key, 1);
    }
}

static void add_group(struct shard *shard, const struct statsd_sample *samples, unsigned count)
{
    enum { EACH_BITS = 16 };
    uint32_t refs[GROUP];
    uint64_t now = order_now();
    uint64_t accepted = 0; /* of each type, in 16 bits: a group is at most 64 */
    guess_entries(shard, samples, count, refs);
    for (unsigned i = 0; i < count; i++) {
        uint32_t ref = refs[i];
        if (UNLIKELY(!entry_is(&shard->entries[ref], &samples[i])))
            ref = find_or_insert(shard, &samples[i]);
        if (LIKELY(ref != 0 && add_value(shard, ref, &samples[i], now)))
            accepted += UINT64_C(1) << (samples[i].type * EACH_BITS);
    }
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        count_up(&shard->counts.accepted[type], accepted >> (type * EACH_BITS) & 0xffff);
}

void shard_add(struct shard *shard, const struct statsd_sample *samples, unsigned count)
{
    while (count > 0) {
        unsigned group = count < GROUP ? count : GROUP;
        add_group(shard, samples, group);
        samples += group;
        count -= group;
    }
}

/* ---- handover ---- */

void shard_request(struct shard *shard)
{
    /* R1 (release) pairs with R2 in shard_poll: the side that the worker goes back to is empty. */
    atomic_store_explicit(&shard->requested, shard->taken + 1, memory_order_release);
}

bool shard_requested(const struct shard *shard)
{
    return atomic_load_explicit(&shard->requested, memory_order_relaxed) != shard->epoch;
}

void shard_poll(struct shard *shard)
{
    if (LIKELY(!shard_requested(shard)))
        return;
    /* R2 (acquire) pairs with R1. */
    uint32_t epoch = atomic_load_explicit(&shard->requested, memory_order_acquire);
    shard->handed_high = shard->high;
    shard->epoch = epoch;
    shard->logs[epoch & 1].count = 0;
    /* H1 (release) pairs with H2 in shard_ready: all that was added to the old side is there. */
    atomic_store_explicit(&shard->ready, epoch, memory_order_release);
}

bool shard_ready(const struct shard *shard)
{
    /* H2 (acquire) pairs with H1. */
    return atomic_load_explicit(&shard->ready, memory_order_acquire) != shard->taken;
}

static inline bool has_timers(const struct shard_entry *entry, unsigned side)
{
    return entry->sides[side].samples != 0 && entry->key >> 16 == STATSD_TIMER;
}

/* Sorts the log by series: counts are known, so one pass gives each series its place and one moves
 * the values. */
static void group_timers(struct shard *shard, unsigned side)
{
    const struct shard_log *log = &shard->logs[side];
    uint64_t at = 0;
    if (log->count == 0)
        return;
    for (uint32_t ref = 1; ref <= shard->handed_high; ref++) {
        struct shard_entry *entry = &shard->entries[ref];
        if (!has_timers(entry, side))
            continue;
        entry->sides[side].timer_at = at;
        at += entry->sides[side].samples;
    }
    CHECK(at == log->count);
    for (uint32_t i = 0; i < log->count; i++) {
        struct shard_entry *entry = &shard->entries[log->entries[i]];
        shard->grouped[entry->sides[side].timer_at++] = log->values[i];
    }
}

static struct shard_series make_series(const struct shard *shard, const struct shard_entry *entry,
                                       const struct shard_side *side)
{
    struct shard_series series = {
        .name = entry_name(entry),
        .name_len = entry_name_len(entry),
        .type = (uint8_t)(entry->key >> 16),
        .hash = entry->hash,
        .samples = side->samples,
    };
    if (series.type == STATSD_COUNTER)
        series.count = side->count;
    else if (series.type == STATSD_TIMER)
        series.timers = shard->grouped + (side->timer_at - side->samples);
    else {
        series.gauge = side->gauge;
        series.gauge_order = side->order;
    }
    return series;
}

uint64_t shard_take(struct shard *shard, shard_series_fn fn, void *arg)
{
    uint64_t samples = 0;
    if (!shard_ready(shard))
        return 0;
    unsigned side = shard->taken & 1;
    group_timers(shard, side);
    for (uint32_t ref = 1; ref <= shard->handed_high; ref++) {
        struct shard_entry *entry = &shard->entries[ref];
        if (entry->sides[side].samples == 0)
            continue;
        struct shard_series series = make_series(shard, entry, &entry->sides[side]);
        fn(arg, &series);
        samples += series.samples;
        entry->sides[side] = (struct shard_side){0};
    }
    shard->taken++;
    return samples;
}
