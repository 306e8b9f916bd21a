/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_receive.c - segments of a connection, in the order of checks of RFC 9293 section 3.10.7.4:
 *                 timestamp, sequence number, RST, SYN, ACK, data, FIN.
 */
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "dataplane/tcp/tcp_internal.h"

#define TS_RECENT_VALID_NS (24 * 24 * 3600 * CLOCK_NS_PER_S) /* RFC 7323 section 5.5 */

enum { GROW_WITHIN_MS = 1000 };

struct taking { /* a segment on its way */
    struct tcp *tcp;
    struct tcp_connection *connection;
    const struct tcp_segment *segment;
    uint32_t seq;         /* of the bytes that are left after trimming */
    const uint8_t *bytes;
    uint32_t size;
    bool has_fin; /* and nothing before it was cut off */
};

/* ---- checks ---- */

static bool is_old_timestamp(const struct taking *taking)
{
    const struct tcp_connection *connection = taking->connection;
    return tcp_before(taking->segment->tsval, connection->ts_recent) &&
           taking->tcp->now_ns - connection->ts_recent_ns < TS_RECENT_VALID_NS;
}

/* PAWS. A RST is not subject to it (RFC 7323 section 5.2). */
static bool is_timestamp_good(struct taking *taking)
{
    const struct tcp_segment *segment = taking->segment;
    struct tcp_connection *connection = taking->connection;
    if (!connection->options.has_timestamps || (segment->flags & TCP_RST))
        return true;
    if (!segment->has_timestamp) {
        /* Some stacks leave it out of the handshake's ACK. */
        tcp_count(taking->tcp, connection->is_new ? TCP_NO_TIMESTAMP_TAKEN
                                                  : TCP_SEGMENT_NO_TIMESTAMP);
        return connection->is_new;
    }
    if (!is_old_timestamp(taking))
        return true;
    tcp_count(taking->tcp, TCP_SEGMENT_PAWS);
    tcp_ack_want(taking->tcp, connection, true);
    return false;
}

static void update_timestamp(const struct taking *taking)
{
    const struct tcp_segment *segment = taking->segment;
    struct tcp_connection *connection = taking->connection;
    if (!segment->has_timestamp || !connection->options.has_timestamps ||
        tcp_before(connection->last_ack_sent, segment->seq))
        return;
    connection->ts_recent = segment->tsval;
    connection->ts_recent_ns = taking->tcp->now_ns;
}

static uint32_t length_of(const struct tcp_segment *segment)
{
    return segment->size + ((segment->flags & TCP_FIN) ? 1 : 0);
}

/* All of it was there before: the peer missed our ACK, or asks whether we live. */
static bool is_duplicate(const struct taking *taking)
{
    const struct tcp_segment *segment = taking->segment;
    int32_t ahead = tcp_distance(taking->connection->rcv_nxt, segment->seq);
    return ahead < 0 && ahead + (int32_t)length_of(segment) <= 0;
}

/* The window ends at the edge that was advertised; what begins there may only be a FIN or
 * nothing. */
static bool is_in_window(const struct taking *taking)
{
    const struct tcp_connection *connection = taking->connection;
    int32_t window = tcp_distance(connection->rcv_nxt, connection->edge);
    int32_t ahead = tcp_distance(connection->rcv_nxt, taking->segment->seq);
    if (window < 0)
        window = 0;
    return ahead < window || (ahead == window && taking->segment->size == 0);
}

static bool is_sequence_good(struct taking *taking)
{
    const struct tcp_segment *segment = taking->segment;
    struct tcp_connection *connection = taking->connection;
    bool is_again = is_duplicate(taking);
    if (!is_again && is_in_window(taking))
        return true;
    tcp_count(taking->tcp, is_again ? TCP_SEGMENT_DUPLICATE : TCP_SEGMENT_OUTSIDE);
    if (segment->flags & TCP_RST)
        return false;
    if (is_again && segment->size > 0) {
        connection->dsack_start = segment->seq;
        connection->dsack_end = segment->seq + segment->size;
    }
    tcp_ack_want(taking->tcp, connection, true);
    return false;
}

