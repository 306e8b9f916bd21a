/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_open.c - the handshake: half-open connections, and cookies when their table is full.
 *
 * A cookie is a sequence number that says all that has to be known later (RFC 4987 section 3.6):
 *     bits 31..6  MAC of flow, the peer's sequence number, time and the bits below
 *     bits 5..4   time in units of 64 s, modulo 4
 *     bits 3..2   the peer's MSS: one of four
 *     bit 1       window scale,  bit 0  SACK: the peer offered it
 * The peer's own shift is of no use to who sends no data, and that timestamps were agreed on is
 * seen from its ACK.
 */
#include <string.h>

#include "core/clock.h"
#include "dataplane/tcp/tcp_internal.h"

enum {
    LOOK_S = 1,
    /* Seconds that a handshake may last, as with Linux; SYN-ACK again after 1, 3, 7, 15 and 31.
     * A peer whose ACK was lost believes that it is connected and must not be refused later. */
    TRIES_MAX = 63,
    PASS_MAX = 256,
    COOKIE_UNIT_S = 64,
    COOKIE_BITS = 6,
    MSS_COUNT = 4,
    SYN_WINDOW_MAX = UINT16_MAX
};

static const uint16_t cookie_mss[MSS_COUNT] = {536, 1220, 1440, 1460};

/* ---- half-open connections ---- */

static struct tcp_half_open *find_half_open(struct tcp *tcp, const struct tcp_flow *flow)
{
    uint32_t index = tcp_table_find(&tcp->half_open_table, flow);
    return index == TCP_NONE ? NULL : &tcp->half_opens[index];
}

static void append_half_open(struct tcp *tcp, uint32_t index)
{
    struct tcp_half_open *entry = &tcp->half_opens[index];
    entry->next = TCP_NONE;
    entry->previous = tcp->half_open_list.last;
    if (entry->previous != TCP_NONE)
        tcp->half_opens[entry->previous].next = index;
    else
        tcp->half_open_list.first = index;
    tcp->half_open_list.last = index;
}

static void unlink_half_open(struct tcp *tcp, uint32_t index)
{
    const struct tcp_half_open *entry = &tcp->half_opens[index];
    if (entry->previous != TCP_NONE)
        tcp->half_opens[entry->previous].next = entry->next;
    else
        tcp->half_open_list.first = entry->next;
    if (entry->next != TCP_NONE)
        tcp->half_opens[entry->next].previous = entry->previous;
    else
        tcp->half_open_list.last = entry->previous;
}

static void free_half_open(struct tcp *tcp, struct tcp_half_open *entry)
{
    uint32_t index = (uint32_t)(entry - tcp->half_opens);
    tcp_table_remove(&tcp->half_open_table, index);
    unlink_half_open(tcp, index);
    entry->next = tcp->free_half_open;
    tcp->free_half_open = index;
    tcp->half_open_count--;
}

/* ---- SYN-ACK ---- */

/* RFC 6528 section 3: a clock of 4 us or so, and what only we can compute for this flow. */
static uint32_t first_sequence(const struct tcp *tcp, const struct tcp_flow *flow)
{
    return (uint32_t)(tcp->now_ns >> 12) +
           (uint32_t)siphash(&tcp->sequence_key, flow, sizeof(*flow));
}

static uint32_t timestamp_offset(const struct tcp *tcp, const struct tcp_flow *flow)
{
    return (uint32_t)siphash(&tcp->timestamp_key, flow, sizeof(*flow));
}

static struct tcp_options options_of(const struct tcp_flow *flow,
                                     const struct tcp_segment *segment)
{
    uint16_t mss = flow->is_ipv6 ? TCP_MSS_DEFAULT6 : TCP_MSS_DEFAULT4;
    return (struct tcp_options){
        .has_timestamps = segment->has_timestamp,
        .has_sack = segment->has_sack_permitted,
        .has_scale = segment->shift != TCP_NO_SHIFT,
        .peer_mss = segment->mss > 0 ? segment->mss : mss,
    };
}

