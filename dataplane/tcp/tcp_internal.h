/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_internal.h - what the files of the TCP endpoint share.
 *
 * Place:   private to dataplane/tcp: tcp.c (instance, table, entry), tcp_segment.c (bytes of a
 *          segment), tcp_open.c (handshake), tcp_receive.c (segments of a connection), tcp_store.c
 *          (bytes that wait), tcp_ack.c (window, ACK, SACK), tcp_timer.c, tcp_close.c.
 * Threads: all of it belongs to the instance's thread.
 */
#ifndef DATAPLANE_TCP_TCP_INTERNAL_H
#define DATAPLANE_TCP_TCP_INTERNAL_H

#include "core/siphash.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_table.h"

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20
};

enum {
    TCP_NONE = UINT32_MAX,
    TCP_BLOCKS_OF_CONNECTION = TCP_BLOCK_SIZE / 4, /* places in its index, which is a block */
    TCP_RANGES_MAX = 128,
    TCP_SACK_MAX = 4,
    TCP_WINDOW_SHIFT = 4,
    TCP_NO_SHIFT = 0xff,
    TCP_MSS_DEFAULT4 = 536, /* when the peer names none (RFC 9293 section 3.7.1) */
    TCP_MSS_DEFAULT6 = 1220,
    TCP_QUICK_ACKS = 16 /* segments at the beginning that are acknowledged at once */
};

struct tcp_segment { /* as parsed; host order */
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    const uint8_t *payload;
    uint32_t size; /* of the payload */
    bool has_timestamp, has_sack_permitted;
    uint8_t shift; /* of the window; TCP_NO_SHIFT: no such option */
    uint16_t mss;  /* 0: no such option */
    uint32_t tsval, tsecr;
};

struct tcp_options { /* what a handshake agreed on */
    bool has_timestamps, has_sack, has_scale;
    uint16_t peer_mss;
};

struct tcp_half_open { /* begins with the flow: tcp_table.h */
    struct tcp_flow flow;
    uint8_t path[TCP_PATH_SIZE];
    uint32_t irs, iss;
    uint32_t ts_recent;
    struct tcp_options options;
    uint8_t tries;
    int listener;
    uint64_t look_ns;        /* when to look whether it is too old */
    uint32_t next, previous; /* in the list by look_ns; next: also in the free list */
};

enum tcp_state {
    TCP_STATE_FREE,
    TCP_STATE_ESTABLISHED,
    TCP_STATE_LAST_ACK, /* the peer's FIN is taken and ours sent */
    TCP_STATE_DRAINING  /* nothing more is sent or received; bytes wait for the handler */
};

enum tcp_list_id { TCP_LIST_DELAYED, TCP_LIST_WATCHED, TCP_LIST_LAST_ACK, TCP_LIST_COUNT };

struct tcp_link {
    uint32_t next, previous;
    bool is_linked;
};

struct tcp_range { /* bytes that came before their turn: [start, end) */
    uint32_t start, end;
    uint32_t stamp; /* larger: touched later */
};

struct tcp_connection { /* begins with the flow: tcp_table.h */
    struct tcp_flow flow;
    uint8_t path[TCP_PATH_SIZE];
    void *user; /* NULL: closed() was called */
    uint8_t state; /* enum tcp_state */
    uint8_t end;   /* enum tcp_end, while draining */
    bool has_fin;  /* fin_seq is known */
    bool fin_taken;
    bool ack_now, ack_pending, is_in_burst; /* see tcp_ack.c */
    bool is_new; /* no segment was taken since the handshake */
    struct tcp_options options;
    /* receiving */
    uint32_t rcv_nxt;  /* everything before it is acknowledged, or will be */
    uint32_t consumed; /* everything before it is delivered */
    uint32_t edge;     /* right edge of the window as advertised: never goes back */
    uint32_t fin_seq;
    uint32_t last_ack_sent;
    uint32_t window_target;
    uint32_t segment_size; /* largest payload seen, for delayed ACKs */
    uint32_t unacked_bytes, quick_acks;
    uint32_t grown_at; /* `consumed` when the window was grown or looked at */
    uint64_t grown_ns;
    /* waiting bytes */
    uint32_t index_block, range_block; /* TCP_NONE: none */
    uint32_t block_count;              /* data blocks in the index */
    uint32_t range_count, range_bytes, range_stamp;
    uint32_t dsack_start, dsack_end; /* equal: none to be reported */
    /* timestamps */
    uint32_t ts_recent, ts_offset;
    uint64_t ts_recent_ns;
    /* sending: only SYN and FIN have sequence numbers */
    uint32_t snd_una, snd_nxt;
    uint64_t fin_next_ns;
    uint8_t fin_tries, probes_sent;
    uint32_t challenges;
    uint64_t challenge_second;
    uint64_t last_ns; /* a segment came */
    uint64_t delayed_ns; /* when the delayed ACK, or the next look at our FIN, is due */
    uint64_t watch_ns;   /* when to look whether it is idle */
    struct tcp_link links[TCP_LIST_COUNT];
    uint32_t next_free;
};

