/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "stats/name_hash.h"
#include "stats/shard_state.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum {
    GROUP = 64,           /* samples looked up together, so that their cache misses overlap */
    NAME_BYTES_EACH = 48, /* name_bytes_max by default */
    VALUES_MAX = 1 << 30
};

/* ---- set up ---- */

static bool limits_good(const struct shard_limits *limits)
{
    return limits->names_max >= 1 && limits->names_max <= SHARD_NAMES_MAX &&
           limits->timer_samples_max <= VALUES_MAX;
}

static size_t region_size(const struct shard_limits *limits, unsigned id)
{
    /* One more, because a value is written before it is known to be a timer's. */
    size_t values = (size_t)limits->timer_samples_max + 1;
    size_t names = limits->names_max;
    if (id >= REGION_END)
        id -= REGION_END - REGION_SIDES;
    switch ((enum shard_region_id)id) {
    case REGION_ENTRIES:
        return (names + 1) * sizeof(struct shard_entry);
    case REGION_INDEX:
        return shard_index_size(limits->names_max);
    case REGION_ARENA:
        return limits->name_bytes_max != 0 ? limits->name_bytes_max : names * NAME_BYTES_EACH;
    case REGION_GROUPED: /* values and members together */
        return 2 * values * sizeof(double);
    case REGION_GROUPED_WEIGHTS:
    case REGION_VALUES:
    case REGION_WEIGHTS:
    case REGION_MEMBERS:
        return values * sizeof(double);
    case REGION_VALUE_ENTRIES:
    case REGION_WEIGHT_ATS:
    case REGION_MEMBER_ENTRIES:
        return values * sizeof(uint32_t);
    case REGION_SEEN:
        return shard_set_seen_size(limits->timer_samples_max);
    case REGION_END:
    case REGIONS:
        break;
    }
    return 0;
}

static void set_side(struct shard *shard, unsigned side)
{
    const struct shard_region *regions = shard->regions + side * (REGION_END - REGION_SIDES);
    shard->logs[side] = (struct shard_log){
        .values = regions[REGION_VALUES].base,
        .entries = regions[REGION_VALUE_ENTRIES].base,
        .weight_ats = regions[REGION_WEIGHT_ATS].base,
        .weights = regions[REGION_WEIGHTS].base,
    };
    shard->sets[side] = (struct shard_set_log){
        .members = regions[REGION_MEMBERS].base,
        .entries = regions[REGION_MEMBER_ENTRIES].base,
        .seen = regions[REGION_SEEN].base,
        .max = shard->values_max,
        .line_count = SET_LINES_FIRST,
        .line_max = shard_set_lines(shard->values_max),
    };
}

static int open_tables(struct shard *shard, const struct shard_limits *limits)
{
    for (unsigned id = 0; id < REGIONS; id++)
        if (shard_region_open(&shard->regions[id], region_size(limits, id)) != 0)
            return -ENOMEM;
    shard->entries = shard->regions[REGION_ENTRIES].base;
    shard->grouped = shard->regions[REGION_GROUPED].base;
    shard->grouped_weights = shard->regions[REGION_GROUPED_WEIGHTS].base;
    shard_index_init(&shard->index, shard->regions[REGION_INDEX].base, limits->names_max);
    shard_arena_init(&shard->arena, shard->regions[REGION_ARENA].base,
                     shard->regions[REGION_ARENA].size);
    set_side(shard, 0);
    set_side(shard, 1);
    return 0;
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
    shard->values_max = limits->timer_samples_max;
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
    for (unsigned id = 0; id < REGIONS; id++)
        shard_region_close(&shard->regions[id]);
    shard_watch_fini(&shard->watch);
    free(shard);
}

int shard_set_guard(struct shard *shard, const struct shard_guard *guard)
{
    CHECK(shard->high == 0);
    shard_watch_fini(&shard->watch);
    return shard_watch_init(&shard->watch, guard, shard->names_max);
}