/* Only a RST with exactly the next sequence number is believed (RFC 5961 section 3.2). */
static void take_reset(struct taking *taking)
{
    if (taking->segment->seq == taking->connection->rcv_nxt) {
        tcp_count(taking->tcp, TCP_SEGMENT_RESET);
        tcp_close_end(taking->tcp, taking->connection, TCP_END_RESET);
        return;
    }
    tcp_count(taking->tcp, TCP_SEGMENT_RESET_BAD);
    tcp_ack_challenge(taking->tcp, taking->connection);
}

static bool is_ack_good(struct taking *taking)
{
    struct tcp_connection *connection = taking->connection;
    int32_t behind = tcp_distance(taking->segment->ack, connection->snd_nxt);
    if (!(taking->segment->flags & TCP_ACK)) {
        tcp_count(taking->tcp, TCP_SEGMENT_NO_ACK);
        return false;
    }
    /* RFC 5961 section 5.2; nothing but SYN and FIN was ever sent. */
    if (behind >= 0 && behind <= 2)
        return true;
    tcp_count(taking->tcp, TCP_SEGMENT_ACK_BAD);
    tcp_ack_challenge(taking->tcp, connection);
    return false;
}

/* ---- data ---- */

/* The window doubles when more than one of it was consumed within a second: the peer is fast, and
 * may be waiting for us. */
static void grow_window(struct tcp *tcp, struct tcp_connection *connection)
{
    const struct tcp_config *config = &tcp->config;
    uint32_t consumed = connection->consumed - connection->grown_at;
    if (consumed < 2 * connection->window_target)
        return;
    bool is_fast = tcp->now_ns - connection->grown_ns <= GROW_WITHIN_MS * CLOCK_NS_PER_MS;
    connection->grown_at = connection->consumed;
    connection->grown_ns = tcp->now_ns;
    uint32_t target = 2 * connection->window_target;
    if (target > config->window_max)
        target = config->window_max;
    uint32_t more = target - connection->window_target;
    if (!is_fast || tcp->window_sum + more > config->window_budget)
        return;
    tcp->window_sum += more;
    connection->window_target = target;
}

static void count_bytes(struct tcp *tcp, const struct tcp_connection *connection,
                        uint32_t held_before, uint32_t delivered)
{
    /* Differences may be negative: all of it is modulo 2^64. */
    uint64_t more = (uint64_t)tcp_store_held(connection) - held_before;
    tcp->counters[TCP_BYTES_HELD] += more;
    tcp->counters[TCP_BYTES_DELIVERED] += delivered;
    tcp->counters[TCP_BYTES_ACCEPTED] += delivered + more;
}

static uint32_t hand_over(struct tcp *tcp, struct tcp_connection *connection,
                          const uint8_t *bytes, uint32_t size)
{
    const struct tcp_handler *handler = tcp->config.handler;
    size_t taken = handler->data(tcp->config.context, connection->user, bytes, size);
    CHECK(taken <= size);
    connection->consumed += (uint32_t)taken;
    return (uint32_t)taken;
}

/* What waits in order, until the handler has no room. Returns how many bytes it took. */
static uint32_t hand_over_waiting(struct tcp *tcp, struct tcp_connection *connection)
{
    uint32_t delivered = 0;
    while (!tcp_is_all_delivered(connection)) {
        uint32_t size, from = connection->consumed;
        const uint8_t *bytes =
            tcp_store_peek(tcp, connection, tcp_stream_end(connection), &size);
        uint32_t taken = hand_over(tcp, connection, bytes, size);
        tcp_store_consumed(tcp, connection, from);
        delivered += taken;
        if (taken < size)
            break;
    }
    return delivered;
}

void tcp_receive_deliver(struct tcp *tcp, struct tcp_connection *connection)
{
    uint32_t held = tcp_store_held(connection);
    uint32_t delivered = hand_over_waiting(tcp, connection);
    count_bytes(tcp, connection, held, delivered);
    if (delivered > 0)
        grow_window(tcp, connection);
}

