/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_close.c - connections begin and end.
 *
 * A peer's bytes that were acknowledged are delivered even when it resets the connection or its FIN
 * comes while the handler has no room: the connection is `draining` then, and unknown to the
 * network. Only an abort from this side gives them up.
 */
#include "core/check.h"
#include "core/clock.h"
#include "dataplane/tcp/tcp_internal.h"

enum { FIN_LOOK_MS = 200, FIN_RETRY_MS = 1000 };

struct tcp_connection *tcp_connection_new(struct tcp *tcp, const struct tcp_flow *flow)
{
    uint32_t index = tcp->free_connection;
    if (index == TCP_NONE)
        return NULL;
    struct tcp_connection *connection = &tcp->connections[index];
    tcp->free_connection = connection->next_free;
    *connection = (struct tcp_connection){
        .flow = *flow,
        .state = TCP_STATE_ESTABLISHED,
        .index_block = TCP_NONE,
        .range_block = TCP_NONE,
        .quick_acks = TCP_QUICK_ACKS,
        .is_new = true,
        .last_ns = tcp->now_ns,
        .grown_ns = tcp->now_ns,
        .watch_ns = tcp->now_ns + tcp->config.probe_ns,
    };
    tcp->connection_count++;
    tcp_table_add(&tcp->table, index);
    tcp_list_append(tcp, TCP_LIST_WATCHED, connection);
    return connection;
}

/* No list has it, and segments do not find it. */
static void disconnect(struct tcp *tcp, struct tcp_connection *connection)
{
    if (connection->state == TCP_STATE_DRAINING)
        return;
    tcp_table_remove(&tcp->table, tcp_index_of(tcp, connection));
    for (unsigned i = 0; i < TCP_LIST_COUNT; i++)
        tcp_list_remove(tcp, i, connection);
    connection->ack_pending = false;
    connection->state = TCP_STATE_DRAINING;
}

static void leave_burst(struct tcp *tcp, struct tcp_connection *connection)
{
    uint32_t index = tcp_index_of(tcp, connection);
    if (!connection->is_in_burst)
        return;
    for (unsigned i = 0; i < tcp->burst_count; i++)
        if (tcp->burst[i] == index)
            tcp->burst[i--] = tcp->burst[--tcp->burst_count];
}

void tcp_connection_free(struct tcp *tcp, struct tcp_connection *connection)
{
    disconnect(tcp, connection);
    leave_burst(tcp, connection);
    CHECK(tcp_store_held(connection) == 0);
    tcp_store_clear(tcp, connection);
    tcp->window_sum -= connection->window_target;
    connection->state = TCP_STATE_FREE;
    connection->next_free = tcp->free_connection;
    tcp->free_connection = tcp_index_of(tcp, connection);
    tcp->connection_count--;
}

/* ---- our FIN, and RST ---- */

void tcp_close_send_fin(struct tcp *tcp, struct tcp_connection *connection)
{
    tcp_ack_send_with(tcp, connection, connection->snd_nxt - 1, TCP_FIN | TCP_ACK);
}

void tcp_close_begin(struct tcp *tcp, struct tcp_connection *connection)
{
    connection->state = TCP_STATE_LAST_ACK;
    connection->snd_nxt++;
    connection->fin_tries = 1;
    connection->fin_next_ns = tcp->now_ns + FIN_RETRY_MS * CLOCK_NS_PER_MS;
    tcp_list_remove(tcp, TCP_LIST_DELAYED, connection);
    tcp_list_remove(tcp, TCP_LIST_WATCHED, connection);
    connection->delayed_ns = tcp->now_ns + FIN_LOOK_MS * CLOCK_NS_PER_MS;
    tcp_list_append(tcp, TCP_LIST_LAST_ACK, connection);
    tcp_close_send_fin(tcp, connection);
}

void tcp_send_reset(struct tcp *tcp, struct tcp_connection *connection)
{
    struct tcp_header header = {
        .seq = connection->snd_nxt,
        .ack = connection->rcv_nxt,
        .flags = TCP_RST | TCP_ACK,
        .shift = TCP_NO_SHIFT,
    };
    tcp_count(tcp, TCP_SENT_RESETS);
    tcp_send_header(tcp, &connection->flow, connection->path, &header);
}

/* ---- the end ---- */

static void abandon(struct tcp *tcp, uint32_t bytes)
{
    tcp->counters[TCP_BYTES_ABANDONED] += bytes;
    tcp->counters[TCP_BYTES_HELD] -= bytes;
}

static void abandon_all(struct tcp *tcp, struct tcp_connection *connection)
{
    abandon(tcp, tcp_store_held(connection));
    connection->consumed = tcp_stream_end(connection);
    tcp_store_clear(tcp, connection);
}

static void tell_handler(struct tcp *tcp, struct tcp_connection *connection)
{
    static const enum tcp_counter counters[] = {
        [TCP_END_FIN] = TCP_CLOSED_FIN,         [TCP_END_RESET] = TCP_CLOSED_RESET,
        [TCP_END_TIMEOUT] = TCP_CLOSED_TIMEOUT, [TCP_END_IDLE] = TCP_CLOSED_IDLE,
        [TCP_END_ABORTED] = TCP_CLOSED_ABORTED,
    };
    void *user = connection->user;
    connection->user = NULL;
    tcp_count(tcp, counters[connection->end]);
    tcp->config.handler->closed(tcp->config.context, user, connection->end);
}

void tcp_close_if_done(struct tcp *tcp, struct tcp_connection *connection)
{
    if (!tcp_is_all_delivered(connection))
        return;
    bool is_draining = connection->state == TCP_STATE_DRAINING;
    if (connection->user != NULL && (connection->fin_taken || is_draining))
        tell_handler(tcp, connection);
    if (is_draining)
        tcp_connection_free(tcp, connection);
}

void tcp_close_end(struct tcp *tcp, struct tcp_connection *connection, enum tcp_end end)
{
    disconnect(tcp, connection);
    /* Once its FIN was taken the stream is complete, whatever comes after it. */
    connection->end = connection->fin_taken && end != TCP_END_ABORTED ? TCP_END_FIN : (uint8_t)end;
    abandon(tcp, connection->range_bytes);
    tcp_store_drop_ranges(tcp, connection);
    if (end == TCP_END_ABORTED)
        abandon_all(tcp, connection);
    tcp_close_if_done(tcp, connection);
}

void tcp_abort(struct tcp *tcp, struct tcp_connection *connection, uint64_t now_ns)
{
    tcp->now_ns = now_ns;
    if (connection->state != TCP_STATE_DRAINING)
        tcp_send_reset(tcp, connection);
    tcp_close_end(tcp, connection, TCP_END_ABORTED);
}

void tcp_abort_all(struct tcp *tcp, uint64_t now_ns)
{
    for (unsigned i = 0; i < tcp->config.connections_max; i++)
        if (tcp->connections[i].state != TCP_STATE_FREE)
            tcp_abort(tcp, &tcp->connections[i], now_ns);
    tcp_open_drop_all(tcp);
}
