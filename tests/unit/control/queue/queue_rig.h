/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_rig.h - a queue with its disk, for tests that say what happens step by step.
 */
#ifndef TESTS_UNIT_CONTROL_QUEUE_QUEUE_RIG_H
#define TESTS_UNIT_CONTROL_QUEUE_QUEUE_RIG_H

#include "control/queue/queue.h"
#include "tests/unit/control/queue/sim_disk.h"

#define RIG_BASE "/base"
#define RIG_DIR  RIG_BASE "/output_queue/out"

enum { RIG_BATCH_MAX = 64, RIG_TEXT_SIZE = 2048 };

struct rig {
    struct sim_disk *disk;
    struct queue_options options; /* for rig_open() */
    struct queue *queue;
    struct err err, notes; /* of the last rig_open() */
};

void rig_init(struct rig *rig);
void rig_fini(struct rig *rig);

/* Fails the test when it does not open. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig); /* and fails the test when that fails */
void rig_kill(struct rig *rig);  /* the process dies */
void rig_crash(struct rig *rig); /* the machine dies */

/* Messages are texts. Appends one; 1 taken, or 0 and *why. */
unsigned rig_append(struct rig *rig, const char *text, int *why);
/* Appends and syncs; the test fails when that fails. */
void rig_put(struct rig *rig, const char *text);
/* Reads up to `count` and gives them separated by blanks. */
const char *rig_read(struct rig *rig, unsigned count);
/* Reads one by one to the end and acknowledges each. */
const char *rig_drain(struct rig *rig);
uint64_t rig_counter(struct rig *rig, enum queue_counter counter);

/* Text of the file in RIG_DIR, or "none". */
const char *rig_file(struct rig *rig, const char *name);
size_t rig_file_size(struct rig *rig, const char *name);
void rig_put_file(struct rig *rig, const char *name, const void *bytes, size_t size);
/* Frames around texts separated by blanks; returns the size. */
size_t rig_frame(const char *texts, uint8_t *bytes);

#endif
