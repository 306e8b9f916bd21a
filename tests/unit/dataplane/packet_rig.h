/* SPDX-License-Identifier: MPL-2.0
 *
 * packet_rig.h - a packet stage with a port made of rings, for tests without a network card.
 *
 * Place:   the test_packet_*.c programs and tests/fuzz/fuzz_packet.c.
 * Threads: one.
 * Memory:  EAL, port and pool are made once and live as long as the program.
 * Failure: a broken promise of the stage (books, leaked mbufs) is a failed CHECK, so that fuzzing
 *          sees it too.
 */
#ifndef TESTS_UNIT_DATAPLANE_PACKET_RIG_H
#define TESTS_UNIT_DATAPLANE_PACKET_RIG_H

#include <rte_mbuf.h>

#include "dataplane/packet.h"

enum {
    RIG_POOL_SIZE = 8191,
    RIG_ROOM_SIZE = 2048, /* bytes of a mbuf behind its headroom */
    RIG_ANSWERS_MAX = 511, /* that the port takes before somebody reads them */
    RIG_FRAGMENTS_MAX = 64,
    RIG_ADDRESS_COUNT = 4
};

/* Our MAC 02:00:00:00:00:01; addresses 192.0.2.1, 192.0.2.2, 2001:db8::1, fe80::1; listeners
 * 192.0.2.1:8125 (0), 0.0.0.0:8126 (1), [2001:db8::1]:8125 (2), [::]:8127 (3). */
struct packet_rig {
    struct packet_stage *stage;
    struct counters counters;
    struct datagram datagrams[PACKET_BURST_MAX]; /* of the last burst */
    unsigned datagram_count;
};

/* What rig_open() takes, to be changed before. The first call of all starts EAL. */
struct packet_config rig_config(void);
void rig_open(struct packet_rig *rig, struct packet_config config);
/* Ends all reassemblies, and checks the books and that every mbuf is back in the pool. */
void rig_close(struct packet_rig *rig);

/* A frame of one segment, or of segments of `segment_size` bytes. NULL when it does not fit. */
struct rte_mbuf *rig_mbuf(const uint8_t *frame, size_t size);
struct rte_mbuf *rig_mbuf_chain(const uint8_t *frame, size_t size, size_t segment_size);
/* A frame in an allocation of its own size, where ASan sees a read outside of it. At most 65,535
 * bytes. */
struct rte_mbuf *rig_mbuf_exact(const uint8_t *frame, size_t size);

/* Runs a burst, counts its datagrams, and checks the books. The datagrams are there until
 * rig_release(), which rig_burst() and rig_close() call as well. */
void rig_burst(struct packet_rig *rig, struct rte_mbuf **mbufs, unsigned count, uint64_t now_ns);
void rig_burst_one(struct packet_rig *rig, const uint8_t *frame, size_t size);
void rig_release(struct packet_rig *rig);
void rig_expire(struct packet_rig *rig, uint64_t now_ns);
void rig_check_books(const struct packet_rig *rig);
uint64_t rig_count(const struct packet_rig *rig, enum counter_id counter);

/* The next frame that was sent, which the caller frees; NULL when there is none. */
struct rte_mbuf *rig_answer(void);
void rig_drop_answers(void);

#endif
