/* SPDX-License-Identifier: MPL-2.0
 *
 * housekeeping.h - the data plane's one thread that may think: flushes, port statistics, the segment.
 *
 * Place:   runs in main() on the main core; workers never wait for it.
 * Threads: its own.
 * Failure: as flush.h.
 */
#ifndef DATAPLANE_HOUSEKEEPING_H
#define DATAPLANE_HOUSEKEEPING_H

#include "dataplane/flush.h"
#include "dataplane/port.h"

struct housekeeping {
    const struct plan *plan;
    struct segment *segment;
    struct flusher flusher;
    struct message_sink sink;
    struct lane_writer lane;
    struct counters counters;
    const struct port *ports;
    unsigned port_count;
    uint64_t next_stats_ns;
};

struct housekeeping_config {
    const struct plan *plan;
    struct segment *segment;
    struct worker *workers;
    unsigned worker_count;
    const struct port *ports;
    unsigned port_count;
    uint64_t now_ns; /* wall clock */
    uint64_t seed;
};

int housekeeping_init(struct housekeeping *housekeeping,
                      const struct housekeeping_config *config, struct err *err);
void housekeeping_fini(struct housekeeping *housekeeping);

/* One turn. Returns true while a flush is going on, so that the caller sleeps less. */
bool housekeeping_step(struct housekeeping *housekeeping, uint64_t now_ns, uint64_t now_mono_ns);

#endif
