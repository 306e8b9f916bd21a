/* SPDX-License-Identifier: MPL-2.0
 *
 * filter_host.h - one filter at work: its thread, its intake, its producer, its counters.
 *
 * Place:   plugins.c makes one for each filter; status.c asks it.
 * Threads: one of its own for each filter; the functions here are for [main].
 * Memory:  at most FILTER_BATCH_MAX records are held; they stay in the lanes until they are
 *          processed and what they caused is in the filter's lane.
 * Failure: a filter whose lane is full waits; its own messages wait in the lanes meanwhile. After a
 *          crash messages that were not released are processed again.
 */
#ifndef CONTROL_FILTER_HOST_H
#define CONTROL_FILTER_HOST_H

#include "control/plugins/filter.h"
#include "control/plugins/instances.h"
#include "control/lanes/intake.h"
#include "control/lanes/producer.h"

struct self;
struct stat_accums;
struct wait_graph;

enum { FILTER_BATCH_MAX = 256, FILTER_BATCH_BYTES = 1 << 20 };

struct filter_host_config {
    const struct filter_instance *instance; /* outlives the host */
    const char *run_dir;
    uint64_t number;            /* of its producer's folder */
    uint64_t lane_bytes;        /* 0: the default */
    struct producer_plan *plan; /* has the filter at its slot */
    struct bell *bell;
    struct wait_graph *graph;
    struct stat_accums *accums;          /* NULL: none */
    struct dynamic *dynamic;             /* hekad's; it outlives all hosts */
    const struct hekad_globals *globals; /* of the instance's configuration */
    struct sandbox_pool *sandboxes;      /* NULL: none */
    struct self *self;                   /* hekad's own messages; NULL: nobody sends them */
};

struct filter_host;

/* NULL after adding to `err`: the filter did not start. */
struct filter_host *filter_host_new(const struct filter_host_config *config, struct err *err);
int filter_host_start(struct filter_host *host);

struct producer *filter_host_producer(struct filter_host *host);
struct intake *filter_host_intake(struct filter_host *host);

/* True when nothing is in its lanes for it and nothing is held. */
bool filter_host_is_idle(struct filter_host *host);

/* Makes the thread end, soon, also when it waits for room; then filter_host_has_ended(). */
void filter_host_stop(struct filter_host *host);
bool filter_host_has_ended(const struct filter_host *host);
/* Why it ended by itself; "" when it did not. When it has ended. */
const char *filter_host_failure(const struct filter_host *host);
/* Joins the thread (which has to end by itself) and frees; the producer's lane stays for those that
 * have it attached. NULL is fine. */
void filter_host_free(struct filter_host *host);

struct filter_status {
    const char *name, *type;
    struct intake_status intake;
    uint64_t deadlocks; /* messages of other filters given up because this one did not read on */
    const struct filter_counter *counters; /* names, ended by NULL; may be NULL */
    uint64_t counter_values[FILTER_COUNTERS_MAX];
};
void filter_host_status(struct filter_host *host, struct filter_status *status);

#endif
