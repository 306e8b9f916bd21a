/* SPDX-License-Identifier: MPL-2.0
 *
 * consumer.h - one output at work: reads the lanes, encodes, delivers, acknowledges, counts.
 *
 * Place:   daemon.c makes one for each output and gives it the attachments; status.c asks it.
 * Threads: one of its own for each consumer; the functions here are for [main], except where noted.
 * Memory:  a batch of at most CONSUMER_BATCH_MAX messages of about CONSUMER_BATCH_BYTES together.
 * Failure: what an output does not take comes again, after 10 ms doubling to 1 s, and waits in the
 *          lanes meanwhile; other consumers go on. A record is released when its message is
 *          delivered or ended under a name, not before: after a crash it is read again.
 */
#ifndef CONTROL_CONSUMER_H
#define CONTROL_CONSUMER_H

#include "control/attachment.h"
#include "control/instances.h"
#include "control/output_host.h"

enum {
    CONSUMER_BATCH_MAX = 256,
    CONSUMER_BATCH_BYTES = 1 << 20,
    CONSUMER_ENDS_MAX = 24,
    CONSUMER_READERS_MAX = 8 /* data planes that died with unread lanes, and the living one */
};

struct consumer;

/* `index` is the consumer's in plan and mask. The instance must outlive the consumer. NULL after
 * adding to `err`: the output did not start. */
struct consumer *consumer_new(const struct output_instance *instance, unsigned index,
                              const struct hekad_globals *globals, struct err *err);
int consumer_start(struct consumer *consumer);

/* Lanes to read behind those that it has. `generation`: the plan that admitted it, 0: any. 0,
 * -EAGAIN when it has too many unread ones, or -1 after adding to `err`. */
int consumer_attach(struct consumer *consumer, struct attachment *attachment, unsigned generation,
                    struct err *err);

/* No plan has it any more: it reads what is there for it, and is drained then. */
void consumer_retire(struct consumer *consumer);

/* False when consumer_attach() would say -EAGAIN. */
bool consumer_has_room(struct consumer *consumer);

/* True when it has no lanes any more: all data planes are gone and everything is read and ended. */
bool consumer_is_drained(struct consumer *consumer);

/* Makes the output open its files again, soon. */
void consumer_reload(struct consumer *consumer);

/* Makes the thread end, soon; then consumer_has_ended(). What is not delivered stays in the
 * lanes. */
void consumer_stop(struct consumer *consumer);
bool consumer_has_ended(const struct consumer *consumer);
/* Joins the thread (which has to end by itself) and frees. NULL is fine. */
void consumer_free(struct consumer *consumer);

struct consumer_status {
    const char *name, *type;
    uint64_t matched, lane_full, read, in_flight, held, delivered;
    struct output_end ends[CONSUMER_ENDS_MAX];
    unsigned end_count;
    uint64_t residual; /* |matched - read - in_flight| + |read - delivered - ends - held| */
    const struct output_counter *counters; /* names, ended by NULL; may be NULL */
    uint64_t counter_values[OUTPUT_COUNTERS_MAX];
};
void consumer_status(struct consumer *consumer, struct consumer_status *status);

#endif
