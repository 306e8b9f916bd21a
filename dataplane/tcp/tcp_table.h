/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_table.h - from a flow to the number of its entry: open addressing, linear probing.
 *
 * Place:   tcp.c has one for connections and one for half-open ones. Entries are an array of the
 *          owner's whose members begin with their flow.
 * Memory:  allocated by tcp_table_init(): at least twice as many places as entries, so that a probe
 *          ends soon and always.
 * Failure: none after that. The hash is keyed: who chooses addresses and ports cannot choose
 *          places.
 */
#ifndef DATAPLANE_TCP_TCP_TABLE_H
#define DATAPLANE_TCP_TCP_TABLE_H

#include "dataplane/tcp/tcp.h"

struct tcp_table_slot {
    uint32_t hash;
    uint32_t entry; /* UINT32_MAX: free */
};

struct tcp_table {
    struct tcp_table_slot *slots;
    uint32_t mask;
    const uint8_t *entries;
    size_t entry_size;
    uint64_t keys[6];
};

/* 0 or -ENOMEM. `secret`: 16 bytes. */
int tcp_table_init(struct tcp_table *table, const void *entries, size_t entry_size,
                   unsigned entries_max, const uint8_t *secret);
void tcp_table_fini(struct tcp_table *table); /* zeroed is fine */

/* For tcp_table_look(), whose memory is on its way when this returns. */
uint32_t tcp_table_prefetch(const struct tcp_table *table, const struct tcp_flow *flow);
/* The entry where the flow with this hash should be, or another one: nothing but a place to
 * prefetch from. UINT32_MAX: none. */
uint32_t tcp_table_look(const struct tcp_table *table, uint32_t hash);

/* UINT32_MAX: not there. */
uint32_t tcp_table_find(const struct tcp_table *table, const struct tcp_flow *flow);
/* The flow is in entry `entry` and not in the table yet. */
void tcp_table_add(struct tcp_table *table, uint32_t entry);
void tcp_table_remove(struct tcp_table *table, uint32_t entry);

#endif
