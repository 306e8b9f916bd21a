/* SPDX-License-Identifier: MPL-2.0
 *
 * producer.h - one source of messages inside hekad: it matches them once and owns a lane for them.
 *
 * Place:   input_host.c and filter_host.c have one each; consumers read its lane as they read the
 *          data plane's (attachment.h). Its segment of one lane is in RUN_DIR/producers/NAME.N,
 *          where N only goes up, so that no two ever meet there. Bytes: docs/formats/segment.md.
 * Threads: [main] makes, offers plans, stops and frees; [producer] is the one thread that injects.
 * Memory:  the lane, a staging buffer and the scratch of two plans; nothing while it runs.
 * Failure: every message ends in a counter of the stage `message`. A full lane makes the caller
 *          wait, for as long as a consumer that must not lose holds it: that is back-pressure.
 *
 * What a producer's thread does, for ever:
 *     wait for input, for at most a while, and for producer_wake_fd() when it polls
 *     producer_begin() or own bytes, producer_inject() or producer_inject_bytes(), again and again
 *     producer_turn() before it waits
 * Messages are staged and matched in bursts; producer_turn() passes on what is staged. A filter's
 * are not staged: it learns at once what became of them.
 */
#ifndef CONTROL_PRODUCER_H
#define CONTROL_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "control/lanes/attachment.h"
#include "control/lanes/producer_plan.h"
#include "core/bell.h"
#include "core/counters.h"
#include "core/message.h"

enum {
    PRODUCER_LANE_BYTES = 1 << 20, /* and no less than PRODUCER_LANE_MESSAGES of the largest */
    PRODUCER_LANE_MESSAGES = 8,
    PRODUCER_NO_SLOT = UINT32_MAX
};

enum {                               /* what became of a message; see producer_code_text() */
       PRODUCER_OK = 0,              /* staged, committed to the lane, or nobody wants it */
       PRODUCER_E_LOOPS = -1100,     /* dropped: hops above max_message_loops (messages_loops) */
       PRODUCER_E_OWN = -1101,       /* dropped: a filter's own matcher accepts it (messages_own) */
       PRODUCER_E_TOO_LARGE = -1102, /* dropped (messages_too_large) */
       PRODUCER_E_MALFORMED = -1103, /* dropped: the bytes are no message (messages_malformed) */
       PRODUCER_E_DEADLOCK = -1104,  /* dropped: filters wait for each other (messages_deadlock) */
       PRODUCER_E_STOPPED = -1105    /* producer_stop() came while it waited (messages_stopped) */
};
const char *producer_code_text(int code);

struct wait_graph; /* control/plugins/wait_graph.h: who waits for whom */
struct producer;

struct producer_config {
    const char *name;    /* of the plugin; copied */
    const char *run_dir; /* RUN_DIR/producers is made when it is not there */
    uint64_t number;     /* N of the folder: one that none has, see producer_folder.h */
    uint64_t lane_bytes; /* 0: PRODUCER_LANE_BYTES; rounded up to a power of two */
    struct bell *bell;   /* hekad's: rung after publishing */
    /* A filter has: */
    uint32_t slot;            /* as consumer; PRODUCER_NO_SLOT: it is no filter */
    struct wait_graph *graph; /* NULL: it is no filter */
    /* Gives back to the lanes what the filter is done with, before it waits and now and then while
     * it does; may be NULL. [producer] */
    void (*release)(void *arg);
    void *release_arg;
};

struct producer_source { /* where a message comes from */
    uint16_t hops;       /* 0 from an input; the causing message's + 1 from a filter */
    uint32_t origin;     /* for the record */
    uint64_t ingest_ns;  /* wall clock */
    const char *signer;  /* authenticated, or NULL; has to live until the next producer_turn() */
};

/* Matches by `plan` from the start; a reference of its own is taken. NULL after adding to `err`.
 * [main] */
struct producer *producer_new(const struct producer_config *config, struct producer_plan *plan,
                              struct err *err);
/* The lane's folder stays: producer_folder.h. NULL is fine. [main] */
void producer_free(struct producer *producer);

/* Its lane, for consumers; producer_free() makes it final. [main] */
struct attachment *producer_attachment(struct producer *producer);
const char *producer_name(const struct producer *producer);
const char *producer_folder(const struct producer *producer); /* path */

/* ---- generations; [main] ---- */

/* Makes everything ready that adopting takes. 0, or -1 after adding to `err`. Nothing may be
 * offered that is not adopted. The message size may not grow: -1. */
int producer_prepare(struct producer *producer, struct producer_plan *plan, struct err *err);
/* Gives up what was prepared; fine when nothing was. */
void producer_forget(struct producer *producer);
/* What was prepared is adopted between two messages, also while one waits for room: it has not been
 * matched by anything then. */
void producer_offer(struct producer *producer);
bool producer_has_adopted(struct producer *producer);

/* Whoever waits gives up, now and later. */
void producer_stop(struct producer *producer);

/* Counters that balance, added to `sum`. [any] */
void producer_counters(struct producer *producer, struct counters *sum);

/* CLOCK_MONOTONIC since when it waits for room and nothing has gone through; 0: it does not. [any]
 */
uint64_t producer_waits_since_ns(const struct producer *producer);

/* ---- [producer] ---- */

/* Readable when main wants something: the thread's poll() ends, and producer_turn() does it. */
int producer_wake_fd(const struct producer *producer);

/* Passes on what is staged and adopts a plan that is offered. 0, or PRODUCER_E_STOPPED. */
int producer_turn(struct producer *producer);

/* Uuid and Timestamp are written. The builder is good until producer_inject(), which may be left
 * out. */
void producer_begin(struct producer *producer, struct msg_builder *builder, uint64_t timestamp_ns);
/* PRODUCER_OK or PRODUCER_E_*. */
int producer_inject(struct producer *producer, const struct msg_builder *builder,
                    const struct producer_source *source);
/* The same with a whole message, which is checked and copied. */
int producer_inject_bytes(struct producer *producer, const void *bytes, size_t size,
                          const struct producer_source *source);
/* Its private counters: the caller counts in other stages of core/counters.def there, and all are
 * published together, when they balance, by producer_turn(). */
struct counters *producer_ledger(struct producer *producer);
/* The largest message of the plan in force. */
size_t producer_message_max(const struct producer *producer);
/* max_message_loops of the plan in force: a message with more hops is refused. */
unsigned producer_loops_max(const struct producer *producer);
/* [hekad] hostname of the plan in force; good until the next call for this producer. */
const char *producer_hostname(const struct producer *producer);

#endif
