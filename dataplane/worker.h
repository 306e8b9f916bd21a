/* SPDX-License-Identifier: MPL-2.0
 *
 * worker.h - one poll-mode core: receive, parse, aggregate or make messages.
 *
 * Place:   main.c launches worker_run() on an EAL lcore; replay.c calls worker_turn() itself.
 * Threads: everything but worker_stop() and the members marked [any] belongs to the worker.
 * Memory:  all of it is allocated by worker_init(); the loop allocates, locks and logs nothing.
 * Failure: every frame, line and message ends in a counter.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include "core/core_map.h"
#include "dataplane/generation.h"
#include "dataplane/packet.h"
#include "matcher/message_sink.h"
#include "dataplane/statsd_listener.h"
#include "dataplane/worker_tcp.h"
#include "stats/shard_totals.h"

struct worker_queue {
    uint16_t port_id, queue_id;
    uint16_t burst;
    struct packet_stage *stage;
};

struct worker_totals { /* samples, summed over accumulators */
    struct shard_totals shards;
    uint64_t handed;
};

struct worker {
    unsigned index;
    struct generation *generation;           /* what it works by */
    _Atomic(struct generation *) offered;    /* by housekeeping; adopted at the next turn */
    _Atomic(struct generation *) adopted;    /* the worker's answer */
    struct worker_queue queues[CORE_MAP_PORTS_MAX * CORE_MAP_QUEUES_MAX];
    unsigned queue_count;
    struct worker_shard *shards[PLAN_ACCUMULATORS_MAX]; /* by accumulator of the generation */
    struct worker_totals left; /* of accumulators that it has no more */
    struct message_sink sink;
    struct lane_writer lane;
    struct counters counters;
    struct counters_shared *published; /* in the segment */
    _Atomic uint64_t *heartbeat_ns;    /* in the segment */
    bool idle_sleep;
    uint64_t publish_interval_tsc, next_publish_tsc, next_expire_ns;
    struct statsd_intake statsd;
    struct worker_tcp tcp;
    _Atomic bool stop;    /* [any] */
    _Atomic bool stopped; /* the worker's last store: what was its is anybody's now */
};

struct worker_config {
    unsigned index;
    struct generation *generation; /* the first one */
    struct segment *segment; /* lane, counters and heartbeat are those with the worker's index */
    bool idle_sleep;
    uint64_t seed; /* of UUIDs */
    struct worker_tcp_config tcp;
};

/* `worker` is zeroed; queues are added by the caller afterwards, by worker_add_queue(). */
int worker_init(struct worker *worker, const struct worker_config *config, struct err *err);

/* `queue` is copied, its stage consumed; packet_config.index is worker->queue_count before. */
void worker_add_queue(struct worker *worker, const struct worker_queue *queue);

/* Changes over to a generation between two turns; worker_turn() does it when one is offered. */
void worker_adopt(struct worker *worker, struct generation *generation);
void worker_fini(struct worker *worker);

/* Polls every queue once and hands over what was asked for. Returns the frames received. */
unsigned worker_turn(struct worker *worker, uint64_t now_ns);

/* Part of a turn: gives aggregated samples to housekeeping where it asked for them. */
void worker_hand_over(struct worker *worker);

/* Ends connections and reassemblies, publishes counters: after the last turn. Messages for which a
 * lane has no room are dropped, and counted. */
void worker_finish(struct worker *worker);

void worker_publish(struct worker *worker, uint64_t now_mono_ns);

/* Loops until worker_stop(). For rte_eal_remote_launch(). */
int worker_run(void *worker);
void worker_stop(struct worker *worker);

#endif
