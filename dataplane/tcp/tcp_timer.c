/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_timer.c - what happens when nothing comes.
 *
 * Every kind of timer has one interval, so a list in the order of arming is in the order of time,
 * and arming costs no search. Entries are looked at again rather than moved with each segment.
 */
#include "core/check.h"
#include "core/clock.h"
#include "dataplane/tcp/tcp_internal.h"

enum {
    LAST_ACK_LOOK_MS = 200,
    FIN_RETRY_MS = 1000, /* the first; doubling */
    FIN_TRIES_MAX = 6,
    PASS_MAX = 256 /* entries of a list that one pass looks at */
};

void tcp_list_append(struct tcp *tcp, enum tcp_list_id list, struct tcp_connection *connection)
{
    struct tcp_link *link = &connection->links[list];
    uint32_t index = tcp_index_of(tcp, connection);
    CHECK(!link->is_linked);
    *link = (struct tcp_link){TCP_NONE, tcp->lists[list].last, true};
    if (link->previous != TCP_NONE)
        tcp->connections[link->previous].links[list].next = index;
    else
        tcp->lists[list].first = index;
    tcp->lists[list].last = index;
}

void tcp_list_remove(struct tcp *tcp, enum tcp_list_id list, struct tcp_connection *connection)
{
    struct tcp_link *link = &connection->links[list];
    if (!link->is_linked)
        return;
    if (link->previous != TCP_NONE)
        tcp->connections[link->previous].links[list].next = link->next;
    else
        tcp->lists[list].first = link->next;
    if (link->next != TCP_NONE)
        tcp->connections[link->next].links[list].previous = link->previous;
    else
        tcp->lists[list].last = link->previous;
    link->is_linked = false;
}

static struct tcp_connection *first_of(struct tcp *tcp, enum tcp_list_id list)
{
    uint32_t first = tcp->lists[list].first;
    return first == TCP_NONE ? NULL : &tcp->connections[first];
}

static void run_delayed(struct tcp *tcp)
{
    struct tcp_connection *connection;
    while ((connection = first_of(tcp, TCP_LIST_DELAYED)) != NULL &&
           connection->delayed_ns <= tcp->now_ns) {
        tcp_list_remove(tcp, TCP_LIST_DELAYED, connection);
        if (connection->ack_pending)
            tcp_ack_send(tcp, connection);
    }
}

/* ---- our FIN ---- */

static void look_at_last_ack(struct tcp *tcp, struct tcp_connection *connection)
{
    if (connection->fin_next_ns > tcp->now_ns)
        return;
    if (connection->fin_tries >= FIN_TRIES_MAX) {
        tcp_close_end(tcp, connection, TCP_END_FIN); /* all of the peer's bytes are here */
        return;
    }
    connection->fin_next_ns =
        tcp->now_ns + ((uint64_t)FIN_RETRY_MS << connection->fin_tries) * CLOCK_NS_PER_MS;
    if (connection->fin_tries++ > 0)
        tcp_count(tcp, TCP_SENT_AGAIN);
    tcp_close_send_fin(tcp, connection);
}

static void run_last_ack(struct tcp *tcp)
{
    struct tcp_connection *connection;
    for (unsigned i = 0; i < PASS_MAX; i++) {
        connection = first_of(tcp, TCP_LIST_LAST_ACK);
        if (connection == NULL || connection->delayed_ns > tcp->now_ns)
            return;
        tcp_list_remove(tcp, TCP_LIST_LAST_ACK, connection);
        connection->delayed_ns = tcp->now_ns + LAST_ACK_LOOK_MS * CLOCK_NS_PER_MS;
        tcp_list_append(tcp, TCP_LIST_LAST_ACK, connection);
        look_at_last_ack(tcp, connection);
    }
}

/* ---- idle connections ---- */

/* One octet before what the peer expects: it has to answer (RFC 1122 section 4.2.3.6). */
static void send_probe(struct tcp *tcp, struct tcp_connection *connection)
{
    tcp_ack_send_with(tcp, connection, connection->snd_nxt - 1, TCP_ACK);
    connection->probes_sent++;
    tcp_count(tcp, TCP_SENT_PROBES);
}

static void look_at_idle(struct tcp *tcp, struct tcp_connection *connection)
{
    const struct tcp_config *config = &tcp->config;
    uint64_t idle_ns = tcp->now_ns - connection->last_ns;
    if (config->idle_ns > 0 && idle_ns >= config->idle_ns) {
        tcp_send_reset(tcp, connection);
        tcp_close_end(tcp, connection, TCP_END_IDLE);
    } else if (connection->probes_sent >= config->probes) {
        tcp_send_reset(tcp, connection);
        tcp_close_end(tcp, connection, TCP_END_TIMEOUT);
    } else if (idle_ns >= config->keepalive_ns) {
        send_probe(tcp, connection);
    }
}

static void run_watched(struct tcp *tcp)
{
    struct tcp_connection *connection;
    for (unsigned i = 0; i < PASS_MAX; i++) {
        connection = first_of(tcp, TCP_LIST_WATCHED);
        if (connection == NULL || connection->watch_ns > tcp->now_ns)
            return;
        tcp_list_remove(tcp, TCP_LIST_WATCHED, connection);
        connection->watch_ns = tcp->now_ns + tcp->config.probe_ns;
        tcp_list_append(tcp, TCP_LIST_WATCHED, connection);
        look_at_idle(tcp, connection);
    }
}

void tcp_timer_run(struct tcp *tcp)
{
    run_delayed(tcp);
    run_last_ack(tcp);
    run_watched(tcp);
    tcp_open_expire(tcp);
}
