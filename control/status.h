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

#include "control/consumer.h"
#include "core/counters.h"

struct status_dataplane {
    int pid; /* 0: none */
    const char *state;
    uint64_t restarts;
    uint64_t heartbeat_age_ms;
    unsigned workers;
    uint64_t accum_bytes, series;
    const struct counters *counters; /* NULL: there never was a data plane */
};

struct status_input {
    const char *state; /* of hekad */
    uint64_t uptime_s;
    unsigned generation;
    struct status_dataplane dataplane;
    struct consumer *const *consumers;
    unsigned consumer_count;
};

/* NULL when memory is out. */
json_t *status_json(const struct status_input *input);

/* The same as tables for people. */
void status_print(const json_t *status, FILE *out);

#endif
