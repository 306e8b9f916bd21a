/* SPDX-License-Identifier: MPL-2.0
 *
 * answer.h - frames that we send: ARP, ICMP and neighbour discovery, made from the frame they
 *            answer.
 *
 * Place:   arp.c, icmp.c and nd.c; packet.c sends what has gathered at the end of each burst.
 * Threads: the stage's worker.
 * Memory:  the received mbuf itself where it has one segment, room, and no other owner; else a copy
 *          from the stage's pool.
 * Failure: FRAMES_TX_DROPPED counts what could not be made or sent.
 */
#ifndef DATAPLANE_ANSWER_H
#define DATAPLANE_ANSWER_H

#include "dataplane/packet_stage.h"

/* A mbuf of exactly `size` contiguous bytes that starts as the frame does and may be written over;
 * bytes behind the frame's own are undefined. NULL (counted) when there is none. The frame loses
 * its mbuf when that is what was returned. Views of the frame may change under their owner. */
struct rte_mbuf *answer_begin(struct packet_stage *stage, struct frame *frame, uint32_t size);

/* Takes `take_mbuf`, addresses it to `mac` or, if NULL, to the sender of the frame that it was,
 * tags it as that was, and queues it. Answers to a group address are dropped (counted). */
void answer_send(struct packet_stage *stage, struct rte_mbuf *take_mbuf,
                 const struct rte_ether_addr *mac);

/* Queues a frame that is complete. */
void answer_queue(struct packet_stage *stage, struct rte_mbuf *take_mbuf);

/* Hands what is queued to the port, in one burst. */
void answer_flush(struct packet_stage *stage);

#endif
