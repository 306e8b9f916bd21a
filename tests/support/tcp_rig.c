/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/tcp_rig.h"

#include <arpa/inet.h>
#include <string.h>

#include "dataplane/octets.h"

enum { PORT_FIRST = 40000, WINDOW_SHIFT = 4 };

static uint8_t byte_at(unsigned peer, uint64_t place)
{
    uint64_t z = (place + 1) * UINT64_C(0x9E3779B97F4A7C15) + peer;
    return (uint8_t)(z >> 56 ^ z >> 24);
}

static struct tcp_flow flow_of(const struct rig *rig, unsigned peer)
{
    struct tcp_flow flow = {
        .remote_ip = {10, 9, 0, 1},
        .local_ip = {10, 9, 0, 2},
        .remote_port_be = htons((uint16_t)(PORT_FIRST + peer)),
        .local_port_be = htons(RIG_PORT),
        .is_ipv6 = rig->peers[peer].is_ipv6,
    };
    return flow;
}

static unsigned peer_of(const struct tcp_flow *flow)
{
    return ntohs(flow->remote_port_be) - PORT_FIRST;
}

/* ---- the handler ---- */

static int find_listener(void *context, const struct tcp_flow *flow)
{
    (void)context;
    return ntohs(flow->local_port_be) == RIG_PORT ? 7 : -1;
}

static void *opened(void *context, struct tcp_connection *connection, int listener,
                    const struct tcp_flow *flow)
{
    struct rig *rig = context;
    struct rig_peer *peer = &rig->peers[peer_of(flow)];
    if (listener != 7)
        rig_fail("opened() with a listener that nobody named");
    /* The model follows one stream: what waits of a former one must be delivered first. */
    if (peer->refuses || peer->connection != NULL)
        return NULL;
    peer->connection = connection;
    peer->opened++;
    peer->delivered = 0;
    peer->ack_max = 0; /* the same stream from its beginning */
    peer->has_edge = false;
    return peer;
}

static size_t data(void *context, void *user, const uint8_t *bytes, size_t size)
{
    struct rig *rig = context;
    struct rig_peer *peer = user;
    unsigned index = (unsigned)(peer - rig->peers);
    size_t taken = size < peer->room ? size : peer->room;
    if (peer->connection == NULL)
        rig_fail("data after closed()");
    if (size == 0)
        rig_fail("data() without a byte");
    if (peer->delivered + size > peer->sent_max)
        rig_fail("delivered what was never sent");
    for (size_t i = 0; i < taken; i++)
        if (bytes[i] != byte_at(index, peer->delivered + i))
            rig_fail("a wrong byte");
    peer->delivered += taken;
    if (peer->room != SIZE_MAX)
        peer->room -= taken;
    return taken;
}

static void closed(void *context, void *user, enum tcp_end end)
{
    struct rig_peer *peer = user;
    (void)context;
    if (peer->connection == NULL)
        rig_fail("closed() twice");
    if (end == TCP_END_FIN && (!peer->fin_sent || peer->delivered != peer->fin_place))
        rig_fail("closed by a FIN before everything was delivered");
    peer->connection = NULL;
    peer->closed++;
    peer->end = end;
}

/* ---- what comes back ---- */

static void parse_options(const uint8_t *at, const uint8_t *end, struct rig_answer *answer)
{
    while (at < end && *at != 0) {
        if (*at == 1) {
            at++;
            continue;
        }
        if (at + 2 > end || at[1] < 2 || at + at[1] > end)
            rig_fail("options that make no sense");
        if (at[0] == 8) {
            answer->has_timestamp = true;
            answer->tsval = octets_load_be32(at + 2);
            answer->tsecr = octets_load_be32(at + 6);
        }
        for (unsigned i = 0; at[0] == 5 && i < (at[1] - 2u) / 8; i++) {
            answer->sacks[i][0] = octets_load_be32(at + 2 + 8 * i);
            answer->sacks[i][1] = octets_load_be32(at + 6 + 8 * i);
            answer->sack_count++;
        }
        at += at[1];
    }
}

static void check_sacks(const struct rig_peer *peer, const struct rig_answer *answer)
{
    uint32_t end = peer->iss + 1 + peer->sent_max;
    if (answer->sack_count > 0 && !peer->offers_sack)
        rig_fail("SACK that was not agreed on");
    for (unsigned i = 0; i < answer->sack_count; i++) {
        uint32_t first = answer->sacks[i][0], last = answer->sacks[i][1];
        if ((int32_t)(last - first) <= 0 || (int32_t)(end - last) < 0)
            rig_fail("SACK of what was never sent");
    }
}

