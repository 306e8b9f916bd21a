/* SPDX-License-Identifier: MPL-2.0
 *
 * rate_rig.h - heka-dataplane with one worker on one core, blast on another, a vhost socket
 *              between; or with one or two workers that read traffic from memory.
 *
 * Place:   bench/statsd_rate.c measures what this starts and stops.
 * Threads: one.
 * Memory:  a folder in $TMPDIR for run files, removed by rate_rig_close().
 * Failure: bench_error(), with the texts of plane_rig.h.
 */
#ifndef BENCH_RATE_RIG_H
#define BENCH_RATE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"
#include "bench/plane_rig.h"
#include "bench/traffic.h"

enum { RATE_RIG_WORKERS_MAX = 2 };

struct rate_rig { /* zero-initialised: nothing is open */
    struct bench_run *run;
    struct plane_rig rig;
    unsigned replay_workers;
};

/* Starts the data plane for the traffic's series on bench_cpu(0), and waits until it polls.
 * `replay_workers`: so many workers, on bench_cpu(0) and up, each with a port of its own that
 * delivers the traffic's cycle over and over; 0: one, and rate_rig_blast() sends. */
int rate_rig_open(struct rate_rig *rig, struct bench_run *run, const struct traffic *traffic,
                  unsigned replay_workers);

/* As plane_rig.h has it, blast on bench_cpu(1); errors are the run's. */
int rate_rig_blast(struct rate_rig *rig, const char *const options[]);
int rate_rig_wait_frames(struct rate_rig *rig, uint64_t frames, unsigned patience_s);
int rate_rig_sleep(struct rate_rig *rig, uint64_t ms);
int rate_rig_report(struct rate_rig *rig, unsigned timeout_ms);
int rate_rig_stop(struct rate_rig *rig);
void rate_rig_close(struct rate_rig *rig);

/* An error of the data plane, with the end of its log. Always -1. */
int rate_rig_plane_failed(struct rate_rig *rig, const char *what);

#endif