/* Bytes that begin at rcv_nxt. */
static void take_in_order(struct taking *taking)
{
    struct tcp *tcp = taking->tcp;
    struct tcp_connection *connection = taking->connection;
    uint32_t held = tcp_store_held(connection), from = connection->consumed, delivered = 0;
    bool fills_gap = connection->range_count > 0;
    if (tcp_is_all_delivered(connection))
        delivered = hand_over(tcp, connection, taking->bytes, taking->size);
    bool is_full = delivered < taking->size;
    connection->rcv_nxt += delivered;
    uint32_t stored = 0;
    if (is_full)
        stored = tcp_store_write(tcp, connection, connection->rcv_nxt, taking->bytes + delivered,
                                 taking->size - delivered);
    connection->rcv_nxt += stored;
    if (fills_gap)
        tcp_store_join(tcp, connection);
    tcp_store_consumed(tcp, connection, from);
    if (!is_full)
        delivered += hand_over_waiting(tcp, connection);
    count_bytes(tcp, connection, held, delivered);
    grow_window(tcp, connection);
    bool is_cut = delivered + stored < taking->size;
    if (is_cut)
        taking->has_fin = false;
    tcp_count(tcp, delivered + stored > 0 ? TCP_SEGMENT_DATA : TCP_SEGMENT_NO_MEMORY);
    connection->unacked_bytes += taking->size;
    tcp_ack_want(tcp, connection, fills_gap || is_cut);
}

static void want_duplicate_ack(struct taking *taking)
{
    /* Without SACK the peer counts them. */
    if (taking->connection->options.has_sack)
        tcp_ack_want(taking->tcp, taking->connection, true);
    else
        tcp_ack_send(taking->tcp, taking->connection);
}

static void take_out_of_order(struct taking *taking)
{
    struct tcp *tcp = taking->tcp;
    struct tcp_connection *connection = taking->connection;
    uint32_t before = connection->range_bytes, held = tcp_store_held(connection);
    uint32_t stored =
        tcp_store_write(tcp, connection, taking->seq, taking->bytes, taking->size);
    bool is_kept = stored > 0 && tcp_store_add_range(tcp, connection, taking->seq,
                                                     taking->seq + stored);
    tcp_count(tcp, TCP_OUT_OF_ORDER);
    if (stored < taking->size || !is_kept)
        taking->has_fin = false;
    if (is_kept && connection->range_bytes == before) {
        connection->dsack_start = taking->seq;
        connection->dsack_end = taking->seq + stored;
        tcp_count(tcp, TCP_SEGMENT_DUPLICATE);
    } else {
        tcp_count(tcp, is_kept ? TCP_SEGMENT_DATA : TCP_SEGMENT_NO_MEMORY);
    }
    count_bytes(tcp, connection, held, 0);
    want_duplicate_ack(taking);
}

/* Cuts off what is there already, what lies behind the window, and what lies behind a FIN. */
static void trim(struct taking *taking)
{
    const struct tcp_segment *segment = taking->segment;
    struct tcp_connection *connection = taking->connection;
    uint32_t limit = connection->consumed + TCP_WINDOW_MAX;
    taking->seq = segment->seq;
    taking->bytes = segment->payload;
    taking->size = segment->size;
    taking->has_fin = (segment->flags & TCP_FIN) != 0;
    if (tcp_before(connection->edge, limit))
        limit = connection->edge;
    if (connection->has_fin && tcp_before(connection->fin_seq, limit))
        limit = connection->fin_seq;
    if (tcp_before(taking->seq, connection->rcv_nxt)) {
        uint32_t skip = connection->rcv_nxt - taking->seq;
        if (skip > taking->size)
            skip = taking->size; /* its FIN is new */
        connection->dsack_start = taking->seq;
        connection->dsack_end = taking->seq + skip;
        taking->bytes += skip;
        taking->size -= skip;
        taking->seq += skip;
    }
    int32_t room = tcp_distance(taking->seq, limit);
    if ((int32_t)taking->size > room) {
        taking->size = room > 0 ? (uint32_t)room : 0;
        taking->has_fin = false;
    }
}

