/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp.h - a TCP endpoint that only receives: passive open, in-order bytes to a handler, ACK, FIN
 *         and RST back.
 *
 * Place:   dataplane/streams.c feeds it the segments of one worker; tests feed it from a tun device
 *          and from scripts. It knows nothing of DPDK, Ethernet or IP headers.
 * Threads: one instance belongs to one thread. No globals.
 * Memory:  all allocated by tcp_new(): connections, half-open connections, and a pool of blocks for
 *          bytes that cannot be delivered yet (out of order, or the handler has no room).
 * Failure: a segment that is not taken is counted under a reason. A byte is acknowledged only when
 *          the handler has taken it or the pool holds it, and what the pool holds is given up only
 *          with its connection (counted); so the peer sends again whatever is dropped here.
 * Bounds:  see struct tcp_config; every bound has a counter in core/tcp_counters.def.
 * Source:  RFC 9293 (states, sequence checks, window), 7323 (window scale, timestamps, PAWS), 2018
 *          and 2883 (SACK, D-SACK), 5681 section 4.2 (ACKs), 5961 (challenge ACKs), 6528 (initial
 *          sequence numbers), 4987 (half-open connections and cookies), 6298 (retransmission of
 *          SYN-ACK and FIN), 1122 section 4.2.3.6 (keep-alive). Not there: sending data, active
 *          open, ECN, Fast Open. docs/formats/tcp.md.
 */
#ifndef DATAPLANE_TCP_TCP_H
#define DATAPLANE_TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum {
    TCP_HEADER_SIZE = 20,
    TCP_HEADER_SIZE_MAX = 60,
    TCP_BLOCK_SIZE = 2048,      /* of the pool */
    TCP_WINDOW_MAX = 511 * 2048, /* what the blocks of a connection can cover */
    TCP_PATH_SIZE = 16          /* of what the caller needs to answer: MAC addresses, VLAN, port */
};

struct tcp_flow { /* IPv4 addresses in the first 4 bytes, the others 0; padding is 0 */
    uint8_t remote_ip[16], local_ip[16];
    uint16_t remote_port_be, local_port_be;
    uint8_t is_ipv6;
    uint8_t zero[3];
};
_Static_assert(sizeof(struct tcp_flow) == 40, "hashed and compared as five words");

struct tcp_packet { /* a segment that has arrived */
    struct tcp_flow flow;
    uint8_t path[TCP_PATH_SIZE]; /* kept and given back with answers */
    const uint8_t *bytes;        /* TCP header and payload; the checksum is right */
    uint32_t size;
};

struct tcp_answer { /* a segment to be sent; it never has a payload */
    const struct tcp_flow *flow;
    const uint8_t *path; /* TCP_PATH_SIZE bytes */
    const uint8_t *header; /* checksum field 0 */
    unsigned header_size;
};

enum tcp_end { /* why a connection ended */
    TCP_END_FIN,        /* the peer closed, and everything was delivered */
    TCP_END_RESET,      /* the peer reset it */
    TCP_END_TIMEOUT,    /* no answer to keep-alive probes or to our FIN */
    TCP_END_IDLE,       /* nothing came for idle_ns */
    TCP_END_ABORTED     /* tcp_abort(), tcp_abort_all() */
};

struct tcp_connection; /* valid from opened() until closed() returns */

struct tcp_handler { /* called from tcp_take, tcp_flush, tcp_expire, tcp_credit, tcp_abort* */
    /* Which listener takes connections to this address, or -1. */
    int (*find_listener)(void *context, const struct tcp_flow *flow);
    /* The handshake is complete. Returns the user's pointer for this connection, or NULL to refuse
     * it: it is reset then, and closed() is not called. */
    void *(*opened)(void *context, struct tcp_connection *connection, int listener,
                    const struct tcp_flow *flow);
    /* The next bytes of the stream, in order. Returns how many it has taken, from the front; the
     * others come again after tcp_credit(). Bytes are borrowed until it returns. Must not call
     * tcp_credit or tcp_abort. */
    size_t (*data)(void *context, void *user, const uint8_t *bytes, size_t size);
    /* No more bytes come. */
    void (*closed)(void *context, void *user, enum tcp_end end);
    void (*send)(void *context, const struct tcp_answer *answer);
};