struct tcp_list {
    uint32_t first, last;
};

struct tcp {
    struct tcp_config config;
    struct tcp_connection *connections;
    struct tcp_half_open *half_opens;
    struct tcp_table table, half_open_table;
    uint32_t free_connection, free_half_open; /* chains by next_free / next */
    unsigned connection_count, half_open_count;
    struct tcp_list lists[TCP_LIST_COUNT], half_open_list;
    uint32_t *burst; /* connections to look at in tcp_flush() */
    unsigned burst_count;
    uint8_t *blocks;
    uint32_t *free_blocks; /* a stack */
    uint32_t block_count, free_block_count;
    uint64_t window_sum;
    uint64_t now_ns;
    uint64_t cookie_until_ns; /* cookies may be answered until then; 0: none were given */
    uint64_t reset_second;
    unsigned resets;
    struct siphash_key sequence_key, cookie_key, timestamp_key;
    uint64_t counters[TCP_COUNTER_COUNT];
};

static inline void tcp_count(struct tcp *tcp, enum tcp_counter id)
{
    tcp->counters[id]++;
}

/* Sequence numbers are compared by the sign of their difference (RFC 9293 section 3.4). */
static inline int32_t tcp_distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

static inline bool tcp_before(uint32_t a, uint32_t b)
{
    return tcp_distance(a, b) > 0;
}

static inline uint32_t tcp_index_of(const struct tcp *tcp, const struct tcp_connection *connection)
{
    return (uint32_t)(connection - tcp->connections);
}

/* End of what can be delivered: the FIN has a sequence number and is no byte. */
static inline uint32_t tcp_stream_end(const struct tcp_connection *connection)
{
    return connection->rcv_nxt - (connection->fin_taken ? 1 : 0);
}

static inline bool tcp_is_all_delivered(const struct tcp_connection *connection)
{
    return connection->consumed == tcp_stream_end(connection);
}

/* ---- tcp_segment.c ---- */

/* False when it is malformed. */
bool tcp_segment_parse(const struct tcp_packet *packet, struct tcp_segment *segment);

struct tcp_header { /* of a segment to be written */
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    uint16_t mss;  /* 0: no such option */
    uint8_t shift; /* TCP_NO_SHIFT: no such option */
    bool has_timestamp, has_sack_permitted;
    uint32_t tsval, tsecr;
    unsigned sack_count;
    struct tcp_range sacks[TCP_SACK_MAX];
};
void tcp_send_header(struct tcp *tcp, const struct tcp_flow *flow, const uint8_t *path,
                     const struct tcp_header *header);
/* RST for a segment that belongs to nothing (RFC 9293 section 3.5.2). */
void tcp_send_reset_for(struct tcp *tcp, const struct tcp_packet *packet,
                        const struct tcp_segment *segment);

/* ---- tcp_open.c ---- */

/* A segment of no connection. */
void tcp_open_take(struct tcp *tcp, const struct tcp_packet *packet,
                   const struct tcp_segment *segment);
