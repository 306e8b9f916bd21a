/* SPDX-License-Identifier: MPL-2.0
 *
 * rate_rig.h - heka-dataplane with one worker on one core, blast on another, a vhost socket
 *              between; or with one or two workers that read traffic from memory.
 *
 * Place:   bench/statsd_rate.c measures what this starts and stops.
 * Threads: one.
 * Memory:  a folder in $TMPDIR for run files, removed by rate_rig_close().
 * Failure: bench_error() with the end of the program's log; rate_rig_close() leaves no program and
 *          no file behind, whatever happened before, also after SIGINT, SIGTERM and SIGHUP.
 */
#ifndef BENCH_RATE_RIG_H
#define BENCH_RATE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"
#include "bench/bench_child.h"
#include "bench/traffic.h"
#include "core/segment.h"

enum { RATE_RIG_PATH_SIZE = 512, RATE_RIG_OPTIONS_MAX = 20, RATE_RIG_WORKERS_MAX = 2 };

struct rate_rig { /* zero-initialised: nothing is open */
    struct bench_run *run;
    char dir[RATE_RIG_PATH_SIZE];
    char socket[RATE_RIG_PATH_SIZE + 32], run_dir[RATE_RIG_PATH_SIZE + 32];
    char core_map[RATE_RIG_PATH_SIZE + 32], plan[RATE_RIG_PATH_SIZE + 32];
    char plane_log[RATE_RIG_PATH_SIZE + 32], blast_log[RATE_RIG_PATH_SIZE + 32];
    struct bench_child plane, blast;
    struct segment segment; /* also after the data plane's end */
    bool attached;
    unsigned replay_workers;
    uint64_t sent_frames, sent_metrics; /* as blast says */
};

/* Interrupts from now on end what is under way in order. */
void rate_rig_catch_signals(void);
bool rate_rig_interrupted(void);

/* Starts the data plane for the traffic's series on bench_cpu(0), and waits until it polls.
 * `replay_workers`: so many workers, on bench_cpu(0) and up, each with a port of its own that
 * delivers the traffic's cycle over and over; 0: one, and rate_rig_blast() sends. */
int rate_rig_open(struct rate_rig *rig, struct bench_run *run, const struct traffic *traffic,
                  unsigned replay_workers);

/* Starts blast on bench_cpu(1) with more options, NULL at the end. When it has sent, it keeps the
 * port. */
int rate_rig_blast(struct rate_rig *rig, const char *const options[]);

/* Waits for blast's report: sets sent_frames and sent_metrics. */
int rate_rig_report(struct rate_rig *rig, unsigned timeout_ms);

/* Ends blast, if it was started, then the data plane, which flushes and waits for the reader of its
 * lanes. */
int rate_rig_stop(struct rate_rig *rig);

void rate_rig_close(struct rate_rig *rig);

/* An error of one of the programs, with the end of its log. Always -1. */
int rate_rig_plane_failed(struct rate_rig *rig, const char *what);
int rate_rig_blast_failed(struct rate_rig *rig, const char *what);

#endif
