/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/fragment.h"

#include <stdlib.h>
#include <string.h>

#include <rte_jhash.h>
#include <rte_mbuf.h>

#include "core/check.h"

enum { NONE = UINT32_MAX };

struct fragment_table {
    struct fragment_limits limits;
    struct counters *counters;
    uint32_t mbuf_count; /* segments held */
    uint32_t free;
    uint32_t oldest, newest;
    uint32_t bucket_mask;
    uint32_t *buckets;
    struct fragment_set *sets;
};

struct fragment_table *fragment_table_new(const struct fragment_limits *limits,
                                          struct counters *counters)
{
    CHECK(limits->sets_max <= FRAGMENT_SETS_MAX);
    uint32_t buckets = rte_align32pow2(2 * limits->sets_max + 1);
    struct fragment_table *table = calloc(1, sizeof(*table));
    if (table == NULL)
        return NULL;
    *table = (struct fragment_table){.limits = *limits,
                                     .counters = counters,
                                     .free = limits->sets_max > 0 ? 0 : NONE,
                                     .oldest = NONE,
                                     .newest = NONE,
                                     .bucket_mask = buckets - 1,
                                     .buckets = calloc(buckets, sizeof(uint32_t)),
                                     .sets = calloc((size_t)limits->sets_max + 1,
                                                    sizeof(struct fragment_set))};
    if (table->buckets == NULL || table->sets == NULL) {
        fragment_table_free(table);
        return NULL;
    }
    memset(table->buckets, 0xFF, buckets * sizeof(uint32_t));
    for (uint32_t i = 0; i < limits->sets_max; i++)
        table->sets[i].next = i + 1 < limits->sets_max ? i + 1 : NONE;
    return table;
}

static uint32_t index_of(const struct fragment_table *table, const struct fragment_set *set)
{
    return (uint32_t)(set - table->sets);
}

static struct fragment_set *set_find(const struct fragment_table *table,
                                     const struct fragment_key *key, uint32_t hash)
{
    uint32_t index = table->buckets[hash & table->bucket_mask];
    while (index != NONE && (table->sets[index].hash != hash ||
                             memcmp(&table->sets[index].key, key, sizeof(*key)) != 0))
        index = table->sets[index].next;
    return index != NONE ? &table->sets[index] : NULL;
}

static struct fragment_set *set_new(struct fragment_table *table, const struct fragment_key *key,
                                    uint32_t hash, uint64_t now_ns)
{
    uint32_t index = table->free, *bucket = &table->buckets[hash & table->bucket_mask];
    if (index == NONE)
        return NULL;
    struct fragment_set *set = &table->sets[index];
    table->free = set->next;
    set->key = *key;
    set->size = set->size_received = set->mbuf_count = 0;
    set->piece_count = 0;
    set->is_refused = false;
    set->first_ns = now_ns;
    set->hash = hash;
    set->next = *bucket;
    *bucket = index;
    set->older = table->newest;
    set->newer = NONE;
    *(table->newest != NONE ? &table->sets[table->newest].newer : &table->oldest) = index;
    table->newest = index;
    return set;
}

static void set_free(struct fragment_table *table, struct fragment_set *set)
{
    uint32_t index = index_of(table, set);
    uint32_t *link = &table->buckets[set->hash & table->bucket_mask];
    while (*link != index)
        link = &table->sets[*link].next;
    *link = set->next;
    *(set->older != NONE ? &table->sets[set->older].newer : &table->oldest) = set->newer;
    *(set->newer != NONE ? &table->sets[set->newer].older : &table->newest) = set->older;
    set->next = table->free;
    table->free = index;
}

static void drop_pieces(struct fragment_set *set)
{
    for (unsigned i = 0; i < set->piece_count; i++)
        rte_pktmbuf_free(set->pieces[i].mbuf); /* takes NULL */
    set->piece_count = 0;
}

/* `count` fragments of the set were held and end as `counter`; the set holds nothing more. */
static void end_held(struct fragment_table *table, struct fragment_set *set, unsigned count,
                     enum counter_id counter)
{
    table->counters->values[COUNTER_FRAG_HELD] -= count;
    table->counters->values[counter] += count;
    table->mbuf_count -= set->mbuf_count;
    set->mbuf_count = 0;
}

void fragment_table_free(struct fragment_table *table)
{
    if (table == NULL)
        return;
    while (table->sets != NULL && table->buckets != NULL && table->oldest != NONE) {
        drop_pieces(&table->sets[table->oldest]);
        set_free(table, &table->sets[table->oldest]);
    }
    free(table->buckets);
    free(table->sets);
    free(table);
}

static bool is_old(const struct fragment_table *table, const struct fragment_set *set,
                   uint64_t now_ns)
{
    return now_ns == UINT64_MAX ||
           (now_ns >= set->first_ns && now_ns - set->first_ns >= table->limits.timeout_ns);
}

