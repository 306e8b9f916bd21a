/* SPDX-License-Identifier: MPL-2.0
 *
 * consumer.h - one output at work: reads the lanes or its disk queue, encodes, delivers,
 * acknowledges, counts.
 *
 * Place:   daemon.c makes one for each output and gives it the attachments; status.c asks it.
 *          Lanes: intake.c; queue: spool.c; encoding: batch.c.
 * Threads: one of its own for each consumer, and one more for a disk queue; the functions here are
 *          for [main], except where noted.
 * Memory:  a batch of at most BATCH_MAX messages of about CONSUMER_BATCH_BYTES together.
 * Failure: what an output does not take comes again, after 10 ms doubling to 1 s, and waits in the
 *          lanes or on disk meanwhile; other consumers go on. A record is released when its message
 *          is delivered, ended under a name, or on disk, not before: after a crash it comes again.
 */
#ifndef CONTROL_CONSUMER_H
#define CONTROL_CONSUMER_H

#include "control/lanes/attachment.h"
#include "control/lanes/batch.h"
#include "control/lanes/ends.h"
#include "control/plugins/instances.h"
#include "control/plugins/output_host.h"
#include "control/queue/queue.h"
#include "core/bell.h"

enum { CONSUMER_BATCH_BYTES = 1 << 20 };

struct consumer;

struct consumer_options {
    const struct hekad_globals *globals;
    struct bell *bell; /* rung by producers; NULL: looks again every millisecond */
};

/* `index` is the consumer's in plan and mask. The instance must outlive the consumer. NULL after
 * adding to `err`: the output did not start. */
struct consumer *consumer_new(const struct output_instance *instance, unsigned index,
                              const struct consumer_options *options, struct err *err);
int consumer_start(struct consumer *consumer);

/* Lanes to read behind those that it has. `generation`: the plan that admitted it, 0: any. 0,
 * -EAGAIN when it has too many unread ones, or -1 after adding to `err`. */
int consumer_attach(struct consumer *consumer, struct attachment *attachment, unsigned generation,
                    struct err *err);

/* No plan has it any more: it reads what is there for it, and is drained then. What is on disk
 * stays there. */
void consumer_retire(struct consumer *consumer);

/* False when consumer_attach() would say -EAGAIN. */
bool consumer_has_room(struct consumer *consumer);

/* True when it has no lanes any more: all data planes are gone and everything is read and ended;
 * and, unless it is retired, the same of its disk queue. */
bool consumer_is_drained(struct consumer *consumer);

/* Its disk queue has no room for a message and full_action is "shutdown": hekad has to stop, with
 * exit status 1. The message is still in the lane. */
bool consumer_wants_shutdown(const struct consumer *consumer);

/* Its disk queue has little room: right after the start, a reason to wait with inputs. */
bool consumer_is_nearly_full(struct consumer *consumer);

/* Makes the output open its files again, soon. */
void consumer_reload(struct consumer *consumer);

/* Makes its threads end, soon; then consumer_has_ended(). What is not delivered stays in the
 * lanes and in its queue. */
void consumer_stop(struct consumer *consumer);
bool consumer_has_ended(const struct consumer *consumer);
/* Why it ended by itself; "" when it did not. When it has ended. */
const char *consumer_failure(const struct consumer *consumer);
/* Joins the threads (which have to end by themselves) and frees. NULL is fine. */
void consumer_free(struct consumer *consumer);

struct consumer_queue_status {
    const char *dir; /* NULL: it has none */
    bool is_open;
    uint64_t residual; /* its part of consumer_status.residual */
    struct queue_stats stats;
};

struct consumer_status {
    const char *name, *type;
    uint64_t matched, lane_full, read, in_flight, held;
    uint64_t recovered; /* read from an earlier run's queue: came in beside `matched` */
    uint64_t queued;    /* on disk, neither delivered nor ended */
    uint64_t delivered;
    struct ends ends;
    /* |matched - read - in_flight| + |read - delivered - ends - held|, where with a queue
     * `delivered` is what went there, + |appended + recovered - delivered - ends - queued| there.
     */
    uint64_t residual;
    struct consumer_queue_status queue;
    const struct output_counter *counters; /* names, ended by NULL; may be NULL */
    uint64_t counter_values[OUTPUT_COUNTERS_MAX];
};
void consumer_status(struct consumer *consumer, struct consumer_status *status);

#endif
