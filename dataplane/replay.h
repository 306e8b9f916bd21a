/* SPDX-License-Identifier: MPL-2.0
 *
 * replay.h - the data plane on a pcap file, unprivileged, in one thread, with JSON as its output.
 *
 * Place:   `heka-dataplane --replay`; how the data plane is tested everywhere.
 * Failure: as the data plane; the lanes are drained after every burst, so nothing is dropped for
 *          want of room.
 */
#ifndef DATAPLANE_REPLAY_H
#define DATAPLANE_REPLAY_H

#include <stdint.h>

#include "core/err.h"

enum { REPLAY_ADDRESSES_MAX = 16 };

struct replay_config {
    const char *program;
    const char *pcap;
    const char *plan;        /* NULL: statsd on :8125, a consumer that takes everything */
    const char *profile_dir; /* NULL: the installed one */
    const char *addresses[REPLAY_ADDRESSES_MAX]; /* ours, beside those of the plan's listeners */
    unsigned address_count;
    uint64_t now_ns;           /* 0: time of the trace's first frame */
    const char *break_counter; /* testing: add 1 to it; may be NULL */
};

/* Writes a line for each message ({"lane", "consumers", "message"}) and then one with "stages",
 * "counters" and "residual" to stdout. 0, or -1 with errors. */
int replay_run(const struct replay_config *config, struct err *err);

#endif
