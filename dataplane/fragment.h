/* SPDX-License-Identifier: MPL-2.0
 *
 * fragment.h - gathers the fragments of IPv4 and IPv6 packets until one is whole.
 *
 * Place:   ip.c adds each fragment and takes whole sets; packet.c lets old ones go.
 * Threads: a table belongs to one worker.
 * Memory:  all of it from fragment_table_new(); received mbufs are held, at most `mbufs_max`
 *          segments.
 * Failure: a fragment that cannot be used is counted, by fragment_add()'s result. Fragments that
 *          overlap or contradict each other end the whole set, and all that still arrive of it
 *          until its time is over (RFC 5722; the same for IPv4, where overlaps only serve
 *          attacks). An exact duplicate is dropped alone, as RFC 8200 section 4.5 advises.
 * Why own: librte_ip_frag 22.11 is built for 8 fragments a packet (11,840 bytes over Ethernet),
 *          does not see overlaps, and does not tell why it drops, so that no ledger can balance
 *          over it.
 * Source:  RFC 791, 815, 1122 section 3.3.2, 5722, 6946, 8200 section 4.5.
 */
#ifndef DATAPLANE_FRAGMENT_H
#define DATAPLANE_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counters.h"

struct rte_mbuf;

enum {
    FRAGMENT_SETS_MAX = 16384,  /* of a table; about 2 KB each */
    FRAGMENT_PIECES_MAX = 128,  /* of a packet: 65,507 bytes over an MTU of 576 take 119 */
    FRAGMENT_KEY_WORDS = 10
};

struct fragment_key {
    uint8_t addresses[32]; /* source, then destination: 8 bytes for IPv4, and zero */
    uint32_t id;           /* as in the header */
    uint8_t is_ipv6, protocol, zeros[2]; /* protocol: IPv4 only */
};
_Static_assert(sizeof(struct fragment_key) == 4 * FRAGMENT_KEY_WORDS, "no padding: hashed");

struct fragment { /* as received */
    struct fragment_key key;
    struct rte_mbuf *mbuf;
    uint16_t ip_at, payload_at; /* offsets in the frame */
    uint32_t offset, size;      /* of the payload in the packet's, bytes */
    uint32_t offset_max;        /* where the packet's payload has to end by */
    bool more;                  /* fragments come behind it */
};

struct fragment_piece {
    struct rte_mbuf *mbuf; /* NULL: taken over by the set's user */
    uint16_t ip_at, payload_at, offset, size;
};

struct fragment_set {
    struct fragment_key key;
    uint32_t size;          /* of the whole payload; 0 until the last fragment is there */
    uint32_t size_received;
    uint32_t mbuf_count;    /* segments held for it */
    uint16_t piece_count;
    bool is_refused;        /* kept, empty, so that later fragments are refused too */
    uint64_t first_ns;
    uint32_t hash;
    uint32_t next;          /* in the bucket or the free list: index */
    uint32_t older, newer;  /* by first_ns */
    struct fragment_piece pieces[FRAGMENT_PIECES_MAX]; /* by offset */
};

struct fragment_table;

struct fragment_limits {
    uint32_t sets_max;   /* 0: none is taken (FRAG_NO_ROOM); at most FRAGMENT_SETS_MAX */
    uint32_t mbufs_max;  /* segments held */
    uint64_t timeout_ns; /* since the first fragment of a set */
    uint32_t seed;       /* of the hash, so that nobody can aim at one bucket */
};

/* NULL when there is no memory. `counters` stay the caller's. */
struct fragment_table *fragment_table_new(const struct fragment_limits *limits,
                                          struct counters *counters);
/* Frees what is held, without counting it. Takes NULL. */
void fragment_table_free(struct fragment_table *table);

/* Returns the counter for this fragment, which the caller counts:
 *   FRAG_HELD    the table owns the mbuf now;
 *   FRAG_MERGED  as before, and the packet is whole: `*whole` is the caller's until
 *                fragment_done(), which comes before the next fragment_add();
 *   any other    the mbuf is still the caller's.
 * For fragments that came earlier and end now, it counts itself (FRAG_HELD goes down). */
enum counter_id fragment_add(struct fragment_table *table, const struct fragment *fragment,
                             uint64_t now_ns, struct fragment_set **whole);

/* Frees the mbufs that are left in a whole set, and the set. */
void fragment_done(struct fragment_table *table, struct fragment_set *set);

/* Ends the sets that are too old, counted as FRAG_EXPIRED; UINT64_MAX: all of them. */
void fragment_expire(struct fragment_table *table, uint64_t now_ns);

#endif