void fragment_expire(struct fragment_table *table, uint64_t now_ns)
{
    while (table->oldest != NONE && is_old(table, &table->sets[table->oldest], now_ns)) {
        struct fragment_set *set = &table->sets[table->oldest];
        end_held(table, set, set->piece_count, COUNTER_FRAG_EXPIRED);
        drop_pieces(set);
        set_free(table, set);
    }
}

static enum counter_id refuse(struct fragment_table *table, struct fragment_set *set)
{
    end_held(table, set, set->piece_count, COUNTER_FRAG_INVALID);
    drop_pieces(set);
    set->is_refused = true;
    return COUNTER_FRAG_INVALID;
}

/* Index of the first piece that starts behind `offset`. Most fragments come in order. */
static unsigned place_of(const struct fragment_set *set, uint32_t offset)
{
    unsigned place = set->piece_count;
    while (place > 0 && set->pieces[place - 1].offset > offset)
        place--;
    return place;
}

static bool is_duplicate(const struct fragment_set *set, const struct fragment *fragment,
                         unsigned place)
{
    uint32_t end = fragment->offset + fragment->size;
    bool is_last = set->size != 0 && end == set->size;
    return place > 0 && set->pieces[place - 1].offset == fragment->offset &&
           set->pieces[place - 1].size == fragment->size && fragment->more == !is_last;
}

/* True when the fragment neither overlaps its neighbours nor contradicts what is known of the
 * end. */
static bool is_consistent(const struct fragment_set *set, const struct fragment *fragment,
                          unsigned place)
{
    uint32_t end = fragment->offset + fragment->size;
    const struct fragment_piece *before = place > 0 ? &set->pieces[place - 1] : NULL;
    if (before != NULL && (uint32_t)before->offset + before->size > fragment->offset)
        return false;
    if (place < set->piece_count && (fragment->more ? end > set->pieces[place].offset : true))
        return false;
    /* Behind a known end, or a second end. */
    return set->size == 0 || (fragment->more && end < set->size);
}

static void insert(struct fragment_table *table, struct fragment_set *set,
                   const struct fragment *fragment, unsigned place)
{
    struct fragment_piece *piece = &set->pieces[place];
    memmove(piece + 1, piece, (set->piece_count - place) * sizeof(*piece));
    *piece = (struct fragment_piece){.mbuf = fragment->mbuf,
                                     .ip_at = fragment->ip_at,
                                     .payload_at = fragment->payload_at,
                                     .offset = (uint16_t)fragment->offset,
                                     .size = (uint16_t)fragment->size};
    set->piece_count++;
    set->size_received += fragment->size;
    if (!fragment->more)
        set->size = fragment->offset + fragment->size;
    set->mbuf_count += fragment->mbuf->nb_segs;
    table->mbuf_count += fragment->mbuf->nb_segs;
}

static bool is_valid(const struct fragment *fragment)
{
    return fragment->size > 0 && (!fragment->more || fragment->size % 8 == 0) &&
           fragment->offset + fragment->size <= fragment->offset_max;
}

/* Into a set that is known and not refused. */
static enum counter_id add_to_set(struct fragment_table *table, struct fragment_set *set,
                                  const struct fragment *fragment, struct fragment_set **whole)
{
    unsigned place = place_of(set, fragment->offset);
    if (is_duplicate(set, fragment, place))
        return COUNTER_FRAG_DUPLICATE;
    if (set->piece_count == FRAGMENT_PIECES_MAX || !is_consistent(set, fragment, place))
        return refuse(table, set);
    insert(table, set, fragment, place);
    if (set->size == 0 || set->size_received < set->size)
        return COUNTER_FRAG_HELD;
    end_held(table, set, set->piece_count - 1u, COUNTER_FRAG_MERGED);
    *whole = set;
    return COUNTER_FRAG_MERGED;
}

enum counter_id fragment_add(struct fragment_table *table, const struct fragment *fragment,
                             uint64_t now_ns, struct fragment_set **whole)
{
    fragment_expire(table, now_ns);
    if (!is_valid(fragment))
        return COUNTER_FRAG_INVALID;
    uint32_t hash = rte_jhash_32b((const uint32_t *)(const void *)&fragment->key,
                                  FRAGMENT_KEY_WORDS, table->limits.seed);
    struct fragment_set *set = set_find(table, &fragment->key, hash);
    if (set != NULL && set->is_refused)
        return COUNTER_FRAG_INVALID;
    if (table->mbuf_count + fragment->mbuf->nb_segs > table->limits.mbufs_max)
        return COUNTER_FRAG_NO_ROOM;
    if (set == NULL)
        set = set_new(table, &fragment->key, hash, now_ns);
    return set != NULL ? add_to_set(table, set, fragment, whole) : COUNTER_FRAG_NO_ROOM;
}

void fragment_done(struct fragment_table *table, struct fragment_set *set)
{
    drop_pieces(set);
    set_free(table, set);
}
