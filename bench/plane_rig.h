/* SPDX-License-Identifier: MPL-2.0
 *
 * plane_rig.h - heka-dataplane as a child in a folder of its own, and blast as another that sends
 *               into its vhost socket.
 *
 * Place:   bench/rate_rig.c and bench/selftest/trial.c write the core map and the plan, and measure
 *          what this starts and stops.
 * Threads: one.
 * Memory:  a folder for all files of the run, removed by plane_rig_close().
 * Failure: texts, with the end of the program's log; plane_rig_end() leaves no program behind and
 *          plane_rig_close() no file, whatever happened before, also after SIGINT, SIGTERM and
 *          SIGHUP.
 */
#ifndef BENCH_PLANE_RIG_H
#define BENCH_PLANE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench_child.h"
#include "core/err.h"
#include "core/segment.h"

enum { PLANE_RIG_DIR_SIZE = 512, PLANE_RIG_PATH_SIZE = 544, PLANE_RIG_OPTIONS_MAX = 40 };

struct plane_rig_sent { /* as blast says */
    uint64_t frames, metrics;
    uint64_t late;     /* frames that found the ring full */
    uint64_t refusals; /* times that the ring took less than it was offered */
    double elapsed_s;
    char dpdk[64];
};

struct plane_rig { /* zero-initialised: nothing is open */
    char dir[PLANE_RIG_DIR_SIZE];
    char socket[PLANE_RIG_PATH_SIZE], run_dir[PLANE_RIG_PATH_SIZE];
    char core_map[PLANE_RIG_PATH_SIZE], plan[PLANE_RIG_PATH_SIZE];
    char plane_log[PLANE_RIG_PATH_SIZE], blast_log[PLANE_RIG_PATH_SIZE];
    struct bench_child plane, blast;
    struct segment segment; /* also after the data plane's end */
    bool attached;
    struct plane_rig_sent sent;
};

/* Interrupts from now on end what is under way in order. */
void plane_rig_catch_signals(void);
bool plane_rig_interrupted(void);

/* Names the files of a folder that is there, and makes the run directory in it. */
int plane_rig_use_dir(struct plane_rig *rig, const char *dir, struct err *err);
/* The same with a new folder in $TMPDIR. */
int plane_rig_make_dir(struct plane_rig *rig, const char *name, struct err *err);

/* Starts the data plane by the files rig->core_map and rig->plan, and waits until it polls.
 * `program` NULL: ../bin/heka-dataplane beside our own program; `profile_dir` NULL: the default. */
int plane_rig_start(struct plane_rig *rig, const char *program, const char *profile_dir,
                    struct err *err);

/* Starts blast on that CPU, from rig->socket, with more options, NULL at the end. When it has sent,
 * it keeps the port. */
int plane_rig_blast(struct plane_rig *rig, int cpu, const char *const options[], struct err *err);

/* Waits until the workers have received so many frames, as long as there is progress. */
int plane_rig_wait_frames(struct plane_rig *rig, uint64_t frames, unsigned patience_s,
                          struct err *err);
/* -1 after adding to `err` when it was interrupted. */
int plane_rig_sleep(double ms, struct err *err);

/* Waits for blast's report: sets rig->sent. */
int plane_rig_report(struct plane_rig *rig, unsigned timeout_ms, struct err *err);

/* Ends blast, if it was started, then the data plane, which flushes and waits for the reader of its
 * lanes. */
int plane_rig_stop(struct plane_rig *rig, struct err *err);

/* Lets go of programs and segment; the folder stays, for another plane_rig_start(). */
void plane_rig_end(struct plane_rig *rig);
void plane_rig_close(struct plane_rig *rig);

/* An error of one of the programs, with the end of its log. Always -1. */
int plane_rig_plane_failed(struct plane_rig *rig, const char *what, struct err *err);
int plane_rig_blast_failed(struct plane_rig *rig, const char *what, struct err *err);

#endif
