/* SPDX-License-Identifier: MPL-2.0
 *
 * spool.h - the disk queue of one output at work: from the lanes to the disk, from there to it.
 *
 * Place:   consumer.c has one for each output with use_buffering, and for one that had it and has
 *          messages left. Bytes: docs/formats/queue.md.
 * Threads: the appender is its own: it reads the intake, appends up to 1 MiB, syncs, and only then
 *          releases the lanes. [output] calls next, deliver, end, release, wait; the others [main].
 * Memory:  the queue's two buffers.
 * Failure: a disk that is full or fails is tried again after 50 ms doubling to 1 s, said in the log
 *          now and then, and counted; messages wait in the lanes meanwhile, or end as queue_full or
 *          disk_full with full_action = "drop". With "shutdown" spool_wants_shutdown() tells.
 * Source:  Heka 0.11's BufferedOutput.
 */
#ifndef CONTROL_SPOOL_H
#define CONTROL_SPOOL_H

#include "control/lanes/ends.h"
#include "control/plugins/instances.h"
#include "control/lanes/intake.h"
#include "control/queue/queue.h"

struct spool;

struct spool_config {
    const char *name;     /* the output's; has to live as long */
    const char *base_dir; /* [hekad] base_dir */
    struct queue_options queue;
    struct intake *intake; /* NULL: nothing is appended, only what is left is read */
};

/* Opens the queue. When this process has it already (a reload: the output's predecessor, whose end
 * is near), or the disk is full, the appender does, as soon as it can. NULL after adding to `err`.
 */
struct spool *spool_new(const struct spool_config *config, struct err *err);
int spool_start(struct spool *spool);
/* What the lanes still have for the output goes to the disk in any case, also beyond
 * max_buffer_size: the queue is to be left to a successor, or for good. */
void spool_retire(struct spool *spool);
/* Makes the appender end, soon. */
void spool_stop(struct spool *spool);
/* Joins the appender, closes the queue, says what is left in it. [output], or [main] when there is
 * no output's thread. */
void spool_close(struct spool *spool);
void spool_free(struct spool *spool); /* closes it, if need be; NULL is fine */

/* True when there is a queue with unread messages for the output, or one in which its predecessor
 * may leave some. */
bool spool_may_have_left(const char *base_dir, const char *name);

/* Says in the log which queues have unread messages and belong to none of the outputs. */
void spool_log_unused(const char *base_dir, const struct output_instance *outputs, unsigned count);

/* ---- [output]: as the functions of intake.h ---- */

/* 0: nothing now. Positions in records[].end are not needed: spool_release() counts. */
unsigned spool_next(struct spool *spool, struct queue_record *records, unsigned count_max);
void spool_wait(struct spool *spool, uint64_t timeout_ns);
void spool_deliver(struct spool *spool, uint64_t count);
void spool_end(struct spool *spool, const char *reason, uint64_t count);
/* Acknowledges the `count` oldest of the last spool_next(). */
void spool_release(struct spool *spool, unsigned count);

/* ---- [any] ---- */

bool spool_is_open(struct spool *spool);
/* Everything that is in the queue is delivered or ended. */
bool spool_is_drained(struct spool *spool);
/* There was no room for a message, and full_action is "shutdown". */
bool spool_wants_shutdown(const struct spool *spool);
bool spool_is_nearly_full(struct spool *spool);

struct spool_status {
    const char *dir;
    bool is_open;
    uint64_t queued;    /* durable, and neither delivered nor ended; without unread old ones */
    uint64_t recovered; /* of earlier runs, as far as they are read: they come from the disk */
    uint64_t moved;     /* from the lanes to the disk, in this run */
    uint64_t delivered;
    struct ends ends;
    uint64_t residual; /* |moved here from lanes - appended| + |appended + recovered - delivered -
                        * ends - queued| */
    struct queue_stats queue; /* when it is closed: the last */
};
void spool_status(struct spool *spool, struct spool_status *status);

#endif
