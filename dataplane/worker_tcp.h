/* SPDX-License-Identifier: MPL-2.0
 *
 * worker_tcp.h - a worker's TCP connections: segments to streams, streams to listeners of the plan.
 *
 * Place:   worker.c; it joins packet.h, streams.h, text_listener.h and statsd_listener.h.
 * Threads: the worker's. worker_tcp_finish() is called when it has stopped.
 * Memory:  all of it from worker_tcp_init(); pages are taken when connections need them.
 * Failure: a piece is only given to a listener when its message finds room, so that what TCP has
 *          acknowledged is never dropped for want of it; the exceptions have counters: connections
 *          whose listener a reload took out, and those that are there when the process ends.
 */
#ifndef DATAPLANE_WORKER_TCP_H
#define DATAPLANE_WORKER_TCP_H

#include "core/core_map.h"
#include "dataplane/generation.h"
#include "dataplane/streams.h"

struct worker;
struct worker_queue;

struct worker_tcp { /* of one worker */
    struct streams *streams;
    struct spill spill;
    const struct generation *next; /* while it changes over */
    bool is_on;         /* there is a listener, or a connection */
    bool is_traced;     /* a trace is replayed: time is the trace's */
    bool is_waiting;    /* streams have more, and there was no room */
    bool is_forced;     /* what is left has to go now */
    bool has_sent;
    uint64_t now_ns;      /* monotonic */
    uint64_t wall_ns;     /* of messages */
    uint64_t next_expire_ns;
};

struct worker_tcp_config {
    unsigned connections_max;
    uint64_t message_max;
    bool is_traced;
    uint8_t secret[16];
};

int worker_tcp_init(struct worker *worker, const struct worker_tcp_config *config,
                    struct err *err);
void worker_tcp_fini(struct worker *worker); /* fine on zeroed state */

/* At the start of a turn, and then for each queue between packet_burst() and packet_release(). */
void worker_tcp_begin(struct worker *worker, uint64_t now_ns);
void worker_tcp_take(struct worker *worker, struct worker_queue *queue);
/* At the end of a turn: streams that wait, timers, answers. */
void worker_tcp_turn(struct worker *worker);

/* Before `worker` changes over: connections of listeners that stay go on with them. */
void worker_tcp_adopt(struct worker *worker, const struct generation *next);
/* What can be delivered is; then all connections are reset. */
void worker_tcp_finish(struct worker *worker);
void worker_tcp_publish(struct worker *worker);

#endif
