/* SPDX-License-Identifier: MPL-2.0
 *
 * status.h - what hekad tells about itself: the books of both processes, as JSON and as a table.
 *
 * Place:   daemon.c fills the input; admin.c sends the JSON; `hekad status` and SIGUSR1 print the
 *          text.
 * Threads: [main].
 * Memory:  jansson references are the caller's.
 */
#ifndef CONTROL_STATUS_H
#define CONTROL_STATUS_H

#include <jansson.h>
#include <stdio.h>

#include "control/lanes/consumer.h"
#include "control/plugins/filter_host.h"
#include "control/plugins/input_host.h"
#include "core/counters.h"

enum { STATUS_INPUTS_MAX = 256 };

struct status_dataplane {
    int pid; /* 0: none */
    const char *state;
    uint64_t restarts;
    uint64_t hung; /* times that it was killed because its heartbeat stood still */
    uint64_t lost_samples, lost_fragments; /* with data planes that died: taken, not flushed */
    uint64_t heartbeat_age_ms;
    unsigned workers;
    uint64_t accum_bytes, series;
    const struct counters *counters; /* NULL: there never was a data plane */
};

struct status_input {
    const char *state; /* of hekad */
    uint64_t uptime_s;
    unsigned generation;
    bool is_changing; /* not every producer has adopted the generation yet */
    struct status_dataplane dataplane;
    struct consumer *consumers[RECORD_CONSUMERS_MAX];
    unsigned consumer_count;
    struct filter_host *filters[RECORD_CONSUMERS_MAX];
    unsigned filter_count;
    struct input_host *inputs[STATUS_INPUTS_MAX];
    unsigned input_count;
    struct talkers talkers;    /* of both processes */
    struct counters producers; /* of all in hekad together, also of those that are gone */
};

/* NULL when memory is out. */
json_t *status_json(const struct status_input *input);

/* The same as tables for people. */
void status_print(const json_t *status, FILE *out);

#endif