static uint16_t syn_window(const struct tcp *tcp)
{
    uint32_t window = tcp->config.window_initial;
    return window < SYN_WINDOW_MAX ? (uint16_t)window : SYN_WINDOW_MAX;
}

static void send_syn_ack(struct tcp *tcp, const struct tcp_half_open *entry)
{
    const struct tcp_header header = {
        .seq = entry->iss,
        .ack = entry->irs + 1,
        .window = syn_window(tcp),
        .flags = TCP_SYN | TCP_ACK,
        .mss = entry->flow.is_ipv6 ? tcp->config.mss6 : tcp->config.mss4,
        .shift = entry->options.has_scale ? TCP_WINDOW_SHIFT : TCP_NO_SHIFT,
        .has_sack_permitted = entry->options.has_sack,
        .has_timestamp = entry->options.has_timestamps,
        .tsval = tcp_timestamp(tcp, timestamp_offset(tcp, &entry->flow)),
        .tsecr = entry->ts_recent,
    };
    tcp_send_header(tcp, &entry->flow, entry->path, &header);
}

/* ---- cookies ---- */

static uint32_t cookie_for(const struct tcp *tcp, const struct tcp_flow *flow, uint32_t irs,
                           uint64_t unit, uint32_t bits)
{
    struct {
        struct tcp_flow flow;
        uint64_t unit;
        uint32_t irs, bits;
    } input = {*flow, unit, irs, bits};
    uint32_t low = (uint32_t)(unit & 3) << 4 | bits;
    uint32_t mac = (uint32_t)siphash(&tcp->cookie_key, &input, sizeof(input));
    return mac << COOKIE_BITS | low;
}

static uint64_t cookie_unit(const struct tcp *tcp)
{
    return tcp->now_ns / (COOKIE_UNIT_S * CLOCK_NS_PER_S);
}

static void answer_with_cookie(struct tcp *tcp, const struct tcp_half_open *syn)
{
    struct tcp_half_open entry = *syn;
    uint32_t mss = MSS_COUNT - 1;
    while (mss > 0 && cookie_mss[mss] > entry.options.peer_mss)
        mss--;
    uint32_t bits = mss << 2 | (uint32_t)entry.options.has_scale << 1 | entry.options.has_sack;
    entry.iss = cookie_for(tcp, &entry.flow, entry.irs, cookie_unit(tcp), bits);
    tcp->cookie_until_ns = tcp->now_ns + 2 * COOKIE_UNIT_S * CLOCK_NS_PER_S;
    tcp_count(tcp, TCP_SEGMENT_SYN_COOKIE);
    send_syn_ack(tcp, &entry);
}

/* What the SYN-ACK with this cookie agreed on. False when it is none of ours, or too old. */
static bool read_cookie(const struct tcp *tcp, const struct tcp_packet *packet,
                        const struct tcp_segment *segment, struct tcp_half_open *entry)
{
    uint32_t iss = segment->ack - 1, irs = segment->seq - 1, bits = iss & 0xf;
    uint64_t now = cookie_unit(tcp);
    if (tcp->now_ns >= tcp->cookie_until_ns)
        return false;
    for (uint64_t age = 0; age <= 1 && age <= now; age++) {
        if (cookie_for(tcp, &packet->flow, irs, now - age, bits) != iss)
            continue;
        *entry = (struct tcp_half_open){
            .flow = packet->flow,
            .irs = irs,
            .iss = iss,
            .options = {.has_timestamps = segment->has_timestamp,
                        .has_scale = (bits & 2) != 0,
                        .has_sack = (bits & 1) != 0,
                        .peer_mss = cookie_mss[bits >> 2]},
            .ts_recent = segment->tsval,
        };
        entry->listener =
            tcp->config.handler->find_listener(tcp->config.context, &packet->flow);
        return entry->listener >= 0;
    }
    return false;
}

/* ---- SYN ---- */

