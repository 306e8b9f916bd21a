/* SPDX-License-Identifier: MPL-2.0
 *
 * streams.h - TCP streams of one worker to records: between dataplane/tcp and what takes records.
 *
 * Place:   worker.c gives it the segments of each burst; records go to text_listener.c, or as bytes
 *          to the statsd parser. It knows nothing of DPDK.
 * Threads: one worker.
 * Memory:  all of it from streams_new(). A record that is not complete waits in a buffer of its
 *          stream: a short one near those of the others, a longer one in the stream's part of one
 *          mapping, of which only touched pages are there.
 * Failure: nothing that TCP has acknowledged is lost while the peer's connection or this process
 *          lives: when the user has no room, the stream stops, its bytes wait in TCP's pool, and
 *          the peer's window closes. Pieces that are no records are the user's to count.
 * Bounds:  tcp_config.connections_max streams; a record of splitter_buffer_max() bytes.
 */
#ifndef DATAPLANE_STREAMS_H
#define DATAPLANE_STREAMS_H

#include "codec/splitter.h"
#include "dataplane/tcp/tcp.h"

enum { STREAM_SEARCH_MAX = 4096 }; /* of split_stream.search */

struct streams_user {
    /* Index of the listener for connections to this address, or -1. */
    int (*find_listener)(void *context, const struct tcp_flow *flow);
    const struct splitter *(*splitter_of)(void *context, int listener);
    /* True when record() can be called once more. */
    bool (*has_room)(void *context);
    /* A piece of the stream, also one that is no record; borrowed until it returns. */
    void (*piece)(void *context, int listener, const struct tcp_flow *flow,
                  const struct split_piece *piece);
    void (*send)(void *context, const struct tcp_answer *answer);
};

struct streams;

/* tcp->handler and context are set here; the others as the caller wants them. `record_max`: the
 * largest splitter_buffer_max() that will come. 0, or -1 after adding to `err`. */
int streams_new(const struct tcp_config *tcp, const struct streams_user *user, void *context,
                size_t record_max, struct streams **out, struct err *err);
void streams_free(struct streams *streams); /* NULL is fine */

/* The segments of a burst, and the ACKs for them. */
void streams_take(struct streams *streams, const struct tcp_packet *packets, unsigned count,
                  uint64_t now_ns);

/* Goes on with the streams that stopped for want of room. Cheap when there are none. True when none
 * is left. */
bool streams_resume(struct streams *streams, uint64_t now_ns);

/* Timers; every 10 ms or so. A group of lines whose stream has had no byte for a second ends. */
void streams_expire(struct streams *streams, uint64_t now_ns);

/* A reload: listeners have new indexes from here on, as `number_of` says. Below 0: connections of
 * this one are reset; their last pieces are given at once, by the old index, as far as there is
 * room. */
void streams_renumber(struct streams *streams, int (*number_of)(void *context, int listener),
                      uint64_t now_ns);
void streams_drop_all(struct streams *streams, uint64_t now_ns);

unsigned streams_count(const struct streams *streams);
/* Bytes in records that are not complete. */
uint64_t streams_open_bytes(const struct streams *streams);
const uint64_t *streams_tcp_counters(const struct streams *streams);

#endif
