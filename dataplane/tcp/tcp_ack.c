/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_ack.c - when an ACK is sent, and what it says: window, timestamps, SACK.
 *
 * An ACK is due at once for what helps the peer to find a loss (RFC 5681 section 4.2): a segment
 * out of order, a duplicate, one that fills a gap; for a FIN, at the beginning of a connection, and
 * for every second full segment. "At once" is the end of the burst, except for peers without SACK,
 * who count duplicate ACKs. Anything else waits for delayed_ack_ns.
 */
#include <string.h>

#include "core/clock.h"
#include "dataplane/tcp/tcp_internal.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t mss_of(const struct tcp *tcp, const struct tcp_connection *connection)
{
    return connection->flow.is_ipv6 ? tcp->config.mss6 : tcp->config.mss4;
}

uint32_t tcp_timestamp(const struct tcp *tcp, uint32_t offset)
{
    return (uint32_t)(tcp->now_ns / CLOCK_NS_PER_MS) + offset;
}

/* ---- window ---- */

/* The right edge that there is room for; what was advertised unless it is worth a change (RFC 9293
 * section 3.8.6.2.2: no silly windows), and never to the left of it. */
static uint32_t edge_for(const struct tcp *tcp, const struct tcp_connection *connection,
                         uint32_t step)
{
    uint32_t waiting = tcp_stream_end(connection) - connection->consumed;
    uint32_t room =
        connection->window_target > waiting ? connection->window_target - waiting : 0;
    uint32_t edge = connection->rcv_nxt + room;
    uint32_t worth = smaller(connection->window_target / 2, step * mss_of(tcp, connection));
    return tcp_distance(connection->edge, edge) >= (int32_t)worth ? edge : connection->edge;
}

/* The field rounds up where that cannot exceed what blocks can cover: rounding down would move the
 * edge to the left. */
static uint16_t take_window(const struct tcp *tcp, struct tcp_connection *connection)
{
    unsigned shift = connection->options.has_scale ? TCP_WINDOW_SHIFT : 0;
    uint32_t edge = edge_for(tcp, connection, 1), limit = connection->consumed + TCP_WINDOW_MAX;
    int32_t window = tcp_distance(connection->rcv_nxt, edge);
    if (window <= 0)
        return 0;
    uint32_t field = ((uint32_t)window + (1u << shift) - 1) >> shift;
    if (tcp_before(limit, connection->rcv_nxt + (field << shift)))
        field = (uint32_t)window >> shift;
    field = smaller(field, UINT16_MAX);
    uint32_t advertised = connection->rcv_nxt + (field << shift);
    if (tcp_before(connection->edge, advertised))
        connection->edge = advertised;
    return (uint16_t)field;
}

void tcp_ack_window(struct tcp *tcp, struct tcp_connection *connection)
{
    uint32_t step = 2 * mss_of(tcp, connection);
    int32_t left = tcp_distance(connection->rcv_nxt, connection->edge);
    if (connection->state != TCP_STATE_ESTABLISHED || left >= (int32_t)step ||
        edge_for(tcp, connection, 2) == connection->edge)
        return;
    tcp_count(tcp, TCP_SENT_WINDOW);
    tcp_ack_send(tcp, connection);
}

/* ---- SACK ---- */

/* The ranges that were touched last come first (RFC 2018 section 4). */
static void add_sacks(const struct tcp *tcp, const struct tcp_connection *connection,
                      struct tcp_header *header, unsigned count_max)
{
    const struct tcp_range *ranges = tcp_store_ranges(tcp, connection);
    uint32_t below = UINT32_MAX;
    while (header->sack_count < count_max) {
        const struct tcp_range *latest = NULL;
        for (uint32_t i = 0; i < connection->range_count; i++)
            if (ranges[i].stamp < below && (latest == NULL || ranges[i].stamp > latest->stamp))
                latest = &ranges[i];
        if (latest == NULL)
            return;
        header->sacks[header->sack_count++] = *latest;
        below = latest->stamp;
    }
}

/* A duplicate is reported once, before the others (RFC 2883 section 4). */
static void put_sacks(const struct tcp *tcp, struct tcp_connection *connection,
                      struct tcp_header *header)
{
    unsigned count_max = header->has_timestamp ? TCP_SACK_MAX - 1 : TCP_SACK_MAX;
    if (!connection->options.has_sack)
        return;
    if (connection->dsack_start != connection->dsack_end) {
        header->sacks[header->sack_count++] =
            (struct tcp_range){.start = connection->dsack_start, .end = connection->dsack_end};
        connection->dsack_start = connection->dsack_end;
    }
    add_sacks(tcp, connection, header, count_max);
}

/* ---- sending ---- */

void tcp_ack_send_with(struct tcp *tcp, struct tcp_connection *connection, uint32_t seq,
                       uint8_t flags)
{
    struct tcp_header header = {
        .seq = seq,
        .ack = connection->rcv_nxt,
        .window = take_window(tcp, connection),
        .flags = flags,
        .shift = TCP_NO_SHIFT,
        .has_timestamp = connection->options.has_timestamps,
        .tsval = tcp_timestamp(tcp, connection->ts_offset),
        .tsecr = connection->ts_recent,
    };
    put_sacks(tcp, connection, &header);
    connection->ack_now = connection->ack_pending = false;
    connection->unacked_bytes = 0;
    connection->last_ack_sent = connection->rcv_nxt;
    if (connection->quick_acks > 0)
        connection->quick_acks--;
    tcp_send_header(tcp, &connection->flow, connection->path, &header);
}

void tcp_ack_send(struct tcp *tcp, struct tcp_connection *connection)
{
    tcp_ack_send_with(tcp, connection, connection->snd_nxt, TCP_ACK);
}

void tcp_ack_challenge(struct tcp *tcp, struct tcp_connection *connection)
{
    uint64_t second = tcp->now_ns / CLOCK_NS_PER_S;
    if (second != connection->challenge_second) {
        connection->challenge_second = second;
        connection->challenges = 0;
    }
    if (connection->challenges >= tcp->config.challenges_per_s) {
        tcp_count(tcp, TCP_CHALLENGES_LIMITED);
        return;
    }
    connection->challenges++;
    tcp_count(tcp, TCP_CHALLENGES);
    tcp_ack_send(tcp, connection);
}

void tcp_ack_want(struct tcp *tcp, struct tcp_connection *connection, bool at_once)
{
    connection->ack_pending = true;
    connection->ack_now |= at_once;
    if (connection->is_in_burst)
        return;
    connection->is_in_burst = true;
    tcp->burst[tcp->burst_count++] = tcp_index_of(tcp, connection);
}

static bool is_due(const struct tcp_connection *connection)
{
    return connection->ack_now || connection->quick_acks > 0 ||
           connection->unacked_bytes >= 2 * connection->segment_size;
}

static void flush_one(struct tcp *tcp, struct tcp_connection *connection)
{
    connection->is_in_burst = false;
    if (!connection->ack_pending)
        return;
    if (is_due(connection)) {
        tcp_ack_send(tcp, connection);
        return;
    }
    if (connection->links[TCP_LIST_DELAYED].is_linked)
        return;
    connection->delayed_ns = tcp->now_ns + tcp->config.delayed_ack_ns;
    tcp_list_append(tcp, TCP_LIST_DELAYED, connection);
}

void tcp_ack_flush(struct tcp *tcp)
{
    for (unsigned i = 0; i < tcp->burst_count; i++)
        flush_one(tcp, &tcp->connections[tcp->burst[i]]);
    tcp->burst_count = 0;
}
