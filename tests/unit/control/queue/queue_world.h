/* SPDX-License-Identifier: MPL-2.0
 *
 * queue_world.h - a host around a queue on a simulated disk, which remembers everything.
 *
 * Place:   test_queue_sim.c: random worlds, and worlds that crash at each call of a run.
 * Model:   a lane of numbered messages. The host appends, syncs and releases; delivers,
 *          acknowledges and goes back as it likes; when the machine or the process dies it appends
 *          again what was not confirmed. Each appended copy has a serial number of its own.
 */
#ifndef TESTS_UNIT_CONTROL_QUEUE_QUEUE_WORLD_H
#define TESTS_UNIT_CONTROL_QUEUE_QUEUE_WORLD_H

#include "control/queue/queue.h"
#include "tests/unit/control/queue/sim_disk.h"

enum { WORLD_MESSAGES_MAX = 600, WORLD_DELIVERIES_MAX = 40000, WORLD_SERIALS_MAX = 20000 };

enum world_fate { WORLD_NEW, WORLD_PENDING, WORLD_CONFIRMED, WORLD_DROPPED };

struct world_serial {
    uint32_t message;
    bool is_covered;   /* by a checkpoint that was written */
    bool may_be_twice; /* a sync of it failed: there may be a copy that nobody knows */
};

struct world {
    uint64_t seed, random;
    struct sim_disk *disk;
    struct queue_options options;
    struct queue *queue;
    bool has_faults;

    uint32_t message_count;
    uint8_t fates[WORLD_MESSAGES_MAX];
    struct world_serial serials[WORLD_SERIALS_MAX];
    uint32_t serial_count;
    uint32_t pending[WORLD_MESSAGES_MAX]; /* serials */
    unsigned pending_count;

    uint32_t deliveries[WORLD_DELIVERIES_MAX]; /* messages, in order */
    unsigned delivery_count;
    uint32_t unacknowledged[WORLD_SERIALS_MAX]; /* serials that were read; UINT32_MAX: corrupt */
    unsigned unacknowledged_count;
    uint32_t uncovered[WORLD_DELIVERIES_MAX]; /* acknowledged, and no checkpoint says so yet */
    unsigned uncovered_count;
    uint64_t checkpoints; /* of the open queue, when last looked */
    uint64_t bytes_found; /* when it was opened */

    unsigned corrupt, corrupt_allowed, crashes, opens;
    uint32_t corrupt_sums[WORLD_MESSAGES_MAX];
    uint64_t replays_made; /* records that queue_rewind() made come again */
};

/* Nothing is open yet. */
struct world *world_new(uint64_t seed, uint32_t message_count, bool has_faults);
void world_free(struct world *world);

/* Opens, as often as the disk makes necessary. */
void world_open(struct world *world);
/* One thing that a host does. */
void world_step(struct world *world);
/* True when the disk has crashed; the machine is started again then. */
bool world_restart_if_crashed(struct world *world);
void world_kill(struct world *world);
/* Without faults: appends the rest, reads all, and checks. */
void world_finish(struct world *world);

#endif