static void begin(struct tcp *tcp, const struct tcp_half_open *syn)
{
    uint32_t index = tcp->free_half_open;
    struct tcp_half_open *entry = &tcp->half_opens[index];
    tcp->free_half_open = entry->next;
    tcp->half_open_count++;
    *entry = *syn;
    entry->iss = first_sequence(tcp, &syn->flow);
    entry->look_ns = tcp->now_ns + LOOK_S * CLOCK_NS_PER_S;
    tcp_table_add(&tcp->half_open_table, index);
    append_half_open(tcp, index);
    tcp_count(tcp, TCP_SEGMENT_SYN);
    send_syn_ack(tcp, entry);
}

static void take_syn(struct tcp *tcp, const struct tcp_packet *packet,
                     const struct tcp_segment *segment)
{
    struct tcp_half_open *known = find_half_open(tcp, &packet->flow);
    if (known != NULL && known->irs == segment->seq) {
        tcp_count(tcp, TCP_SEGMENT_SYN_AGAIN);
        send_syn_ack(tcp, known);
        return;
    }
    if (known != NULL) /* the peer has begun anew */
        free_half_open(tcp, known);
    struct tcp_half_open syn = {
        .flow = packet->flow,
        .irs = segment->seq,
        .ts_recent = segment->tsval,
        .options = options_of(&packet->flow, segment),
        .listener = tcp->config.handler->find_listener(tcp->config.context, &packet->flow),
    };
    memcpy(syn.path, packet->path, TCP_PATH_SIZE);
    if (syn.listener < 0) {
        tcp_count(tcp, TCP_SEGMENT_NO_LISTENER);
        tcp_send_reset_for(tcp, packet, segment);
    } else if (tcp->free_connection == TCP_NONE) {
        tcp_count(tcp, TCP_SEGMENT_SYN_NO_ROOM);
    } else if (tcp->free_half_open == TCP_NONE) {
        answer_with_cookie(tcp, &syn);
    } else {
        begin(tcp, &syn);
    }
}

/* ---- the handshake's ACK ---- */

static uint32_t first_window(const struct tcp *tcp)
{
    const struct tcp_config *config = &tcp->config;
    /* When many connections share the budget each begins small. */
    bool is_crowded = tcp->window_sum > config->window_budget / 2;
    uint32_t small = 4u * config->mss4;
    return is_crowded && small < config->window_initial ? small : config->window_initial;
}

static void fill_connection(struct tcp *tcp, struct tcp_connection *connection,
                            const struct tcp_half_open *entry)
{
    uint32_t first = entry->irs + 1;
    connection->options = entry->options;
    connection->rcv_nxt = connection->consumed = connection->grown_at = first;
    connection->last_ack_sent = first;
    connection->edge = first + syn_window(tcp);
    connection->window_target = first_window(tcp);
    tcp->window_sum += connection->window_target;
    connection->ts_recent = entry->ts_recent;
    connection->ts_recent_ns = tcp->now_ns;
    connection->ts_offset = timestamp_offset(tcp, &entry->flow);
    connection->snd_nxt = entry->iss + 1;
}

/* The half-open entry is gone when this is called. */
static void open_connection(struct tcp *tcp, const struct tcp_half_open *entry,
                            const struct tcp_packet *packet, const struct tcp_segment *segment)
{
    struct tcp_connection *connection = tcp_connection_new(tcp, &entry->flow);
    if (connection == NULL) {
        tcp_count(tcp, TCP_SEGMENT_NO_ROOM);
        tcp_send_reset_for(tcp, packet, segment);
        return;
    }
    fill_connection(tcp, connection, entry);
    memcpy(connection->path, packet->path, TCP_PATH_SIZE);
    connection->user = tcp->config.handler->opened(tcp->config.context, connection,
                                                   entry->listener, &connection->flow);
    if (connection->user == NULL) {
        tcp_count(tcp, TCP_SEGMENT_REFUSED);
        tcp_send_reset(tcp, connection);
        tcp_connection_free(tcp, connection);
        return;
    }
    tcp_count(tcp, TCP_OPENED);
    tcp_receive_take(tcp, connection, packet, segment);
}

