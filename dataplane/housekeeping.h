/* SPDX-License-Identifier: MPL-2.0
 *
 * housekeeping.h - the data plane's one thread that may think: flushes, port statistics, the
 *                  segment.
 *
 * Place:   runs in main() on the main core; workers never wait for it.
 * Threads: its own.
 * Failure: as flush.h.
 */
#ifndef DATAPLANE_HOUSEKEEPING_H
#define DATAPLANE_HOUSEKEEPING_H

#include "dataplane/flush.h"
#include "dataplane/worker.h"
#include "dataplane/port.h"
#include "matcher/message_sink.h"

struct housekeeping {
    struct generation *generation; /* what everybody works by */
    struct generation *offered;    /* to the workers; not all have adopted it; or NULL */
    struct segment *segment;
    struct worker *workers;
    unsigned worker_count;
    struct flusher flusher;
    struct message_sink sink;
    struct lane_writer lane;
    struct counters counters;
    const struct port *ports;
    unsigned port_count;
    uint64_t next_stats_ns;
    uint64_t moved_ns; /* when a lane was seen to have moved */
};

struct housekeeping_config {
    struct generation *generation; /* the first one; owned from then on */
    struct segment *segment;
    struct worker *workers; /* have adopted it */
    unsigned worker_count;
    const struct port *ports;
    unsigned port_count;
    uint64_t seed; /* of UUIDs */
};

int housekeeping_init(struct housekeeping *housekeeping,
                      const struct housekeeping_config *config, struct err *err);
void housekeeping_fini(struct housekeeping *housekeeping);

/* Offers a generation to the workers; housekeeping_step() changes over to it when all have adopted
 * it. -EBUSY while an earlier one is under way, and the caller keeps it; -EINVAL when it does not
 * fit what was started. */
int housekeeping_offer(struct housekeeping *housekeeping, struct generation *take_generation,
                       struct err *err);

/* One turn. Returns true while a flush is going on, so that the caller sleeps less. */
bool housekeeping_step(struct housekeeping *housekeeping, uint64_t now_ns, uint64_t now_mono_ns);

/* Rings hekad's bell when a lane has been published to since the last call: workers never make a
 * system call. Returns how long to wait before the next call: short while messages come. */
uint64_t housekeeping_ring(struct housekeeping *housekeeping, uint64_t now_mono_ns);

#endif
