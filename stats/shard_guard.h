/* SPDX-License-Identifier: MPL-2.0
 *
 * shard_guard.h - how many names each prefix and each sender has made, and whose samples were
 *                 refused.
 *
 * Place:   stats/shard_names.c, for new and dropped series only.
 * Threads: the worker's alone; shard_offenders are copied at the handover.
 * Memory:  allocated by shard_watch_init() for limits that are in force.
 * Failure: shard_watch_admit() refuses.
 * Source:  space-saving: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k
 *          elements in data streams", 2005.
 */
#ifndef STATS_SHARD_GUARD_H
#define STATS_SHARD_GUARD_H

#include "stats/shard.h"
#include "stats/shard_memory.h"

struct shard_offenders {
    struct shard_offender list[SHARD_OFFENDERS];
    uint32_t hashes[SHARD_OFFENDERS];
    unsigned count;
    bool is_new; /* since the last handover */
};

struct shard_prefix {
    uint32_t tag;   /* of its hash */
    uint32_t names; /* 0: the place is free */
};

struct shard_watch {
    struct shard_guard guard;
    struct shard_prefix *prefixes;
    uint32_t prefix_mask;
    uint32_t *sender_names; /* SHARD_SENDERS */
    struct shard_region prefix_region, sender_region;
    struct shard_offenders offenders;
};

/* The bytes of a name that are its prefix. */
size_t shard_prefix_len(const char *name, size_t len, uint32_t parts);

int shard_watch_init(struct shard_watch *watch, const struct shard_guard *guard,
                     uint32_t names_max);
void shard_watch_fini(struct shard_watch *watch);

enum shard_verdict { SHARD_ADMITTED, SHARD_PREFIX_FULL, SHARD_SENDER_FULL };

/* May a new name come? Counts it when it may. `len` is without tags. */
enum shard_verdict shard_watch_admit(struct shard_watch *watch, const char *name, size_t len,
                                     uint16_t sender);
/* A name that was admitted is gone. */
void shard_watch_forget(struct shard_watch *watch, const char *name, size_t len, uint16_t sender);

/* A sample was refused. */
void shard_watch_refuse(struct shard_watch *watch, const char *name, size_t len);

#endif
