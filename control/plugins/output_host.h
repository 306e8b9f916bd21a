/* SPDX-License-Identifier: MPL-2.0
 *
 * output_host.h - what an output's instance sees of its host.
 *
 * Place:   consumer.c owns one for each output; the tests of outputs make their own.
 * Threads: drops belong to the output's thread; `stopping` is set and counters are read by any.
 */
#ifndef CONTROL_OUTPUT_HOST_H
#define CONTROL_OUTPUT_HOST_H

#include <stdatomic.h>

#include "control/lanes/ends.h"
#include "control/plugins/output.h"

enum { OUTPUT_FAILURE_SIZE = 256 };

struct output_host {
    const char *name;
    unsigned log_flags;
    const char *hostname, *base_dir, *share_dir; /* of [hekad]; may be NULL in tests */
    unsigned ticker_s;
    size_t message_max; /* 0: the default */
    _Atomic bool stopping;
    _Atomic uint64_t counters[OUTPUT_COUNTERS_MAX];
    struct ends drops;                 /* of the deliver call that runs now */
    bool is_over;                      /* output_host_end() */
    char end[OUTPUT_FAILURE_SIZE];     /* its text */
    char failure[OUTPUT_FAILURE_SIZE]; /* text of the last output_host_fail() */
};

void output_host_forget_drops(struct output_host *host);

#endif
