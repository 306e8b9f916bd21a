/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "core/check.h"
#include "stats/name_hash.h"
#include "stats/shard_state.h"

static uint32_t find_entry(const struct shard *shard, const struct statsd_sample *sample)
{
    struct shard_walk walk;
    uint32_t ref;
    shard_walk_init(&walk, &shard->index, shard_tag(sample->hash, sample->type));
    do
        ref = shard_walk_next(&walk);
    while (ref != 0 && !shard_entry_is(&shard->entries[ref], sample));
    return ref;
}

static size_t base_len(const struct statsd_sample *sample)
{
    return (size_t)sample->name_len - sample->tags_len;
}

/* ---- dropping ---- */

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
    uint16_t len = shard_entry_len(entry);
    shard_index_remove(&shard->index, shard_tag(entry->hash, shard_entry_type(entry)), ref);
    shard_watch_forget(&shard->watch, shard_entry_name(entry),
                       (size_t)len - shard_entry_tags_len(entry), entry->sender);
    if (len > SHARD_NAME_INLINE)
        shard_arena_put(&shard->arena, entry->long_name, len);
    put_entry(shard, ref);
    shard->live--;
}

/* Epochs are compared by their low bits: an entry that has been idle for a multiple of 65,536
 * flushes looks busy for a while, and none that is busy looks idle. */
static bool is_idle(const struct shard *shard, uint32_t ref, uint32_t flushes)
{
    const struct shard_entry *entry = &shard->entries[ref];
    return entry->key != 0 && (uint16_t)(shard->epoch - entry->epoch) > flushes;
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
    for (unsigned i = 0; i < SHARD_RECLAIM_STEP && shard->reclaim_seen < shard->high; i++) {
        shard->reclaim_seen++;
        shard->hand = shard->hand >= shard->high ? 1 : shard->hand + 1;
        if (!is_idle(shard, shard->hand, SHARD_IDLE_FLUSHES))
            continue;
        drop_entry(shard, shard->hand);
        shard_count_up(&shard->counts.names_reclaimed, 1);
    }
    return true;
}

void shard_age(struct shard *shard)
{
    for (unsigned i = 0; i < SHARD_RECLAIM_STEP && shard->age_left > 0; i++) {
        shard->age_left--;
        shard->age_hand = shard->age_hand >= shard->high ? 1 : shard->age_hand + 1;
        if (!is_idle(shard, shard->age_hand, shard->watch.guard.idle_flushes))
            continue;
        drop_entry(shard, shard->age_hand);
        shard_count_up(&shard->counts.names_aged, 1);
    }
}

/* ---- making ---- */

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
    entry->epoch = (uint16_t)shard->epoch;
    entry->sender = sample->sender;
    entry->key = shard_key(sample);
    if (!shard_index_put(&shard->index, shard_tag(sample->hash, sample->type), ref)) {
        if (sample->name_len > SHARD_NAME_INLINE)
            shard_arena_put(&shard->arena, entry->long_name, sample->name_len);
        put_entry(shard, ref);
        return 0;
    }
    shard->live++;
    return ref;
}

/* Names that idle names of the same prefix or sender stand in the way of may come when those have
 * been dropped. */
static enum shard_verdict admit(struct shard *shard, const struct statsd_sample *sample)
{
    enum shard_verdict verdict = shard_watch_admit(&shard->watch, sample->name, base_len(sample),
                                                   sample->sender);
    if (verdict != SHARD_ADMITTED && reclaim_some(shard))
        verdict = shard_watch_admit(&shard->watch, sample->name, base_len(sample), sample->sender);
    return verdict;
}

static void refuse(struct shard *shard, const struct statsd_sample *sample,
                   _Atomic uint64_t *counter)
{
    shard_count_up(counter, 1);
    shard_watch_refuse(&shard->watch, sample->name, base_len(sample));
}

uint32_t shard_find_or_make(struct shard *shard, const struct statsd_sample *sample)
{
    uint32_t ref = find_entry(shard, sample);
    if (ref != 0)
        return ref;
    enum shard_verdict verdict = admit(shard, sample);
    if (verdict == SHARD_PREFIX_FULL) {
        refuse(shard, sample, &shard->counts.overflow_prefixes);
        return 0;
    }
    if (verdict == SHARD_SENDER_FULL) {
        refuse(shard, sample, &shard->counts.overflow_senders);
        return 0;
    }
    ref = insert_entry(shard, sample);
    if (ref == 0) {
        shard_watch_forget(&shard->watch, sample->name, base_len(sample), sample->sender);
        refuse(shard, sample, &shard->counts.overflow_names);
    }
    return ref;
}
