/* SPDX-License-Identifier: MPL-2.0 */
#include "stats/shard_guard.h"

#include <errno.h>
#include <string.h>

#include "core/check.h"
#include "stats/name_hash.h"

enum { WINDOW = 32 /* places that a prefix may take, from its own on */ };

size_t shard_prefix_len(const char *name, size_t len, uint32_t parts)
{
    for (size_t at = 0; at < len; at++)
        if (name[at] == '.' && --parts == 0)
            return at;
    return len;
}

/* ---- set up ---- */

static int open_prefixes(struct shard_watch *watch, uint32_t names_max)
{
    uint64_t places = WINDOW;
    while (places < 2 * (uint64_t)names_max)
        places *= 2;
    if (shard_region_open(&watch->prefix_region, places * sizeof(struct shard_prefix)) != 0)
        return -ENOMEM;
    watch->prefixes = watch->prefix_region.base;
    watch->prefix_mask = (uint32_t)(places - 1);
    return 0;
}

int shard_watch_init(struct shard_watch *watch, const struct shard_guard *guard, uint32_t names_max)
{
    if (guard->prefix_parts > SHARD_PREFIX_PARTS_MAX ||
        (guard->idle_flushes != 0 && guard->idle_flushes < SHARD_IDLE_FLUSHES) ||
        guard->idle_flushes > SHARD_IDLE_FLUSHES_MAX)
        return -EINVAL;
    if (guard->prefix_names_max != 0 && open_prefixes(watch, names_max) != 0)
        return -ENOMEM;
    if (guard->sender_names_max != 0) {
        if (shard_region_open(&watch->sender_region, SHARD_SENDERS * sizeof(uint32_t)) != 0) {
            shard_watch_fini(watch);
            return -ENOMEM;
        }
        watch->sender_names = watch->sender_region.base;
    }
    watch->guard = *guard;
    if (watch->guard.prefix_parts == 0)
        watch->guard.prefix_parts = 1;
    return 0;
}

void shard_watch_fini(struct shard_watch *watch)
{
    shard_region_close(&watch->prefix_region);
    shard_region_close(&watch->sender_region);
    watch->prefixes = NULL;
    watch->sender_names = NULL;
}

/* ---- names of each prefix and sender ---- */

/* The prefix's place; a free one when it has none; NULL when there is no room for it, which takes
 * names chosen to collide: half of the places are free. */
static struct shard_prefix *find_prefix(const struct shard_watch *watch, const char *name,
                                        size_t len, uint32_t *tag)
{
    uint64_t hash = name_hash(name, shard_prefix_len(name, len, watch->guard.prefix_parts));
    struct shard_prefix *free_place = NULL;
    *tag = (uint32_t)hash;
    for (uint32_t i = 0; i < WINDOW; i++) {
        uint32_t at = ((uint32_t)(hash >> 32) + i) & watch->prefix_mask;
        struct shard_prefix *prefix = &watch->prefixes[at];
        if (prefix->names == 0) {
            free_place = free_place == NULL ? prefix : free_place;
        } else if (prefix->tag == *tag) {
            return prefix;
        }
    }
    return free_place;
}

enum shard_verdict shard_watch_admit(struct shard_watch *watch, const char *name, size_t len,
                                     uint16_t sender)
{
    struct shard_prefix *prefix = NULL;
    uint32_t tag = 0;
    bool is_known = watch->sender_names != NULL && sender != 0;
    if (is_known && watch->sender_names[sender] >= watch->guard.sender_names_max)
        return SHARD_SENDER_FULL;
    if (watch->prefixes != NULL) {
        prefix = find_prefix(watch, name, len, &tag);
        if (prefix == NULL || prefix->names >= watch->guard.prefix_names_max)
            return SHARD_PREFIX_FULL;
        prefix->tag = tag;
        prefix->names++;
    }
    if (is_known)
        watch->sender_names[sender]++;
    return SHARD_ADMITTED;
}

void shard_watch_forget(struct shard_watch *watch, const char *name, size_t len, uint16_t sender)
{
    uint32_t tag;
    if (watch->prefixes != NULL) {
        struct shard_prefix *prefix = find_prefix(watch, name, len, &tag);
        CHECK(prefix != NULL && prefix->names > 0);
        prefix->names--;
    }
    if (watch->sender_names != NULL && sender != 0) {
        CHECK(watch->sender_names[sender] > 0);
        watch->sender_names[sender]--;
    }
}

/* ---- offenders ---- */

/* One that is not among them takes the place of the one with the least, and its count. */
void shard_watch_refuse(struct shard_watch *watch, const char *name, size_t len)
{
    struct shard_offenders *offenders = &watch->offenders;
    uint32_t parts = watch->guard.prefix_parts != 0 ? watch->guard.prefix_parts : 1;
    size_t prefix_len = shard_prefix_len(name, len, parts);
    uint32_t hash = (uint32_t)name_hash(name, prefix_len);
    unsigned least = 0;
    offenders->is_new = true;
    for (unsigned i = 0; i < offenders->count; i++) {
        if (offenders->hashes[i] == hash) {
            offenders->list[i].refused++;
            return;
        }
        if (offenders->list[i].refused < offenders->list[least].refused)
            least = i;
    }
    if (offenders->count < SHARD_OFFENDERS)
        least = offenders->count++;
    struct shard_offender *offender = &offenders->list[least];
    size_t text_len = prefix_len < SHARD_OFFENDER_TEXT ? prefix_len : SHARD_OFFENDER_TEXT - 1;
    offender->error = offender->refused;
    offender->refused++;
    offenders->hashes[least] = hash;
    memset(offender->prefix, 0, sizeof(offender->prefix));
    memcpy(offender->prefix, name, text_len);
}
