/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_index.h - tags to entry numbers: an open hash table that grows a little with each
 *                 insertion.
 *
 * Place:   stats/shard.c, one for each shard.
 * Threads: the worker's alone.
 * Memory:  the caller's zeroed region of shard_index_size() bytes, used from its start on.
 * Failure: shard_index_put() returns false when a tag is there 16 times, or all of its segment is
 *          full. Both need names that were chosen to collide: a segment is 8 standard deviations
 *          larger than what it holds by chance.
 * Shape:   64-byte buckets of 8 tags and 8 references, 32 buckets to a segment. A tag's segment
 *          grows by linear hashing (Litwin 1980): whenever more than 60 % of the slots are taken, a
 *          round begins in which each insertion splits one segment in two. So the table is always
 *          as small as its contents allow, and no insertion moves more than 256 slots.
 */
#ifndef STATS_SHARD_INDEX_H
#define STATS_SHARD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/name_hash.h"

enum {
    BUCKET_SLOTS = 8,
    SEGMENT_BUCKETS = 32,
    SEGMENT_BUCKETS_LOG2 = 5,
    SEGMENT_SLOTS = BUCKET_SLOTS * SEGMENT_BUCKETS
};

struct shard_bucket {
    uint32_t tags[BUCKET_SLOTS];
    uint32_t refs[BUCKET_SLOTS]; /* entry number; 0 is free; the taken ones come first */
} __attribute__((aligned(64)));

struct shard_segment {
    struct shard_bucket buckets[SEGMENT_BUCKETS];
};

struct shard_index {
    struct shard_segment *segments;
    uint32_t segment_count; /* in use */
    uint32_t segment_max;   /* a power of two */
    uint32_t round;         /* segments at the start of the round: a power of two */
    uint32_t used;          /* slots taken */
};

/* Segments for `names_max` entries, and their bytes. */
uint32_t shard_index_segments(uint32_t names_max);
size_t shard_index_size(uint32_t names_max);
void shard_index_init(struct shard_index *index, void *region, uint32_t names_max);

static inline struct shard_segment *shard_index_segment(const struct shard_index *index,
                                                        uint32_t tag)
{
    uint32_t number = tag & (2 * index->round - 1);
    if (number >= index->segment_count)
        number &= index->round - 1;
    return &index->segments[number];
}

/* The upper bits choose the bucket, the lower ones the segment: they never meet. */
static inline uint32_t shard_index_home(uint32_t tag)
{
    return tag >> (32 - SEGMENT_BUCKETS_LOG2);
}

static inline struct shard_bucket *shard_index_bucket(const struct shard_index *index, uint32_t tag)
{
    return &shard_index_segment(index, tag)->buckets[shard_index_home(tag)];
}

/* One bit for each slot with that tag; free slots (reference 0) may be among them. */
static inline unsigned shard_bucket_match(const struct shard_bucket *bucket, uint32_t tag)
{
#if NAME_HASH_AVX2
    __m256i tags = _mm256_load_si256((const __m256i *)(const void *)bucket->tags);
    __m256i hit = _mm256_cmpeq_epi32(tags, _mm256_set1_epi32((int)tag));
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(hit));
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        mask |= (unsigned)(bucket->tags[i] == tag) << i;
    return mask;
#endif
}

static inline bool shard_bucket_full(const struct shard_bucket *bucket)
{
    return bucket->refs[BUCKET_SLOTS - 1] != 0;
}

/* Walks the references whose tag is `tag`: start with walk = 0. Returns 0 at the end. */
struct shard_walk {
    const struct shard_segment *segment;
    uint32_t tag;
    unsigned bucket, steps, mask;
};
void shard_walk_init(struct shard_walk *walk, const struct shard_index *index, uint32_t tag);
uint32_t shard_walk_next(struct shard_walk *walk);

/* False: too many names collide. */
bool shard_index_put(struct shard_index *index, uint32_t tag, uint32_t ref);
/* The pair must be there. */
void shard_index_remove(struct shard_index *index, uint32_t tag, uint32_t ref);

#endif
