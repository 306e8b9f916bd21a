/* SPDX-License-Identifier: MPL-2.0
 *
 * peer.h - a TCP connection, with TLS or without, to a server that sends nothing back, with as much
 * certainty as that allows.
 *
 * Place:   carbon_output.c, tcp_output.c.
 * Threads: the output's.
 * Memory:  about PEER_KEPT_BYTES at most, and what the peer's kernel has not acknowledged.
 * Failure: what was sent is kept until the connection ends in order, which a kernel does only when
 *          its program has read everything. After any other end it is sent again over the next
 *          connection: whole chunks, so that duplicates are possible. What was acknowledged
 *          PEER_KEPT_S ago, or is not among the last PEER_KEPT_BYTES and PEER_CHUNKS_MAX chunks,
 *          is believed to be read. What is owed when it ends goes to a file (peer_owed.h). Lost is
 *          only what a peer took and then lost by itself. A half-closed peer is seen before each
 *          write and by peer_check(). With TLS an end without close_notify is not in order, unless
 *          we have said that no more comes.
 */
#ifndef CONTROL_PEER_H
#define CONTROL_PEER_H

#include "control/plugins/output.h"
#include "control/net/tls.h"
#include "control/trouble.h"

enum { PEER_CHUNKS_MAX = 1024, PEER_KEPT_BYTES = 4 << 20, PEER_KEPT_S = 300 };

struct peer_config {
    const char *address;       /* "host:port", resolved at each connect */
    const char *local_address; /* "host:port" to send from, or NULL */
    bool keep_alive;           /* SO_KEEPALIVE */
    int64_t keep_alive_period; /* s; 0: the system's */
    struct tls_context *tls;   /* the caller's; NULL: none */
    const char *owed_dir;      /* of files of what is owed at the end; NULL: it is lost, and said */
    struct output_host *host;
    unsigned connects_counter; /* of the output: connections made */
    unsigned resent_counter;   /* messages sent again over a new connection */
};

struct peer_chunk {
    struct buffer bytes;
    uint64_t end;     /* of the connection's stream, behind this chunk */
    uint64_t sent_ns; /* CLOCK_MONOTONIC */
    unsigned messages;
};

struct peer { /* zeroed is fine for peer_fini() */
    struct peer_config config;
    bool is_open, is_closing;
    bool has_notified; /* TLS: we have said that no more comes */
    int fd;
    struct tls_session *tls; /* while is_open */
    uint64_t written;        /* bytes on this connection, as they are on the wire */
    uint64_t next_check_ns, next_connect_ns, next_owed_ns;
    uint64_t owed_until; /* name of the last file of owed_dir that was loaded */
    bool has_loaded;     /* files that were not sent yet */
    struct peer_chunk chunks[PEER_CHUNKS_MAX]; /* ring */
    unsigned first, count;
    size_t kept_bytes;
    struct peer_chunk staged;
    struct trouble trouble; /* TLS that is refused behind the handshake */
};

void peer_init(struct peer *peer, const struct peer_config *config);

/* The empty buffer to append the next chunk to. */
struct buffer *peer_stage(struct peer *peer);

/* Connects if need be, sends again what is owed, then sends what was staged, which is `messages`
 * messages. 0: the kernel has it, and the peer object answers for it. Negative (-ECANCELED when
 * the output is to stop): the chunk is not sent, or not whole, and forgotten. */
int peer_send(struct peer *peer, unsigned messages);

/* Sees whether the peer has gone, and sends again what is owed then. Does not block for long. */
void peer_check(struct peer *peer);

/* Ends the connection: no more from us, then waits until the peer closes. 0: it read all and
 * closed. 1: its kernel has all, but it did not close within the time. Negative: it reset the
 * connection, or does not acknowledge; everything is still owed. */
int peer_finish(struct peer *peer, uint64_t timeout_ns);

/* Owes nothing any more. */
void peer_forget(struct peer *peer);

/* Finishes within a few seconds, and frees. */
void peer_fini(struct peer *peer);

#endif
