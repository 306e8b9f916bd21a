/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard_index.h"

#include <string.h>

#include "core/check.h"

enum {
    FIRST_SEGMENTS = 16,
    FILL_PERCENT = 60,
    SAME_TAGS_MAX = 16 /* of 64 million random tags hardly 3 are the same */
};

uint32_t shard_index_segments(uint32_t names_max)
{
    uint64_t slots = (uint64_t)names_max * 100 / FILL_PERCENT + 1;
    uint32_t segments = 1;
    while ((uint64_t)segments * SEGMENT_SLOTS < slots)
        segments *= 2;
    return segments;
}

size_t shard_index_size(uint32_t names_max)
{
    return (size_t)shard_index_segments(names_max) * sizeof(struct shard_segment);
}

void shard_index_init(struct shard_index *index, void *region, uint32_t names_max)
{
    uint32_t max = shard_index_segments(names_max);
    uint32_t first = max < FIRST_SEGMENTS ? max : FIRST_SEGMENTS;
    *index = (struct shard_index){
        .segments = region, .segment_count = first, .segment_max = max, .round = first};
}

void shard_walk_init(struct shard_walk *walk, const struct shard_index *index, uint32_t tag)
{
    walk->segment = shard_index_segment(index, tag);
    walk->tag = tag;
    walk->bucket = shard_index_home(tag);
    walk->steps = 0;
    walk->mask = shard_bucket_match(&walk->segment->buckets[walk->bucket], tag);
}

uint32_t shard_walk_next(struct shard_walk *walk)
{
    for (;;) {
        const struct shard_bucket *bucket = &walk->segment->buckets[walk->bucket];
        while (walk->mask != 0) {
            uint32_t ref = bucket->refs[__builtin_ctz(walk->mask)];
            walk->mask &= walk->mask - 1;
            if (ref != 0)
                return ref;
        }
        /* What did not fit went on to the next bucket, so a bucket with room ends the walk. */
        if (!shard_bucket_full(bucket) || ++walk->steps == SEGMENT_BUCKETS)
            return 0;
        walk->bucket = (walk->bucket + 1) % SEGMENT_BUCKETS;
        walk->mask = shard_bucket_match(&walk->segment->buckets[walk->bucket], walk->tag);
    }
}

static bool segment_put(struct shard_segment *segment, uint32_t tag, uint32_t ref, int same_max)
{
    unsigned at = shard_index_home(tag);
    for (unsigned step = 0; step < SEGMENT_BUCKETS; step++) {
        struct shard_bucket *bucket = &segment->buckets[at];
        same_max -= __builtin_popcount(shard_bucket_match(bucket, tag));
        if (same_max < 0)
            return false;
        for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
            if (bucket->refs[i] == 0) {
                bucket->tags[i] = tag;
                bucket->refs[i] = ref;
                return true;
            }
        }
        at = (at + 1) % SEGMENT_BUCKETS;
    }
    return false;
}

/* Puts the slots of `from` into `low`, or into `high` when their tag has `bit`. Both have room: all
 * slots came from one segment. */
static void segment_deal(const struct shard_segment *from, struct shard_segment *low,
                         struct shard_segment *high, uint32_t bit)
{
    for (unsigned b = 0; b < SEGMENT_BUCKETS; b++) {
        const struct shard_bucket *bucket = &from->buckets[b];
        for (unsigned i = 0; i < BUCKET_SLOTS && bucket->refs[i] != 0; i++) {
            struct shard_segment *to = (bucket->tags[i] & bit) != 0 ? high : low;
            CHECK(segment_put(to, bucket->tags[i], bucket->refs[i], SEGMENT_SLOTS));
        }
    }
}

static void split_segment(struct shard_index *index)
{
    struct shard_segment *low = &index->segments[index->segment_count - index->round];
    struct shard_segment *high = &index->segments[index->segment_count];
    struct shard_segment copy = *low;
    memset(low, 0, sizeof(*low));
    segment_deal(&copy, low, high, index->round);
    index->segment_count++;
    if (index->segment_count == 2 * index->round)
        index->round *= 2;
}

static void grow(struct shard_index *index)
{
    bool in_round = index->segment_count != index->round;
    uint64_t slots = (uint64_t)index->segment_count * SEGMENT_SLOTS;
    if (index->segment_count < index->segment_max &&
        (in_round || (uint64_t)index->used * 100 > slots * FILL_PERCENT))
        split_segment(index);
}

bool shard_index_put(struct shard_index *index, uint32_t tag, uint32_t ref)
{
    grow(index);
    if (!segment_put(shard_index_segment(index, tag), tag, ref, SAME_TAGS_MAX))
        return false;
    index->used++;
    return true;
}

/* Takes slot `i` out; the last slot of the bucket fills the hole. */
static void bucket_remove(struct shard_bucket *bucket, unsigned i)
{
    unsigned last = i;
    while (last + 1 < BUCKET_SLOTS && bucket->refs[last + 1] != 0)
        last++;
    bucket->tags[i] = bucket->tags[last];
    bucket->refs[i] = bucket->refs[last];
    bucket->tags[last] = 0;
    bucket->refs[last] = 0;
}

void shard_index_remove(struct shard_index *index, uint32_t tag, uint32_t ref)
{
    struct shard_segment *segment = shard_index_segment(index, tag);
    for (unsigned b = 0; b < SEGMENT_BUCKETS; b++) {
        struct shard_bucket *bucket =
            &segment->buckets[(shard_index_home(tag) + b) % SEGMENT_BUCKETS];
        bool was_full = shard_bucket_full(bucket);
        for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
            if (bucket->refs[i] != ref)
                continue;
            bucket_remove(bucket, i);
            index->used--;
            if (was_full) { /* others may have gone past it: put all of the segment again */
                struct shard_segment copy = *segment;
                memset(segment, 0, sizeof(*segment));
                segment_deal(&copy, segment, segment, 0);
            }
            return;
        }
    }
    bool found = false;
    CHECK(found);
}
