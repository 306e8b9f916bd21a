/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/answer.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

static bool is_writable(const struct rte_mbuf *mbuf, uint32_t size)
{
    return mbuf->nb_segs == 1 && RTE_MBUF_DIRECT(mbuf) && rte_mbuf_refcnt_read(mbuf) == 1 &&
           size <= (uint32_t)mbuf->data_len + rte_pktmbuf_tailroom(mbuf);
}

static struct rte_mbuf *copy_frame(struct packet_stage *stage, const struct rte_mbuf *frame,
                                   uint32_t size)
{
    struct rte_mbuf *copy = rte_pktmbuf_alloc(stage->config.pool);
    if (copy == NULL || size > rte_pktmbuf_tailroom(copy)) {
        rte_pktmbuf_free(copy);
        packet_count(stage, COUNTER_FRAMES_TX_DROPPED);
        return NULL;
    }
    packet_copy_out(frame, 0, RTE_MIN(size, frame->pkt_len), rte_pktmbuf_mtod(copy, uint8_t *));
    copy->vlan_tci = frame->vlan_tci;
    copy->ol_flags |= frame->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED;
    return copy;
}

struct rte_mbuf *answer_begin(struct packet_stage *stage, struct frame *frame, uint32_t size)
{
    struct rte_mbuf *mbuf = frame->mbuf;
    if (is_writable(mbuf, size))
        frame->mbuf = NULL;
    else
        mbuf = copy_frame(stage, mbuf, size);
    if (mbuf != NULL) {
        mbuf->data_len = (uint16_t)size;
        mbuf->pkt_len = size;
    }
    return mbuf;
}

void answer_send(struct packet_stage *stage, struct rte_mbuf *take_mbuf,
                 const struct rte_ether_addr *mac)
{
    uint8_t *frame = rte_pktmbuf_mtod(take_mbuf, uint8_t *);
    bool from_group = frame[RTE_ETHER_ADDR_LEN] & 1;
    memcpy(frame, mac != NULL ? mac->addr_bytes : frame + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
    memcpy(frame + RTE_ETHER_ADDR_LEN, stage->config.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
    /* The tag that the port took off is put back here: not every port can do that. */
    if (from_group || ((take_mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 &&
                       rte_vlan_insert(&take_mbuf) != 0)) {
        rte_pktmbuf_free(take_mbuf);
        packet_count(stage, COUNTER_FRAMES_TX_DROPPED);
        return;
    }
    take_mbuf->ol_flags = 0;
    take_mbuf->tx_offload = 0;
    answer_queue(stage, take_mbuf);
}

void answer_queue(struct packet_stage *stage, struct rte_mbuf *take_mbuf)
{
    if (stage->answer_count == PACKET_ANSWERS_MAX)
        answer_flush(stage);
    stage->answers[stage->answer_count++] = take_mbuf;
}

void answer_flush(struct packet_stage *stage)
{
    uint16_t count = (uint16_t)stage->answer_count;
    if (count == 0)
        return;
    uint16_t sent = rte_eth_tx_burst(stage->config.port_id, stage->config.queue_id, stage->answers,
                                     count);
    stage->counters->values[COUNTER_FRAMES_TX] += sent;
    stage->counters->values[COUNTER_FRAMES_TX_DROPPED] += (uint64_t)count - sent;
    rte_pktmbuf_free_bulk(stage->answers + sent, (unsigned)count - sent);
    stage->answer_count = 0;
}