static bool completes(const struct tcp_half_open *entry, const struct tcp_segment *segment,
                      uint32_t window)
{
    bool is_old = segment->has_timestamp && entry->options.has_timestamps &&
                  tcp_before(segment->tsval, entry->ts_recent);
    int32_t ahead = tcp_distance(entry->irs + 1, segment->seq);
    return segment->ack == entry->iss + 1 && !is_old && ahead >= 0 && ahead <= (int32_t)window;
}

static void take_ack(struct tcp *tcp, const struct tcp_packet *packet,
                     const struct tcp_segment *segment)
{
    struct tcp_half_open cookie, *known = find_half_open(tcp, &packet->flow);
    if (known != NULL && tcp->config.is_traced)
        known->iss = segment->ack - 1;
    if (known != NULL && completes(known, segment, syn_window(tcp))) {
        struct tcp_half_open entry = *known;
        free_half_open(tcp, known);
        open_connection(tcp, &entry, packet, segment);
    } else if (known != NULL) {
        tcp_count(tcp, TCP_SEGMENT_HANDSHAKE_BAD);
        if (segment->ack != known->iss + 1)
            tcp_send_reset_for(tcp, packet, segment);
    } else if (read_cookie(tcp, packet, segment, &cookie)) {
        tcp_count(tcp, TCP_OPENED_BY_COOKIE);
        open_connection(tcp, &cookie, packet, segment);
    } else {
        tcp_count(tcp, TCP_SEGMENT_UNKNOWN);
        tcp_send_reset_for(tcp, packet, segment);
    }
}

static void take_reset(struct tcp *tcp, const struct tcp_packet *packet,
                       const struct tcp_segment *segment)
{
    struct tcp_half_open *known = find_half_open(tcp, &packet->flow);
    if (known == NULL || segment->seq != known->irs + 1) {
        tcp_count(tcp, TCP_SEGMENT_UNKNOWN);
        return;
    }
    tcp_count(tcp, TCP_SEGMENT_RESET);
    tcp_count(tcp, TCP_HALF_OPEN_RESET);
    free_half_open(tcp, known);
}

void tcp_open_take(struct tcp *tcp, const struct tcp_packet *packet,
                   const struct tcp_segment *segment)
{
    if (segment->flags & TCP_RST) {
        take_reset(tcp, packet, segment);
    } else if ((segment->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        take_syn(tcp, packet, segment);
    } else if ((segment->flags & (TCP_SYN | TCP_ACK)) == TCP_ACK) {
        take_ack(tcp, packet, segment);
    } else {
        const struct tcp_handler *handler = tcp->config.handler;
        tcp_count(tcp, TCP_SEGMENT_UNKNOWN);
        /* RFC 9293 section 3.10.7.2: a port that listens drops it, any other answers. */
        if ((segment->flags & TCP_ACK) ||
            handler->find_listener(tcp->config.context, &packet->flow) < 0)
            tcp_send_reset_for(tcp, packet, segment);
    }
}

/* ---- time ---- */

static void look_at(struct tcp *tcp, uint32_t index)
{
    struct tcp_half_open *entry = &tcp->half_opens[index];
    if (++entry->tries >= TRIES_MAX) {
        tcp_count(tcp, TCP_HALF_OPEN_EXPIRED);
        free_half_open(tcp, entry);
        return;
    }
    unlink_half_open(tcp, index);
    entry->look_ns = tcp->now_ns + LOOK_S * CLOCK_NS_PER_S;
    append_half_open(tcp, index);
    if ((entry->tries & (entry->tries + 1)) == 0) { /* doubling (RFC 6298 section 5.5) */
        tcp_count(tcp, TCP_SENT_AGAIN);
        send_syn_ack(tcp, entry);
    }
}

void tcp_open_expire(struct tcp *tcp)
{
    for (unsigned i = 0; i < PASS_MAX; i++) {
        uint32_t index = tcp->half_open_list.first;
        if (index == TCP_NONE || tcp->half_opens[index].look_ns > tcp->now_ns)
            return;
        look_at(tcp, index);
    }
}

void tcp_open_drop_all(struct tcp *tcp)
{
    while (tcp->half_open_list.first != TCP_NONE)
        free_half_open(tcp, &tcp->half_opens[tcp->half_open_list.first]);
}
