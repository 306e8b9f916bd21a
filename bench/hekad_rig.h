/* SPDX-License-Identifier: MPL-2.0
 *
 * hekad_rig.h - hekad with a data plane, or with lane_feed in its place, for one run of a
 *               benchmark.
 *
 * Place:   bench/sandbox_lane.c. The caller writes core_map.json and hekad.toml into the folder,
 *          with run_dir = FOLDER/run.
 * Threads: one.
 * Memory:  a folder in $TMPDIR, removed by hekad_rig_close().
 * Failure: bench_error() with the end of hekad's log; nothing is left behind by hekad_rig_close().
 */
#ifndef BENCH_HEKAD_RIG_H
#define BENCH_HEKAD_RIG_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/bench.h"
#include "bench/bench_child.h"
#include "core/segment.h"

enum { HEKAD_RIG_DIR_SIZE = 512, HEKAD_RIG_PATH_SIZE = HEKAD_RIG_DIR_SIZE + 64 };

struct hekad_rig { /* zero-initialised: nothing is open */
    struct bench_run *run;
    char dir[HEKAD_RIG_DIR_SIZE];
    struct bench_child hekad;
    struct segment segment; /* also after the data plane's end */
    bool attached;
};

/* The folder. */
int hekad_rig_open(struct hekad_rig *rig, struct bench_run *run);
/* A path in it, in `path`, which has HEKAD_RIG_PATH_SIZE bytes; and for writing. */
const char *hekad_rig_path(const struct hekad_rig *rig, const char *name, char *path);
FILE *hekad_rig_create(const struct hekad_rig *rig, const char *name);
/* A program; `relative` to the folder of our own. */
int hekad_rig_program(const struct hekad_rig *rig, const char *relative, char *path);

/* Starts hekad, and waits until the lanes' producer runs. */
int hekad_rig_start(struct hekad_rig *rig);
/* Always -1. */
int hekad_rig_failed(struct hekad_rig *rig, const char *what);
/* Ends it in order. */
int hekad_rig_stop(struct hekad_rig *rig, int timeout_ms);
void hekad_rig_close(struct hekad_rig *rig);

#endif
