/* SPDX-License-Identifier: MPL-2.0
 *
 * appliance.h - the data plane put together: EAL, ports, segment, workers, housekeeping.
 *
 * Place:   main.c runs it with threads, replay.c turns it by hand.
 * Threads: open, stop and close [main].
 * Memory:  owns everything but the core map and the plan.
 * Failure: appliance_open() leaves nothing running when it fails.
 */
#ifndef DATAPLANE_APPLIANCE_H
#define DATAPLANE_APPLIANCE_H

#include "dataplane/housekeeping.h"

struct appliance_config {
    const char *program; /* argv[0] */
    const struct core_map *map;
    struct plan *plan;
    const char *run_dir;
    gid_t group;         /* of lanes and cursors; (gid_t)-1: leave */
    bool telemetry;
    bool is_traced;      /* replay: any MAC address is ours, time is the trace's */
    uint64_t now_ns;     /* wall clock */
    uint64_t seed;       /* of UUIDs */
    const struct impair_config *impair; /* NULL: none */
};

struct appliance {
    const struct core_map *map;
    struct generation *generation; /* the first, until housekeeping owns it */
    struct segment segment;
    struct port ports[CORE_MAP_PORTS_MAX];
    unsigned port_count;
    struct worker *workers;
    unsigned worker_count;
    struct housekeeping housekeeping;
};

int appliance_open(const struct appliance_config *config, struct appliance *appliance,
                   struct err *err);
void appliance_close(struct appliance *appliance);

/* Starts the workers on their lcores. */
int appliance_launch(struct appliance *appliance, struct err *err);
/* Stops and joins them; from then on the caller owns what was theirs. */
void appliance_join(struct appliance *appliance);

/* With the workers stopped: flushes what is aggregated. `wait` is called whenever a lane is full
 * (it may drain it, or sleep) and returns false to give up, which is counted. */
typedef bool (*appliance_wait_fn)(void *arg);
void appliance_last_flush(struct appliance *appliance, uint64_t now_ns, appliance_wait_fn wait,
                          void *arg);

/* True when every consumer has released everything. */
bool appliance_drained(struct appliance *appliance);

#endif