static void check_ack(struct rig_peer *peer, const struct rig_answer *answer)
{
    uint32_t base = peer->iss + 1, acked = answer->ack - base;
    uint32_t sent = peer->sent_max + (peer->fin_sent && peer->fin_place == peer->sent_max);
    uint32_t edge = acked + answer->window;
    if ((int32_t)acked < 0 || acked > sent)
        rig_fail("ACK of what was never sent");
    if (acked < peer->ack_max)
        rig_fail("ACK goes back");
    if (peer->has_edge && (int32_t)(edge - peer->edge_max) < 0 && acked <= peer->edge_max)
        rig_fail("the window's right edge moves to the left");
    peer->ack_max = acked;
    peer->edge_max = edge;
    peer->has_edge = true;
    check_sacks(peer, answer);
}

static void take_answer(void *context, const struct tcp_answer *answer)
{
    struct rig *rig = context;
    if (peer_of(answer->flow) >= RIG_PEERS) /* a stranger, who does not listen */
        return;
    struct rig_peer *peer = &rig->peers[peer_of(answer->flow)];
    const uint8_t *header = answer->header;
    struct rig_answer last = {
        .seq = octets_load_be32(header + 4),
        .ack = octets_load_be32(header + 8),
        .flags = header[13],
        .window = octets_load_be16(header + 14),
    };
    if (answer->header_size < TCP_HEADER_SIZE || answer->header_size % 4 != 0 ||
        header[12] >> 4 != answer->header_size / 4)
        rig_fail("header length");
    parse_options(header + TCP_HEADER_SIZE, header + answer->header_size, &last);
    if (!(last.flags & RIG_SYN) && peer->offers_scale)
        last.window <<= WINDOW_SHIFT;
    peer->answers++;
    peer->last = last;
    if (last.flags & RIG_RST) {
        peer->resets++;
        return;
    }
    if (last.flags & RIG_SYN) {
        peer->iss_endpoint = last.seq;
        peer->is_synced = true;
        if (last.ack != peer->iss + 1)
            rig_fail("SYN-ACK of another SYN");
        return;
    }
    check_ack(peer, &last);
}

/* ---- what is sent ---- */

static uint8_t *put_be32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(value >> (24 - 8 * i));
    return at;
}

static uint8_t *put_options(uint8_t *at, const struct rig_peer *peer,
                            const struct rig_segment *segment)
{
    if (segment->has_syn_options) {
        static const uint8_t mss[] = {2, 4, 0x05, 0xb4};
        memcpy(at, mss, sizeof(mss));
        at += sizeof(mss);
        if (peer->offers_scale) {
            static const uint8_t scale[] = {1, 3, 3, 7};
            memcpy(at, scale, sizeof(scale));
            at += sizeof(scale);
        }
        if (peer->offers_sack) {
            static const uint8_t sack[] = {1, 1, 4, 2};
            memcpy(at, sack, sizeof(sack));
            at += sizeof(sack);
        }
    }
    if (segment->has_timestamp) {
        static const uint8_t timestamp[] = {1, 1, 8, 10};
        memcpy(at, timestamp, sizeof(timestamp));
        at = put_be32(put_be32(at + sizeof(timestamp), segment->tsval), segment->tsecr);
    }
    return at;
}

static void note_sent(struct rig_peer *peer, const struct rig_segment *segment)
{
    uint32_t end = (uint32_t)(segment->place + segment->size);
    if (segment->size > 0 && segment->place >= 0 && end > peer->sent_max)
        peer->sent_max = end;
    if (segment->flags & RIG_FIN) {
        peer->fin_sent = true;
        peer->fin_place = end;
    }
}

void rig_send(struct rig *rig, unsigned index, const struct rig_segment *segment)
{
    uint8_t bytes[TCP_HEADER_SIZE_MAX + RIG_SEGMENT_MAX] = {0};
    struct rig_peer *peer = &rig->peers[index];
    struct tcp_packet packet = {.flow = flow_of(rig, index), .bytes = bytes};
    uint32_t seq = peer->iss + 1 + (uint32_t)segment->place;
    uint32_t ack = segment->ack_place == INT64_MIN
                       ? 0
                       : peer->iss_endpoint + 1 + (uint32_t)segment->ack_place;
    memcpy(bytes, &packet.flow.remote_port_be, 2);
    memcpy(bytes + 2, &packet.flow.local_port_be, 2);
    put_be32(put_be32(bytes + 4, seq), ack);
    uint8_t *end = put_options(bytes + TCP_HEADER_SIZE, peer, segment);
    bytes[12] = (uint8_t)((unsigned)(end - bytes) / 4 << 4);
    bytes[13] = segment->flags;
    octets_store_be16(bytes + 14, segment->window);
    for (uint32_t i = 0; i < segment->size; i++)
        *end++ = byte_at(index, (uint64_t)(segment->place + i));
    packet.size = (uint32_t)(end - bytes);
    note_sent(peer, segment);
    tcp_take(rig->tcp, &packet, rig->now_ns);
}

