/* SPDX-License-Identifier: MPL-2.0
 *
 * lane_rig.h - a data plane for tests of consumers: a real segment in a folder of its own, filled
 * by hand.
 */
#ifndef TESTS_UNIT_CONTROL_LANE_RIG_H
#define TESTS_UNIT_CONTROL_LANE_RIG_H

#include "control/lanes/attachment.h"

struct lane_rig {
    char dir[64];
    struct segment segment; /* the data plane's view */
    struct lane_writer writers[SEGMENT_LANES_MAX];
    unsigned lane_count;
};

/* Makes folder and segment with lanes of LANE_BYTES_MIN. */
void lane_rig_init(struct lane_rig *rig, unsigned lane_count, unsigned consumer_count);
/* As init, in the folder of a rig that was ended by lane_rig_end(). */
void lane_rig_again(struct lane_rig *rig, unsigned lane_count, unsigned consumer_count);
/* The data plane dies; the files stay. */
void lane_rig_end(struct lane_rig *rig);
/* lane_rig_end(), if need be, and removes the folder. */
void lane_rig_fini(struct lane_rig *rig);

/* hekad's view; one reference, the caller's. */
struct attachment *lane_rig_attach(struct lane_rig *rig);

/* Commits a message with this number as Pid, "TEST" as Type and the payload, for the consumers of
 * `mask`, and publishes it. False when the lane is full. */
bool lane_rig_put(struct lane_rig *rig, unsigned lane, int number, const char *payload,
                  uint64_t mask);
/* A record whose bytes are no message. */
bool lane_rig_put_bytes(struct lane_rig *rig, unsigned lane, const void *bytes, size_t size,
                        uint64_t mask);

#endif