void tcp_open_expire(struct tcp *tcp);
/* Forgets all handshakes. */
void tcp_open_drop_all(struct tcp *tcp);

/* ---- tcp_receive.c ---- */

void tcp_receive_take(struct tcp *tcp, struct tcp_connection *connection,
                      const struct tcp_packet *packet, const struct tcp_segment *segment);
/* Gives the handler what waits. */
void tcp_receive_deliver(struct tcp *tcp, struct tcp_connection *connection);

/* ---- tcp_store.c ---- */

/* Puts payload bytes [seq, seq + size) where they wait; returns how many found room, from the
 * front. */
uint32_t tcp_store_write(struct tcp *tcp, struct tcp_connection *connection, uint32_t seq,
                         const uint8_t *bytes, uint32_t size);
/* The bytes that lie contiguously in memory from `consumed` on, at most up to `end`. */
const uint8_t *tcp_store_peek(const struct tcp *tcp, const struct tcp_connection *connection,
                              uint32_t end, uint32_t *size);
/* `consumed` has moved on from `from`: blocks behind it are free. */
void tcp_store_consumed(struct tcp *tcp, struct tcp_connection *connection, uint32_t from);
/* Adds [start, end) to the ranges; false when there is no room for one more. */
bool tcp_store_add_range(struct tcp *tcp, struct tcp_connection *connection, uint32_t start,
                         uint32_t end);
/* Moves rcv_nxt over the ranges that begin at or before it, and forgets them. */
void tcp_store_join(struct tcp *tcp, struct tcp_connection *connection);
/* Sorted, range_count of them; NULL when there are none. */
const struct tcp_range *tcp_store_ranges(const struct tcp *tcp,
                                         const struct tcp_connection *connection);
void tcp_store_drop_ranges(struct tcp *tcp, struct tcp_connection *connection);
/* Frees all. */
void tcp_store_clear(struct tcp *tcp, struct tcp_connection *connection);
uint32_t tcp_store_held(const struct tcp_connection *connection);

/* ---- tcp_ack.c ---- */

void tcp_ack_want(struct tcp *tcp, struct tcp_connection *connection, bool at_once);
void tcp_ack_send(struct tcp *tcp, struct tcp_connection *connection);
/* With another sequence number or more flags than an ordinary ACK: a probe, our FIN. */
void tcp_ack_send_with(struct tcp *tcp, struct tcp_connection *connection, uint32_t seq,
                       uint8_t flags);
void tcp_ack_challenge(struct tcp *tcp, struct tcp_connection *connection);
/* What was consumed may open the window; says so to the peer when it is worth it. */
void tcp_ack_window(struct tcp *tcp, struct tcp_connection *connection);
void tcp_ack_flush(struct tcp *tcp);
uint32_t tcp_timestamp(const struct tcp *tcp, uint32_t offset);

/* ---- tcp_close.c ---- */

/* NULL: all are in use. The caller fills in what the handshake gave. */
struct tcp_connection *tcp_connection_new(struct tcp *tcp, const struct tcp_flow *flow);
void tcp_connection_free(struct tcp *tcp, struct tcp_connection *connection);
/* Sends our FIN: the peer's is taken. */
void tcp_close_begin(struct tcp *tcp, struct tcp_connection *connection);
void tcp_close_send_fin(struct tcp *tcp, struct tcp_connection *connection);
/* No more segments: what is in order is still delivered, the rest abandoned. */
void tcp_close_end(struct tcp *tcp, struct tcp_connection *connection, enum tcp_end end);
/* All is delivered, or nothing more can be: tells the handler, and frees what is done. */
void tcp_close_if_done(struct tcp *tcp, struct tcp_connection *connection);
void tcp_send_reset(struct tcp *tcp, struct tcp_connection *connection);

/* ---- tcp_timer.c ---- */

void tcp_list_append(struct tcp *tcp, enum tcp_list_id list, struct tcp_connection *connection);
void tcp_list_remove(struct tcp *tcp, enum tcp_list_id list, struct tcp_connection *connection);
void tcp_timer_run(struct tcp *tcp);

#endif