struct tcp_config { /* 0: the default */
    unsigned connections_max;  /* 16,384 */
    unsigned half_open_max;    /* 4,096; beyond it, cookies */
    uint64_t pool_bytes;       /* 64 MiB, of bytes that wait */
    uint32_t window_initial;   /* 64 KiB */
    uint32_t window_max;       /* TCP_WINDOW_MAX; not more than it */
    uint64_t window_budget;    /* of all connections' windows; 16 x pool_bytes: it is seldom used */
    uint16_t mss4, mss6;       /* 1,460 and 1,440 */
    uint64_t delayed_ack_ns;   /* 40 ms */
    uint64_t keepalive_ns;     /* 600 s without a segment, then probes */
    uint64_t probe_ns;         /* 15 s between them */
    unsigned probes;           /* 8 of them */
    uint64_t idle_ns;          /* never */
    unsigned challenges_per_s; /* 10, for each connection (RFC 5961 section 7) */
    unsigned resets_per_s;     /* 1,000, for segments of unknown connections */
    bool is_traced;            /* a trace: the handshake's ACK says what our first number was */
    uint8_t secret[16];        /* random; of sequence numbers, cookies and hashes */
    const struct tcp_handler *handler;
    void *context;
};

enum tcp_counter {
#define TCP_COUNTER(id, name, help) TCP_##id,
#include "core/tcp_counters.def"
    TCP_COUNTER_COUNT
};
const char *tcp_counter_name(enum tcp_counter id);
const char *tcp_counter_help(enum tcp_counter id);

struct tcp;

/* 0, or -1 after adding to `err`. `handler` must outlive the instance. */
int tcp_new(const struct tcp_config *config, struct tcp **out, struct err *err);
void tcp_free(struct tcp *tcp); /* closes nothing: tcp_abort_all() before; NULL is fine */

/* Before tcp_take(), some packets ahead: memory of the packet's connection is asked for. Changes
 * nothing, and may be left out. tcp_prefetch() gives the hash for the other two; the last one gives
 * the user's pointer of the connection, or of another one, or NULL. */
uint32_t tcp_prefetch(const struct tcp *tcp, const struct tcp_packet *packet);
void tcp_prefetch_connection(const struct tcp *tcp, uint32_t hash);
const void *tcp_prefetch_user(const struct tcp *tcp, uint32_t hash);

/* One segment. `now_ns` is monotonic and never 0. ACKs may wait for tcp_flush(). */
void tcp_take(struct tcp *tcp, const struct tcp_packet *packet, uint64_t now_ns);

/* At the end of a burst: the ACKs that are due. */
void tcp_flush(struct tcp *tcp, uint64_t now_ns);

/* Delayed ACKs, retransmissions, keep-alive, idle; a bounded part at a time. Every 10 ms or so. */
void tcp_expire(struct tcp *tcp, uint64_t now_ns);

/* The handler has room for this connection's bytes again: gives it what waits. Returns true when
 * nothing waits any more. The connection may be closed when it returns. */
bool tcp_credit(struct tcp *tcp, struct tcp_connection *connection, uint64_t now_ns);

/* Resets a connection; closed() is called. What waits is counted as abandoned. */
void tcp_abort(struct tcp *tcp, struct tcp_connection *connection, uint64_t now_ns);
void tcp_abort_all(struct tcp *tcp, uint64_t now_ns);

unsigned tcp_connection_count(const struct tcp *tcp);
unsigned tcp_half_open_count(const struct tcp *tcp);
unsigned tcp_blocks_used(const struct tcp *tcp);
/* Since tcp_new(); TCP_COUNTER_COUNT of them. */
const uint64_t *tcp_counters(const struct tcp *tcp);

#endif