static void take_data(struct taking *taking)
{
    const struct tcp_connection *connection = taking->connection;
    if (taking->size == 0) {
        /* The window, or the stream, ends before it. */
        tcp_count(taking->tcp,
                  connection->has_fin ? TCP_SEGMENT_AFTER_FIN : TCP_SEGMENT_OUTSIDE);
        tcp_ack_want(taking->tcp, taking->connection, true);
    } else if (taking->seq == connection->rcv_nxt) {
        take_in_order(taking);
    } else {
        take_out_of_order(taking);
    }
}

/* ---- FIN ---- */

static uint32_t last_range_end(const struct taking *taking)
{
    const struct tcp_connection *connection = taking->connection;
    if (connection->range_count == 0)
        return connection->rcv_nxt;
    return tcp_store_ranges(taking->tcp, connection)[connection->range_count - 1].end;
}

/* A FIN before bytes that are there already contradicts them, and is not believed. */
static void note_fin(struct taking *taking)
{
    struct tcp_connection *connection = taking->connection;
    uint32_t fin_seq = taking->segment->seq + taking->segment->size;
    if (!taking->has_fin || connection->has_fin || tcp_before(fin_seq, last_range_end(taking)))
        return;
    connection->has_fin = true;
    connection->fin_seq = fin_seq;
    tcp_ack_want(taking->tcp, connection, true);
}

static void take_fin_when_due(struct taking *taking)
{
    struct tcp_connection *connection = taking->connection;
    if (!connection->has_fin || connection->fin_taken ||
        connection->rcv_nxt != connection->fin_seq)
        return;
    connection->fin_taken = true;
    connection->end = TCP_END_FIN;
    connection->rcv_nxt++;
    tcp_close_begin(taking->tcp, connection);
}

/* ---- all of it ---- */

static bool is_good(struct taking *taking)
{
    struct tcp *tcp = taking->tcp;
    struct tcp_connection *connection = taking->connection;
    if (!is_timestamp_good(taking) || !is_sequence_good(taking))
        return false;
    if (taking->segment->flags & TCP_RST) {
        take_reset(taking);
        return false;
    }
    if (taking->segment->flags & TCP_SYN) { /* RFC 5961 section 4.2 */
        tcp_count(tcp, TCP_SEGMENT_SYN_BAD);
        tcp_ack_challenge(tcp, connection);
        return false;
    }
    return is_ack_good(taking);
}

static bool is_our_fin_acknowledged(const struct taking *taking)
{
    return taking->connection->state == TCP_STATE_LAST_ACK &&
           taking->segment->ack == taking->connection->snd_nxt;
}

void tcp_receive_take(struct tcp *tcp, struct tcp_connection *connection,
                      const struct tcp_packet *packet, const struct tcp_segment *segment)
{
    struct taking taking = {.tcp = tcp, .connection = connection, .segment = segment};
    connection->last_ns = tcp->now_ns;
    connection->probes_sent = 0;
    if (!is_good(&taking))
        return;
    update_timestamp(&taking);
    connection->is_new = false;
    memcpy(connection->path, packet->path, TCP_PATH_SIZE);
    if (segment->flags & TCP_URG)
        tcp_count(tcp, TCP_URGENT);
    if (segment->size > connection->segment_size)
        connection->segment_size = segment->size;
    trim(&taking);
    if (segment->size > 0)
        take_data(&taking);
    else
        tcp_count(tcp, (segment->flags & TCP_FIN) ? TCP_SEGMENT_DATA : TCP_SEGMENT_ACK);
    bool is_closed = is_our_fin_acknowledged(&taking);
    note_fin(&taking);
    take_fin_when_due(&taking);
    if (is_closed)
        tcp_close_end(tcp, connection, TCP_END_FIN);
    else
        tcp_close_if_done(tcp, connection);
}
