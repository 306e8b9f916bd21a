/* SPDX-License-Identifier: MPL-2.0
 *
 * statsd_listener.h - a worker's statsd datagrams: parsed, limited by sender, added to shards;
 *                     events and service checks become messages.
 *
 * Place:   worker.c.
 * Threads: the worker's; senders_top(intake->senders) may be asked by any.
 * Memory:  allocated by statsd_intake_init(); nothing after that.
 * Failure: every line ends in a counter of the stage `line`.
 */
#ifndef DATAPLANE_STATSD_LISTENER_H
#define DATAPLANE_STATSD_LISTENER_H

#include "dataplane/packet.h"
#include "dataplane/plan.h"
#include "matcher/message_sink.h"
#include "stats/shard.h"
#include "stats/shard_senders.h"
#include "stats/shard_traffic.h"

struct statsd_intake {
    struct statsd_parser parser;
    struct senders *senders;
    struct statsd_sample samples[2 * STATSD_BURST]; /* of one shard, not yet added */
    unsigned sample_count;
    struct shard *shard;
    uint64_t over_quota;
    uint64_t packets;          /* for `shard`, not yet noted there */
    /* The last datagram's sender, until the flush; its samples are admitted together. */
    bool sender_is_known;
    uint32_t sender_ip4;
    unsigned sender_samples;
    struct shard_traffic seen; /* of the parser's counts */
    /* Of the datagram in hand, for messages. */
    struct message_sink *sink;
    const struct plan_listener *listener;
    uint32_t origin;
    uint64_t now_ns;
};

int statsd_intake_init(struct statsd_intake *intake, struct message_sink *sink, struct err *err);
void statsd_intake_fini(struct statsd_intake *intake); /* fine on zeroed state */

/* Before the datagrams of a burst. */
void statsd_intake_begin(struct statsd_intake *intake, uint64_t now_ns);
/* Takes a datagram for `shard`; samples point into it until statsd_intake_flush(). `origin` is the
 * listener's number. */
void statsd_intake_take(struct statsd_intake *intake, const struct plan_listener *listener,
                        uint32_t origin, const struct datagram *datagram, struct shard *shard);
void statsd_intake_flush(struct statsd_intake *intake);

#endif
