/* SPDX-License-Identifier: MPL-2.0
 *
 * intake.h - the records of one consumer from all lanes, and its accounts.
 *
 * Place:   consumer.c (outputs), spool.c (the disk queue) and filters read
 *          through it. Lanes: control/lanes/reader.h.
 * Threads: [consumer] is the one thread that reads; attach, retire and questions [any].
 * Memory:  at most INTAKE_SOURCES_MAX attachments with their readers; records stay where they are,
 *          in the lanes, until they are released.
 * Failure: what a data plane counted and never showed, lanes that make no sense, and what was
 *          overwritten under LANE_DROP end under a name (unpublished, lane_corrupt, lane_drop), so
 *          that the accounts balance.
 *
 * Attachments come and go: the living data plane, those that died with unread lanes, and one for
 * each producer in hekad. Lanes of dead ones are read first, the oldest before the others; living
 * ones take turns. One that is finished is closed wherever it is in the list.
 *
 * Each record goes through three steps: intake_next() takes it (held); intake_deliver() or
 * intake_end() says what became of it; intake_release() gives it back to the producer. A process
 * that dies before the third gets it again.
 */
#ifndef CONTROL_INTAKE_H
#define CONTROL_INTAKE_H

#include "control/lanes/attachment.h"
#include "control/lanes/ends.h"
#include "control/lanes/reader.h"
#include "core/bell.h"

enum {
    INTAKE_SOURCES_MAX = 256,
    INTAKE_WAIT_MS_MAX = 50 /* the longest intake_wait() */
};

struct intake;

struct intake_config {
    const char *name;        /* the consumer's, for the log; has to live as long */
    unsigned consumer;       /* its number in plan and mask */
    enum lane_policy policy; /* LANE_DROP: what is overwritten ends as lane_drop */
    struct bell *bell;       /* rung by producers; NULL: looks again every millisecond */
};

/* NULL when memory is out. */
struct intake *intake_new(const struct intake_config *config);
/* Closes all readers: what is not released is read again by the next one. NULL is fine. */
void intake_free(struct intake *intake);

/* ---- [any] ---- */

/* One more to read. `generation`: the plan that admitted the consumer, 0: any. 0, -EAGAIN when
 * there are INTAKE_SOURCES_MAX already, or -1 after adding to `err`. */
int intake_attach(struct intake *intake, struct attachment *attachment, unsigned generation,
                  struct err *err);

/* No plan has the consumer any more: what is in the lanes for it now is read, and no more. */
void intake_retire(struct intake *intake);

/* False when intake_attach() would say -EAGAIN. */
bool intake_has_room(struct intake *intake);

/* True when there is nothing attached any more, and nothing held: all producers are gone, or it is
 * retired, and everything is read and ended. */
bool intake_is_drained(struct intake *intake);

/* ---- [consumer] ---- */

/* Takes up to count_max records, and no more when they exceed bytes_max together, all of one lane.
 * While earlier ones are unreleased: of their lane only, and READER_ITEMS_MAX in all. Returns how
 * many; 0, and nothing is unreleased: intake_wait(), then look again. */
unsigned intake_next(struct intake *intake, struct reader_item *items, unsigned count_max,
                     size_t bytes_max);

/* Returns when something may be there that the last intake_next() did not see, or after timeout_ns,
 * which is cut to INTAKE_WAIT_MS_MAX. */
void intake_wait(struct intake *intake, uint64_t timeout_ns);

/* `count` of the records that are held are delivered, or ended under `reason`, a static name. */
void intake_deliver(struct intake *intake, uint64_t count);
void intake_end(struct intake *intake, const char *reason, uint64_t count);

/* Gives back the records that are unreleased up to `end` of one of them, or all of them.
 * They have to be delivered or ended. */
void intake_release(struct intake *intake, uint64_t end);
void intake_release_all(struct intake *intake);

/* Before anything is attached: from now on what is released is not given back before
 * intake_let_go(), so that a process that dies gets all of it again. */
void intake_hold(struct intake *intake);
void intake_let_go(struct intake *intake);
/* True when it is time for that: producers may have to wait for us, or a source would be closed. */
bool intake_should_let_go(struct intake *intake);

/* Passes over records of others, where nothing is held: while the consumer waits for something
 * else, nobody is to wait for it without need. */
void intake_skip(struct intake *intake);

/* ---- accounts; [any] ---- */

struct intake_status {
    uint64_t matched;   /* that producers committed for the consumer */
    uint64_t lane_full; /* that producers dropped because of it */
    uint64_t read, in_flight, held, delivered;
    struct ends ends;
    uint64_t residual; /* |matched - read - in_flight| + |read - delivered - ends - held| */
};
void intake_status(struct intake *intake, struct intake_status *status);

#endif