void rig_connect(struct rig *rig, unsigned index)
{
    struct rig_peer *peer = &rig->peers[index];
    struct rig_segment syn = {.flags = RIG_SYN,
                              .place = -1,
                              .ack_place = INT64_MIN,
                              .window = 65535,
                              .has_syn_options = true,
                              .has_timestamp = peer->offers_timestamps,
                              .tsval = ++peer->tsval};
    struct rig_segment ack = {.flags = RIG_ACK,
                              .window = 65535,
                              .has_timestamp = peer->offers_timestamps,
                              .tsval = peer->tsval};
    rig_send(rig, index, &syn);
    if (peer->is_synced)
        rig_send(rig, index, &ack);
}

void rig_data(struct rig *rig, unsigned index, uint32_t place, uint32_t size)
{
    struct rig_peer *peer = &rig->peers[index];
    struct rig_segment segment = {.flags = RIG_ACK | RIG_PSH,
                                  .place = place,
                                  .size = size,
                                  .window = 65535,
                                  .has_timestamp = peer->offers_timestamps,
                                  .tsval = peer->tsval};
    rig_send(rig, index, &segment);
}

void rig_flush(struct rig *rig)
{
    tcp_flush(rig->tcp, rig->now_ns);
}

void rig_advance(struct rig *rig, uint64_t ns)
{
    rig->now_ns += ns;
    tcp_expire(rig->tcp, rig->now_ns);
}

void rig_credit(struct rig *rig, unsigned index, size_t bytes)
{
    struct rig_peer *peer = &rig->peers[index];
    peer->room = bytes == SIZE_MAX || peer->room == SIZE_MAX ? SIZE_MAX : peer->room + bytes;
    if (peer->connection != NULL)
        tcp_credit(rig->tcp, peer->connection, rig->now_ns);
}

uint64_t rig_counter(const struct rig *rig, enum tcp_counter id)
{
    return tcp_counters(rig->tcp)[id];
}

void rig_check_books(const struct rig *rig)
{
    uint64_t ends = 0;
    for (unsigned i = TCP_SEGMENTS + 1; i <= TCP_SEGMENT_ACK; i++)
        ends += rig_counter(rig, i);
    if (rig_counter(rig, TCP_SEGMENTS) != ends)
        rig_fail("segments do not balance");
    if (rig_counter(rig, TCP_BYTES_ACCEPTED) !=
        rig_counter(rig, TCP_BYTES_DELIVERED) + rig_counter(rig, TCP_BYTES_ABANDONED) +
            rig_counter(rig, TCP_BYTES_HELD))
        rig_fail("bytes do not balance");
}

void rig_init(struct rig *rig, const struct tcp_config *config)
{
    static const struct tcp_handler handler = {find_listener, opened, data, closed, take_answer};
    struct tcp_config own = config != NULL ? *config : (struct tcp_config){0};
    struct err err = {0};
    if (own.connections_max == 0)
        own.connections_max = 16;
    if (own.half_open_max == 0)
        own.half_open_max = 8;
    if (own.pool_bytes == 0)
        own.pool_bytes = 1 << 20;
    own.handler = &handler;
    own.context = rig;
    *rig = (struct rig){.now_ns = UINT64_C(1000000000000)};
    for (unsigned i = 0; i < RIG_PEERS; i++)
        rig->peers[i] = (struct rig_peer){.iss = 1000 * (i + 1), .room = SIZE_MAX};
    if (tcp_new(&own, &rig->tcp, &err) != 0)
        rig_fail(err.texts[0]);
}

void rig_fini(struct rig *rig)
{
    tcp_abort_all(rig->tcp, rig->now_ns);
    rig_check_books(rig);
    if (tcp_blocks_used(rig->tcp) != 0 || tcp_connection_count(rig->tcp) != 0 ||
        tcp_half_open_count(rig->tcp) != 0 || rig_counter(rig, TCP_BYTES_HELD) != 0)
        rig_fail("something is held at the end");
    for (unsigned i = 0; i < RIG_PEERS; i++)
        if (rig->peers[i].opened != rig->peers[i].closed)
            rig_fail("opened() without closed()");
    tcp_free(rig->tcp);
}
