/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_packet.c - any frames, in any bursts, through a packet stage: the books balance after each
 *                 burst, and every mbuf is back when the stage has ended (packet_rig.c checks
 *                 both).
 *
 * Input: one byte of configuration, then records of a control byte, a size (two bytes, low first)
 *        and that many bytes of frame. A record that the input does not have in full ends it.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/check.h"
#include "tests/unit/dataplane/packet_rig.h"

enum {
    CONFIG_VLAN = 1,
    CONFIG_ANY_MAC = 2,
    CONFIG_TRUST = 4,
    CONFIG_UNFINISHED = 8,
    CONFIG_FEW_FRAGMENTS = 16,
    CONFIG_TCP = 32,
    CONTROL_END_OF_BURST = 1,
    CONTROL_CHAIN = 2,
    CONTROL_CHECKSUMS_GOOD = 4,
    CONTROL_TAG_TAKEN = 8,
    CONTROL_LATER = 16,
    CONTROL_REPEAT = 32,
    CONTROL_ROOMY = 64, /* in a mbuf of the pool, where answers are made in place */
    RECORD_HEADER_SIZE = 3,
    FRAMES_MAX = 2048
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct packet_rig rig;
static struct rte_mbuf *mbufs[PACKET_BURST_MAX];
static unsigned mbuf_count;
static uint64_t now_ns;

static void open_rig(uint8_t options)
{
    struct packet_config config = rig_config();
    config.vlan = options & CONFIG_VLAN ? 10 : 0;
    config.accept_any_mac = options & CONFIG_ANY_MAC;
    config.trust_rx_checksum = options & CONFIG_TRUST;
    config.checksum_unfinished = options & CONFIG_UNFINISHED;
    config.fragments_max = options & CONFIG_FEW_FRAGMENTS ? 2 : RIG_FRAGMENTS_MAX;
    config.fragment_mbufs_max = options & CONFIG_FEW_FRAGMENTS ? 5 : 0;
    rig_open(&rig, config);
    packet_set_tcp(rig.stage, options & CONFIG_TCP);
    now_ns = 0;
}

/* Reads all bytes of the datagrams, for ASan. */
static void read_datagrams(void)
{
    for (unsigned i = 0; i < rig.datagram_count; i++) {
        const struct datagram *datagram = &rig.datagrams[i];
        uint32_t sum = 0;
        CHECK(datagram->listener < 4 && datagram->size <= 65527);
        for (uint32_t at = 0; at < datagram->size; at++)
            sum += datagram->payload[at];
        CHECK(sum <= datagram->size * UINT8_MAX);
    }
}

static void read_segments(void)
{
    const struct tcp_packet *segments;
    unsigned count = packet_segments(rig.stage, &segments);
    for (unsigned i = 0; i < count; i++) {
        uint32_t sum = 0;
        CHECK(segments[i].size >= TCP_HEADER_SIZE);
        for (uint32_t at = 0; at < segments[i].size; at++)
            sum += segments[i].bytes[at];
        CHECK(sum <= segments[i].size * UINT8_MAX);
    }
}

static void end_burst(void)
{
    rig_burst(&rig, mbufs, mbuf_count, now_ns);
    read_datagrams();
    read_segments();
    rig_drop_answers();
    mbuf_count = 0;
}

static struct rte_mbuf *make_mbuf(uint8_t control, const uint8_t *frame, size_t size)
{
    if (control & CONTROL_CHAIN)
        return rig_mbuf_chain(frame, size, RTE_MIN(size / 5 + 1, (size_t)RIG_ROOM_SIZE));
    return control & CONTROL_ROOMY ? rig_mbuf(frame, size) : rig_mbuf_exact(frame, size);
}

static void add_frame(uint8_t control, const uint8_t *frame, size_t size)
{
    struct rte_mbuf *mbuf = make_mbuf(control, frame, size);
    if (mbuf == NULL)
        return;
    if (control & CONTROL_CHECKSUMS_GOOD)
        mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    if (control & CONTROL_TAG_TAKEN) {
        mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
        mbuf->vlan_tci = 10;
    }
    if (control & CONTROL_LATER)
        now_ns += UINT64_C(20000000000);
    mbufs[mbuf_count++] = mbuf;
    if (mbuf_count == PACKET_BURST_MAX || (control & CONTROL_END_OF_BURST) != 0)
        end_burst();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    open_rig(data[0]);
    size_t at = 1;
    for (unsigned i = 0; i < FRAMES_MAX && size - at >= RECORD_HEADER_SIZE; i++) {
        size_t frame_size = data[at + 1] | (size_t)data[at + 2] << 8;
        if (frame_size > size - at - RECORD_HEADER_SIZE)
            break;
        for (unsigned turns = data[at] & CONTROL_REPEAT ? 2 : 1; turns > 0; turns--)
            add_frame(data[at], data + at + RECORD_HEADER_SIZE, frame_size);
        at += RECORD_HEADER_SIZE + frame_size;
    }
    end_burst();
    rig_close(&rig);
    return 0;
}
