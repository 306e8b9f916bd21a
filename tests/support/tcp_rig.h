/* SPDX-License-Identifier: MPL-2.0
 *
 * tcp_rig.h - peers of dataplane/tcp in one thread with a fake clock: what they send is a function
 *             of its place in the stream, and what comes back is checked.
 *
 * Place:   tests/unit/dataplane/test_tcp.c, tests/fuzz/fuzz_tcp.c.
 * Failure: rig_fail() is called with a text when the endpoint breaks a promise: bytes wrong, twice
 *          or after the end, an ACK that goes back or acknowledges what was not sent, a window's
 *          right edge that moves to the left, a SACK block of bytes that were never sent, books
 *          that do not balance. It does not return.
 */
#ifndef TESTS_SUPPORT_TCP_RIG_H
#define TESTS_SUPPORT_TCP_RIG_H

#include "dataplane/tcp/tcp.h"

enum { RIG_PEERS = 4, RIG_SEGMENT_MAX = 9000, RIG_PORT = 5565 };

enum { RIG_FIN = 1, RIG_SYN = 2, RIG_RST = 4, RIG_PSH = 8, RIG_ACK = 16, RIG_URG = 32 };

struct rig_answer { /* the last segment that the endpoint sent to a peer */
    uint32_t seq, ack, window; /* window: scaled */
    uint8_t flags;
    bool has_timestamp;
    uint32_t tsval, tsecr;
    unsigned sack_count;
    uint32_t sacks[4][2];
};

struct rig_peer {
    bool offers_timestamps, offers_sack, offers_scale, is_ipv6;
    uint32_t iss;     /* bytes of the stream begin at iss + 1 */
    uint32_t iss_endpoint;
    bool is_synced;   /* a SYN-ACK has come */
    uint32_t sent_max; /* places of the stream that were ever sent, from 0 */
    bool fin_sent;
    uint32_t fin_place;
    uint32_t tsval;
    struct rig_answer last;
    uint64_t answers, resets;
    uint32_t ack_max, edge_max;
    bool has_edge;
    /* the handler's side */
    struct tcp_connection *connection;
    uint64_t delivered;
    unsigned opened, closed;
    enum tcp_end end;
    size_t room;  /* bytes that the handler takes before it is full; SIZE_MAX: all */
    bool refuses; /* opened() says no */
};

struct rig {
    struct tcp *tcp;
    uint64_t now_ns;
    struct rig_peer peers[RIG_PEERS];
};

struct rig_segment { /* from a peer; places are of its stream, from 0 */
    uint8_t flags;
    int64_t place;   /* -1: at the SYN */
    uint32_t size;
    int64_t ack_place; /* relative to the endpoint's ISS + 1; INT64_MIN: none known */
    uint16_t window;
    bool has_timestamp;
    uint32_t tsval, tsecr;
    bool has_syn_options;
};

void rig_init(struct rig *rig, const struct tcp_config *config);
/* Aborts what is left, and checks that nothing is held. */
void rig_fini(struct rig *rig);

void rig_send(struct rig *rig, unsigned peer, const struct rig_segment *segment);
/* SYN, and ACK of the SYN-ACK. */
void rig_connect(struct rig *rig, unsigned peer);
void rig_data(struct rig *rig, unsigned peer, uint32_t place, uint32_t size);
void rig_flush(struct rig *rig);
void rig_advance(struct rig *rig, uint64_t ns); /* and tcp_expire() */
/* Room for `bytes` more, and credit. */
void rig_credit(struct rig *rig, unsigned peer, size_t bytes);
void rig_check_books(const struct rig *rig);
uint64_t rig_counter(const struct rig *rig, enum tcp_counter id);

_Noreturn void rig_fail(const char *what); /* the user's */

#endif