size_t shard_bytes(const struct shard *shard)
{
    size_t bytes = sizeof(*shard) + shard->watch.prefix_region.size +
                   shard->watch.sender_region.size;
    for (unsigned id = 0; id < REGIONS; id++)
        bytes += shard->regions[id].size;
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

/* ---- adding ---- */

/* Monotonic over the cores of a machine, so that "the last gauge wins" between shards, with room
 * for the numbers of a group's samples between two calls. */
static uint64_t order_now(void)
{
#if defined(__x86_64__)
    return __rdtsc(); /* a group takes more than GROUP cycles */
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks * GROUP;
#else
    return clock_mono_ns() * GROUP;
#endif
}

static inline double hold_finite(double value)
{
    return fmin(fmax(value, -DBL_MAX), DBL_MAX);
}

/* A value that counts more than once is noted beside the log. */
static bool add_weighted(struct shard *shard, uint32_t ref, const struct statsd_sample *sample)
{
    struct shard_log *log = &shard->logs[shard->epoch & 1];
    if (log->count >= shard->values_max) {
        shard_count_up(&shard->counts.overflow_timers, 1);
        return false;
    }
    log->weight_ats[log->weight_count] = log->count;
    log->weights[log->weight_count++] = sample->weight;
    log->values[log->count] = sample->value;
    log->entries[log->count++] = ref;
    return true;
}

static bool add_member(struct shard *shard, uint32_t ref, struct shard_side *side,
                       const struct statsd_sample *sample)
{
    uint64_t hash = statsd_member_hash(sample->member, sample->member_len);
    enum shard_set_result result = shard_set_add(&shard->sets[shard->epoch & 1], ref, hash);
    if (result == SET_FULL)
        shard_count_up(&shard->counts.overflow_members, 1);
    side->members += result == SET_ADDED;
    return result != SET_FULL;
}

/* What is not a plain counter, gauge or timer. A gauge that has not been set in this interval holds
 * the sum of what was added to it. */
static __attribute__((noinline)) bool add_special(struct shard *shard, uint32_t ref,
                                                  const struct statsd_sample *sample, uint64_t now)
{
    struct shard_entry *entry = &shard->entries[ref];
    struct shard_side *side = &entry->sides[shard->epoch & 1];
    bool is_good = true;
    entry->epoch = (uint16_t)shard->epoch;
    if (sample->type == STATSD_SET) {
        is_good = add_member(shard, ref, side, sample);
    } else if (sample->type == STATSD_REAL_COUNTER) {
        side->real = hold_finite(side->real + sample->value);
    } else if (sample->type == STATSD_GAUGE) {
        side->real = hold_finite(side->real + sample->value);
        side->order = now;
    } else {
        is_good = add_weighted(shard, ref, sample);
    }
    side->samples += is_good;
    return is_good;
}

static inline bool is_special(const struct statsd_sample *sample)
{
    return sample->flags != 0 ||
           ((1U << STATSD_SET | 1U << STATSD_REAL_COUNTER) >> sample->type & 1) != 0;
}

/* What a plain sample of each type does, without a branch. */
struct plain {
    uint64_t before; /* mask of the value that it is added to */
    uint64_t mark;   /* bits for shard_side.samples */
    uint64_t logged; /* 1: the value is kept */
};
static const struct plain plains[STATSD_TYPE_COUNT] = {
    [STATSD_COUNTER] = {.before = UINT64_MAX},
    [STATSD_METER] = {.before = UINT64_MAX},
    [STATSD_GAUGE] = {.mark = SHARD_GAUGE_SET},
    [STATSD_TIMER] = {.logged = 1},
    [STATSD_HISTOGRAM] = {.logged = 1},
    [STATSD_DISTRIBUTION] = {.logged = 1},
};

/* One path for all plain types, so that their mix costs no mispredicted branch: a gauge is "0 + its
 * bits", and a value goes to the log's end whether or not the end then moves. (A timer leaves its
 * bits behind too; shard_take() writes over them.) */
static inline bool add_value(struct shard *shard, uint32_t ref, const struct statsd_sample *sample,
                             uint64_t now)
{
    if (UNLIKELY(is_special(sample)))
        return add_special(shard, ref, sample, now);
    struct shard_entry *entry = &shard->entries[ref];
    struct shard_side *side = &entry->sides[shard->epoch & 1];
    struct shard_log *log = &shard->logs[shard->epoch & 1];
    const struct plain *plain = &plains[sample->type];
    int64_t before = (int64_t)(side->bits & plain->before);
    int64_t after;
    entry->epoch = (uint16_t)shard->epoch;
    if (UNLIKELY(log->count >= shard->values_max && plain->logged != 0)) {
        shard_count_up(&shard->counts.overflow_timers, 1);
        return false;
    }
    log->values[log->count] = sample->value;
    log->entries[log->count] = ref;
    log->count += (uint32_t)plain->logged;
    if (UNLIKELY(__builtin_add_overflow(before, sample->count, &after)))
        after = before < 0 ? INT64_MIN : INT64_MAX;
    side->count = after;
    side->order = now;
    side->samples = (side->samples + 1) | plain->mark;
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
        tags[i] = shard_tag(samples[i].hash, samples[i].type);
        buckets[i] = shard_index_bucket(&shard->index, tags[i]);
        __builtin_prefetch(buckets[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        /* Without a match this is some other entry, and shard_entry_is() will say so. */
        unsigned mask = shard_bucket_match(buckets[i], tags[i]) | 1U << (BUCKET_SLOTS - 1);
        refs[i] = buckets[i]->refs[__builtin_ctz(mask)];
        __builtin_prefetch(&shard->entries[refs[i]]);
        __builtin_prefetch(&shard->entries[refs[i]].key, 1);
    }
}

static void add_group(struct shard *shard, const struct statsd_sample *samples, unsigned count)
{
    enum { EACH_BITS = 8 };
    uint32_t refs[GROUP];
    uint64_t now = order_now();
    uint64_t accepted = 0; /* of each type, in 8 bits: a group is at most 64 */
    guess_entries(shard, samples, count, refs);
    for (unsigned i = 0; i < count; i++) {
        uint32_t ref = refs[i];
        if (UNLIKELY(!shard_entry_is(&shard->entries[ref], &samples[i])))
            ref = shard_find_or_make(shard, &samples[i]);
        if (LIKELY(ref != 0 && add_value(shard, ref, &samples[i], now + i)))
            accepted += UINT64_C(1) << (samples[i].type * EACH_BITS);
    }
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        shard_count_up(&shard->counts.accepted[type], accepted >> (type * EACH_BITS) & 0xff);
}
_Static_assert(STATSD_TYPE_COUNT * 8 <= 64 && GROUP < 256, "add_group() counts in bytes");

void shard_add(struct shard *shard, const struct statsd_sample *samples, unsigned count)
{
    if (UNLIKELY(shard->age_left != 0))
        shard_age(shard);
    while (count > 0) {
        unsigned group = count < GROUP ? count : GROUP;
        add_group(shard, samples, group);
        samples += group;
        count -= group;
    }
}
